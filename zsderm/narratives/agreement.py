"""How well a story agrees with what the knowledge base says of each class, without any training.

A story is cut into pieces that each say one thing. A piece p agrees with a class c by how like it is to what patients
with c report, and, half as much, to what is seen of c:

    a(p, c) = m(p, reports of c) + LOOK m(p, descriptions of c),    m(p, T) = t log mean_j exp(x(p, j) / t)

with x the cosine of the two embeddings by a sentence model, after words that deny were taken out of both
(`zsderm.narratives.pieces`). Where one denies what the other says, x is halved. What all classes share says nothing, so
the mean of a(p, c) over the classes is subtracted; a denied piece counts half, because a patient denies what was asked
and reports what matters. Over the k pieces of a story, with an age and a place that it tells of:

    S(c) = PIECES k^(-1/4) sum_p a(p, c) + age(c) + SITE site(c),    p(c | story) = softmax S

The constants were chosen on the answers of the training patients of PAD-UFES-20, put into words, and on the training
and development stories of 26 diseases; docs/narratives.md says what they reach on others.

Letters: N stories, P pieces, C classes, M sentences, D embedding width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from zsderm.embeddings import embed_texts
from zsderm.knowledge.base import KnowledgeBase
from zsderm.knowledge.body_sites import body_parts
from zsderm.knowledge.class_names import disease_of
from zsderm.narratives.ages import AgesOfClass, age_in
from zsderm.narratives.pieces import Piece, piece_of, pieces_of

if TYPE_CHECKING:
    from zsderm.encoders import Encoder
    from zsderm.encoders.sentence_model import TextEncoder

TEMPERATURE = 0.1  # t, in units of cosine
OPPOSED = 0.5  # what a likeness is worth where one of the two denies it
LOOK = 0.5  # of descriptions beside reports
DENIED = 0.5  # of a denied piece beside one that is not
PIECES = 3.0  # from cosines to log-odds
CROWD = 0.25  # k pieces count as k^(1 - CROWD): they are not independent of each other
SITE = 0.5
SITE_FLOOR = 0.3  # agreement of a place that the class does not name
LIKE = 0.35  # cosine from which on a sentence is named as matched
MATCHES = 3  # named at most

Table = NDArray[np.float32]


@dataclass(frozen=True)
class Match:
    """A sentence of the knowledge base that a piece of a story is like."""

    said: str  # the piece
    sentence: str
    disease: str
    about: str  # "itch", "duration", ...
    score: float  # cosine; where both deny it, of what they deny


@dataclass(frozen=True, eq=False)
class Agreement:
    """What one story says of C classes.

    Attributes:
        scores: (C,) float64, S without its mean; all 0 where the story says nothing that can be read.
        matches: for each class what the story is most like in it, best first, at most `MATCHES`.
        age: in years, where the story tells one.
        places: parts of the body that it names.
    """

    scores: NDArray[np.float64]
    matches: tuple[tuple[Match, ...], ...]
    age: float | None = None
    places: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class ReportedClasses:
    """What the knowledge base says of C classes, embedded by a sentence model.

    Attributes:
        model: the sentence model.
        reports, looks: M sentences each, as pieces.
        report_rows, look_rows: (M, D) float32 unit rows of what they say.
        report_of, look_of: (M,) int64, the class of each.
        told: (disease, about) of each report.
        ages: of each class.
        places: the parts of the body of each class; empty where they are not known.
    """

    model: TextEncoder
    reports: list[Piece]
    report_rows: Table
    report_of: NDArray[np.int64]
    told: list[tuple[str, str]]
    look_rows: Table
    look_of: NDArray[np.int64]
    ages: tuple[AgesOfClass, ...]
    places: tuple[frozenset[str], ...]

    @classmethod
    def read(
        cls, model: TextEncoder, base: KnowledgeBase, classes: Sequence[str], cache: str | Path | None = None
    ) -> ReportedClasses:
        """What a base has on classes; nothing of those that it does not know.

        Args:
            model: embeds sentences.
            base: the knowledge base.
            classes: C names.
            cache: folder that keeps the embeddings of its sentences between runs.
        """
        reported = base.reports_for(classes)
        diseases = [disease_of(name, base) for name in classes]
        told = [(place, report) for place, name in enumerate(classes) for report in reported[name]]
        seen = [
            (place, text.text)
            for place, disease in enumerate(diseases)
            for text in (disease.descriptions if disease else ())
            if text.modality != "dermoscopic"
        ]
        reports = [piece_of(report.text) for _, report in told]
        encoder = cast("Encoder", model)  # as far as texts go
        return cls(
            model=model,
            reports=reports,
            report_rows=embed_texts(encoder, [piece.said for piece in reports], cache=cache),
            report_of=np.array([place for place, _ in told], dtype=np.int64),
            told=[(report.disease, report.about) for _, report in told],
            look_rows=embed_texts(encoder, [text for _, text in seen], cache=cache),
            look_of=np.array([place for place, _ in seen], dtype=np.int64),
            ages=tuple(
                AgesOfClass.of(
                    [report.text for report in reported[name]],
                    [text.text for text in (disease.descriptions if disease else ())],
                )
                for name, disease in zip(classes, diseases, strict=True)
            ),
            places=tuple(frozenset().union(*map(body_parts, disease.sites if disease else ())) for disease in diseases),
        )

    def __len__(self) -> int:
        """C."""
        return len(self.ages)

    def agreement(self, stories: Sequence[str]) -> list[Agreement]:
        """How well each story agrees with each class.

        Args:
            stories: N texts without names of diseases; empty ones agree with nothing.
        """
        cut = [pieces_of(story) for story in stories]
        said = list(dict.fromkeys(piece.said for pieces in cut for piece in pieces))
        rows = embed_texts(cast("Encoder", self.model), said)  # never cached: what patients tell stays here
        place = {text: row for row, text in enumerate(said)}
        return [
            self._of(story, pieces, rows[[place[piece.said] for piece in pieces]])
            for story, pieces in zip(stories, cut, strict=True)
        ]

    def _of(self, story: str, pieces: list[Piece], rows: Table) -> Agreement:
        age, places = age_in(story), body_parts(story)
        scores = np.zeros(len(self))
        likeness = rows @ self.report_rows.T  # (P, M)
        denied = np.array([piece.denied for piece in pieces], dtype=bool)  # (P,)
        opposed = denied[:, None] != self._denied[None]  # (P, M)
        if pieces:
            agreed = _by_class(np.where(opposed, OPPOSED * likeness, likeness), self.report_of, len(self))
            agreed = _beside_all(agreed) + LOOK * _beside_all(
                _by_class(rows @ self.look_rows.T, self.look_of, len(self))
            )
            weights = np.where(denied, DENIED, 1.0)  # (P,)
            scores = PIECES * len(pieces) ** -CROWD * (weights @ agreed)  # (C,)
        if age is not None:
            scores = scores + _beside_all(np.array([[ages.agreement(age) for ages in self.ages]]))[0]
        if places:
            scores = scores + SITE * _beside_all(np.array([[_share(places, own) for own in self.places]]))[0]
        return Agreement(scores - scores.mean(), self._matches(pieces, opposed, likeness), age, places)

    @cached_property
    def _denied(self) -> NDArray[np.bool_]:
        return np.array([piece.denied for piece in self.reports], dtype=bool)

    def _matches(
        self, pieces: list[Piece], opposed: NDArray[np.bool_], likeness: Table
    ) -> tuple[tuple[Match, ...], ...]:
        """For each class, the sentence that each piece says as well, if there is one; each sentence once."""
        found: list[dict[int, Match]] = [{} for _ in range(len(self))]
        for kind, own in enumerate(found):
            columns = np.flatnonzero(self.report_of == kind)
            if not (len(columns) and pieces):
                continue
            agreeing = np.where(opposed[:, columns], -1, likeness[:, columns])  # (P, sentences of the class)
            for row, place in enumerate(agreeing.argmax(axis=1).tolist()):
                column, score = int(columns[place]), float(agreeing[row, place])
                if score >= LIKE and (column not in own or own[column].score < score):
                    disease, about = self.told[column]
                    own[column] = Match(pieces[row].text, self.reports[column].text, disease, about, score)
        ranked = (sorted(own.values(), key=lambda match: -match.score) for own in found)
        return tuple(tuple(best[:MATCHES]) for best in ranked)


def _by_class(likeness: NDArray[np.floating], owners: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """(P, C): t log mean exp(x / t) over the sentences of each class; NaN for one without any."""
    found = np.full((len(likeness), count), np.nan)
    for kind in np.unique(owners):
        scaled = likeness[:, owners == kind].astype(np.float64) / TEMPERATURE
        top = scaled.max(axis=1, keepdims=True)
        found[:, kind] = TEMPERATURE * (top[:, 0] + np.log(np.exp(scaled - top).mean(axis=1)))
    return found


def _beside_all(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows without their mean; 0 for a class of which nothing is known, and where that holds for all of them."""
    known = ~np.isnan(table)
    means = np.where(known, table, 0).sum(axis=1, keepdims=True) / known.sum(axis=1, keepdims=True).clip(1)
    return np.where(known, table - means, 0)


def _share(places: frozenset[str], own: frozenset[str]) -> float:
    """log(SITE_FLOOR + (1 - SITE_FLOOR) share), the share of places in a story that are of the class; NaN: unknown."""
    return math.log(SITE_FLOOR + (1 - SITE_FLOOR) * len(places & own) / len(places)) if own else math.nan

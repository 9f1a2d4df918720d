"""The agreement of stories against a slow twin, with a small real encoder; with the bundled sentence model once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest

from zsderm import KnowledgeBase
from zsderm.encoders.sentence_model import SentenceModel
from zsderm.knowledge.body_sites import body_parts
from zsderm.narratives.ages import AgesOfClass, age_in
from zsderm.narratives.agreement import ReportedClasses
from zsderm.narratives.pieces import piece_of, pieces_of

if TYPE_CHECKING:
    from tests.conftest import TinyEncoder

CLASSES = ("melanoma", "basal cell carcinoma", "scabies", "something that no base knows")
STORIES = (
    "I am 72. It is a sore on my nose that bleeds, and it does not itch. It never hurt.",
    "It itches worst at night. My brother has it as well, my daughter, 4, too.",
    "no pain",
    "",
)


def _centred(values: list[float]) -> list[float]:
    known = [value for value in values if not math.isnan(value)]
    return [0.0 if math.isnan(value) else value - sum(known) / len(known) for value in values]


def _slow(encoder: TinyEncoder, base: KnowledgeBase, classes: Sequence[str], story: str) -> list[float]:
    """S without its mean, one piece, class and sentence at a time."""

    def like(one: str, other: str) -> float:
        rows = encoder.encode_texts([one, other]).numpy()
        return float(rows[0] @ rows[1])

    def soft(values: list[float]) -> float:
        return 0.1 * math.log(sum(math.exp(v / 0.1) for v in values) / len(values)) if values else math.nan

    pieces = pieces_of(story)
    total = [0.0] * len(classes)
    reported = base.reports_for(classes)
    known = [name for name in classes if reported[name]]
    looks = {
        name: [text.text for text in base.find(name).descriptions if text.modality != "dermoscopic"]
        if name in known
        else []
        for name in classes
    }
    for piece in pieces:
        told, seen = [], []
        for name in classes:
            likes = []
            for report in reported[name]:
                other = piece_of(report.text)
                likes.append(like(piece.said, other.said) * (1 if piece.denied == other.denied else 0.5))
            told.append(soft(likes))
            seen.append(soft([like(piece.said, text) for text in looks[name]]))
        for place, (one, two) in enumerate(zip(_centred(told), _centred(seen), strict=True)):
            total[place] += 3 * len(pieces) ** -0.25 * (0.5 if piece.denied else 1) * (one + 0.5 * two)
    age = age_in(story)
    if age is not None:
        every = [
            AgesOfClass.of(
                [r.text for r in reported[name]],
                [text.text for text in base.find(name).descriptions] if name in known else [],
            )
            for name in classes
        ]
        total = [a + b for a, b in zip(total, _centred([one.agreement(age) for one in every]), strict=True)]
    places = body_parts(story)
    if places:
        shares = []
        for name in classes:
            own = frozenset().union(*map(body_parts, base.find(name).sites)) if name in known else frozenset()
            shares.append(math.log(0.3 + 0.7 * len(places & own) / len(places)) if own else math.nan)
        total = [a + 0.5 * b for a, b in zip(total, _centred(shares), strict=True)]
    return [one - sum(total) / len(total) for one in total]


@pytest.mark.slow
def test_the_agreement_is_what_its_formula_says(tiny_encoder: TinyEncoder, base: KnowledgeBase) -> None:
    found = ReportedClasses.read(tiny_encoder, base, CLASSES).agreement(STORIES)
    for story, one in zip(STORIES, found, strict=True):
        np.testing.assert_allclose(one.scores, _slow(tiny_encoder, base, CLASSES, story), atol=1e-4)


def test_an_empty_story_agrees_with_nothing(tiny_encoder: TinyEncoder, base: KnowledgeBase) -> None:
    (found,) = ReportedClasses.read(tiny_encoder, base, CLASSES).agreement([""])
    assert not found.scores.any() and found.matches == ((),) * 4 and found.age is None


def test_a_story_agrees_as_much_alone_as_among_others(tiny_encoder: TinyEncoder, base: KnowledgeBase) -> None:
    classes = ReportedClasses.read(tiny_encoder, base, CLASSES)
    (alone,) = classes.agreement(STORIES[:1])
    np.testing.assert_allclose(alone.scores, classes.agreement(STORIES[::-1])[-1].scores, atol=1e-6)


def test_what_patients_tell_is_not_kept(tiny_encoder: TinyEncoder, base: KnowledgeBase, tmp_path: object) -> None:
    classes = ReportedClasses.read(tiny_encoder, base, CLASSES, cache=str(tmp_path))
    before = tiny_encoder.texts_encoded
    classes.agreement(STORIES[:1])
    once = tiny_encoder.texts_encoded - before
    classes.agreement(STORIES[:1])
    assert tiny_encoder.texts_encoded == before + 2 * once
    ReportedClasses.read(tiny_encoder, base, CLASSES, cache=str(tmp_path))
    assert tiny_encoder.texts_encoded == before + 2 * once  # what the base says is


@pytest.mark.slow
def test_the_sentence_model_finds_who_says_such_things(base: KnowledgeBase) -> None:
    names = ["melanocytic nevus", "basal cell carcinoma", "scabies"]
    told = [
        "I have had it since I was a child, and it never changed.",
        "A sore on my nose that will not heal for over a year, it bleeds when I dry my face.",
        "It itches terribly at night in the warm bed, and my partner scratches as well.",
    ]
    found = ReportedClasses.read(SentenceModel(), base, names).agreement(told)
    assert [int(one.scores.argmax()) for one in found] == [0, 1, 2]
    best = found[2].matches[2][0]
    assert best.disease == "scabies" and best.score > 0.5 and best.said in told[2]

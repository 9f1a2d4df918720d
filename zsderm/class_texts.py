"""What is said of each class, embedded and indexed: the text side of a classifier, made once.

Letters: C classes, M sentences, K kept per class, D embedding width.
"""

from __future__ import annotations

import hashlib
import json
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from zsderm.calibration import unlabelled_temperature
from zsderm.config import Settings
from zsderm.embeddings import embed_texts
from zsderm.embeddings.class_index import ClassIndex
from zsderm.errors import FallbackWarning, InputError
from zsderm.evidence import UNSURE, Company, PictureKinds, fitting, on_the_same_aspects
from zsderm.knowledge.base import Description, KnowledgeBase
from zsderm.knowledge.class_names import BARE, ClassNames
from zsderm.knowledge.pools import of_modality
from zsderm.knowledge.prompts import templates_for
from zsderm.knowledge.sentences import Sentence, class_sentences, name_sentences
from zsderm.predictions import Evidence
from zsderm.proxies import batch_query, relevant_descriptions, retrieved_scores, text_proxies, with_names

if TYPE_CHECKING:
    from zsderm.encoders import Encoder

_CATCHING = threading.Lock()  # what catches warnings catches those of all threads


@dataclass(frozen=True)
class ClassTexts:
    """The M sentences of all classes.

    Attributes:
        sentences: M sentences, class by class.
        features: (M, D) float32 unit rows.
        class_of: (M,) int64, the class of each sentence.
        weights: (M,) float32, how much each sentence counts beside the others of its class.
        names: (C, D) float32 unit rows, what the names of each class say by themselves; None when not asked for.
        spoken: (C,) the names of each class that the text tower has read.
        index: finds the sentences of a class that are most like an image.
        notes: what had to be done differently from what was asked.
        templates: in which names were read; None for the bundled ones.
        kinds: tells photographs from dermoscopic pictures; None where no sentence holds a description.
    """

    sentences: list[Sentence]
    features: torch.Tensor
    class_of: torch.Tensor
    weights: torch.Tensor
    names: torch.Tensor | None
    spoken: tuple[tuple[str, ...], ...]
    index: ClassIndex
    notes: tuple[str, ...]
    templates: tuple[str, ...] | None = None
    kinds: PictureKinds | None = None

    @classmethod
    def build(
        cls,
        encoder: Encoder,
        classes: Sequence[str],
        method: str,
        knowledge: KnowledgeBase | None,
        with_names: bool = False,
        which: str = Settings.names,
        templates: Sequence[str] | None = None,
        cache: str | Path | None = None,
        modality: str = Settings.modality,
    ) -> ClassTexts:
        """Embed and index what `class_sentences` says of each class.

        Args:
            encoder: reads the sentences.
            classes: C class names.
            method: see `class_sentences`.
            knowledge: see `class_sentences`.
            with_names: read every template with every name as well.
            which: the names that are read, see `ClassNames.in_prompts`.
            templates: that names are read in; None for the bundled ones.
            cache: folder that keeps embeddings between runs; None keeps nothing.
            modality: of the pictures. Descriptions of tissue sections are read for "pathological" alone, and for it no
                others; then names are read in templates for tissue sections too, unless others are given.

        Raises:
            AmbiguousClassError: see `class_sentences`.
            ClassListError: two classes are one name in two spellings.

        Warns:
            FallbackWarning: a class that the knowledge base does not describe, two that it cannot tell apart, or one
                that holds another; also kept in `notes`.
        """
        names = ClassNames.read(classes, knowledge)
        names.check_spellings()
        with _CATCHING, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", FallbackWarning)
            base, prompts = of_modality(knowledge, modality), templates_for(modality, templates)
            sentences = class_sentences(names, method, base, which, prompts)
            if knowledge is not None and base is None and (note := _without_histology(knowledge, method)):
                warnings.warn(note, FallbackWarning, stacklevel=2)
            if note := names.overlap_note():
                warnings.warn(note, FallbackWarning, stacklevel=2)
        for warning in caught:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        features = embed_texts(encoder, [sentence.text for sentence in sentences], cache=cache)  # (M, D)
        owners = [sentence.class_index for sentence in sentences]
        spoken = names.in_prompts(method, which)
        notes = [str(w.message) for w in caught if issubclass(w.category, FallbackWarning)]
        if names.note and (which != "typed" or method not in BARE):
            notes.insert(0, names.note)
        return cls(
            sentences=sentences,
            features=torch.from_numpy(features),
            class_of=torch.tensor(owners),
            weights=_weights_of(sentences),
            names=_name_proxies(encoder, spoken, prompts, cache) if with_names else None,
            spoken=spoken,
            templates=None if prompts is None else tuple(prompts),
            index=ClassIndex.build(features, owners),
            notes=tuple(notes),
            kinds=PictureKinds.read(encoder, cache) if any(s.description for s in sentences) else None,
        )

    @property
    def class_count(self) -> int:
        """C."""
        return int(self.class_of[-1]) + 1

    @cached_property
    def undescribed(self) -> frozenset[int]:
        """The classes of which no sentence holds a description: only their names are known."""
        return frozenset(range(self.class_count)) - {s.class_index for s in self.sentences if s.description}

    @cached_property
    def _fitted(self) -> dict[tuple[int, str, str], torch.Tensor]:
        """What `_fitting` has found among all sentences."""
        return {}

    @cached_property
    def digest(self) -> str:
        """16 hex digits that change with the sentences, order, classes, or the names that are blended in."""
        told: list[object] = [(sentence.class_index, sentence.text) for sentence in self.sentences]
        if self.names is not None:
            told.append(self.spoken)
            if self.templates is not None:  # fits from before there were other templates keep their digest
                told.append(self.templates)
        listed = json.dumps(told)
        return hashlib.sha256(listed.encode()).hexdigest()[:16]

    def digest_of(self, classes: Sequence[str]) -> str:
        """As `digest`, but the same in whichever order the C classes come."""
        texts: list[list[str]] = [[] for _ in classes]
        for sentence in self.sentences:
            texts[sentence.class_index].append(sentence.text)
        blended = repeat(None, len(texts)) if self.names is None else self.spoken
        told = {name: said for name, *said in zip(classes, texts, blended, strict=True)}
        listed = json.dumps([told, None if self.names is None else self.templates], sort_keys=True)
        return hashlib.sha256(listed.encode()).hexdigest()[:16]

    def kept_for(self, features: torch.Tensor, k: int | None) -> torch.Tensor:
        """The K sentences of each class most like the mean image; a class with fewer keeps them all.

        Args:
            features: (N, D) float32 unit rows; of more than memory holds, their mean as (1, D) asks the same.
            k: at least 1; None keeps every sentence.

        Returns:
            (M',) int64 rows, class by class, nearest first.
        """
        if k is None:
            return torch.arange(len(self.sentences))
        query = batch_query(features).numpy()  # (1, D): one question for the whole batch
        rows = [self.index.top_k(query, c, k)[1][0] for c in range(self.class_count)]
        return torch.from_numpy(np.concatenate(rows))

    def proxies(self, rows: torch.Tensor, name_weight: float) -> torch.Tensor:
        """(C, D) float32 unit rows: the text proxies that some sentences make, with the names blended in."""
        text = text_proxies(self.features[rows], self.class_of[rows], self.class_count, self.weights[rows])
        return text if self.names is None else with_names(text, self.names, name_weight)

    def own_proxies(self, feature: torch.Tensor, k: int, name_weight: float) -> torch.Tensor:
        """(C, D) float32 unit rows: the text proxies that one image, (D,) float32, retrieves for itself."""
        rows = relevant_descriptions(feature[None], self.features, self.class_of, self.class_count, k)
        return self.proxies(rows, name_weight)

    def scores_by_image(self, features: torch.Tensor, k: int, name_weight: float) -> torch.Tensor:
        """(N, C) float32 cosines of images (N, D) and the text proxies that each of them retrieves for itself."""
        return retrieved_scores(features, self.features, self.class_of, self.class_count, k, self.names, name_weight)

    def temperature(
        self, encoder_temperature: float, scores: torch.Tensor, features: torch.Tensor, rows: torch.Tensor
    ) -> float:
        """The temperature for scores (N, C) of images (N, D) that some sentences made, see `unlabelled_temperature`."""
        return unlabelled_temperature(encoder_temperature, scores, features, self.features[rows], self.class_of[rows])

    def evidence_beside(
        self,
        features: torch.Tensor,
        probabilities: torch.Tensor,
        count: int,
        modality: str = Settings.modality,
        regions: Sequence[str] | None = None,
        *,
        alone: bool = False,
        company: Company | None = None,
        brief: bool = False,
    ) -> Iterator[tuple[tuple[Evidence, ...], tuple[Evidence, ...]]]:
        """For each image what stands beside its answer: sentences of the winning class, and of the runner-up.

        Args:
            features: (N, D) float32 unit rows.
            probabilities: (N, C) float32.
            count: how many at most of either class.
            modality: see `evidence_for`.
            regions: see `evidence_for`.
            alone: choose for each image as if there were no other; else images with one answer are held against each
                other, see `zsderm.evidence.Company`.
            company: of the batch that these are a part of; None where they are all of it.
            brief: only one sentence of the winning class, and none of the runner-up.

        Yields:
            Best first; the runner-up's are on the same aspects as the winner's where it has them, and empty where there
            is only one class.
        """
        order = probabilities.argsort(dim=1, descending=True, stable=True)[:, :2]
        winners, others = order[:, 0], order[:, -1]
        company = company or Company.of(features, winners, self.class_count)

        def listed(own: torch.Tensor, rivals: torch.Tensor, most: int) -> Iterator[tuple[Evidence, ...]]:
            apart = None if alone else company.apart(features, winners)
            return self.evidence_for(features, own, None, most, modality, regions, rivals, apart)

        if brief:
            yield from ((spoken, ()) for spoken in listed(winners, others, min(count, 1)))
            return
        theirs = listed(others, winners, len(self.sentences))
        for spoken, answers in zip(listed(winners, others, count), theirs, strict=True):
            yield spoken, on_the_same_aspects(spoken, answers, count) if probabilities.shape[1] > 1 else ()

    def evidence_for(
        self,
        features: torch.Tensor,
        winners: torch.Tensor,
        rows: torch.Tensor | None,
        count: int,
        modality: str = Settings.modality,
        regions: Sequence[str] | None = None,
        rivals: torch.Tensor | None = None,
        apart: Iterable[torch.Tensor | None] | None = None,
    ) -> Iterator[tuple[Evidence, ...]]:
        """For each image, the sentences of a class that `zsderm.evidence.fitting` lets stand beside it, best first.

        The best is that which is most like the image. Where it is known what sets the image apart from its company, it
        is that which is most like this, less what the rival's sentence nearest to it is.

        Args:
            features: (N, D) float32 unit rows.
            winners: (N,) int64, whose sentences they are.
            rows: (M',) int64, the sentences to choose from; None for all of them.
            count: how many at most for each image.
            modality: one of `zsderm.modalities.MODALITIES`, what all images are; "auto" asks the encoder of each.
            regions: N regions of the body, such as "FACE", empty where it is not known; None: none is known.
            rivals: (N,) int64, the class against which each is held; None: none.
            apart: for each image (D,) float32, what sets it apart; None where nothing does.

        Raises:
            InputError: ``rows`` or ``winners`` point to what is not there.
        """
        for name, given, there in (("rows", rows, len(self.sentences)), ("winners", winners, self.class_count)):
            if given is not None and len(given) and not (int(given.min()) >= 0 and int(given.max()) < there):
                raise InputError(
                    f"Expected `{name}` to be from 0 to {there - 1}, but got {int(given.min())} to {int(given.max())}."
                )
        rows = torch.arange(len(self.sentences)) if rows is None else rows
        kinds = self._kinds_of(features) if modality == "auto" else [modality] * len(features)
        places = [""] * len(features) if regions is None else regions
        against = winners if rivals is None else rivals
        beyond = repeat(None, len(features)) if apart is None else apart
        choices: dict[tuple[int, int, str, str], tuple[torch.Tensor, torch.Tensor]] = {}
        for feature, far, *key in zip(features, beyond, winners.tolist(), against.tolist(), kinds, places, strict=True):
            own, contrasts = choices.get(tuple(key)) or choices.setdefault(tuple(key), self._choice(rows, *key))
            cosines = self.features[own] @ feature
            ranks = cosines if far is None else contrasts @ far
            best = ranks.topk(min(count, len(own))).indices.tolist()
            told = ((self.sentences[int(own[i])].description, float(cosines[i])) for i in best)
            yield tuple(_evidence(description, score) for description, score in told if description is not None)

    def _kinds_of(self, features: torch.Tensor) -> list[str]:
        return [UNSURE] * len(features) if self.kinds is None else self.kinds.of(features)

    def _choice(
        self, rows: torch.Tensor, winner: int, rival: int, kind: str, region: str
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(m,) int64 rows of one class that may stand beside a picture, and (m, D) what each has beyond the rival's."""
        own, others = (self._fitting(rows, index, kind, region) for index in (winner, rival))
        spoken = self.features[own]  # (m, D)
        if winner == rival or not len(others):
            return own, spoken
        nearest = (spoken @ self.features[others].T).argmax(dim=1)  # (m,)
        return own, spoken - self.features[others[nearest]]

    def _fitting(self, rows: torch.Tensor, index: int, kind: str, region: str) -> torch.Tensor:
        """Rows of one class that may stand beside a picture; of all sentences they are looked for once."""
        whole = len(rows) == len(self.sentences)
        if whole and (known := self._fitted.get((index, kind, region))) is not None:
            return known
        own = rows[self.class_of[rows] == index]
        found = own[fitting([self.sentences[row].description for row in own.tolist()], kind, region)]
        if whole:
            self._fitted[index, kind, region] = found
        return found


def _without_histology(knowledge: KnowledgeBase, method: str) -> str:
    """A note where descriptions of tissue sections are asked of a base that has none; empty else."""
    if method in BARE:
        return ""
    return (
        f"knowledge base {knowledge.name!r} does not say how tissue sections look, so the classes are told apart by "
        "their names alone, read in prompts for histopathology images; what it says of skin is left out."
    )


def _weights_of(sentences: Sequence[Sentence]) -> torch.Tensor:
    """(M,) float32, how much each sentence counts."""
    return torch.tensor([sentence.weight for sentence in sentences])


def _name_proxies(
    encoder: Encoder, spoken: Sequence[Sequence[str]], templates: Sequence[str] | None, cache: str | Path | None
) -> torch.Tensor:
    """(C, D) float32 unit rows: what the names of each class say, see `name_sentences`."""
    prompts = name_sentences(spoken, templates=templates)
    rows = embed_texts(encoder, [prompt.text for prompt in prompts], cache=cache)  # (P, D)
    return text_proxies(rows, [prompt.class_index for prompt in prompts], len(spoken), _weights_of(prompts))


def _evidence(told: Description, score: float) -> Evidence:
    return Evidence(told.text, score, told.aspect, told.source, told.modality, told.shows)

"""From a folder of photographs and a list of diseases to labels, probabilities and evidence.

`ZeroShotClassifier.predict` reads as the method: embed the images, retrieve descriptions, average them into text
proxies, refine those on the batch, answer. Each step is a pure function in the rooms below.

Letters: N images, C classes, M sentences, K kept per class, D embedding width.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from zsderm import images as photographs
from zsderm.class_texts import ClassTexts
from zsderm.config import Settings
from zsderm.embeddings import EmbeddableImage, ImageEmbeddings, embed_images
from zsderm.encoders import load_encoder
from zsderm.errors import ClassListError, SettingsError
from zsderm.knowledge.base import KnowledgeBase
from zsderm.predictions import Evidence, Predictions
from zsderm.proxies import Refinement, batch_query, refine, resolve_prior, retrieved_scores, text_proxies

if TYPE_CHECKING:
    from zsderm.encoders import Encoder

PriorChoice = str | Mapping[str, float] | Sequence[float] | np.ndarray | torch.Tensor
Photographs = EmbeddableImage | Sequence[EmbeddableImage]


class ZeroShotClassifier:
    """Classifies skin photographs into classes given by name, without training.

    Args:
        encoder: embeds images and texts.
        classes: C distinct class names, in the order of the result's columns.
        knowledge: descriptions of the classes; None leaves templates.
        settings: method, retrieval, K and the rest.
        prior: how common the classes are in the images: "auto" (estimated and guarded), "uniform", weights in the order
            of the classes, or a mapping from class to weight.
        cache: folder that keeps image embeddings between runs; None keeps nothing.

    Raises:
        ClassListError: no classes, or one that comes twice.
        SettingsError: a prior that does not fit the classes.
    """

    def __init__(
        self,
        encoder: Encoder,
        classes: Sequence[str],
        knowledge: KnowledgeBase | None = None,
        settings: Settings | None = None,
        prior: PriorChoice = "auto",
        cache: str | Path | None = None,
    ) -> None:
        self.encoder = encoder
        self.classes = _checked_classes(classes)
        self.knowledge = knowledge
        self.settings = settings or Settings()
        self.prior = _checked_prior(prior, self.classes)
        self.cache = cache

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path | Encoder = "zsderm-mini",
        *,
        classes: Sequence[str],
        knowledge: str | Path | KnowledgeBase | None = "dermatology",
        method: str = "kpl",
        prior: PriorChoice = "auto",
        retrieval: str = "batch",
        k: int | None = None,
        device: str | torch.device | None = None,
        batch_size: int | None = None,
        cache: str | Path | None = None,
    ) -> ZeroShotClassifier:
        """A classifier from the name of an encoder and a list of classes.

        Args:
            model: "zsderm-mini" (bundled), "hf-hub:org/name", "local-dir:/folder", an open_clip "ARCH/tag", or an
                encoder that is loaded already.
            classes: C distinct class names.
            knowledge: a bundled base by name, a folder or .jsonl file, a `KnowledgeBase`, or None.
            method: "kpl" (the whole method), "knowledge" (retrieved descriptions, not refined), "descriptions" (all of
                them), "templates", "class-name".
            prior: see the class.
            retrieval: "batch" asks the knowledge base once for the folder, "image" once for each image.
            k: descriptions kept per class; None for the default of `Settings`.
            device: a torch device; None takes a GPU where there is one.
            batch_size: images encoded at a time; None for the default of `Settings`.
            cache: folder that keeps image embeddings between runs; None keeps nothing.

        Raises:
            UnknownModelError, CheckpointError: the encoder cannot be loaded.
            UnknownKnowledgeBaseError, InputError: the knowledge base cannot be loaded.
            ClassListError, SettingsError: see the class.
        """
        settings = Settings(method=method, retrieval=retrieval)
        given: dict[str, Any] = {"k": k, "batch_size": batch_size}
        settings = replace(settings, **{name: value for name, value in given.items() if value is not None})
        _checked_prior(prior, _checked_classes(classes))  # a mistake shows before an encoder is loaded
        base = KnowledgeBase.load(knowledge) if isinstance(knowledge, str | Path) else knowledge
        encoder = load_encoder(model, device) if isinstance(model, str | Path) else model
        return cls(encoder, classes, base, settings, prior, cache)

    def predict(self, images: Photographs, progress: bool = False) -> Predictions:
        """Classify photographs; one image in, one row out.

        With method "kpl" the images are one batch: they are labelled together, and what is learned from all of them
        serves each of them. The other methods answer each image alone (except that retrieval "batch" chooses the
        descriptions for all of them together).

        Args:
            images: a folder, a path, a PIL image, or a list of paths or PIL images; N in all.
            progress: show a bar on stderr while images are embedded.

        Returns:
            `Predictions` with N rows. An image that cannot be read is a row with a reason.

        Raises:
            ImageError: a folder that is missing or holds no images.
        """
        names, sources = photographs.named(images)
        embeddings = embed_images(
            self.encoder, sources, batch_size=self.settings.batch_size, cache=self.cache, progress=progress
        )
        features = torch.from_numpy(embeddings.features[embeddings.ok])  # (N, D), the images that could be read
        if len(features) == 0:
            return self._no_answer(names, embeddings)
        kept = self._retrieve(features)  # (M',) rows of the texts
        text = text_proxies(self.texts.features[kept], self.texts.class_of[kept], len(self.classes))  # (C, D)
        scores = self._text_scores(features, text)  # (N, C) cosines
        refinement = self._refine(features, text, scores)
        answer = refinement if refinement is not None and refinement.accepted else None
        logits = (
            scores / self.encoder.temperature if answer is None else answer.scores / self.settings.proxy_temperature
        )
        probabilities = logits.softmax(dim=1)
        return Predictions(
            images=names,
            classes=self.classes,
            probabilities=_with_gaps(probabilities, embeddings.ok),
            method=self._method_used(answer),
            prior="none" if answer is None else answer.prior_name,
            requested_method=self.settings.method,
            evidence=self._evidence(features, kept, probabilities.argmax(dim=1), embeddings.ok),
            errors=_reasons(names, embeddings),
            manifest=self._manifest(self._notes(refinement), refinement),
        )

    @cached_property
    def texts(self) -> ClassTexts:
        """The sentences of all classes, embedded once."""
        return ClassTexts.build(self.encoder, self.classes, self.settings.method, self.knowledge)

    @property
    def _uses_retrieval(self) -> bool:
        return self.settings.method in ("kpl", "knowledge") and self.knowledge is not None

    @property
    def _retrieves_by_image(self) -> bool:
        return self._uses_retrieval and self.settings.retrieval == "image"

    def _retrieve(self, features: torch.Tensor) -> torch.Tensor:
        if not self._uses_retrieval:
            return torch.arange(len(self.texts.sentences))
        query = batch_query(features)  # (1, D): the mean image asks for the whole batch
        return self.texts.nearest_to(query, len(self.classes), self.settings.k)

    def _text_scores(self, features: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        if self._retrieves_by_image:
            return retrieved_scores(
                features, self.texts.features, self.texts.class_of, len(self.classes), self.settings.k
            )
        return features @ text.T

    def _refine(self, features: torch.Tensor, text: torch.Tensor, scores: torch.Tensor) -> Refinement | None:
        if self.settings.method != "kpl":
            return None
        return refine(
            features,
            text,
            self.prior,
            scores=scores,
            proxy_temperature=self.settings.proxy_temperature,
            min_images=self.settings.min_images,
        )

    def _method_used(self, answer: Refinement | None) -> str:
        if answer is not None:
            return "kpl"
        method = "knowledge" if self.settings.method == "kpl" else self.settings.method
        return "templates" if self.knowledge is None and method != "class-name" else method

    def _notes(self, refinement: Refinement | None) -> list[str]:
        if refinement is None or refinement.accepted:
            return list(self.texts.notes)
        return [*self.texts.notes, f"Text proxies answered, without refinement: {refinement.reason}."]

    def _evidence(
        self, features: torch.Tensor, kept: torch.Tensor, winners: torch.Tensor, ok: np.ndarray
    ) -> tuple[tuple[Evidence, ...], ...]:
        """For each image, the retrieved descriptions of its winning class that are most like it, best first."""
        if self._retrieves_by_image:
            kept = torch.arange(len(self.texts.sentences))  # each image chose among all of them
        rows_of = [kept[self.texts.class_of[kept] == c] for c in range(len(self.classes))]
        spoken = (
            self.texts.evidence(feature, rows_of[winner], self.settings.evidence)
            for feature, winner in zip(features, winners.tolist(), strict=True)
        )
        return tuple(next(spoken) if readable else () for readable in ok)

    def _no_answer(self, names: tuple[str, ...], embeddings: ImageEmbeddings) -> Predictions:
        nothing = torch.full((len(names), len(self.classes)), torch.nan)
        return Predictions(
            images=names,
            classes=self.classes,
            probabilities=nothing,
            method="none",
            prior="none",
            requested_method=self.settings.method,
            evidence=((),) * len(names),
            errors=_reasons(names, embeddings),
            manifest=self._manifest(["No image could be read."], None),
        )

    def _manifest(self, notes: list[str], refinement: Refinement | None) -> dict[str, Any]:
        base = self.knowledge
        packages = {name: version(name) for name in ("zsderm", "torch", "open_clip_torch", "numpy")}
        prior = self.prior if isinstance(self.prior, str) else dict(zip(self.classes, self.prior.tolist(), strict=True))
        return {
            "encoder": {"name": self.encoder.card.name, "fingerprint": self.encoder.fingerprint},
            "knowledge": base and {"name": base.name, "version": base.version, "checksum": base.checksum},
            "settings": {**asdict(self.settings), "prior": prior},
            "refinement": refinement and _story(refinement, self.classes),
            "versions": {**packages, "python": platform.python_version()},
            "notes": notes,
        }


def _checked_classes(classes: Sequence[str]) -> tuple[str, ...]:
    if isinstance(classes, str):
        raise ClassListError(f"Expected argument `classes` to be a list of names, but got the string {classes!r}.")
    names = tuple(str(name).strip() for name in classes)
    if not names or not all(names):
        raise ClassListError("Expected argument `classes` to hold names, but got none or an empty one.")
    folded = [name.casefold() for name in names]
    if repeated := [name for name, key in zip(names, folded, strict=True) if folded.count(key) > 1]:
        raise ClassListError(f"Expected distinct classes, but got {repeated[0]!r} more than once. Remove the repeats.")
    return names


def _checked_prior(prior: PriorChoice, classes: tuple[str, ...]) -> str | torch.Tensor:
    if isinstance(prior, Mapping):
        if missing := [name for name in classes if name not in prior]:
            raise SettingsError(f"Expected a prior weight for every class, but {', '.join(missing)} have none.")
        prior = [float(prior[name]) for name in classes]
    stated = prior if isinstance(prior, str) else torch.as_tensor(prior)
    mix = resolve_prior(stated, torch.full((1, len(classes)), 1 / len(classes)))
    return stated if isinstance(stated, str) else mix


def _reasons(names: tuple[str, ...], embeddings: ImageEmbeddings) -> dict[str, str]:
    return {names[index]: reason for index, reason in embeddings.errors.items()}


def _with_gaps(rows: torch.Tensor, ok: np.ndarray) -> torch.Tensor:
    """Rows in the place of the images that could be read, NaN in the place of the others."""
    table = torch.full((len(ok), rows.shape[1]), torch.nan)
    table[torch.from_numpy(ok)] = rows
    return table


def _story(refinement: Refinement, classes: tuple[str, ...]) -> dict[str, Any]:
    return {
        "accepted": refinement.accepted,
        "reason": refinement.reason,
        "prior": dict(zip(classes, (round(p, 4) for p in refinement.prior.tolist()), strict=True)),
        "iterations": refinement.iterations,
        "converged": refinement.converged,
    }

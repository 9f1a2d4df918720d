"""From a folder of photographs and a list of diseases to labels, probabilities and evidence.

`ZeroShotClassifier.predict` reads as the method: embed the images, retrieve descriptions, average them into text
proxies, refine those on the batch, answer. Each step is a pure function in the rooms below.

Letters: N images, C classes, M sentences, D embedding width.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from zsderm import images as photographs
from zsderm import saved_classifier
from zsderm.calibration import familiarity
from zsderm.class_list import PriorChoice, checked_classes, checked_prior
from zsderm.class_texts import ClassTexts
from zsderm.config import DEFAULT_KNOWLEDGE, DEFAULT_MODEL, DEFAULT_PRIOR, Settings
from zsderm.embeddings import EmbeddableImage, NamedEmbeddings, embed_images, read_embeddings
from zsderm.embeddings.feature_files import SUFFIXES
from zsderm.encoders import load_encoder
from zsderm.errors import FallbackWarning, ImageError, SettingsError
from zsderm.fitted import Fitted, learn, text_scores
from zsderm.groups import GroupPredictions, ImageGroups, group_predictions
from zsderm.knowledge.base import KnowledgeBase
from zsderm.manifest import prediction_manifest
from zsderm.predictions import Evidence, Predictions, with_gaps
from zsderm.proxies.chunks import KnownRows

if TYPE_CHECKING:
    from zsderm.encoders import Encoder

Photographs = EmbeddableImage | Sequence[EmbeddableImage] | photographs.ImageList


class ZeroShotClassifier:
    """Classifies skin photographs into classes given by name, without training.

    Args:
        encoder: embeds images and texts.
        classes: C distinct class names, in the order of the result's columns.
        knowledge: descriptions of the classes; None leaves templates.
        settings: method, retrieval, K and the rest. Where they name no number of views, it is that of the encoder's
            card.
        prior: how common the classes are in the images: "auto" (estimated and guarded), "uniform", weights in the order
            of the classes, or a mapping from class to weight.
        cache: folder that keeps embeddings between runs; None keeps nothing.

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
        prior: PriorChoice = DEFAULT_PRIOR,
        cache: str | Path | None = None,
    ) -> None:
        self.encoder = encoder
        self.classes = checked_classes(classes)
        self.knowledge = knowledge
        self.settings = settings or Settings()
        self.settings = replace(self.settings, views=self.views)  # manifests and saved classifiers say the number
        self.prior = checked_prior(prior, self.classes)
        self.cache = cache
        self.fitted: Fitted | None = None  # what `fit` learned; without it every batch is learned from by itself
        self._origin_note = ""  # what a reader should know of the folder that this was loaded from

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path | Encoder = DEFAULT_MODEL,
        *,
        classes: Sequence[str],
        knowledge: str | Path | KnowledgeBase | None = DEFAULT_KNOWLEDGE,
        method: str = Settings.method,
        prior: PriorChoice = DEFAULT_PRIOR,
        retrieval: str = Settings.retrieval,
        names: str = Settings.names,
        k: int | None = None,
        name_weight: float | None = None,
        centre: bool = False,
        views: int | None = None,
        device: str | torch.device | None = None,
        batch_size: int | None = None,
        cache: str | Path | None = None,
        modality: str = Settings.modality,
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
            names: "known" reads each class under all names that the knowledge base has for it, "canonical" under the
                base's own name for it, "typed" as it is given.
            k: descriptions kept per class; None for the default of `Settings`.
            name_weight: share of the class name in retrieved proxies; None for the default of `Settings`.
            centre: subtract the mean image before proxies are learned and applied.
            views: 1, 4 or 8: each image is embedded so many times, mirrored and turned, and the mean is taken. It costs
                so many times the encoding. None for the number that the encoder's card recommends.
            device: a torch device; None takes a GPU where there is one.
            batch_size: images encoded at a time; None for the default of `Settings`.
            cache: folder that keeps embeddings between runs; None keeps nothing.
            modality: "clinical" or "dermoscopic", what the images are, "auto" where that is not known. It chooses the
                descriptions that stand beside an answer, see `zsderm.evidence`; answers stay the same.

        Raises:
            UnknownModelError, CheckpointError: the encoder cannot be loaded.
            UnknownKnowledgeBaseError, InputError: the knowledge base cannot be loaded.
            ClassListError, SettingsError: see the class.
        """
        settings = Settings(
            method=method, retrieval=retrieval, names=names, centre=centre, views=views, modality=modality
        )
        given: dict[str, Any] = {"k": k, "name_weight": name_weight, "batch_size": batch_size}
        settings = replace(settings, **{name: value for name, value in given.items() if value is not None})
        checked_prior(prior, checked_classes(classes))  # a mistake shows before an encoder is loaded
        base = KnowledgeBase.load(knowledge) if isinstance(knowledge, str | Path) else knowledge
        encoder = load_encoder(model, device) if isinstance(model, str | Path) else model
        return cls(encoder, classes, base, settings, prior, cache)

    def predict(self, images: Photographs, progress: bool = False, *, views: int | None = None) -> Predictions:
        """Classify photographs; one image in, one row out.

        With method "kpl" the images are one batch: they are labelled together, and what is learned from all of them
        serves each of them. The other methods answer each image alone (except that retrieval "batch" chooses the
        descriptions for all of them together). After `fit`, nothing is learned: every image is answered alone.

        Args:
            images: a folder, a path, a PIL image, or a list of paths or PIL images; or what `zsderm.images.named` has
                found in them. N in all.
            progress: show a bar on stderr while images are embedded.
            views: how many views of each image are averaged; None for what the settings say.

        Returns:
            `Predictions` with N rows. An image that cannot be read is a row with a reason.

        Raises:
            ImageError: a folder that is missing or holds no images.
            SettingsError: a number of views that there is no set of, or not that of the fitted classifier.
        """
        own = self._with_views(views)
        batch = own._embed(images, progress)
        return own._answers(batch, own._fitted_for(batch.features))

    def predict_groups(
        self,
        images: Photographs,
        groups: Sequence[str],
        progress: bool = False,
        *,
        by: str = "",
        views: int | None = None,
    ) -> GroupPredictions:
        """Classify photographs, and the lesions or patients that they show: one answer for each group as well.

        What is learned from a batch is learned from its photographs, as in `predict`. A group is then answered by the
        mean embedding of its readable photographs, as if that were one more photograph: with the proxies that answer
        for the photographs, or, where each image retrieves descriptions for itself, with those nearest to the mean.

        Args:
            images: see `predict`.
            groups: N names of groups, in the order of the images; one without a name is a group of its own.
            progress: see `predict`.
            by: what the groups are, such as "lesion_id", for the manifest.
            views: see `predict`.

        Raises:
            ImageError, SettingsError: see `predict`.
            InputError: not one group for each image.
        """
        own = self._with_views(views)
        found = photographs.named(images)
        members = ImageGroups.of(groups, found.names)  # a mistake shows before the work
        batch = own._embed(found, progress)
        fitted = own._fitted_for(batch.features)
        answers = [own._answers(rows, fitted) for rows in (batch, members.means(batch))]
        return group_predictions(answers[0], answers[1], members, by)

    def fit(self, images: Photographs | np.ndarray | torch.Tensor, progress: bool = False) -> ZeroShotClassifier:
        """Learn from one batch of images, without labels, what `predict` then applies to any others.

        After it a photograph gets the same answer alone as in any folder.

        Args:
            images: see `predict`. Or their embeddings by this encoder, of as many views: (N, D) unit rows, or the .npy
                or .parquet file that ``zsderm embed`` wrote; rows of NaN are left out. Rows that are mapped from a .npy
                file stay there, and from `Settings.streamed_from` of them on memory does not grow with N.
            progress: see `predict`; also while many images are refined.

        Returns:
            This classifier, whose `fitted` now holds what was learned.

        Raises:
            ImageError: a folder that is missing, holds no images, or none that can be read.
            InputError: a file of embeddings that cannot be read, or that another encoder or number of views made.
            SettingsError: embeddings of another width, or that hold infinity.
        """
        features = self._features(images, progress)
        if len(features) == 0:
            raise ImageError("none of the images could be read, so there is nothing to learn from")
        self.fitted = self._learn(features, tempered=True, progress=progress)
        return self

    def save(self, folder: str | Path) -> None:
        """Write the fitted classifier as a new folder, without its encoder; `zsderm.saved_classifier` lists its files.

        Raises:
            SettingsError: nothing was fitted, or the place is taken or cannot be written.
        """
        if self.fitted is None:
            raise SettingsError("the classifier has learned from no images yet: fit first, then save")
        saved_classifier.SavedClassifier(
            model=self.encoder.card.name,
            fingerprint=self.encoder.fingerprint,
            sentences=self.texts.digest,
            classes=self.classes,
            settings=self.settings,
            prior=self.prior,
            knowledge=self.knowledge,
            fitted=self.fitted,
        ).write(Path(folder))

    @classmethod
    def load(
        cls,
        folder: str | Path,
        model: str | Path | Encoder | None = None,
        *,
        device: str | torch.device | None = None,
        cache: str | Path | None = None,
        modality: str | None = None,
    ) -> ZeroShotClassifier:
        """A fitted classifier from the folder that `save` wrote.

        Args:
            folder: what `save` was given.
            model: the encoder, where it now goes by another name; by default the name that was saved.
            device: a torch device; None takes a GPU where there is one.
            cache: see the class.
            modality: see `from_pretrained`; None for what was saved.

        Raises:
            InputError: the folder is not a saved classifier.
            CheckpointError: the encoder is not the one that the classifier was fitted with.

        Warns:
            FallbackWarning: the folder holds another version of a bundled knowledge base; manifests say so as well.
        """
        saved = saved_classifier.read(Path(folder))
        named = model or saved_classifier.cached_encoder(saved, device) or saved.model
        encoder = load_encoder(named, device) if isinstance(named, str | Path) else named
        settings = saved.settings if modality is None else replace(saved.settings, modality=modality)
        found = cls(encoder, saved.classes, saved.knowledge, settings, saved.prior, cache)
        saved.check(encoder, found.texts)
        found.fitted = saved.fitted
        if note := saved.knowledge_note():
            found._origin_note = note
            warnings.warn(note, FallbackWarning, stacklevel=2)
        return found

    @cached_property
    def texts(self) -> ClassTexts:
        """The sentences of all classes, embedded once."""
        blends = self._uses_retrieval and self.settings.name_weight > 0
        return ClassTexts.build(
            self.encoder,
            self.classes,
            self.settings.method,
            self.knowledge,
            with_names=blends,
            which=self.settings.names,
            cache=self.cache,
        )

    @property
    def views(self) -> int:
        """How many views of each image are averaged: as the settings say, or else the encoder's card."""
        return self.settings.views or self.encoder.card.views

    @property
    def _uses_retrieval(self) -> bool:
        return self.settings.method in ("kpl", "knowledge") and self.knowledge is not None

    @property
    def _retrieves_by_image(self) -> bool:
        return self._uses_retrieval and self.settings.retrieval == "image"

    def _embed(self, images: Photographs, progress: bool) -> NamedEmbeddings:
        found = photographs.named(images)
        how, cache = self.settings, self.cache
        embedded = embed_images(
            self.encoder, found.sources, views=self.views, batch_size=how.batch_size, cache=cache, progress=progress
        )
        return NamedEmbeddings.of(found, embedded)

    def _features(self, images: Photographs | np.ndarray | torch.Tensor, progress: bool) -> torch.Tensor | KnownRows:
        """(N, D) unit rows of the images that could be read."""
        if isinstance(images, str | Path) and Path(images).suffix.lower() in SUFFIXES:
            images = read_embeddings(images, self.encoder, self.views).features
        if not isinstance(images, np.ndarray | torch.Tensor):
            return self._embed(images, progress).features
        if images.ndim != 2 or images.shape[1] != self.encoder.card.width:
            raise SettingsError(
                f"Expected embeddings of shape (N, {self.encoder.card.width}), as {self.encoder.card.name} makes them, "
                f"but got {tuple(images.shape)}."
            )
        return KnownRows(images)

    def _learn(self, features: torch.Tensor | KnownRows, tempered: bool, progress: bool = False) -> Fitted:
        """The method on one batch: retrieve, average, refine."""
        return learn(
            features,
            self.texts,
            self.settings,
            self.prior,
            temperature=self.encoder.temperature,
            retrieves=self._uses_retrieval,
            tempered=tempered,
            progress=progress,
        )

    def _identity(self) -> dict[str, str | None]:
        """Digests that show later whether another answer used the same texts and the same fit."""
        return {"sentences": self.texts.digest, "fitted": None if self.fitted is None else self.fitted.digest}

    def _notes(self, fitted: Fitted) -> list[str]:
        return [*filter(None, [self._origin_note]), *self.texts.notes, *fitted.notes]

    def _fitted_for(self, features: torch.Tensor) -> Fitted | None:
        """What answers for (n, D) images: what `fit` learned, or what they teach; None where there are none."""
        if len(features) == 0:
            return None
        # With retrieval by image a photo gets the same answer alone as in a folder, down to its probability.
        return self.fitted or self._learn(features, tempered=not self._retrieves_by_image)

    def _with_views(self, views: int | None) -> ZeroShotClassifier:
        """This classifier, or one that differs from it in the number of views only."""
        if views is None or views == self.views:
            return self
        settings = replace(self.settings, views=views)
        if self.fitted is not None:
            raise SettingsError(
                f"the classifier was fitted on {self.views} views of each image, so it cannot answer for "
                f"{views}. Fit again, or leave out `views`."
            )
        twin = copy(self)
        twin.settings, twin.texts = settings, self.texts  # texts are embedded once for both
        return twin

    def _answers(self, batch: NamedEmbeddings, fitted: Fitted | None) -> Predictions:
        """One row for each name; what could not be read has NaN, no evidence, and a reason."""
        if fitted is None:
            return self._answer(batch, torch.empty(0, len(self.classes)), torch.empty(0), iter(()), None)
        by_text = text_scores(batch.features, fitted.text, self.texts, self.settings, self._uses_retrieval)  # (n, C)
        scores = fitted.scores(batch.features) if fitted.refined else by_text
        probabilities = (scores / fitted.temperature).softmax(dim=1)
        familiar = familiarity(by_text, "energy", self.encoder.temperature).float()  # (n,)
        # Among all sentences, not only those retrieved: a photograph has the same evidence alone as in a folder.
        how, winners = self.settings, probabilities.argmax(dim=1)
        evidence = self.texts.evidence_for(batch.features, winners, None, how.evidence, how.modality)
        return self._answer(batch, probabilities, familiar, evidence, fitted)

    def _answer(
        self,
        batch: NamedEmbeddings,
        probabilities: torch.Tensor,
        familiar: torch.Tensor,
        evidence: Iterator[tuple[Evidence, ...]],
        fitted: Fitted | None,
    ) -> Predictions:
        return Predictions(
            images=batch.names,
            classes=self.classes,
            probabilities=with_gaps(probabilities, batch.ok),
            familiarity=with_gaps(familiar, batch.ok),
            method="none" if fitted is None else fitted.method(self.settings.method, self.knowledge is not None),
            prior="none" if fitted is None else fitted.prior,
            requested_method=self.settings.method,
            evidence=tuple(next(evidence) if readable else () for readable in batch.ok),
            errors=batch.errors,
            proxies=None if fitted is None or (self._retrieves_by_image and not fitted.refined) else fitted.rows,
            sentences=None if fitted is None or self._retrieves_by_image else fitted.kept,
            centre=fitted.centre if fitted is not None and fitted.refined else None,
            manifest=prediction_manifest(
                self.encoder,
                self.knowledge,
                self.settings,
                self.prior if isinstance(self.prior, str) else dict(zip(self.classes, self.prior, strict=True)),
                None if fitted is None else {**fitted.history(self.classes), **self._identity()},
                dict(zip(self.classes, self.texts.spoken, strict=True)),
                ["No image could be read."] if fitted is None else self._notes(fitted),
                batch.passed_over,
            ),
        )

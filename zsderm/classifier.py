"""From a folder of photographs and a list of diseases to labels, probabilities and evidence.

`ZeroShotClassifier.predict` reads as the method: embed the images, retrieve descriptions, average them into text
proxies, refine those on the batch, answer. Each step is a function of another module, which it imports; embeddings that
were stored before take the way of photographs that have just been embedded.

Letters: N images, C classes, M sentences, D embedding width.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from zsderm import images as photographs
from zsderm import saved_classifier
from zsderm.batch_answers import BatchAnswers
from zsderm.class_list import PriorChoice, checked_classes, checked_prior
from zsderm.class_texts import ClassTexts
from zsderm.config import DEFAULT_KNOWLEDGE, DEFAULT_MODEL, DEFAULT_PRIOR, Settings
from zsderm.embeddings import NamedEmbeddings, embeddings_of
from zsderm.encoders import load_encoder
from zsderm.encoders.given import checked_encoder
from zsderm.errors import FallbackWarning, ImageError, SettingsError
from zsderm.evidence import check_regions
from zsderm.fitted import Fitted
from zsderm.given_rows import EmbeddedImages
from zsderm.groups import GroupPredictions, ImageGroups, group_predictions
from zsderm.home_prior import check_home
from zsderm.image_reader import Given, ImageReader
from zsderm.knowledge.base import KnowledgeBase
from zsderm.knowledge.given import base_of
from zsderm.knowledge.shown import ShownClasses
from zsderm.modalities import PATHOLOGICAL
from zsderm.narratives.given import check_narratives, weight_of
from zsderm.narratives.joined import trained_words, with_narratives
from zsderm.predictions import Predictions
from zsderm.prompt_templates import Templates, given_templates
from zsderm.streamed_answers import StreamedAnswers

if TYPE_CHECKING:
    from zsderm.encoders import Encoder
    from zsderm.narratives.words_model import WordsModel


class ZeroShotClassifier:
    """Classifies skin photographs into classes given by name, without training.

    Args:
        encoder: embeds images and texts.
        classes: C distinct class names, in the order of the result's columns.
        knowledge: descriptions of the classes; None leaves templates.
        settings: method, retrieval, K and the rest. Where they name no number of views, it is that of the encoder's
            card.
        prior: how common the classes are in the images: "auto" (estimated, and used where that is safe),
            "uniform", weights in the order of the classes, or a mapping from class to weight. "home" is no class mix:
            it takes what each class scores on the encoder's average training image of these classes off.
        cache: folder that keeps embeddings between runs; None keeps nothing.

    Raises:
        ClassListError: no classes, or one that comes twice.
        SettingsError: a prior that does not fit the classes, or "home" where it cannot be used.
        WrongTypeError: an encoder by its name, which `from_pretrained` takes, or what is none; or no knowledge base.
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
        self.encoder = checked_encoder(encoder)
        self.classes = checked_classes(classes)
        self.knowledge = None if knowledge is None else base_of(knowledge)
        self.settings = settings or Settings()
        self.settings = replace(self.settings, views=self.views)  # manifests and saved classifiers say the number
        self.prior = checked_prior(prior, self.classes)
        check_home(self.prior, self.settings, self.encoder, self.classes, self.knowledge)
        self.cache = cache
        self.fitted: Fitted | None = None  # what `fit` learned; without it every batch is learned from by itself
        self._texts: ClassTexts | None = None
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
        templates: Templates | None = None,
        k: int | None = None,
        name_weight: float | None = None,
        centre: bool = False,
        views: int | None = None,
        device: str | torch.device | None = None,
        batch_size: int | None = None,
        cache: str | Path | None = None,
        modality: str = Settings.modality,
        smooth: float = Settings.smooth,
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
            templates: sentences with {name} in which names are read, as a list or as the file of one a line; None for
                the bundled ones.
            k: descriptions kept per class; None for the default of `Settings`.
            name_weight: share of the class name in retrieved proxies; None for the default of `Settings`.
            centre: subtract the mean image before proxies are learned and applied.
            views: 1, 4 or 8: each image is embedded so many times, mirrored and turned, and the mean is taken. It costs
                so many times the encoding. None for the number that the encoder's card recommends.
            device: a torch device; None takes a GPU where there is one.
            batch_size: images encoded at a time; None for the default of `Settings`.
            cache: folder that keeps embeddings between runs; None keeps nothing.
            modality: "clinical", "dermoscopic" or "pathological", what the images are; "auto" where it is not known
                whether they are photographs or dermoscopic. It chooses the descriptions beside an answer, see
                `zsderm.evidence`; answers stay the same. But for "pathological", tissue sections under the microscope,
                no description of skin is read, and names in prompts for such images.
            smooth: gamma, how strongly the answers of a folder are drawn to those of similar images in it, such as 0.3;
                0 for not at all. See `zsderm.proxies.smooth_labels`.

        Raises:
            UnknownModelError, CheckpointError: the encoder cannot be loaded.
            UnknownKnowledgeBaseError, InputError: the knowledge base cannot be loaded.
            ClassListError, SettingsError: see the class.
            WrongTypeError: a model or knowledge base that is neither a name nor one that is loaded.
        """
        settings = Settings(
            method=method,
            retrieval=retrieval,
            names=names,
            templates=given_templates(templates),
            centre=centre,
            views=views,
            modality=modality,
            smooth=smooth,
        )
        given: dict[str, Any] = {"k": k, "name_weight": name_weight, "batch_size": batch_size}
        settings = replace(settings, **{name: value for name, value in given.items() if value is not None})
        checked_prior(prior, checked_classes(classes))  # a mistake shows before an encoder is loaded
        base = None if knowledge is None else base_of(knowledge)
        encoder = load_encoder(model, device) if isinstance(model, str | Path) else checked_encoder(model)
        return cls(encoder, classes, base, settings, prior, cache)

    def predict(
        self,
        images: Given,
        progress: bool = False,
        *,
        views: int | None = None,
        regions: Sequence[str] | None = None,
        narratives: Sequence[str | None] | None = None,
        words_weight: float | None = None,
        words_model: WordsModel | str | Path | None = None,
        words_options: int | None = None,
    ) -> Predictions:
        """Classify photographs; one image in, one row out.

        With method "kpl" the images are one batch: they are labelled together, and what is learned from all of them
        serves each of them. The other methods answer each image alone (except that retrieval "batch" chooses the
        descriptions for all of them together). After `fit`, nothing is learned: every image is answered alone. With
        the setting `smooth` an answer also depends on the other images, after `fit` too.

        Args:
            images: a folder, a path, a PIL image, or a list of paths or PIL images; or what `zsderm.images.named` has
                found in them. Or their embeddings by this encoder, of as many views: the file or data set that
                ``zsderm embed`` wrote, or what `zsderm.embeddings.read_embeddings` has read of it. N in all.
            progress: show a bar on stderr while images are embedded.
            views: how many views of each image are averaged; None for what the settings say.
            regions: N regions of the body that the images show, such as "nose", in the order of the images; empty where
                it is not known. Descriptions on a place stand only beside images of it; answers stay the same.
            narratives: N stories of patients, None or empty where none is known. See `narratives.answers`.
            words_weight: of the stories beside the photographs, 0 to 10; None for 1.5, or 0.5 with a trained model.
            words_model: a trained model of stories or its folder, which reads them instead of the knowledge base.
            words_options: how many classes, the first ones by photograph, are its options; None for 3.

        Returns:
            `Predictions` with N rows. An image that cannot be read is a row with a reason.

        Raises:
            ImageError: a folder that is missing or holds no images.
            SettingsError: a number of views that there is no set of, or not that of the fitted classifier.
            InputError: not one region, or narrative, for each image; or embeddings that cannot be read, or that another
                encoder or number of views made.
            CheckpointError, UnknownClassError: a model of stories that is none, or that knows fewer than two classes.
        """
        own = self._with_views(views)
        found = own._reader.named(images)
        check_regions(regions, found.names)  # a mistake shows before the work
        modelled = words_model is not None
        check_narratives(narratives, found.names, words_weight, modelled=modelled, options=words_options)
        weight = weight_of(words_weight, modelled=modelled)
        trained = trained_words(words_model, self.classes, self.knowledge, words_options)
        answers = own.predict_embedded(own._reader.embedded(found, progress), regions)
        return with_narratives(answers, narratives, self.knowledge, weight, self.cache, trained)

    def predict_embedded(self, batch: EmbeddedImages, regions: Sequence[str] | None = None) -> Predictions:
        """What `predict` says of photographs that are embedded already: they are the batch.

        Args:
            batch: N photographs, embedded by this encoder in as many views as this classifier averages.
            regions: see `predict`.

        Raises:
            InputError: not one region for each image.
        """
        return self.predict_stream(batch, regions=regions).all()

    def embedded(self, images: Given, progress: bool = False) -> EmbeddedImages:
        """Photographs embedded as `predict` does it; stored embeddings, held against the encoder, as they are.

        Args:
            images: see `predict`.
            progress: see `predict`.

        Raises:
            ImageError, InputError: see `predict`.
        """
        return self._reader.embedded(self._reader.named(images), progress)

    def predict_stream(
        self,
        batch: EmbeddedImages,
        progress: bool = False,
        *,
        regions: Sequence[str] | None = None,
        learned: Fitted | None = None,
    ) -> StreamedAnswers:
        """What `predict` says, of more images than memory holds the answers of: they are made where they are asked for.

        Memory does not grow with N if the rows are in a data set of embeddings or in a .npy file, from
        `Settings.streamed_from` images on. `zsderm.written_answers` writes such answers into a folder.

        Args:
            batch: N images, as `embedded` gives them.
            progress: show a bar on stderr while many images are refined.
            regions: see `predict`.
            learned: what was learned from these very images before; None learns it now, unless something was fitted.

        Raises:
            InputError: not one region for each image.
        """
        check_regions(regions, batch.names)
        return StreamedAnswers.of(self._batch_answers, batch, regions, fitted=learned, progress=progress)

    def predict_stored(self, embeddings: str | Path, images: Sequence[str | Path]) -> Predictions:
        """What `predict` says of photographs, with the rows that ``zsderm embed`` wrote of them; none is opened.

        Args:
            embeddings: a .npy or .parquet file, or the folder of a data set.
            images: N paths of photographs that are in it; they are the batch.

        Raises:
            InputError: embeddings that cannot be read, of another encoder or number of views, or that lack some of the
                images.
        """
        found = photographs.named(list(images))
        rows = embeddings_of(embeddings, self.encoder, found.names, self.views)
        return self.predict_embedded(NamedEmbeddings.of(found, rows))

    def predict_groups(
        self,
        images: Given,
        groups: Sequence[str],
        progress: bool = False,
        *,
        by: str = "",
        views: int | None = None,
        regions: Sequence[str] | None = None,
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
            regions: see `predict`; a group has one where those of its images that are known are the same.

        Raises:
            ImageError, SettingsError: see `predict`; SettingsError also where answers are to be smoothed.
            InputError: not one group, or region, for each image.
        """
        if self.settings.smooth > 0:
            raise SettingsError(
                "answers for groups cannot be smoothed: thresholds and neighbours are those of single photographs. "
                "Leave out the smoothing, or the groups."
            )
        own = self._with_views(views)
        found = own._reader.named(images)
        members = ImageGroups.of(groups, found.names)  # a mistake shows before the work
        check_regions(regions, found.names)
        embedded, method = own._reader.embedded(found, progress), own._batch_answers
        batch = embedded.part(0, len(embedded))
        fitted = method.fitted_for(batch.features)
        places = None if regions is None else members.shared(regions)
        answers = [method.to(*rows) for rows in ((batch, fitted, regions), (members.means(batch), fitted, places))]
        return group_predictions(answers[0], answers[1], members, by)

    def fit(self, images: Given | np.ndarray | torch.Tensor, progress: bool = False) -> ZeroShotClassifier:
        """Learn from one batch of images, without labels, what `predict` then applies to any others.

        After it a photograph gets the same answer alone as in any folder.

        Args:
            images: see `predict`. Or their embeddings by this encoder, of as many views: (N, D) unit rows, or what
                ``zsderm embed`` wrote: a .npy or .parquet file, or the folder of a data set; rows of NaN are left out.
                Rows of a .npy file or of a data set stay there, and from `Settings.streamed_from` of them on memory
                does not grow with N.
            progress: see `predict`; also while many images are refined.

        Returns:
            This classifier, whose `fitted` now holds what was learned.

        Raises:
            ImageError: a folder that is missing, holds no images, or none that can be read.
            InputError: a file of embeddings that cannot be read, or that another encoder or number of views made.
            SettingsError: embeddings of another width, or that hold infinity.
        """
        features = self._reader.features(images, progress)
        if len(features) == 0:
            raise ImageError("none of the images could be read, so there is nothing to learn from")
        self.fitted = self._batch_answers.learned(features, tempered=True, progress=progress)
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
            settings=replace(self.settings, smooth=Settings.smooth),  # not learned: it is asked for with each folder
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
        smooth: float = Settings.smooth,
    ) -> ZeroShotClassifier:
        """A fitted classifier from the folder that `save` wrote.

        Args:
            folder: what `save` was given.
            model: the encoder, where it now goes by another name; by default the name that was saved.
            device: a torch device; None takes a GPU where there is one.
            cache: see the class.
            modality: see `from_pretrained`; None for what was saved.
            smooth: see `from_pretrained`; it is not saved.

        Raises:
            InputError: the folder is not a saved classifier.
            CheckpointError: the encoder is not the one that the classifier was fitted with.

        Warns:
            FallbackWarning: the folder holds another version of a bundled knowledge base; manifests say so as well.
        """
        saved = saved_classifier.read(Path(folder))
        named = model or saved_classifier.cached_encoder(saved, device) or saved.model
        encoder = load_encoder(named, device) if isinstance(named, str | Path) else checked_encoder(named)
        settings = saved.settings if modality is None else replace(saved.settings, modality=modality)
        if settings.modality != saved.settings.modality and PATHOLOGICAL in (modality, saved.settings.modality):
            raise SettingsError(
                f"the classifier in {folder} was fitted for {saved.settings.modality} images and not for {modality} "
                "ones, whose classes are described in other words; fit another, or leave the modality as it is"
            )
        settings = replace(settings, smooth=smooth)
        found = cls(encoder, saved.classes, saved.knowledge, settings, cache=cache)
        found.prior = saved.prior  # what it means was learned, so that the encoder's home need not be there
        saved.check(encoder, found.texts)
        found.fitted = saved.fitted
        found._origin_note = saved.knowledge_note()
        if found._origin_note:
            warnings.warn(found._origin_note, FallbackWarning, stacklevel=2)
        return found

    @property
    def texts(self) -> ClassTexts:
        """The sentences of all classes, embedded once."""
        if self._texts is None:  # no cached_property, which up to Python 3.11 lets one classifier at a time read
            self._texts = ClassTexts.build(
                self.encoder,
                self.classes,
                self.settings.method,
                self.knowledge,
                with_names=self._uses_retrieval and self.settings.name_weight > 0,
                which=self.settings.names,
                templates=self.settings.templates,
                cache=self.cache,
                modality=self.settings.modality,
            )
        return self._texts

    @cached_property
    def shown(self) -> ShownClasses | None:
        """Which classes the encoder was never shown in training; None where its card does not list what it was."""
        return ShownClasses.of(self.classes, self.encoder.card.diagnoses, self.knowledge)

    @property
    def shown_note(self) -> str:
        """A sentence that names those classes, known before any image is read; empty where there are none."""
        return "" if self.shown is None else self.shown.note(self.encoder.card.name)

    @property
    def views(self) -> int:
        """How many views of each image are averaged: as the settings say, or else the encoder's card."""
        return self.settings.views or self.encoder.card.views

    @property
    def _uses_retrieval(self) -> bool:
        return self.settings.method in ("kpl", "knowledge") and self.knowledge is not None

    @property
    def _reader(self) -> ImageReader:
        """What embeds photographs for this classifier."""
        _ = self.texts  # a class of which nothing can be said shows now, not after hours of encoding
        return ImageReader(self.encoder, self.views, self.settings.batch_size, self.cache)

    def _with_views(self, views: int | None) -> ZeroShotClassifier:
        """This classifier, or one that differs from it in the number of views only."""
        if views is None or views == self.views:
            return self
        if self.fitted is not None:
            raise SettingsError(
                f"the classifier was fitted on {self.views} views of each image, so it cannot answer for "
                f"{views}. Fit again, or leave out `views`."
            )
        twin = copy(self)
        twin.settings, twin._texts = replace(self.settings, views=views), self.texts  # texts are embedded once for both
        return twin

    @property
    def _batch_answers(self) -> BatchAnswers:
        """The method for any batch of embedded photographs."""
        return BatchAnswers(
            encoder=self.encoder,
            classes=self.classes,
            knowledge=self.knowledge,
            settings=self.settings,
            prior=self.prior,
            texts=self.texts,
            shown=self.shown,
            fit=self.fitted,
            retrieves=self._uses_retrieval,
            note=self._origin_note,
        )

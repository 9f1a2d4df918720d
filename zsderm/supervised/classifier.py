"""The classes of photographs by a trained image tower: the same decoding, views, cache and rows as everywhere.

The tower gives square roots of probabilities. Squares that sum to 1 make these unit rows, which is what images are
embedded as, so that nothing about reading, batches, views and the cache is different. Views are averaged as unit rows
are: the mean of the roots, made a unit row again.

Letters: N images, C classes that are asked for, K classes of the training.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from open_clip.transform import PreprocessCfg
from PIL.Image import Image

from zsderm import images as photographs
from zsderm.batch_answers import with_gaps
from zsderm.class_labels import places
from zsderm.class_list import checked_classes
from zsderm.config import DEFAULT_KNOWLEDGE, check_views
from zsderm.embeddings import NamedEmbeddings
from zsderm.encoders.base import SUPERVISED_PREFIX, EncoderCard
from zsderm.encoders.open_clip_format.encoder import inference_transform
from zsderm.encoders.torch_encoder import TorchEncoder, choose_device
from zsderm.errors import UnknownClassError, WrongTypeError, ZsdermWarning
from zsderm.groups import GroupPredictions, ImageGroups, group_predictions
from zsderm.image_reader import ImageReader
from zsderm.knowledge import KnowledgeBase
from zsderm.knowledge.same_disease import same_diseases
from zsderm.manifest_files import versions
from zsderm.predictions import Predictions
from zsderm.supervised.checkpoint import SupervisedCheckpoint

METHOD = "supervised"  # what answered, in tables


def is_supervised(model: object) -> bool:
    """Whether a name means a supervised classifier: "supervised:FOLDER"."""
    return isinstance(model, str) and model.startswith(SUPERVISED_PREFIX)


class _Tower(TorchEncoder):
    """The trained network as an encoder of images: (B, K) roots of probabilities. It reads no texts."""

    temperature = 1.0
    home = None  # what its training images look like was not measured

    def __init__(self, checkpoint: SupervisedCheckpoint, device: str | torch.device | None) -> None:
        self.device = choose_device(device)
        self.card: EncoderCard = checkpoint.card
        self._checkpoint = checkpoint
        settings = {name: value for name, value in checkpoint.preprocess.items() if name != "mode"}
        self._transform = inference_transform(PreprocessCfg(**settings), str(checkpoint.preprocess["mode"]))
        self._network = checkpoint.model().to(self.device).to(memory_format=torch.channels_last)

    @property
    def fingerprint(self) -> str:
        return self._checkpoint.fingerprint

    def preprocess(self, image: Image) -> torch.Tensor:
        return self._transform(image)

    def image_tower(self) -> torch.nn.Module:
        return torch.nn.Sequential(self._network)

    def _embed_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        logits = self._network(pixels.to(self.device, memory_format=torch.channels_last))  # (B, K)
        return logits.float().softmax(dim=1).sqrt()

    def _embed_texts(self, texts: list[str]) -> tuple[torch.Tensor, int]:
        raise WrongTypeError(
            f"expected an encoder of images and texts, but the supervised classifier '{self.card.name}' reads no "
            "texts: it answers the classes of its training alone. Load an encoder with load_encoder('zsderm-mini')"
        )


@dataclass(frozen=True)
class SupervisedClassifier:
    """Photographs to classes, by a tower that was trained on labelled images of these classes.

    Attributes:
        checkpoint: what the tower was trained on, and how.
        classes: C names that are answered, in this order.
        places: C places of these classes among those of the training.
        views: how many views of each image are averaged.
        batch_size: images in the tower at a time.
        cache: a folder that keeps rows between runs; None keeps nothing.
    """

    checkpoint: SupervisedCheckpoint
    classes: tuple[str, ...]
    places: tuple[int, ...]
    tower: TorchEncoder = field(repr=False)
    views: int = 1
    batch_size: int = 64
    cache: str | Path | None = None

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        classes: Sequence[str] | None = None,
        views: int | None = None,
        device: str | torch.device | None = None,
        batch_size: int = 64,
        cache: str | Path | None = None,
    ) -> SupervisedClassifier:
        """Read a classifier that `zsderm pretrain supervised` has trained.

        Args:
            folder: the folder, or "supervised:FOLDER".
            classes: C of the classes that it was trained on; None for all of them.
            views: 1, 4 or 8 mirrored and turned views are averaged; None for what its card says.
            device: a torch device; None takes a GPU where there is one.
            batch_size: images in the tower at a time.
            cache: a folder that keeps rows between runs.

        Raises:
            CheckpointError: the folder is none, or incomplete.
            ClassListError: see `for_classes`.
            UnknownClassError: a class that it was not trained on.
            SettingsError: another number of views, or there is no such device.
        """
        read = SupervisedCheckpoint.read(str(folder).removeprefix(SUPERVISED_PREFIX))
        views = read.views if views is None else views
        check_views(views)
        tower = _Tower(read, device)
        every = tuple(range(len(read.classes)))
        own = cls(read, read.classes, every, tower, views=views, batch_size=batch_size, cache=cache)
        return own if classes is None else own.for_classes(classes)

    @property
    def card(self) -> EncoderCard:
        """What is known of the tower."""
        return self.checkpoint.card

    @property
    def fingerprint(self) -> str:
        """16 hex digits over weights, classes of the training and preprocessing."""
        return self.checkpoint.fingerprint

    @property
    def shown_note(self) -> str:
        """Which classes it never saw in training, as `ZeroShotClassifier.shown_note`: there are none."""
        return ""

    def for_classes(self, classes: Sequence[str]) -> SupervisedClassifier:
        """The same tower for some of its classes, in another order or by other names of the same diseases.

        Args:
            classes: C distinct names, two or more.

        Raises:
            ClassListError: no list, fewer than two names, or one that comes twice.
            UnknownClassError: one of them is none of those that it was trained on.
        """
        names = checked_classes(classes)
        return replace(self, classes=names, places=_places(names, self.checkpoint))

    def probabilities(self, images: Any, progress: bool = False) -> torch.Tensor:
        """The probabilities of the classes.

        Args:
            images: a folder, a path, a PIL image, or a list of paths or PIL images; N in all.
            progress: show a bar on stderr.

        Returns:
            (N, C) float32 on the CPU. Each row sums to 1, over the classes that are asked for; NaN where an image
            cannot be read.

        Raises:
            ImageError: a folder that is missing or holds no images.
        """
        return self.predict(images, progress).probabilities

    def predict(self, images: Any, progress: bool = False) -> Predictions:
        """Classify photographs; one image in, one row out, each answered alone.

        What patients tell is joined with it by `zsderm.narratives.answers.with_words`.

        Args:
            images: see `probabilities`.
            progress: show a bar on stderr.

        Raises:
            ImageError: see `probabilities`.
        """
        return self._answers(self._embed(photographs.named(images), progress))

    def predict_groups(
        self, images: Any, groups: Sequence[str], progress: bool = False, *, by: str = ""
    ) -> GroupPredictions:
        """Classify photographs, and the lesions or patients that they show, as `ZeroShotClassifier.predict_groups`.

        A group is answered by its photographs as a photograph is by its views: the mean of the roots of their
        probabilities, of unit length again.

        Args:
            images: see `probabilities`.
            groups: N names of groups, in the order of the images; one without a name is a group of its own.
            progress: show a bar on stderr.
            by: what the groups are, such as "lesion_id", for the manifest.

        Raises:
            ImageError: see `probabilities`.
            InputError: not one group for each image.
        """
        found = photographs.named(images)
        members = ImageGroups.of(groups, found.names)  # a mistake shows before the work
        batch = self._embed(found, progress)
        return group_predictions(self._answers(batch), self._answers(members.means(batch)), members, by)

    def _embed(self, found: photographs.ImageList, progress: bool) -> NamedEmbeddings:
        """(N, K) unit rows, the roots of the probabilities."""
        return ImageReader(self.tower, self.views, self.batch_size, self.cache).embed(found, progress)

    def _answers(self, batch: NamedEmbeddings) -> Predictions:
        """One row for each name; what could not be read has NaN and a reason."""
        kept = batch.features[:, list(self.places)].square().clamp_min(torch.finfo(torch.float32).tiny)  # (n, C)
        return Predictions(
            images=batch.names,
            classes=self.classes,
            probabilities=with_gaps(kept / kept.sum(dim=1, keepdim=True), batch.ok),
            method=METHOD,
            prior="none",
            requested_method=METHOD,
            evidence=((),) * len(batch.names),
            errors=batch.errors,
            manifest=self._manifest(batch),
        )

    def _manifest(self, batch: NamedEmbeddings) -> dict[str, Any]:
        """What the answers were made with, in the words of other predictions."""
        read = self.checkpoint
        return {
            "encoder": {"name": read.card.name, "fingerprint": self.fingerprint, "temperature": 1.0},
            "knowledge": None,
            "trained_on": list(read.classes),
            "starting_weights": read.facts.get("starting_weights"),
            "settings": {"method": METHOD, "views": self.views, "prior": "none"},
            "temperature": None,
            "refinement": None,
            "versions": versions(),
            "passed_over": dict(batch.passed_over),
            "notes": ["The classifier was trained on labelled images of these classes: its answers are not zero-shot."],
        }


def _places(classes: Sequence[str], read: SupervisedCheckpoint) -> tuple[int, ...]:
    """The place of each class among those of the training; other names of the same diseases are said."""
    place = places(classes, read.classes)
    strangers = [name for name in classes if name not in place]
    found = (
        same_diseases(strangers, classes, read.classes, KnowledgeBase.load(DEFAULT_KNOWLEDGE)) if strangers else None
    )
    place |= {} if found is None else found.same  # not held: a class that holds a disease answers for others as well
    counts = Counter(place.values())
    unknown = [name for name in classes if name not in place]
    if wrong := unknown or [name for name in classes if counts[place[name]] > 1]:
        what = "was not trained on" if unknown else "has only one class for"
        raise UnknownClassError(
            f"the supervised classifier '{read.card.name}' {what} {', '.join(wrong)}: it answers only "
            f"{', '.join(read.classes)}. Ask for these alone, or train one with your classes."
        )
    for told in () if found is None else found.told(read.classes):  # nothing is held where all are known
        warnings.warn(f"the supervised classifier '{read.card.name}': {told}.", ZsdermWarning, stacklevel=4)
    return tuple(place[name] for name in classes)

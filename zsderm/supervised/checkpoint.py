"""The folder of a supervised classifier: weights, and a card that says how they are built and what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import load_file

from zsderm.config import VIEWS
from zsderm.encoders.base import SUPERVISED_CARD, EncoderCard, read_json
from zsderm.encoders.checkpoint import BUILD_ERRORS, first_line
from zsderm.encoders.fingerprint import count_parameters, fingerprint
from zsderm.encoders.open_clip_format.preprocessing import complete_preprocessing
from zsderm.errors import CheckpointError
from zsderm.knowledge.names import repeated

CARD, WEIGHTS = SUPERVISED_CARD, "model.safetensors"
LARGEST_SIDE, MOST_CLASSES = 4096, 100_000


@dataclass(frozen=True)
class SupervisedCheckpoint:
    """A folder that `zsderm pretrain supervised` has written, without its weights.

    Attributes:
        folder: where it is.
        tower: what timm calls the network.
        classes: C names in the order of the head.
        preprocess: complete settings in open_clip's form.
        views: how many views of an image it recommends to average.
        facts: licence, description, training data, starting weights and everything else that the card says.
    """

    folder: Path
    tower: str
    classes: tuple[str, ...]
    preprocess: Mapping[str, Any]
    views: int = 1
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: str | Path) -> SupervisedCheckpoint:
        """Read the card of a folder.

        Raises:
            CheckpointError: it is no such folder, or its card says something that cannot be.
        """
        if not str(folder).strip():  # which is a path to the folder one is in
            raise CheckpointError(
                "expected the folder of a supervised classifier, but got no folder. "
                "zsderm pretrain supervised writes one: RUN/classifier"
            )
        folder = Path(folder).expanduser()
        for name in (CARD, WEIGHTS):
            if not (folder / name).is_file():
                raise CheckpointError(
                    f"expected the folder of a supervised classifier, with {CARD} and {WEIGHTS}, but {folder} has no "
                    f"{name}. zsderm pretrain supervised writes one: RUN/classifier"
                )
        said = read_json(folder / CARD)
        where = folder / CARD
        tower, classes, views = said.get("tower"), said.get("classes"), said.get("views", 1)
        if not (isinstance(tower, str) and timm.is_model(tower)):
            raise CheckpointError(f"expected tower in {where} to be a network that timm knows, but got {tower!r:.60}")
        names = (
            [name for name in classes if isinstance(name, str) and name.strip()] if isinstance(classes, list) else []
        )
        if (
            not isinstance(classes, list)
            or len(names) < len(classes)
            or repeated(names)
            or not 2 <= len(names) <= MOST_CLASSES
        ):
            raise CheckpointError(f"expected classes in {where} to be a list of distinct names, got {classes!r:.60}")
        if type(views) is not int or views not in VIEWS:
            raise CheckpointError(f"expected views in {where} to be one of {VIEWS}, but got {views!r:.60}")
        return cls(folder, tower, tuple(names), _preprocessing(said, where), views, said)

    @property
    def image_size(self) -> int:
        """Side of the square that the tower sees, in pixels."""
        return int(self.preprocess["size"])

    @cached_property
    def card(self) -> EncoderCard:
        """What other code wants to know of it, as of any image tower: its rows have one place for each class."""
        licence, described = self.facts.get("licence", "unknown"), self.facts.get("description", "")
        return EncoderCard(
            name=str(self.facts.get("name") or self.folder.name),
            width=len(self.classes),
            image_size=self.image_size,
            context_length=0,
            licence=str(licence),
            description=str(described),
            parameters=count_parameters(self.folder / WEIGHTS),
            views=self.views,
            diagnoses=self.classes,
        )

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits over weights, classes and preprocessing: equal means the same answers."""
        settings = {"tower": self.tower, "classes": self.classes, "preprocess": dict(self.preprocess)}
        return fingerprint(settings, [self.folder / WEIGHTS], [])

    def model(self) -> torch.nn.Module:
        """The network with its weights, in float32 and evaluation mode, on the CPU.

        Raises:
            CheckpointError: the weights are damaged, or those of another network.
        """
        try:
            weights = load_file(self.folder / WEIGHTS)
            network = timm.create_model(self.tower, pretrained=False, num_classes=len(self.classes))
            network.load_state_dict(weights)
        except BUILD_ERRORS as error:
            raise CheckpointError(
                f"the weights in {self.folder} are not those of {self.tower} with {len(self.classes)} classes: "
                f"{first_line(error)}. Copy the folder again."
            ) from error
        return network.float().eval().requires_grad_(False)


def _preprocessing(said: Mapping[str, Any], where: Path) -> dict[str, Any]:
    """Complete preprocessing settings.

    Raises:
        CheckpointError: the size is none, or a setting is none that can be followed.
    """
    given = said.get("preprocess_cfg")
    size = given.get("size") if isinstance(given, Mapping) else None
    if not isinstance(given, Mapping) or type(size) is not int or not 1 <= size <= LARGEST_SIDE:
        raise CheckpointError(f"expected preprocess_cfg.size in {where} to be a number of pixels, but got {size!r:.60}")
    card = EncoderCard(where.parent.name, width=0, image_size=size, context_length=0)
    return complete_preprocessing(given, card, {"image_size": size})

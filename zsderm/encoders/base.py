"""The interface of an encoder, which turns images and texts into unit rows, and its card."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from zsderm.config import VIEWS
from zsderm.display.tables import html_table
from zsderm.encoders.fingerprint import count_parameters
from zsderm.encoders.sizes import check_sizes
from zsderm.errors import CheckpointError
from zsderm.stored_json import read_json_file

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from zsderm.encoders.home import EncoderHome

HUB_PREFIX, FOLDER_PREFIX = "hf-hub:", "local-dir:"  # of the names of encoders
SUPERVISED_PREFIX = "supervised:"  # of the names of what is no encoder, see zsderm.supervised
SUPERVISED_CARD = "supervised.json"  # which lies in its folder
CONFIG_FILE = "open_clip_config.json"
CARD_FILE = "zsderm.json"
HOME_FILE = "home.safetensors"  # see zsderm.encoders.home
OPEN_CLIP_FILES = f"an open_clip folder ({CONFIG_FILE} and model.safetensors or open_clip_model.safetensors)"

# Keys of a vision_cfg that say how a MAKE checkpoint was trained; open_clip refuses them, the card keeps them.
TRAINING_KEYS = ("sigma", "patch_embeddings")

# A JPEG is decoded at reduced size as long as its shorter side keeps this many times what the encoder looks at. At 5
# the rows differ from those of the full size less than they do when pixels are rounded once more: docs/encoders.md.
SCALE_LIMIT = 5

# What a card says of a model that was trained to answer yes or no for each pair: see docs/encoders.md.
SIGMOID = "sigmoid: each pair was judged alone in training; over named classes its bias cancels"


@dataclass(frozen=True)
class Figure:
    """A published figure of an encoder, to compare one's own run with."""

    dataset: str
    metric: str
    value: float
    source: str

    @classmethod
    def read(cls, row: Figure | Mapping[str, Any]) -> Figure:
        """A figure as a zsderm.json states it.

        Raises:
            CheckpointError: it lacks a part, or has one too many.
        """
        if isinstance(row, Figure):
            return row
        try:
            return cls(**{**row, "value": float(row["value"])})
        except (TypeError, KeyError, ValueError) as error:
            wanted = ", ".join(cls.__dataclass_fields__)
            raise CheckpointError(f"expected every figure in {CARD_FILE} to have {wanted}, but got {row}") from error

    def __str__(self) -> str:
        return f"{self.dataset} {self.metric} {self.value:.3f} ({self.source})"


@dataclass(frozen=True, repr=False)
class EncoderCard:
    """What one should know about an encoder before using it."""

    name: str  # as given to load_encoder
    width: int  # D, the embedding width; 0 where it is not known, which is only so for a model that is not loaded
    image_size: int  # pixels, the longer side of the model's input; 0 as for width
    context_length: int  # tokens, special tokens included; 0 as for width, or where there is no text tower
    licence: str = "unknown"
    source: str = ""  # where the weights come from: a page or a paper
    description: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)  # how it was trained, e.g. sigma
    parameters: int | None = None  # of both towers; None: not stated
    training_data: tuple[str, ...] = ()
    gated: bool | None = None  # whether its terms have to be accepted on its page; None: not known
    figures: tuple[Figure, ...] = ()  # published, zero-shot, with their source
    views: int = 1  # one of VIEWS: how many views of an image its makers recommend to embed and average
    diagnoses: tuple[str, ...] | None = None  # what its training images showed, by name; None: not known

    def __repr__(self) -> str:
        sizes = f"width {self.width}, images of {self.image_size} pixels, {self.context_length} tokens"
        return f"EncoderCard({self.name!r}, {sizes}, licence {self.licence!r})"

    def _repr_html_(self) -> str:
        """What a notebook shows: all that is known."""
        facts: dict[str, object] = {
            "embedding width": self.width or "not known",
            "image size": f"{self.image_size} pixels" if self.image_size else "not known",
            "context": f"{self.context_length} tokens" if self.context_length else "not known",
            "views": self.views,
            "parameters": f"{self.parameters:,}" if self.parameters else "not stated",
            "licence": self.licence,
            "terms to accept": {True: "yes", False: "no", None: "not known"}[self.gated],
            "source": self.source,
            "what it is": self.description,
            "trained on": "; ".join(self.training_data),
            "published figures": "; ".join(map(str, self.figures)),
            **{name: value for name, value in self.metadata.items() if not isinstance(value, Mapping | list | tuple)},
        }
        return html_table(f"Encoder {self.name}", (), ((name, fact) for name, fact in facts.items() if fact != ""))

    @property
    def decoded_side(self) -> int:
        """Pixels that the shorter side of a photograph keeps when it is decoded at reduced size for this encoder."""
        return SCALE_LIMIT * self.image_size

    @classmethod
    def read(cls, folder: Path, name: str, otherwise: Mapping[str, Any] | None = None) -> EncoderCard:
        """Read the card of a checkpoint folder, without loading its weights.

        Shapes come from open_clip_config.json; facts from zsderm.json where there is one, else the licence from the
        front matter of README.md. What zsderm.json says beyond the fields of a card becomes metadata.

        Args:
            folder: a checkpoint folder.
            name: the name the user gave.
            otherwise: licence, source, description to use where the folder does not say.

        Raises:
            CheckpointError: a file is missing or is not what it should be.
        """
        return cls.describe(name, read_config(folder)["model_cfg"], folder_facts(folder, otherwise))

    @classmethod
    def describe(cls, name: str, model_cfg: Mapping[str, Any], facts: Mapping[str, Any]) -> EncoderCard:
        """Card of a model given as an open_clip configuration and facts about it.

        Args:
            name: the name the user gave.
            model_cfg: open_clip's configuration, with embed_dim, vision_cfg and text_cfg.
            facts: licence, source, description; what the card has no field for is metadata.

        Raises:
            CheckpointError: a size that cannot be.
        """
        check_sizes(name, model_cfg)
        vision, text = model_cfg["vision_cfg"], model_cfg["text_cfg"]
        size = vision.get("image_size", 224)  # 224 and 77 are open_clip's defaults
        metadata = {key: vision[key] for key in TRAINING_KEYS if key in vision}
        if model_cfg.get("init_logit_bias") is not None:
            metadata["head"] = SIGMOID
        return cls(
            name=name,
            width=int(model_cfg["embed_dim"]),
            image_size=int(max(size) if isinstance(size, (list, tuple)) else size),
            context_length=int(text.get("context_length", 77)),
            **cls.fields_from(facts, metadata),
        )

    @classmethod
    def fields_from(cls, facts: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
        """The fields that are no shapes, as arguments for a card.

        Args:
            facts: what a zsderm.json, a page or the catalogue says; what no field is for becomes metadata.
            metadata: what is known besides.

        Raises:
            CheckpointError: a fact of another kind, a figure that lacks a part, or a number of views that there is no
                set of.
        """
        _check_facts(facts)
        data, views = facts.get("training_data", ()), facts.get("views", 1)
        if type(views) is not int or views not in VIEWS:  # JSON's true is no 1
            raise CheckpointError(
                f"expected views in {CARD_FILE} to be one of {', '.join(map(str, VIEWS))}, but got {views!r}"
            )
        extra = {key: value for key, value in facts.items() if key not in cls.__dataclass_fields__}
        return {
            "licence": facts.get("licence", "unknown"),
            "source": facts.get("source", ""),
            "description": facts.get("description", ""),
            "metadata": {**metadata, **extra, **facts.get("metadata", {})},
            "parameters": facts.get("parameters"),
            "training_data": (data,) if isinstance(data, str) else tuple(data),
            "gated": facts.get("gated"),
            "figures": tuple(Figure.read(row) for row in facts.get("figures", ())),
            "diagnoses": None if facts.get("diagnoses") is None else tuple(facts["diagnoses"]),
            "views": views,
        }


def _check_facts(facts: Mapping[str, Any]) -> None:
    """Refuse facts of another kind than the fields of a card."""
    kinds: dict[str, tuple[type, ...]] = {
        **dict.fromkeys(("licence", "source", "description"), (str,)),
        "metadata": (Mapping,),
        "parameters": (int, type(None)),
        "gated": (bool, type(None)),
        "training_data": (str, list, tuple),
        "figures": (list, tuple),
        "diagnoses": (list, tuple, type(None)),
    }
    for name, kind in kinds.items():
        value = facts.get(name)
        if name in facts and not isinstance(value, kind):
            wanted = " or ".join(which.__name__.replace("NoneType", "null").lower() for which in kind)
            raise CheckpointError(f"expected {name} in {CARD_FILE} to be of the kind {wanted}, but got {value!r:.60}")
    named = facts.get("diagnoses")
    if named is not None and not (named and all(isinstance(name, str) and name.strip() for name in named)):
        raise CheckpointError(f"expected diagnoses in {CARD_FILE} to be a list of names, but got {named!r:.60}")


def card_facts(card: EncoderCard) -> dict[str, Any]:
    """What a card says beyond its name and shapes, as a zsderm.json holds it; what is not known is left out."""
    names = ("licence", "source", "description", "parameters", "training_data", "diagnoses", "gated", "views")
    known = {name: getattr(card, name) for name in names if getattr(card, name) is not None}
    return {**known, "figures": [asdict(figure) for figure in card.figures], "metadata": dict(card.metadata)}


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object that belongs to a checkpoint.

    Raises:
        CheckpointError: it cannot be read, or is not an object.
    """
    try:
        content = read_json_file(path)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read {path}: {error}. Copy the checkpoint folder again.") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"expected {path} to hold a JSON object, but got a {type(content).__name__}")
    return content


def read_config(folder: Path) -> dict[str, Any]:
    """Read open_clip_config.json of a folder and check that it describes a model with two towers.

    Raises:
        CheckpointError: the file is missing, unreadable, or lacks a part.
    """
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise unknown_format(folder, OPEN_CLIP_FILES)
    config = read_json(path)
    model_cfg = config.get("model_cfg")
    wanted = {"embed_dim": int, "vision_cfg": dict, "text_cfg": dict}
    if not isinstance(model_cfg, dict) or not all(isinstance(model_cfg.get(key), kind) for key, kind in wanted.items()):
        raise CheckpointError(f"expected {path} to hold a model_cfg with {', '.join(wanted)}, but it does not")
    return config


def unknown_format(folder: Path, *expected: str) -> CheckpointError:
    """The error for a folder without open_clip's configuration, and what the formats expect instead."""
    other = " Its config.json alone belongs to another format." if (folder / "config.json").is_file() else ""
    if (folder / SUPERVISED_CARD).is_file():
        other = f" It holds a supervised classifier: write {SUPERVISED_PREFIX}{folder}"
    return CheckpointError(
        f"{folder} has no {CONFIG_FILE}, so its architecture and preprocessing are unknown.{other} "
        f"Expected {', or '.join(expected)}."
    )


def folder_facts(folder: Path, otherwise: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What a folder says about its model: zsderm.json where there is one, else the licence of its README.md.

    Args:
        folder: a checkpoint folder; the numbers in its safetensors are counted, not loaded.
        otherwise: what to say where the folder does not.
    """
    facts = dict(otherwise or {})
    counts = [count_parameters(path) for path in sorted(folder.glob("*.safetensors")) if path.name != HOME_FILE]
    if len(counts) == 1:
        facts["parameters"] = counts[0] or facts.get("parameters")
    if (folder / CARD_FILE).is_file():
        facts |= read_json(folder / CARD_FILE)
    elif licence := read_licence(folder):
        facts["licence"] = licence
    return facts


def read_licence(folder: Path) -> str | None:
    """Licence that the README.md of a hub repository states in its front matter, if it does."""
    readme = folder / "README.md"
    if not readme.is_file():
        return None
    front, _, _ = readme.read_text(encoding="utf-8", errors="replace").removeprefix("---").partition("\n---")
    found = re.search(r"^license:[ \t]*(\S+)", front, flags=re.MULTILINE)
    return found.group(1) if found else None


@runtime_checkable
class Encoder(Protocol):
    """Turns images and texts into unit rows of one space, so that their inner products are cosines.

    Letters: N images, M texts, B batch, D width. What comes back is float32 on the CPU, and each row has norm 1.
    """

    card: EncoderCard

    @property
    def fingerprint(self) -> str:
        """16 hex digits over weights, tokenizer and preprocessing: equal means the same embeddings."""

    @property
    def temperature(self) -> float:
        """Softmax temperature for class probabilities, 1 / exp(logit_scale)."""

    @property
    def home(self) -> EncoderHome | None:
        """What the embeddings of its training images look like; None where that was not measured."""

    def preprocess(self, image: Image) -> torch.Tensor:
        """One RGB image as (3, H, W) float32, resized and normalised the way the model was trained."""

    def encode_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) preprocessed images as (B, D) unit rows."""

    def encode_images(self, images: Sequence[Image | str | Path], views: int = 1) -> torch.Tensor:
        """N images or paths as (N, D) unit rows, each the mean of so many views; see zsderm.encoders.views."""

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """M texts as (M, D) unit rows; a text longer than the context is cut, with a warning that counts."""


def home_of(encoder: Encoder) -> EncoderHome | None:
    """The home of an encoder; None where it has none, or is one of somebody's own that knows of none."""
    return getattr(encoder, "home", None)


def home_file(folder: Path) -> Path | None:
    """Where the home of a checkpoint folder lies; None where it has none."""
    path = folder / HOME_FILE
    return path if path.is_file() else None

"""The settings that every run has, whatever it trains: its images, its schedule, its optimiser, its logs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zsderm.config import check_views
from zsderm.encoders.colour_constancy import MODES, PLAIN, norm_of
from zsderm.errors import SettingsError
from zsderm.pretrain.data_settings import Evaluation, Source
from zsderm.pretrain.settings_file import build, check_among, check_between, listed, with_tuples

PRECISIONS = ("float32", "bfloat16")
LARGEST_SIDE = 4096  # pixels, of what images are decoded to
# The range of each setting that is a number, both ends allowed. Upper ends are far beyond any run: they stand there so
# that a slip of the keyboard is found before memory is asked for.
RANGES = {
    "epochs": (1, 1_000_000),
    "samples_per_epoch": (1, 10**9),
    "batch_size": (2, 2**20),  # contrast and batch statistics need two
    "class_balance": (0, 1),
    "learning_rate": (0, 10),
    "head_learning_rate": (0, 10),
    "weight_decay": (0, 10),
    "warm_up_steps": (0, 10**9),
    "gradient_clip": (1e-9, 1e9),
    "square": (0, LARGEST_SIDE),
    "workers": (0, 256),  # each is a process
    "seed": (0, 2**32 - 1),
    "checkpoint_every": (0, 10**9),
    "log_every": (0, 10**9),
    "evaluate_every": (1, 1_000_000),
}
# Settings that may change when a stopped run is resumed: those that the weights do not depend on.
FREE_TO_CHANGE = (
    "card", "workers", "checkpoint_every", "log_every", "tensorboard", "evaluate", "evaluate_every", "compile",
    "answer_temperature", "views",
)  # fmt: skip


@dataclass(frozen=True)
class Augmentation:
    """What is done to an image before the encoder sees it; all probabilities in [0, 1]."""

    crop_scale: tuple[float, float] = (0.5, 1.0)  # share of the image area that a crop keeps
    quarter_turns: bool = False  # turn half of the crops by 90 degrees; with the flips, all eight ways to hold a print
    jitter: tuple[float, float, float, float] = (0.3, 0.3, 0.3, 0.02)  # brightness, contrast, saturation, hue
    jitter_probability: float = 0.8
    grey_probability: float = 0.0
    white_balance: float = 0.0  # each channel is multiplied by exp(N(0, white_balance))
    resolution: tuple[float, float] = (72.0, 220.0)  # pixels that a crop is reduced to before it is enlarged again
    resolution_probability: float = 0.0
    jpeg: tuple[float, float] = (30.0, 95.0)  # quality
    jpeg_probability: float = 0.0
    vignette_probability: float = 0.0  # the round dark edge of a dermatoscope
    hair_probability: float = 0.0  # one to six thin dark arcs

    def __post_init__(self) -> None:
        """Refuse what is no probability, no range and no strength."""
        for name in (f.name for f in dataclasses.fields(self) if f.name.endswith("_probability")):
            self._check(name, "in [0, 1]", 1, lambda chance: 0 <= chance <= 1)
        for name, least, most in (("crop_scale", 0.01, 1), ("resolution", 1, 10_000), ("jpeg", 1, 100)):
            what = f"two numbers from {least} to {most}, the smaller first"
            self._check(name, what, 2, lambda low, high, a=least, b=most: a <= low <= high <= b)
        what = "four numbers from 0 to 10 (brightness, contrast, saturation, hue), the last at most 0.5"
        self._check("jitter", what, 4, lambda *all_: min(all_) >= 0 and max(all_) <= 10 and all_[3] <= 0.5)
        self._check("white_balance", "a number from 0 to 2", 1, lambda strength: 0 <= strength <= 2)
        if not isinstance(self.quarter_turns, bool):
            raise SettingsError(
                f"Expected setting `augmentation.quarter_turns` to be true or false, but got {self.quarter_turns!r}."
            )

    def _check(self, name: str, what: str, count: int, fits: Callable[..., bool]) -> None:
        """Refuse a setting that is not so many numbers, or numbers that do not fit."""
        value = getattr(self, name)
        numbers = value if isinstance(value, tuple) else (value,)
        if len(numbers) != count or not all(type(n) in (int, float) for n in numbers) or not fits(*numbers):
            shown = list(value) if isinstance(value, tuple) else value
            raise SettingsError(f"Expected setting `augmentation.{name}` to be {what}, but got {shown!r}.")


EFFECTS = frozenset(f.name for f in dataclasses.fields(Augmentation))


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What the outcome of any run depends on. Lengths in pixels, learning rates per optimiser step."""

    card: Mapping[str, Any]  # what is said of the trained weights: name, licence, description, training data
    train: tuple[Source, ...]
    preprocess_cfg: Mapping[str, Any] = field(default_factory=dict)  # as in open_clip_config.json, used at inference
    leave_out: tuple[str, ...] = ()  # labels without training images, to measure zero-shot classification
    epochs: int = 8
    samples_per_epoch: int = 8000  # images drawn in an epoch, with replacement
    batch_size: int = 64  # B, of all processes together
    class_balance: float = 0.7  # an image is drawn with weight (count of its class)^-class_balance, in [0, 1]
    learning_rate: float = 3e-4  # image tower
    head_learning_rate: float = 1e-3  # what stands on it: projections and temperature, or the head of the classes
    weight_decay: float = 0.05
    warm_up_steps: int = 100
    gradient_clip: float = 1.0  # largest norm of the gradient
    augmentation: Augmentation = field(default_factory=Augmentation)
    square: int = 0  # side of the squares that images are decoded to before they are cropped; 0: 1.25 x image_size
    keep_decoded: bool = False  # decode every image once, into a folder `decoded` beside that of the run
    average: float = 0.0  # what is exported is the running mean of the weights, with this share of the old; 0: the last
    precision: str = "float32"  # or "bfloat16": autocast in the towers; the losses are always float32
    workers: int = 1  # processes that decode images
    seed: int = 0
    checkpoint_every: int = 0  # batches; 0: only at the end of an epoch
    log_every: int = 20  # batches; 0: only epochs
    tensorboard: bool = True  # write its logs where it is installed
    evaluate: tuple[Evaluation, ...] = ()
    evaluate_every: int = 1  # epochs; the last epoch is always evaluated

    def __post_init__(self) -> None:
        """Refuse what cannot be trained, before anything is loaded."""
        for name, (least, most) in RANGES.items():
            check_between(name, getattr(self, name), least, most)
        if not self.train:
            raise SettingsError("Expected setting `train` to name at least one, but it is empty.")
        check_among("setting `precision`", self.precision, PRECISIONS)

    def check_what_is_exported(self) -> None:
        """Refuse colours, means of weights and views that there are none of.

        Raises:
            SettingsError: with the setting.
        """
        if norm_of(str(self.preprocess_cfg.get("mode", PLAIN))) is None:
            raise SettingsError(
                f"Expected setting `preprocess_cfg.mode` to be {MODES}, but got {self.preprocess_cfg['mode']!r}."
            )
        if not 0 <= self.average < 1:
            raise SettingsError(f"Expected setting `average` to be in [0, 1), but got {self.average}.")
        check_views(self.card.get("views", 1))

    def check_square(self) -> None:
        """Refuse squares smaller than what the image tower sees.

        Raises:
            SettingsError: they are.
        """
        if 0 < self.square < self.image_size:
            raise SettingsError(
                f"Expected setting `square` to be at least the {self.image_size} pixels that the image tower sees, "
                f"or 0 for 1.25 times as many, but got {self.square}."
            )

    @property
    def image_size(self) -> int:
        """Side of the square that the image tower sees, in pixels."""
        return int(self.preprocess_cfg.get("size", 224))  # open_clip's default

    @property
    def square_side(self) -> int:
        """Side of the squares that images are decoded to, in pixels."""
        return self.square or round(1.25 * self.image_size)

    @property
    def colour_norm(self) -> int:
        """The norm of the colour constancy that the encoder expects; 0: none."""
        return norm_of(str(self.preprocess_cfg.get("mode", PLAIN))) or 0

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch, each one step of the optimiser; images that do not fill a batch are left out."""
        return max(1, self.samples_per_epoch // self.batch_size)

    @property
    def steps(self) -> int:
        """Batches of the whole run."""
        return self.epochs * self.steps_per_epoch


def with_parts(content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Settings of a file in which tables, evaluations and augmentation are what `RunSettings` has.

    Raises:
        SettingsError: one of them is no such thing.
    """
    parts = dict(content)
    parts["train"] = tuple(build(Source, source, f"{path}, train") for source in listed(content, "train"))
    parts["evaluate"] = tuple(
        build(Evaluation, with_tuples(entry, "cutoffs"), f"{path}, evaluate") for entry in listed(content, "evaluate")
    )
    effects = content.get("augmentation", {})
    if not isinstance(effects, Mapping):
        raise SettingsError(f"Expected setting `augmentation` to hold settings of its own, but got {effects!r:.60}.")
    parts["augmentation"] = build(
        Augmentation,
        with_tuples(effects, "crop_scale", "jitter", "resolution", "jpeg"),
        f"{path}, augmentation",
        checks_kinds=True,
    )
    return parts

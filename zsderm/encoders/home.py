"""Where an encoder is at home: what the embeddings of its training images look like, kept beside its weights.

An image tower gives a photograph of a cat a row as well, of unit length like any other. But rows of training images
fill few directions, so one that leaves them betrays a picture of another kind. The mean and the main directions are
stored, not the images, in home.safetensors; made by `zsderm.pretrain.model.home`, read here.

Letters: N images, D embedding width, A axes, K diagnoses.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from zsderm.arrays import UNIT_TOLERANCE
from zsderm.errors import CheckpointError, FallbackWarning, SettingsError
from zsderm.file_names import printable

_TENSORS = ("mean", "axes", "variances")
_CLASS_MEANS = "class_means"  # which older files do not have
MOST_NAMED = 5  # images in one sentence; the column familiarity has them all
_LEAST = 1e-12  # a variance below it is rounding
_LEFT_ASIDE = (
    "Until then it is left aside: photographs of something else than skin are not pointed out, and prior 'home' is "
    "not possible; other answers stay the same."
)


@dataclass(frozen=True, eq=False)
class EncoderHome:
    """The embeddings of an encoder's training images, as a normal distribution, and how familiar these images are.

    All tensors are float32 on the CPU. Every training table counts alike in mean, axes and variances, however many
    images it has.

    Attributes:
        mean: (D,) the mean row; shorter than 1.
        axes: (A, D) orthonormal rows: the directions in which training images differ most, the widest first.
        variances: (A,) the variance along each of them, largest first, above 0.
        rest: the mean variance along each of the D - A directions left; above 0, or infinity where there are none.
        threshold: an image with less familiarity than this looks like none of the training images.
        images: how many training images were measured.
        encoder: fingerprint of the encoder that they were measured with.
        diagnoses: K names of what training images show, as the card of the encoder lists them; none where that is not
            known, or was not measured.
        class_means: (K, D) the mean row of each diagnosis, in which every training table that has it counts alike.
    """

    mean: torch.Tensor
    axes: torch.Tensor
    variances: torch.Tensor
    rest: float
    threshold: float
    images: int
    encoder: str
    diagnoses: tuple[str, ...] = ()
    class_means: torch.Tensor = field(default_factory=lambda: torch.empty(0, 0))

    def mean_of(self, classes: Iterable[Iterable[str]]) -> torch.Tensor | None:
        """The mean of several classes, each counting alike, as far as they are known.

        Args:
            classes: the diagnoses of each class, as `diagnoses` has them; those of a class count alike, too.

        Returns:
            (D,) float32; None where fewer than two classes are known.
        """
        rows = [[self.diagnoses.index(name) for name in names if name in self.diagnoses] for names in classes]
        means = [self.class_means[own].mean(dim=0) for own in rows if own]
        return torch.stack(means).mean(dim=0) if len(means) > 1 else None

    def familiarity(self, features: torch.Tensor) -> torch.Tensor:
        """How much images look like those that the encoder was trained with; larger means more.

            familiarity = -log10( 1/D * sum over directions of (distance from the mean)^2 / variance )

        So it is 0 for an image as far from the mean as training images are on average, and -1 for one ten times as far
        (in squared, standardised distance). It does not depend on any class list.

        Args:
            features: (N, D) unit rows.

        Returns:
            (N,) float32; NaN for a row of NaN.

        Raises:
            SettingsError: rows of another width.

        Source: the Mahalanobis distance of Lee et al. 2018 (arXiv 1807.03888), with one Gaussian for all classes and
            the small variances replaced by their mean, as in probabilistic PCA (Tipping and Bishop 1999).
        """
        rows = torch.as_tensor(features).detach().to("cpu", torch.float32)
        if rows.ndim != 2 or rows.shape[1] != len(self.mean):
            raise SettingsError(f"Expected features of shape (N, {len(self.mean)}), but got {tuple(rows.shape)}.")
        away = rows - self.mean  # (N, D)
        along = away @ self.axes.T  # (N, A)
        left = (away.square().sum(dim=1) - along.square().sum(dim=1)).clamp(min=0)  # (N,)
        distance = (along.square() / self.variances).sum(dim=1) + left / self.rest
        return -(distance / rows.shape[1]).clamp(min=_LEAST).log10()

    def is_strange(self, familiarity: torch.Tensor) -> torch.Tensor:
        """(N,) bool: which familiarities lie under the threshold; NaN does not."""
        return familiarity < self.threshold

    def note(self, names: Sequence[str], familiarity: torch.Tensor, encoder: str) -> str:
        """A sentence that names the images under the threshold, the strangest first; empty where there are none.

        Args:
            names: N images.
            familiarity: (N,) of each of them; NaN for an image that could not be read.
            encoder: its name.
        """
        found = StrangeImages(self)
        found.add(names, familiarity)
        return found.note(encoder)

    def save(self, path: Path) -> None:
        """Write it as a .safetensors file."""
        names = (*_TENSORS, _CLASS_MEANS) if self.diagnoses else _TENSORS
        tensors = {name: getattr(self, name).contiguous() for name in names}
        numbers = {name: getattr(self, name) for name in ("threshold", "images", "encoder")}
        facts = {**numbers, "rest": None if math.isinf(self.rest) else self.rest, "diagnoses": self.diagnoses}
        save_file(tensors, str(path), metadata={"format": "pt", "zsderm_home": json.dumps(facts)})

    @classmethod
    def read(cls, path: Path) -> EncoderHome:
        """Read what `save` wrote.

        Raises:
            CheckpointError: it cannot be read, or its parts do not fit together.
        """
        try:
            with safe_open(path, framework="pt") as stored:
                facts = json.loads((stored.metadata() or {})["zsderm_home"])
                known = set(stored.keys())
                names = [name for name in (*_TENSORS, _CLASS_MEANS) if name in _TENSORS or name in known]
                tensors = {name: stored.get_tensor(name).float() for name in names}
            return cls(**tensors, **_facts(facts))._checked()
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            said = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            reason = " ".join(said.split())[:200].rstrip(".")
            raise CheckpointError(
                f"{path} does not hold the statistics of an encoder's training images: {reason}. Copy it again, or "
                "take it away."
            ) from error

    def _checked(self) -> EncoderHome:
        """Itself, if its parts fit together; ValueError otherwise."""
        axes, width = self.axes.shape if self.axes.ndim == 2 else (0, 0)
        shapes: dict[str, tuple[int, ...]] = {"mean": (width,), "variances": (axes,)}
        if self.diagnoses:
            shapes[_CLASS_MEANS] = (len(self.diagnoses), width)
        for name, shape in shapes.items():
            if tuple(getattr(self, name).shape) != shape:
                raise ValueError(f"{name} has the shape {tuple(getattr(self, name).shape)}, not {shape}")
        if not all(getattr(self, name).isfinite().all() for name in (*_TENSORS, _CLASS_MEANS)):
            raise ValueError("it holds numbers that are not finite")
        longest = [
            getattr(self, name).norm(dim=-1).max() for name in ("mean", _CLASS_MEANS) if len(getattr(self, name))
        ]
        if any(length > 1 + UNIT_TOLERANCE for length in longest):
            raise ValueError("it has means of unit rows that are longer than 1")
        if width == 0 or not (self.rest > 0 and bool((self.variances > 0).all())):
            raise ValueError("it has no variances above 0")
        return self


class StrangeImages:
    """Which images look like none of an encoder's training images, gathered a part at a time.

    Args:
        home: of the encoder.
    """

    def __init__(self, home: EncoderHome) -> None:
        self._home, self._seen, self._count = home, 0, 0
        self._strangest: list[tuple[float, str]] = []  # no more than are named

    def add(self, names: Sequence[str], familiarity: torch.Tensor) -> None:
        """Add n images by name, with (n,) familiarities; NaN for an image that could not be read."""
        self._seen += len(names)
        strange = self._home.is_strange(familiarity).nonzero().flatten()
        self._count += len(strange)
        nearest = strange[familiarity[strange].argsort()][:MOST_NAMED].tolist()
        found = [*self._strangest, *((float(familiarity[index]), names[index]) for index in nearest)]
        self._strangest = sorted(found, key=lambda one: one[0])[:MOST_NAMED]

    def note(self, encoder: str) -> str:
        """A sentence that names those under the threshold, the strangest first; empty where there are none."""
        if not self._count:
            return ""
        named = ", ".join(printable(PurePath(name).name) for _, name in self._strangest)
        more = f" and {self._count - MOST_NAMED} more" if self._count > MOST_NAMED else ""
        look, their = ("looks", "its answer is a guess") if self._count == 1 else ("look", "their answers are guesses")
        images = "image" if self._seen == 1 else "images"
        return (
            f"{self._count} of {self._seen} {images} {look} like nothing that {encoder} was trained with (familiarity "
            f"below {self._home.threshold:.2f}): no skin, or another kind of picture; {their}: {named}{more}."
        )


def read_home(path: Path | None, width: int, fingerprint: str) -> EncoderHome | None:
    """The home of an encoder, from the file beside its weights.

    Args:
        path: the file; None where there is none.
        width: D of the encoder.
        fingerprint: of the encoder.

    Returns:
        None where there is no file, or where it cannot be used.

    Warns:
        FallbackWarning: it is damaged, or was measured with other weights.
    """
    if path is None:
        return None
    try:
        found = EncoderHome.read(path)
    except CheckpointError as error:
        warnings.warn(f"{error} {_LEFT_ASIDE}", FallbackWarning, stacklevel=3)
        return None
    if found.encoder != fingerprint or len(found.mean) != width:
        warnings.warn(
            f"{path} was measured with another encoder ({found.encoder}) than the one beside it ({fingerprint}). "
            f"Measure it again with: zsderm pretrain home FOLDER --config FILE. {_LEFT_ASIDE}",
            FallbackWarning,
            stacklevel=3,
        )
        return None
    return found


def _facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of a file in their types; KeyError, TypeError or ValueError where one is amiss."""
    return {
        "rest": math.inf if facts["rest"] is None else float(facts["rest"]),
        "threshold": float(facts["threshold"]),
        "images": int(facts["images"]),
        "encoder": str(facts["encoder"]),
        "diagnoses": tuple(map(str, facts.get("diagnoses", ()))),
    }

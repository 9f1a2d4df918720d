"""What the page shows of one image: its picture, its classes, and why they were named."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePath
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zsderm import images
from zsderm.errors import ImageError, InputError
from zsderm.file_names import printable
from zsderm.predictions import Evidence, Predictions

THUMBNAIL_SIDE = 256  # pixels of the longer side; shown at half of it, so that it stays sharp on dense screens


class Why(Protocol):
    """An explanation of one answer, as zsderm.tasks.explanation.explain makes them."""

    @property
    def winner(self) -> str:
        """The class that is explained."""

    @property
    def runner_up(self) -> str:
        """The next class; empty where there is only one."""

    @property
    def runner_up_evidence(self) -> Sequence[Evidence]:
        """The descriptions of the next class that are most like the image, best first."""

    @property
    def scale(self) -> float:
        """The cosine at either end of the map's colours."""

    def overlay(self, side: int) -> Image.Image:
        """The whole picture under its heat map, ``side`` pixels long."""


@dataclass(frozen=True)
class Row:
    """What the page shows of one image."""

    image: str
    thumbnail: str  # data URI; empty when there is no picture to show
    ranked: Sequence[tuple[str, float]]  # most probable classes first; empty for a failed image
    evidence: Sequence[Evidence]
    error: str
    true: str  # the true class; empty when unknown
    why: Why | None = None
    heat: str = ""  # data URI of the heat map over the picture; empty when there is none
    could_be: Sequence[str] = ()  # the prediction set, most probable first; empty when none was given
    empty_set: bool = False  # a set was given and holds nothing
    abstained: bool = False
    runner_up: str = ""  # the second most probable class; empty where there is none
    runner_up_evidence: Sequence[Evidence] = ()  # what is typical of it
    shown: str = ""  # the name that tells it from the others, where the file name alone does not

    @property
    def name(self) -> str:
        """The file name, with as many folders as tell it from the others."""
        return self.shown or PurePath(self.image).name or self.image

    @property
    def others(self) -> tuple[str, Sequence[Evidence]]:
        """The runner-up, and what is typical of it; empty where nothing is said."""
        if self.why is not None:
            return self.why.runner_up, self.why.runner_up_evidence
        return self.runner_up, self.runner_up_evidence

    @property
    def verdict(self) -> str:
        """``right`` or ``wrong``; empty where the truth or the answer is missing."""
        if not (self.true and self.ranked):
            return ""
        return "right" if self.ranked[0][0] == self.true else "wrong"


def rows(
    predictions: Predictions,
    pictures: Sequence[images.ImageSource],
    true: NDArray[np.int_],
    top_k: int,
    explanations: Iterable[Why | None] | None = None,
) -> Iterator[Row]:
    """One row at a time: a thumbnail is made when the page gets there, and forgotten after.

    Raises:
        InputError: the explanations end before the images do.
    """
    ranked, order = predictions.top_k(top_k), predictions.top_k(len(predictions.classes))
    reasons = None if explanations is None else iter(explanations)
    sets, abstained = predictions.set_names, predictions.abstained
    short = short_names(predictions.images)
    for index, image in enumerate(predictions.images):
        why = None if reasons is None else _next(reasons, index, len(predictions))
        answered = bool(ranked[index])
        yield Row(
            image=printable(image),
            thumbnail=thumbnail(pictures[index]) if answered else "",
            ranked=ranked[index],
            evidence=predictions.evidence[index],
            error="" if answered else predictions.errors[image],
            true=predictions.classes[true[index]] if true[index] >= 0 else "",
            why=why if answered else None,
            heat=data_uri(why.overlay(THUMBNAIL_SIDE)) if why is not None and answered else "",
            could_be=[name for name, _ in order[index] if name in sets[index]],
            empty_set=answered and predictions.sets is not None and not sets[index],
            abstained=answered and abstained is not None and bool(abstained[index]),
            runner_up=order[index][1][0] if len(order[index]) > 1 else "",
            runner_up_evidence=predictions.runner_up_evidence[index],
            shown=short[index],
        )
    if reasons is not None:
        next(reasons, None)  # lets a generator do what it does last, such as writing its table


def short_names(images: Sequence[str]) -> list[str]:
    """File names without folders; where several are equal, with as many folders as tell them apart."""
    parts = [PurePath(image).parts or (image,) for image in images]
    kept = [1] * len(parts)
    while True:
        names = ["/".join(path[-count:]) for path, count in zip(parts, kept, strict=True)]
        counts = Counter(names)
        unclear = [n for n, name in enumerate(names) if counts[name] > 1 and kept[n] < len(parts[n])]
        if not unclear:  # or one image is there twice
            return [printable(name) for name in names]
        for number in unclear:
            kept[number] += 1


def thumbnail(picture: images.ImageSource) -> str:
    """The picture as a small JPEG in a data URI, or an empty string when it cannot be opened; it is left unchanged."""
    try:
        small = images.open_image(picture, at_least=THUMBNAIL_SIDE)
    except ImageError:
        return ""
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    return data_uri(small)


def data_uri(picture: Image.Image) -> str:
    """A picture as a JPEG in a data URI."""
    jpeg = BytesIO()
    picture.save(jpeg, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.getvalue()).decode("ascii")


def _next(explanations: Iterator[Why | None], done: int, wanted: int) -> Why | None:
    try:
        return next(explanations)
    except StopIteration:
        raise InputError(
            f"expected `explanations` to have one entry for each of {wanted} images (None where there is nothing to "
            f"explain), but got {done}"
        ) from None

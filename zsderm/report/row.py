"""What the page shows of one image: its picture, its classes, and why they were named."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zsderm import images
from zsderm.csv_files import into_cell
from zsderm.display.pictures import data_uri
from zsderm.errors import InputError
from zsderm.file_names import printable
from zsderm.predictions import Evidence, Predictions
from zsderm.report.changes import labels_before
from zsderm.report.neighbours import Neighbour, nearest_right
from zsderm.report.pictures import THUMBNAIL_SIDE, thumbnails


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


class Told(Protocol):
    """What was told of one image, as `zsderm.narratives.word_answers.WordAnswers.of` has it."""

    @property
    def story(self) -> str:
        """As it was read, without names of diseases."""


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
    margin: float = math.nan  # the probability of the answer minus that of the next class
    familiarity: float = math.nan  # see `Predictions.familiarity`; NaN when it was not measured
    before: str = ""  # the answer before the refinement; empty where nothing was refined
    after: str = ""  # the answer after it, by the photograph alone
    cells: Sequence[str] = ()  # of the other columns of the table of labels
    near: Sequence[Neighbour] = ()  # for a wrong answer: the right ones that are most like it
    undescribed: bool = False  # the knowledge base does not describe the answer
    below_minimum: bool = False  # the answer is less probable than was asked for
    told: Told | None = None  # what the patient told; None where nothing is

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

    @property
    def changed(self) -> bool:
        """Whether the refinement gave it another answer."""
        return bool(self.before and self.after) and self.after != self.before

    def facts(self, place: dict[str, int]) -> dict[str, object]:
        """What the page filters, sorts and searches by, ready for JSON.

        Args:
            place: the number of each class.

        Returns:
            ``image`` and the ``others`` as a table of labels would have them in cells, the ``name`` that is shown,
            ``answer`` and ``label`` as numbers (-1: none), ``probability``, ``margin`` and ``familiarity`` (None:
            none), and those of the words abstained, below, changed and failed that are true of it.
        """
        words = {
            "abstained": self.abstained,
            "below": self.below_minimum,
            "changed": self.changed,
            "failed": bool(self.error),
        }
        return {
            "image": into_cell(self.image),
            "others": list(map(into_cell, self.cells)),
            "name": self.name,
            "answer": place[self.ranked[0][0]] if self.ranked else -1,
            "label": place.get(self.true, -1),
            "probability": _rounded(self.ranked[0][1] if self.ranked else math.nan),
            "margin": _rounded(self.margin),
            "familiarity": _rounded(self.familiarity),
            "is": [word for word, holds in words.items() if holds],
        }


def rows(
    predictions: Predictions,
    pictures: Sequence[images.ImageSource],
    true: NDArray[np.int_],
    top_k: int,
    explanations: Iterable[Why | None] | None = None,
    side: int = THUMBNAIL_SIDE,
    embeddings: NDArray[np.float32] | None = None,
    columns: Sequence[Sequence[str]] = (),
) -> Iterator[Row]:
    """One row at a time: its thumbnail is made shortly before the page gets there, and forgotten after.

    Args:
        predictions: for N images.
        pictures: N images to show.
        true: (N,) int, the true classes, negative where unknown.
        top_k: classes shown per image.
        explanations: N explanations, taken one at a time.
        side: pixels of the longer side of a picture.
        embeddings: (N, D) unit rows by which photographs are alike; None: by their scores for the classes.
        columns: each of N cells, other columns of the table of labels.

    Raises:
        InputError: the explanations end before the images do.
    """
    ranked, order = predictions.top_k(top_k), predictions.top_k(len(predictions.classes))
    reasons = None if explanations is None else iter(explanations)
    sets, abstained = predictions.set_names, predictions.abstained
    below = predictions.below_minimum.tolist()
    familiar = np.full(len(predictions), np.nan) if predictions.familiarity is None else predictions.familiarity.numpy()
    short, before, after = short_names(predictions.images), labels_before(predictions), predictions.labels_by_image
    near = nearest_right(predictions, true, embeddings)
    undescribed = (predictions.manifest.get("knowledge") or {}).get("undescribed", ())
    small = thumbnails((one if row else None for one, row in zip(pictures, ranked, strict=True)), side)
    for index, (image, picture) in enumerate(zip(predictions.images, small, strict=True)):
        why = None if reasons is None else _next(reasons, index, len(predictions))
        answered = bool(ranked[index])
        yield Row(
            image=printable(image),
            thumbnail=picture,
            ranked=ranked[index],
            evidence=predictions.evidence[index],
            error="" if answered else predictions.errors[image],
            true=predictions.classes[true[index]] if true[index] >= 0 else "",
            why=why if answered else None,
            heat=data_uri(why.overlay(side)) if why is not None and answered else "",
            could_be=[name for name, _ in order[index] if name in sets[index]],
            empty_set=answered and predictions.sets is not None and not sets[index],
            abstained=answered and abstained is not None and bool(abstained[index]),
            runner_up=order[index][1][0] if len(order[index]) > 1 else "",
            runner_up_evidence=predictions.runner_up_evidence[index],
            shown=short[index],
            margin=_margin(order[index]),
            familiarity=float(familiar[index]),
            before=before[index] or "",
            after=after[index],
            cells=[column[index] for column in columns],
            near=[neighbour.named(short) for neighbour in near.get(index, ())],
            undescribed=answered and ranked[index][0][0] in undescribed,
            below_minimum=below[index],
            told=None if predictions.words is None else predictions.words.of(index),
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


def _margin(ranked: Sequence[tuple[str, float]]) -> float:
    if not ranked:
        return math.nan
    return ranked[0][1] - (ranked[1][1] if len(ranked) > 1 else 0.0)


def _rounded(value: float) -> float | None:
    return round(float(value), 6) if math.isfinite(value) else None


def _next(explanations: Iterator[Why | None], done: int, wanted: int) -> Why | None:
    try:
        return next(explanations)
    except StopIteration:
        raise InputError(
            f"expected `explanations` to have one entry for each of {wanted} images (None where there is nothing to "
            f"explain), but got {done}"
        ) from None

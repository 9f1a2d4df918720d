"""One HTML page that shows what was predicted, and why: pictures, probabilities and the texts that spoke for them.

The page needs no other file and no network. It is written as a stream, so that ten thousand photographs pass through
memory one at a time.
"""

from __future__ import annotations

import base64
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path, PurePath

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import ArrayLike, NDArray

from zsderm import __version__, images
from zsderm.errors import ImageError, InputError, SettingsError
from zsderm.metrics import Metrics, evaluate
from zsderm.predictions import Evidence, Predictions

THUMBNAIL_SIDE = 256  # pixels of the longer side; shown at half of it, so that it stays sharp on dense screens
EVIDENCE_SHOWN = 3  # texts in view per image; the others unfold
MATRIX_LIMIT = 12  # classes up to which a confusion matrix is readable


@dataclass(frozen=True)
class Row:
    """What the page shows of one image."""

    image: str
    thumbnail: str  # data URI; empty when there is no picture to show
    ranked: Sequence[tuple[str, float]]  # most probable classes first; empty for a failed image
    evidence: Sequence[Evidence]
    error: str
    true: str  # the true class; empty when unknown

    @property
    def name(self) -> str:
        """The file name without its folders."""
        return PurePath(self.image).name or self.image

    @property
    def verdict(self) -> str:
        """``right`` or ``wrong``; empty where the truth or the answer is missing."""
        if not (self.true and self.ranked):
            return ""
        return "right" if self.ranked[0][0] == self.true else "wrong"


def write_report(
    predictions: Predictions,
    path: str | os.PathLike[str],
    *,
    pictures: Sequence[images.ImageSource] | None = None,
    true: ArrayLike | None = None,
    top_k: int = 3,
) -> None:
    """Write the report; the file is replaced whole or not at all.

    Args:
        predictions: what a classifier answered for N images.
        path: the HTML file; missing parent folders are made.
        pictures: N images to show; by default the names in ``predictions`` are opened as files.
        true: (N,) int, the index of the true class of each image, negative where it is unknown.
        top_k: classes shown per image.

    Raises:
        InputError: ``pictures`` or ``true`` has not one entry for each image.
        SettingsError: the place cannot be written.
    """
    pictures = predictions.images if pictures is None else pictures
    answers = np.full(len(predictions), -1) if true is None else np.asarray(true)
    for name, given in (("pictures", len(pictures)), ("true", len(answers))):
        if given != len(predictions):
            raise InputError(
                f"expected `{name}` to have one entry for each of {len(predictions)} images, but got {given}"
            )
    page = _environment().get_template("report.html.j2")
    stream = page.stream(
        **_overview(predictions, answers),
        rows=_rows(predictions, pictures, answers, top_k),
        evidence_shown=EVIDENCE_SHOWN,
    )
    path = Path(path)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            stream.dump(file, encoding="utf-8", errors="replace")  # a file name need not be valid Unicode
        os.replace(draft, path)
    except OSError as error:
        raise SettingsError(f"cannot write '{path}': {error.strerror or error}; choose another place") from error
    finally:
        with suppress(OSError):  # the folder may not exist, which is what the error above says
            draft.unlink()


def thumbnail(picture: images.ImageSource) -> str:
    """The picture as a small JPEG in a data URI, or an empty string when it cannot be opened; it is left unchanged."""
    try:
        small = images.open_image(picture).copy()
    except ImageError:
        return ""
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    jpeg = BytesIO()
    small.save(jpeg, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.getvalue()).decode("ascii")


def flatten(manifest: Mapping[str, object], above: str = "") -> Iterator[tuple[str, str]]:
    """The manifest as (name, text) pairs; an inner mapping's names are put behind the outer one's."""
    for key, value in manifest.items():
        name = f"{above} › {key}" if above else str(key)
        if isinstance(value, Mapping):
            yield from flatten(value, name)
        elif isinstance(value, list | tuple):
            yield name, ", ".join(map(str, value))
        else:
            yield name, "–" if value is None else str(value)


def confusion(predictions: Predictions, true: NDArray[np.int_]) -> NDArray[np.int_]:
    """(C, C) int, how many images of each true class (row) got each answer (column)."""
    counts = np.zeros((len(predictions.classes),) * 2, dtype=np.int_)
    known = predictions.ok.numpy() & (true >= 0)
    answers = predictions.probabilities.numpy()[known].argmax(axis=1)
    np.add.at(counts, (true[known], answers), 1)
    return counts


def _environment() -> Environment:
    folder = Path(__file__).parent / "templates"
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _overview(predictions: Predictions, true: NDArray[np.int_]) -> dict[str, object]:
    """What stands above and below the pictures."""
    labelled = bool((predictions.ok.numpy() & (true >= 0)).any())
    return {
        "predictions": predictions,
        "written": datetime.now().astimezone().strftime("%d %B %Y, %H:%M %Z"),
        "version": __version__,
        "encoder": (predictions.manifest.get("encoder") or {}).get("name", ""),
        "notes": predictions.manifest.get("notes", ()),
        "manifest": list(flatten({key: value for key, value in predictions.manifest.items() if key != "notes"})),
        "counts": _counts(predictions, true),
        "metrics": _metrics(predictions, true) if labelled else None,
        "matrix": confusion(predictions, true).tolist()
        if labelled and len(predictions.classes) <= MATRIX_LIMIT
        else None,
    }


def _counts(predictions: Predictions, true: NDArray[np.int_]) -> list[tuple[str, int, int]]:
    """(class, answers, true labels) of each class that has either, the most frequent answer first."""
    answers = predictions.labels
    counted = [
        (name, answers.count(name), int((true == index).sum())) for index, name in enumerate(predictions.classes)
    ]
    return sorted((row for row in counted if row[1] or row[2]), key=lambda row: -row[1])


def _metrics(predictions: Predictions, true: NDArray[np.int_]) -> Metrics:
    known = true >= 0
    return evaluate(true[known], predictions.probabilities.numpy()[known])


def _rows(
    predictions: Predictions, pictures: Sequence[images.ImageSource], true: NDArray[np.int_], top_k: int
) -> Iterator[Row]:
    """One row at a time: a thumbnail is made when the page gets there, and forgotten after."""
    ranked = predictions.top_k(top_k)
    for index, image in enumerate(predictions.images):
        yield Row(
            image=image,
            thumbnail=thumbnail(pictures[index]) if ranked[index] else "",
            ranked=ranked[index],
            evidence=predictions.evidence[index],
            error="" if ranked[index] else predictions.errors[image],
            true=predictions.classes[true[index]] if true[index] >= 0 else "",
        )

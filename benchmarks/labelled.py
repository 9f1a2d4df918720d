"""Images with their true classes, read from a table or from a folder with one sub-folder per class.

Tables differ in what they call things, so a column is known by any of the names that the field's data sets use. An
image that a table lists and the disk lacks is left out and counted: a part of a data set may be measured, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zsderm import images as photographs
from zsderm.errors import ImageError, InputError
from zsderm.image_table import ImageNames, ImageTable
from zsderm.metrics import age_bands
from zsderm.table_files import UNKNOWN_WORDS

LABEL_COLUMNS = ("label", "class", "true_label", "diagnosis", "diagnostic", "dx", "diagnosis_3")
UNIT_COLUMNS = ("patient_id", "patient", "lesion_id", "lesion")
GROUP_COLUMNS = {
    "skin type": ("fitzpatrick", "fitspatrick", "fitzpatrick_scale", "fitzpatrick_skin_type"),
    "age": ("age", "age_approx"),
    "sex": ("sex", "gender"),
    "body site": ("site", "region", "localization", "anatom_site_general", "anatom_site"),
    "modality": ("modality", "image_type"),
    "group": ("group",),
}
ROMAN = {1: "I", 2: "II", 3: "III", 4: "IV", 5: "V", 6: "VI"}


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """N images with their classes, and what is known of where they come from."""

    name: str
    images: tuple[str, ...]  # paths
    labels: NDArray[np.int_]  # (N,), indices into classes
    classes: tuple[str, ...]
    split: str  # "all" where there are no splits
    listed: int  # images of that split in the table; more than N where some are not on the disk
    modality: str = ""
    unit: str = ""  # what the bootstrap draws: "patient_id", "lesion_id", or "" for images
    units: NDArray[np.object_] | None = None  # (N,) names
    groups: Mapping[str, NDArray[np.object_]] = field(default_factory=dict)  # (N,) names each, "" where unknown

    @property
    def title(self) -> str:
        """Name and split, as tables show it."""
        return self.name if self.split == "all" else f"{self.name} {self.split}"

    def __len__(self) -> int:
        """N."""
        return len(self.images)


def read_folder(folder: Path, *, name: str, modality: str = "") -> LabelledImages:
    """A folder whose sub-folders are the classes.

    Raises:
        InputError: there are fewer than two sub-folders with images.
    """
    found: dict[str, list[Path]] = {}
    for part in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        try:
            found[part.name.replace("_", " ").strip()] = photographs.find(part)
        except ImageError:  # a folder of something else
            continue
    if len(found) < 2:
        raise InputError(
            f"expected at least two folders of images in {folder}, each named after its class, but got {len(found)}; "
            "or give a table with the columns filename and label"
        )
    images = tuple(str(path) for paths in found.values() for path in paths)
    labels = np.repeat(np.arange(len(found)), [len(paths) for paths in found.values()])
    return LabelledImages(name, images, labels, tuple(found), "all", len(images), modality)


def read_table(
    path: Path, *, name: str, published: Sequence[str], codes: Mapping[str, str], split: str, modality: str = ""
) -> LabelledImages:
    """A table with one row per image: see `zsderm.table_files` for the formats.

    Args:
        path: the table; images are looked for beside and below it, by relative path or by name.
        name: of the data set.
        published: class names in the published order, which integer labels index; may be empty.
        codes: label codes and the classes they mean.
        split: see `zsderm.benchmarks.datasets.load`.
        modality: what camera.

    Raises:
        InputError: a column is missing, a label means nothing, the split is empty, or not one image is on the disk.
    """
    listed = ImageTable.read(path)
    table, images = listed.frame, np.array(listed.names, dtype=object)  # (N,)
    names = _labels(table, path, codes)
    classes, labels = _classes(names, published, path)
    rows = _of_split(table, split, path) & (labels >= 0)
    paths = _on_disk(images[rows].tolist(), path)
    there = np.array([found is not None for found in paths], dtype=bool)
    if not there.any():
        raise InputError(
            f"expected the images of {path} beside or below it, but found none of {int(rows.sum())}; "
            f"the first is {images[rows][0]!r}"
        )
    kept = table.loc[rows].loc[there]
    unit = next((column for column in UNIT_COLUMNS if column in table.columns), "")
    return LabelledImages(
        name=name,
        images=tuple(found for found in paths if found is not None),
        labels=labels[rows][there],
        classes=classes,
        split=split if "split" in table.columns else "all",
        listed=int(rows.sum()),
        modality=modality,
        unit=unit,
        units=kept[unit].to_numpy(object) if unit else None,
        groups=groups_of(kept),
    )


def groups_of(table: pd.DataFrame) -> dict[str, NDArray[np.object_]]:
    """The groups that a table's columns tell of, in the same words whatever the data set: (N,) each, "" if unknown."""
    found: dict[str, NDArray[np.object_]] = {}
    for title, columns in GROUP_COLUMNS.items():
        column = next((column for column in columns if column in table.columns), None)
        if column is None:
            continue
        numbers = pd.to_numeric(table[column], errors="coerce")
        if title == "age":
            found[title] = age_bands(numbers.to_numpy()).astype(object)
        elif title == "skin type" and numbers.notna().any():
            found[title] = np.array([ROMAN.get(number, "") for number in numbers.fillna(0)], dtype=object)
        else:
            words = table[column].astype(str).str.strip().str.lower()
            found[title] = words.where(~words.isin({*UNKNOWN_WORDS, "-1"}), "").to_numpy(object)
    return {title: names for title, names in found.items() if len(set(names) - {""}) > 1}


def _column(table: pd.DataFrame, names: Sequence[str], path: Path, what: str) -> str:
    for name in names:
        if name in table.columns:
            return name
    raise InputError(
        f"expected {what} column in {path}, one of {', '.join(names)}, but its columns are: {', '.join(table.columns)}"
    )


def _labels(table: pd.DataFrame, path: Path, codes: Mapping[str, str]) -> list[str]:
    """N label words; a table with one column of zeros and ones per code is read as such."""
    meaning = {code.casefold(): name for code, name in codes.items()}
    if codes and set(codes) <= set(table.columns):
        hot = table[list(codes)].astype(float)
        return [
            codes[str(code)] if top > 0 else "" for code, top in zip(hot.idxmax(axis=1), hot.max(axis=1), strict=True)
        ]
    words = [word.strip() for word in table[_column(table, LABEL_COLUMNS, path, "a label")]]
    return [meaning.get(word.casefold(), word) for word in words]


def _classes(names: list[str], published: Sequence[str], path: Path) -> tuple[tuple[str, ...], NDArray[np.int_]]:
    """The classes and (N,) indices into them, -1 for an empty label; numbers index the published order."""
    if all(name.removesuffix(".0").isdigit() for name in names if name) and any(names):
        return _numbered([int(name.removesuffix(".0")) if name else -1 for name in names], published, path)
    order = {name.casefold(): index for index, name in enumerate(published)}
    if not {name.casefold() for name in names if name} <= set(order):
        published = sorted({name for name in names if name}, key=str.casefold)  # its own names, every one of them
        order = {name.casefold(): index for index, name in enumerate(published)}
    if len(order) < 2:
        raise InputError(f"expected at least two classes in {path}, but got: {', '.join(order) or 'none'}")
    return tuple(published), np.array([order.get(name.casefold(), -1) for name in names], dtype=np.int_)


def _numbered(numbers: list[int], published: Sequence[str], path: Path) -> tuple[tuple[str, ...], NDArray[np.int_]]:
    if not published:
        raise InputError(
            f"the labels in {path} are numbers, and nothing says which classes they stand for; give class names, or "
            "put the table where a known data set is looked for (zsderm benchmark --cards)"
        )
    if max(numbers) >= len(published):
        raise InputError(f"expected labels 0 to {len(published) - 1} in {path}, but got {max(numbers)}")
    return tuple(published), np.array(numbers, dtype=np.int_)


def _of_split(table: pd.DataFrame, split: str, path: Path) -> NDArray[np.bool_]:
    """(N,) bool: the rows of the split; all where it is "all" or the table has no splits."""
    if split == "all" or "split" not in table.columns:
        return np.ones(len(table), bool)
    rows = (table["split"] == split).to_numpy()
    if not rows.any():
        known = sorted(set(table["split"]))
        raise InputError(
            f"{path} has no split {split!r}; it has: {', '.join(known)}, and --split all takes every image"
        )
    return rows


def _on_disk(names: Sequence[str], table: Path) -> list[str | None]:
    """The path of each image: as written, relative to the table, or the one file below that the name can mean."""
    direct = [table.parent / name for name in names]
    if all(path.is_file() for path in direct):
        return [str(path) for path in direct]
    try:
        below = photographs.find(table.parent)
    except ImageError:  # not one image there
        below = []
    known = ImageNames(str(path.relative_to(table.parent)) for path in below)
    pairs = zip(direct, names, strict=True)
    return [str(path) if path.is_file() else _only(known.meant_by(name)[0], below) for path, name in pairs]


def _only(found: Sequence[int], files: Sequence[Path]) -> str | None:
    """The one file; with two of them nothing says which is meant."""
    return str(files[found[0]]) if len(found) == 1 else None

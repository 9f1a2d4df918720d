"""Images with their true classes, read from a table or from a folder with one sub-folder per class.

Tables differ in what they call things, so a column is known by any of the names that the field's data sets use. An
image that a table lists and the disk lacks is left out and counted: a part of a data set may be measured, and says so.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zsderm import KnowledgeBase
from zsderm import images as photographs
from zsderm.config import DEFAULT_KNOWLEDGE
from zsderm.errors import ImageError, InputError, ZsdermWarning
from zsderm.image_names import NO_RANK, ImageNames, is_end
from zsderm.image_table import LABEL_COLUMNS, PATIENT_COLUMNS, ImageTable, known_column
from zsderm.knowledge.same_disease import same_diseases
from zsderm.long_tables import as_wide, is_long, is_stated
from zsderm.metrics import AGE_COLUMNS, age_bands
from zsderm.modalities import modality_of
from zsderm.table_files import is_unknown, numbers, plain, read_cells

GROUP_COLUMNS = {
    "skin type": ("fitzpatrick", "fitspatrick", "fitzpatrick_scale", "fitzpatrick_skin_type"),
    "age": AGE_COLUMNS,
    "sex": ("sex", "gender"),
    "body site": ("site", "region", "localization", "anatom_site_general", "anatom_site"),
    "modality": ("modality", "image_type"),
    "group": ("group",),
}
MIN_CLASSES = 2
_LIST_OF_ONE = re.compile(r"""\[(?:(['"])(.*)\1)?\]""")  # as programs write a list: ['nevus'], or [] for none
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

    def facts(self) -> dict[str, Any]:
        """What the result of a run says of its images, ready for JSON."""
        return {
            "n": len(self),
            "listed": self.listed,
            "modality": self.modality,
            "unit": self.unit or "image",
            "classes": list(self.classes),
            "images_of_class": np.bincount(self.labels, minlength=len(self.classes)).tolist(),
        }


def read_folder(folder: Path, *, name: str, modality: str = "") -> LabelledImages:
    """A folder whose sub-folders are the classes.

    Raises:
        InputError: there are fewer than two sub-folders with images.
    """
    found = photographs.find_classes(folder)
    if len(found) < 2:
        raise InputError(
            f"expected at least two folders of images in {folder}, each named after its class, but got {len(found)}; "
            "or give a table with the columns filename and label"
        )
    images = tuple(str(path) for paths in found.values() for path in paths)
    labels = np.repeat(np.arange(len(found)), [len(paths) for paths in found.values()])
    return LabelledImages(name, images, labels, tuple(found), "all", len(images), modality)


def read_table(
    path: Path,
    *,
    name: str,
    published: Sequence[str],
    codes: Mapping[str, str],
    split: str,
    modality: str = "",
    columns: Mapping[str, str] = {},
) -> LabelledImages:
    """A table with one row per image: see `zsderm.table_files` for the formats.

    Args:
        path: the table; images are looked for beside and below it, by relative path or by name.
        name: of the data set.
        published: class names in the published order, which integer labels index; may be empty.
        codes: label codes and the classes they mean.
        split: see `zsderm.benchmarks.datasets.load`.
        modality: what camera.
        columns: what the original table of the data set calls the columns "image", "label" and "split"; those that the
            table lacks are looked for as in any other.

    Raises:
        InputError: a column is missing, a label means nothing, the split is empty, or not one image is on the disk.
    """
    listed = _listed(path, columns.get("image", ""))
    if not known_column(listed.frame.columns, ("true_label",)) and (is_long(listed) or is_stated(listed)):
        raise InputError(
            f"expected true classes in {path}, but it holds predictions, all of which would be right; give the labels, "
            "or add a column true_label"
        )
    listed = as_wide(listed)
    table, images = listed.frame, np.array(listed.names, dtype=object)  # (N,)
    names = _labels(listed, codes, columns.get("label", ""))
    classes, labels = _classes(names, published, path)
    splits = known_column(table.columns, ("split", columns.get("split", "split")))
    rows = _of_split(listed, splits, split) & (labels >= 0)
    paths = _on_disk(images[rows].tolist(), path)
    there = np.array([found is not None for found in paths], dtype=bool)
    if not there.any():
        raise InputError(
            f"expected the images of {path} beside or below it, but found none of {int(rows.sum())}; "
            f"the first is {images[rows][0]!r}"
        )
    kept = table.loc[rows].loc[there]
    unit = known_column(table.columns, PATIENT_COLUMNS)
    return LabelledImages(
        name=name,
        images=tuple(found for found in paths if found is not None),
        labels=labels[rows][there],
        classes=classes,
        split=split if splits else "all",
        listed=int(rows.sum()),
        modality=modality,
        unit=unit,
        units=np.array(listed.ids(unit), dtype=object)[rows][there] if unit else None,
        groups=groups_of(kept),
    )


def groups_of(table: pd.DataFrame) -> dict[str, NDArray[np.object_]]:
    """The groups that a table's columns tell of, in the same words whatever the data set: (N,) each, "" if unknown."""
    found: dict[str, NDArray[np.object_]] = {}
    for title, columns in GROUP_COLUMNS.items():
        column = known_column(table.columns, columns)
        if not column:
            continue
        words = [plain(cell).lower() for cell in table[column]]
        values = numbers(words)[0]
        if title == "age":
            found[title] = age_bands(values).astype(object)
        elif title == "skin type" and np.isfinite(values).any():
            found[title] = np.array([ROMAN.get(value, "") for value in values], dtype=object)
        else:
            words = [modality_of(word) or word for word in words] if title == "modality" else words
            unknown = is_unknown(words) | np.array([word == "-1" for word in words], dtype=bool)
            found[title] = np.where(unknown, "", np.array(words, dtype=object))
    return {title: names for title, names in found.items() if len(set(names) - {""}) > 1}


def _listed(path: Path, image_column: str) -> ImageTable:
    """The table, with a column of images that only one data set calls so, where it has that."""
    cells = read_cells(path)
    own = known_column(cells.columns, (image_column.casefold(),)) if image_column else ""
    return ImageTable.of(path, cells, own or None)


def _labels(table: ImageTable, codes: Mapping[str, str], own: str) -> list[str]:
    """N label words; a table with one column of zeros and ones per code is read as such.

    The column ``own`` goes before all others. "['nevus']", a list of one name, is that name; an empty list is no label.
    """
    meaning = {code.casefold(): name for code, name in codes.items()}
    hot = [known_column(table.frame.columns, (code.casefold(),)) for code in codes]
    if codes and all(hot):
        values = np.nan_to_num(np.stack([numbers(table.column(column))[0] for column in hot], axis=1))  # (N, codes)
        named = list(codes.values())
        return [named[row.argmax()] if row.max() > 0 else "" for row in values]
    column = known_column(table.frame.columns, (own, *LABEL_COLUMNS, "categories"))
    if not column:
        raise InputError(
            f"expected a label column in {table.path}, one of {', '.join(LABEL_COLUMNS)}, but its columns are: "
            f"{', '.join(table.frame)}"
        )
    words = [_LIST_OF_ONE.sub(r"\2", " ".join(plain(word).split())) for word in table.column(column)]
    return [meaning.get(word.casefold(), word) for word in words]


def _classes(names: list[str], published: Sequence[str], path: Path) -> tuple[tuple[str, ...], NDArray[np.int_]]:
    """The classes and (N,) indices into them, -1 for an empty label; numbers index the published order."""
    if all(re.fullmatch(r"[0-9]+(\.0)?", name) for name in names if name) and any(names):
        return _numbered([int(name.removesuffix(".0")) if name else -1 for name in names], published, path)
    order = {name.casefold(): index for index, name in enumerate(published)}
    own = {name.casefold(): name for name in sorted(names, reverse=True) if name}  # "Nevus" and "nevus" are one
    if len(order) >= MIN_CLASSES:
        strangers = [own[key] for key in sorted(own.keys() - order.keys())]
        counted_for = _counted_for(strangers, list(own.values()), published, path)
        order |= {name.casefold(): index for name, index in counted_for.items()}
    if not own.keys() <= order.keys():
        published = [own[key] for key in sorted(own)]  # its own names, every one of them
        order = {name.casefold(): index for index, name in enumerate(published)}
    if len(order) < MIN_CLASSES:
        raise InputError(f"expected at least two classes in {path}, but got: {', '.join(order) or 'none'}")
    return tuple(published), np.array([order.get(name.casefold(), -1) for name in names], dtype=np.int_)


def _counted_for(
    strangers: Sequence[str], together: Sequence[str], published: Sequence[str], path: Path
) -> dict[str, int]:
    """The published class that each name which is none of them counts for, said; none unless all count for one."""
    if not strangers:
        return {}
    found = same_diseases(strangers, together, published, KnowledgeBase.load(DEFAULT_KNOWLEDGE))
    if len(found.places) < len(strangers):
        return {}  # the table keeps names of its own, so none is read as another
    for told in found.told(published):
        warnings.warn(f"{path}: {told}.", ZsdermWarning, stacklevel=4)
    return found.places


def _numbered(labels: list[int], published: Sequence[str], path: Path) -> tuple[tuple[str, ...], NDArray[np.int_]]:
    if not published:
        raise InputError(
            f"the labels in {path} are numbers, and nothing says which classes they stand for; give class names, or "
            "put the table where a known data set is looked for (zsderm benchmark --cards)"
        )
    if max(labels) >= len(published):
        raise InputError(f"expected labels 0 to {len(published) - 1} in {path}, but got {max(labels)}")
    return tuple(published), np.array(labels, dtype=np.int_)


def _of_split(table: ImageTable, column: str, split: str) -> NDArray[np.bool_]:
    """(N,) bool: the rows of the split; all where it is "all" or the table has no column of splits."""
    if split == "all" or not column:
        return np.ones(len(table.frame), bool)
    cells = table.column(column)
    rows = np.array([cell == split for cell in cells], dtype=bool)
    if not rows.any():
        raise InputError(
            f"{table.path} has no split {split!r}; it has: {', '.join(sorted(set(cells)))}, and --split all takes "
            "every image"
        )
    return rows


def _on_disk(names: Sequence[str], table: Path) -> list[str | None]:
    """The path of each image: as written, relative to the table, or the one file below that the name can mean.

    A file in another folder than the name says is taken only if one name alone can mean it, and that is said.
    """
    direct = [table.parent / name for name in names]
    if all(path.is_file() for path in direct):
        return [str(path) for path in direct]
    try:
        below = photographs.find(table.parent)
    except ImageError:  # not one image there
        below = []
    known = ImageNames(str(path.relative_to(table.parent)) for path in below)
    meant = [
        ([], NO_RANK) if path.is_file() else known.meant_by(name) for path, name in zip(direct, names, strict=True)
    ]
    taken = Counter(path.resolve() for path in direct if path.is_file())
    taken.update(below[found[0]].resolve() for found, _ in meant if len(found) == 1)
    paths, elsewhere = [], []
    for path, name, (found, rank) in zip(direct, names, meant, strict=True):
        file = path if path.is_file() else below[found[0]] if len(found) == 1 else None  # of two, nothing says which
        if file is not None and rank != NO_RANK and not is_end(rank):
            if taken[file.resolve()] > 1:
                file = None
            else:
                elsewhere.append(f"{name} = {file.relative_to(table.parent)}")
        paths.append(None if file is None else str(file))
    if elsewhere:
        some = ", ".join(elsewhere[:2]) + (", ..." if len(elsewhere) > 2 else "")
        warnings.warn(
            f"{table}: images that are not where the table says were taken from another folder by file name "
            f"({len(elsewhere)} of {len(names)}): {some}. If you mean other images, correct the table.",
            ZsdermWarning,
            stacklevel=4,
        )
    return paths

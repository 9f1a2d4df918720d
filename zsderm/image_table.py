"""Tables that say something of images: labels, predictions, captions, concepts, patients. One row an image, or several.

The rule which column names the image, and which row is whose, stands here and nowhere else.
"""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype

from zsderm.errors import FallbackWarning, InputError, did_you_mean
from zsderm.file_names import file_and_frame
from zsderm.image_names import PICTURE, ImageNames, Rank, path_parts
from zsderm.places import is_address
from zsderm.table_files import is_unknown, plain, read_cells, whole_numbers
from zsderm.wording import agrees

# The columns that name the image, the first one that a table has; in upper or lower case, with "_", "-" or a blank.
IMAGE_COLUMNS = (
    "image", "filename", "file_name", "image_name", "file", "path", "image_path", "img_id", "image_id", "isic_id",
    "md5hash",
)  # fmt: skip
# The columns that name the class of an image, likewise.
LABEL_COLUMNS = ("true_label", "label", "class", "diagnosis", "diagnostic", "dx", "diagnosis_3")
# Whom or what images are of, likewise: intervals draw these where nobody names another column.
PATIENT_COLUMNS = ("patient_id", "patient", "lesion_id", "lesion")
IN_ORDER = "none"  # in the place of an image column: the rows are in the order of the images


def known_column(columns: Iterable[str], known: Iterable[str]) -> str:
    """The first of the known names that a table has, as the table spells it; empty where it has none of them.

    Upper and lower case make no difference, nor do "_", "-" and blanks between words.
    """
    spelled: dict[str, str] = {}
    for column in columns:
        key = re.sub(r"[\s_-]+", "_", plain(column).casefold())
        if key not in spelled or column == key:
            spelled[key] = column
    return next((spelled[name] for name in known if name in spelled), "")


def image_column(columns: Iterable[str]) -> str:
    """The column that names the images; empty where there is none."""
    return known_column(columns, IMAGE_COLUMNS)


@dataclass(frozen=True, eq=False)
class ImageTable:
    """A table whose cells are text; empty cells are empty strings. Columns of a data set may hold numbers instead.

    Attributes:
        path: the file.
        frame: its rows.
        image_column: the column that names the images; empty where none does.
        in_order: whether the user says that the rows of a table without such a column are in the order of the images.
        whole: all rows of the file, where ``frame`` is a part of them; None where it is all.
    """

    path: Path
    frame: pd.DataFrame
    image_column: str
    in_order: bool = False
    whole: pd.DataFrame | None = None

    @classmethod
    def read(cls, path: Path, image_column: str | None = None, *, required: bool = True) -> ImageTable:
        """Read a CSV, JSON Lines or Parquet file.

        Args:
            path: the file.
            image_column: the column that names the images; None: the first of `IMAGE_COLUMNS` that is there; `IN_ORDER`
                where no column does, and the rows are in the order of the images.
            required: refuse a table in which no column names the images.

        Raises:
            InputError: it cannot be read, or no column names the images.
        """
        return cls.of(path, read_cells(path), image_column, required=required)

    @classmethod
    def of(
        cls, path: Path, frame: pd.DataFrame, image_column: str | None = None, *, required: bool = True
    ) -> ImageTable:
        """As `read`, of cells that were read already."""
        if image_column is not None and (image_column in frame.columns or image_column != IN_ORDER):
            cls(path, frame, image_column).column(image_column)
            return cls(path, frame, image_column)
        found = _image_column(frame.columns)
        if not found and (required or any(_names_pictures(frame[name]) for name in frame)):
            raise _no_image_column(path, frame)
        return cls(path, frame, found, in_order=image_column == IN_ORDER)

    @classmethod
    def read_another(cls, path: Path, image_column: str | None) -> ImageTable:
        """As `read`, of a table that may lack the column, because that was said for another table.

        Raises:
            InputError: as `read`; but a table may name no images.
        """
        frame = read_cells(path)
        named = image_column if image_column == IN_ORDER or image_column in frame.columns else None
        return cls.of(path, frame, named, required=False)

    def column(self, name: str) -> list[str]:
        """The cells of a column, stripped.

        Raises:
            InputError: there is no such column.
        """
        if name not in self.frame.columns and plain(name) not in self.frame.columns:
            raise InputError(
                f"expected a column {name!r} in {self.path}, but its columns are: {', '.join(self.frame)}."
                f"{did_you_mean(name, self.frame.columns)}"
            )
        cells = self.frame[name if name in self.frame.columns else plain(name)]
        if is_numeric_dtype(cells):
            return ["" if np.isnan(number) else repr(number) for number in cells.tolist()]
        return [cell.strip() for cell in cells]

    def ids(self, name: str) -> list[str]:
        """The cells of a column of patients, lesions or other groups; empty where they say "unknown" or the like.

        They are text ("007" is not "7"). Only where every known cell of the file is a whole number with ".0", as
        programs write a column with gaps, this end is taken off.

        Raises:
            InputError: there is no such column.
        """
        cells = _known(self.column(name))
        every = cells if self.whole is None else _known(replace(self, frame=self.whole).column(name))
        return cells if whole_numbers(every) == every else whole_numbers(cells)

    def other_columns(self) -> dict[str, list[str]]:
        """The cells of every column but those of the image and its class: patients, ages and whatever else there is.

        A column that would be read as either beside the columns ``image`` and ``true_label`` is left out.
        """
        read = {self.image_column, known_column(self.frame.columns, LABEL_COLUMNS)}
        taken = {"image", "true_label"}
        others = [name for name in self.frame.columns if name not in read]
        return {name: self.column(name) for name in others if known_column([name], taken) == ""}

    def where(self, column: str, value: str) -> ImageTable:
        """The rows with one value in a column.

        Raises:
            InputError: there is no such column, or no such row.
        """
        cells = self.column(column)
        rows = [cell == value for cell in cells]
        if not any(rows):
            found = ", ".join(sorted(set(cells))[:5])
            raise InputError(f"{self.path} has no row with {column}={value}; the column holds: {found}")
        return self._part(self.frame[rows])

    @property
    def names(self) -> list[str]:
        """The image of each row as the table names it; empty strings where no column does."""
        return self.column(self.image_column) if self.image_column else [""] * len(self.frame)

    @property
    def files(self) -> list[Path]:
        """The image of each row; names are relative to the folder of the table."""
        return [self.path.parent / name for name in self.column(self.image_column)]

    @property
    def sources(self) -> list[Path | str]:
        """As `files`; but addresses among the names stay the text that they are."""
        return [name if is_address(name) else self.path.parent / name for name in self.column(self.image_column)]

    def rows_of(self, images: Sequence[str]) -> list[list[int]]:
        """The rows that speak of each image, matched by name as `ImageNames` says.

        Where the table has no row for ``name.dcm#2``, the row of ``name.dcm`` speaks of all pictures of that file.

        Returns:
            For each image the numbers of its rows, in the order of the table; empty where there are none.

        Raises:
            InputError: no image has a row, a name in the table stands for several of the images, or an image could be
                one of several names.
        """
        if self.frame.empty:
            raise InputError(f"expected rows in {self.path}, but it has none below its header")
        named = list(self._rows)
        known = ImageNames(named)
        meant = {image: known.meant_by(image) for image in dict.fromkeys(images)}
        files = {image: file for image in images if (file := _file_of_several(image)) and not meant[image][0]}
        meant |= {image: known.meant_by(file) for image, file in files.items()}  # one row for all pictures of a file
        claims: defaultdict[int, list[tuple[Rank, str]]] = defaultdict(list)
        for image, (numbers, rank) in meant.items():
            if len(numbers) > 1:
                raise InputError(
                    f"{self.path} names several images that {image!r} could be: "
                    f"{', '.join(named[number] for number in numbers[:3])}; give them with their folders."
                )
            for number in numbers:
                claims[number].append((rank, image))
        rows: dict[str, list[int]] = {}
        for number, claimed in claims.items():
            best = max(rank for rank, _ in claimed)
            first, *others = [image for rank, image in claimed if rank == best]
            if others and len({path_parts(files.get(image, image)) for image in (first, *others)}) > 1:
                raise InputError(
                    f"{named[number]!r} in {self.path} could be several images: {first}, {others[0]}; give it with its "
                    "folder."
                )
            rows |= {image: self._rows[named[number]] for image in (first, *others)}
        if not rows:
            raise InputError(
                f"expected {self.path} to name the images ({len(images)}), but it names none of them. It names "
                f"{', '.join(named[:2]) or 'no image at all'}, and the images are {', '.join(images[:2])}"
            )
        return [rows.get(image, []) for image in images]

    def row_of(self, images: Sequence[str]) -> NDArray[np.int_]:
        """(N,) int, the one row that speaks of each image; -1 where none does.

        A table in which no column names images is taken row by row in the order of the images only if the user says so
        (``in_order``), or if the images have no names either (all of them empty). There must be one row for each image,
        and no column that looks like names of these images.

        Raises:
            InputError: as `rows_of`, an image has several rows or is asked for twice, or the rows cannot be taken in
                order.
        """
        unnamed = not any(images)
        if unnamed or not self.image_column:
            return self._in_order(images, unnamed)
        first: dict[tuple[str, ...], str] = {}
        for image in images:
            if (parts := path_parts(image)) in first:
                twice = " and ".join(map(repr, dict.fromkeys((first[parts], image))))
                raise InputError(f"expected every image once, but one name stands for several predictions: {twice}")
            first[parts] = image
        rows = self.rows_of(images)
        for image, own in zip(images, rows, strict=True):
            if len(own) > 1:
                raise InputError(
                    f"expected one row for each image in {self.path}, but one name stands for several: {image!r} has "
                    f"{len(own)}"
                )
        return np.array([own[0] if own else -1 for own in rows], dtype=np.int_)

    def beside(self, images: Sequence[str]) -> ImageTable:
        """The row of each image, in the order of the images; empty cells where there is none.

        Raises:
            InputError: see `row_of`.
        """
        rows = self.row_of(images)
        frame = self.frame.reset_index(drop=True).reindex(np.where(rows >= 0, rows, len(self.frame)))
        texts = {name: "" for name in frame if not is_numeric_dtype(frame[name])}
        return self._part(frame.fillna(texts).reset_index(drop=True))

    def _part(self, frame: pd.DataFrame) -> ImageTable:
        return replace(self, frame=frame, whole=self.frame if self.whole is None else self.whole)

    def _in_order(self, images: Sequence[str], unnamed: bool) -> NDArray[np.int_]:
        if unnamed and self.image_column:
            raise InputError(
                f"{self.path} names its images in the column {self.image_column!r}, but the predictions name none; "
                "give them a column image"
            )
        asked = unnamed or self.in_order
        if not asked or len(self.frame) != len(images) or any(_names_these(self.frame[c], images) for c in self.frame):
            raise _no_image_column(self.path, self.frame, len(images))
        rows = agrees(len(images), "row is", f"{len(images)} rows are")
        text = f"{self.path} names no images: its {rows} taken in the order of the images."
        warnings.warn(text, FallbackWarning, stacklevel=2)
        return np.arange(len(images))

    @cached_property
    def _rows(self) -> dict[str, list[int]]:
        """The rows of each name; spellings that mean the same path are one name."""
        rows: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
        for row, name in enumerate(self.column(self.image_column)):
            rows[path_parts(name)].append(row)
        return {"/".join(parts): numbers for parts, numbers in rows.items() if parts}


_image_column = image_column  # inside `read` an argument has this name


def _known(cells: Sequence[str]) -> list[str]:
    """Ids in one form, empty where they are unknown."""
    return ["" if unknown else plain(cell) for cell, unknown in zip(cells, is_unknown(cells), strict=True)]


def _file_of_several(image: str) -> str:
    """The file of one picture of several, ``name.dcm`` for ``name.dcm#2``; empty for every other name."""
    file, frame = file_and_frame(image)
    return "" if frame is None else file


def _names_pictures(cells: Sequence[str]) -> bool:
    """Whether most cells of a column are file names of pictures."""
    return bool(len(cells)) and sum(bool(PICTURE.fullmatch(cell.strip())) for cell in cells) * 2 > len(cells)


def _names_these(cells: Sequence[str], images: Sequence[str]) -> bool:
    """Whether a column names most of these images."""
    if not any(images):
        return False
    known = ImageNames(cells)
    return sum(len(known.meant_by(image)[0]) == 1 for image in images) * 2 > len(images)


def _no_image_column(path: Path, frame: pd.DataFrame, count: int = 0) -> InputError:
    order = f", or --image-column {IN_ORDER} and one row for each of the {count} images in their order" if count else ""
    rows = f"it has {len(frame)} rows and its columns are" if count else "its columns are"
    return InputError(
        f"expected an image column in {path} ({', '.join(IMAGE_COLUMNS)}, or what --image-column names){order}, "
        f"but {rows}: {', '.join(frame) or 'none'}"
    )

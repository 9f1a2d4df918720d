"""Tables that say something of images: captions, concept labels, patients. One row an image, or several."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath, PurePosixPath

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zsderm.errors import InputError, did_you_mean

IMAGE_COLUMNS = ("image", "filename", "file", "path", "img_id", "image_id")


@dataclass(frozen=True, eq=False)
class ImageTable:
    """A CSV table whose cells are text; empty cells are empty strings.

    Attributes:
        path: the file.
        frame: its rows.
        image_column: the column that names the images.
    """

    path: Path
    frame: pd.DataFrame
    image_column: str

    @classmethod
    def read(cls, path: Path) -> ImageTable:
        """Read a CSV file.

        Raises:
            InputError: it cannot be read, or no column names the images.
        """
        try:
            frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        except (ValueError, OSError) as error:  # pandas' own errors are ValueErrors
            raise InputError(f"expected a CSV table in {path}, but cannot read it: {error}") from error
        for name in IMAGE_COLUMNS:
            if name in frame.columns:
                return cls(path, frame, name)
        raise InputError(
            f"expected a column {' or '.join(IMAGE_COLUMNS[:2])} in {path}, but its columns are: {', '.join(frame)}"
        )

    def column(self, name: str) -> list[str]:
        """The cells of a column, stripped.

        Raises:
            InputError: there is no such column.
        """
        if name not in self.frame.columns:
            raise InputError(
                f"{self.path} has no column {name!r}; its columns are: {', '.join(self.frame)}."
                f"{did_you_mean(name, self.frame.columns)}"
            )
        return [cell.strip() for cell in self.frame[name]]

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
        return ImageTable(self.path, self.frame[rows], self.image_column)

    @property
    def files(self) -> list[Path]:
        """The image of each row; names are relative to the folder of the table."""
        return [self.path.parent / name for name in self.column(self.image_column)]

    def rows_of(self, images: Sequence[str]) -> list[list[int]]:
        """The rows that speak of each image.

        The longest end of an image's path that the table knows decides ("images/1.jpg" before "1.jpg"); the table may
        leave the suffix away. A table that names longer paths is matched by file name.

        Returns:
            For each image the numbers of its rows, in the order of the table; empty where there are none.

        Raises:
            InputError: no image has a row, or a file name that decides stands for several images.
        """
        found = [self._rows_of(PurePath(image)) for image in images]
        if not any(found):
            raise InputError(
                f"expected {self.path} to name the {len(images)} images, but it names none of them; it names "
                f"{', '.join(self.column(self.image_column)[:2])}, the images are {', '.join(images[:2])}"
            )
        return found

    def _rows_of(self, image: PurePath) -> list[int]:
        for parts in (image.parts, (*image.parts[:-1], image.stem)):
            for start in range(len(parts)):
                if rows := self._rows.get(parts[start:]):
                    return rows
        rows = self._rows_by_file_name.get(image.name, [])
        if len({self.frame[self.image_column].iloc[row] for row in rows}) > 1:
            raise InputError(f"{self.path} names several images {image.name!r}; give them with their folders.")
        return rows

    @cached_property
    def _rows(self) -> dict[tuple[str, ...], list[int]]:
        rows: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
        for row, name in enumerate(self.column(self.image_column)):
            rows[PurePosixPath(name.replace("\\", "/")).parts].append(row)
        return dict(rows)

    @cached_property
    def _rows_by_file_name(self) -> dict[str, list[int]]:
        rows: defaultdict[str, list[int]] = defaultdict(list)
        for parts, numbers in self._rows.items():
            if parts:
                rows[parts[-1]] += numbers
        return dict(rows)


_IMAGE_COLUMNS = ("image", "filename", "file", "path", "image_path", "img_id", "image_id", "isic_id")


def rows_by_image(images: Sequence[str], table: pd.DataFrame, path: Path) -> NDArray[np.int_]:
    """(N,) int, the row of ``table`` that speaks of each image; -1 where none does."""
    column = image_column_of(table)
    if column is None:
        if len(table) != len(images):
            raise InputError(
                f"expected a column 'image' in {path}, or one row for each of the {len(images)} images in their order, "
                f"but it has {len(table)} rows and the columns: {', '.join(map(str, table.columns))}"
            )
        return np.arange(len(images))
    names = [str(name) for name in table[column]]
    rows = _positions(images, names, path)
    if (rows < 0).all():
        rows = _positions([PurePath(name).name for name in images], [PurePath(name).name for name in names], path)
    return rows


def image_column_of(table: pd.DataFrame) -> str | None:
    """The column that names the image; None where there is none."""
    return next((name for name in _IMAGE_COLUMNS if name in table.columns), None)


def _positions(images: Sequence[str], names: Sequence[str], path: Path) -> NDArray[np.int_]:
    """(N,) int, where in ``names`` each image stands; -1 where it does not."""
    row_of = {name: row for row, name in enumerate(names)}
    if len(row_of) < len(names) or len(set(images)) < len(images):
        raise InputError(
            f"expected every image once, but in {path} or the predictions one name stands for several images"
        )
    return np.array([row_of.get(name, -1) for name in images], dtype=np.int_)


def label_key(label: object) -> str:
    """A label as it is looked up: a name loses its case."""
    return cell_name(label).casefold()


def cell_name(value: object) -> str:
    """A cell as a name: empty where it is missing, and a whole number that was read as a float loses its '.0'."""
    if pd.isna(value):
        return ""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()

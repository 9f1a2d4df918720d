"""Lists of images: in text files, in columns of tables, on standard input; on disks and in buckets."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, BinaryIO

from zsderm.errors import ImageError, InputError
from zsderm.file_names import printable
from zsderm.places import address_of, in_parts, is_address, local_path, shard_and_member
from zsderm.text_files import COMMENT

if TYPE_CHECKING:
    import pandas as pd

STDIN, LIST = "-", "@"
TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
LISTS = (".txt", *TABLES)  # a file that ends so is no photograph; with "@" in front any text file is a list
_STDIN_NAME = "standard input"
_LARGEST = 2**30  # bytes of a list
_LOOKED_AT = 1000  # names of a long table of which one has to be there
_LONGEST = 4096  # characters of a path, as Linux has it


@dataclass(frozen=True)
class _Column:
    """Which column names the images, as the user says it; see `expanded`."""

    name: str | None
    elsewhere: bool

    def of(self, frame: pd.DataFrame) -> str | None:
        """The column of one table; None for the first usual one."""
        return None if self.elsewhere and self.name not in frame.columns else self.name


def is_list(text: str) -> bool:
    """Whether an argument is a list of images."""
    return text == STDIN or (text.startswith(LIST) and not os.path.lexists(text)) or _ends_as_list(text)


def is_there(name: str) -> bool:
    """Whether something is at a path, as far as can be said: a file in a tar file, or an address, is taken to be."""
    meant = None if os.path.lexists(name) or is_address(name) else shard_and_member(name)
    return (meant is None and (is_address(name) or os.path.lexists(name))) or bool(meant and os.path.isfile(meant[0]))


def expanded(text: str, image_column: str | None = None, elsewhere: bool = False) -> list[str]:
    """The images in a list, in its order; those of a Parquet file as one `zsderm.images.NameList`.

    Args:
        text: as `is_list` takes it.
        image_column: the column that names the images in a table; None: the first usual one.
        elsewhere: whether a table without that column is read as usual.

    Raises:
        ImageError: there is no such list, or it leads nowhere.
        InputError: a table that cannot be read, or that names no images.
    """
    if text == STDIN:
        return _checked(_stdin(), _STDIN_NAME)
    name = text if _ends_as_list(text) else text[len(LIST) :]
    column = _Column(image_column, elsewhere)
    if is_address(name):
        name = local_path(name) or name
    if is_address(name):
        return _in_bucket(name, column)
    path = Path(name)
    if not path.is_file():
        raise ImageError(f"there is no list of images '{printable(str(path))}'. Write @ and the name of a file.")
    if path.suffix.lower() == ".parquet":
        return [_streamed(name, lambda: path.open("rb"), column, partial(_beside, path))]
    return _checked([_beside(path, name) for name in _names(path, column)], f"'{printable(str(path))}'")


def _ends_as_list(text: str) -> bool:
    return text.lower().endswith(LISTS) and (is_address(text) or os.path.isfile(text))


def _names(path: Path, column: _Column) -> list[str]:
    """The names in a list on a disk."""
    if path.suffix.lower() in TABLES:
        from zsderm.image_table import ImageTable
        from zsderm.table_files import read_cells

        frame = read_cells(path)
        return [name for name in ImageTable.of(path, frame, column.of(frame)).names if name]
    if path.stat().st_size > _LARGEST:
        raise ImageError(f"the list '{printable(str(path))}' is larger than {_LARGEST >> 20} MiB; take it apart")
    return _lines(path.read_bytes(), path.parent)


def _in_bucket(name: str, column: _Column) -> list[str]:
    """The images in a list in a bucket; names in it that are no addresses lie beside it."""
    address = address_of(name)

    def opened() -> BinaryIO:
        try:
            return in_parts(address)
        except OSError as error:
            raise ImageError(f"cannot read the list of images '{address}': {error.strerror or error}") from error

    def beside(listed: str) -> str:
        return listed if is_address(listed) else str(address.parent.below(listed))

    if address.suffix == ".parquet":
        return [_streamed(str(address), opened, column, beside)]
    with TemporaryDirectory(prefix="zsderm-") as folder, opened() as stream:
        copy = Path(folder) / f"list{address.suffix}"
        content = stream.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise ImageError(f"the list '{address}' is larger than {_LARGEST >> 20} MiB; take it apart")
        copy.write_bytes(content)
        try:
            return _checked([beside(listed) for listed in _names(copy, column)], f"'{address}'")
        except InputError as error:
            raise type(error)(str(error).replace(str(copy), str(address))) from error


def _streamed(source: str, opened: Callable[[], BinaryIO], column: _Column, beside: Callable[[str], str]) -> str:
    """The images in a column of a Parquet file, which may have more rows than memory holds names."""
    from zsderm.image_table import ImageTable
    from zsderm.images import NameList
    from zsderm.table_files import parquet_cells, parquet_columns

    with opened() as stream:
        header = parquet_columns(stream, source)
    try:
        table = ImageTable.of(Path(source), header, column.of(header))
    except InputError as error:  # a path of an address has lost a slash
        raise type(error)(str(error).replace(str(Path(source)), printable(source))) from error

    def names() -> Iterator[str]:
        with opened() as stream:
            for cell in parquet_cells(stream, source, table.image_column):
                if cell.strip():
                    yield beside(cell.strip())

    _checked(list(islice(names(), _LOOKED_AT)), f"'{printable(source)}'")
    return NameList.of(source, names)


def _beside(path: Path, name: str) -> str:
    """A name in a list: looked for in the folder of the list, then in the folder one is in."""
    if is_address(name):
        return name
    place = os.path.join(path.parent, name)
    return name if not is_there(place) and is_there(name) else place


def _stdin() -> list[str]:
    if sys.stdin is None:
        raise ImageError("standard input is closed, so no names of images can be read from it")
    return _lines(sys.stdin.buffer.read())


def _in_line(line: str, folder: str | os.PathLike[str]) -> str:
    """The path in a line of a list; empty where it is empty, or a comment: "#" alone, or "#" and a blank, and more.

    Blanks and quotes around a path are none of it, unless a file is there whose name has them.
    """
    if not line.strip() or os.path.lexists(os.path.join(folder, line)) or os.path.lexists(line):
        return line if line.strip() else ""
    text = line.strip()
    if COMMENT.match(text):
        return ""
    quoted = len(text) > 2 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if quoted else text


def _lines(content: bytes, folder: str | os.PathLike[str] = "") -> list[str]:
    """The names in a text: one a line, or with zero bytes between them, as find -print0 writes them.

    Args:
        content: of the text.
        folder: in which paths are looked for first.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # PowerShell writes it so
        content = content.decode("utf-16", errors="replace").encode()
    content = content.removeprefix(codecs.BOM_UTF8)
    if b"\0" in content:
        return [os.fsdecode(name) for name in content.split(b"\0") if name]
    return [name for line in content.split(b"\n") if (name := _in_line(os.fsdecode(line.strip(b"\r")), folder))]


def _checked(names: list[str], source: str) -> list[str]:
    if not names:
        raise ImageError(f"the list of images from {source} is empty. Write one path a line.")
    if len(names[0]) > _LONGEST:  # in no message: it may be the bytes of a picture
        raise ImageError(
            f"expected paths in the list of images from {source}, but the first is {len(names[0])} characters long. "
            "Pictures inside a table are not read: save them as files or in tar files, and name these."
        )
    if not any(map(is_there, names)):
        table = source == _STDIN_NAME and any(sign in names[0] for sign in ",;\t")
        hint = " A table is read from a file: save it, and name the file." if table else ""
        raise ImageError(
            f"not one of the {len(names)} paths in the list of images from {source} is there, beginning with "
            f"'{printable(names[0])}'. Paths are looked for beside the list, then in the folder you are in.{hint}"
        )
    return names

"""The list of images of a data set of embeddings: a Parquet file with one row an image, in the order of the input.

image  the name as it is shown
path   the bytes of the path, where the name is not Unicode; else null
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from zsderm.errors import InputError, SettingsError
from zsderm.file_names import printable
from zsderm.part_folders import PARQUET_MARK
from zsderm.places import Folder
from zsderm.stored_json import parse_json

LIST = "images.parquet"
FACTS = b"zsderm"  # key in the metadata of Parquet
_GROUP = 65_536  # names in a row group


@dataclass(frozen=True)
class Listed:
    """What tells one list of images from another."""

    images: int  # N
    digest: str  # SHA-256 of the names, each followed by a zero byte

    @classmethod
    def of(cls, images: Iterable[str]) -> Listed:
        """That of N names, which are gone through once and not kept."""
        counted = _Counted()
        for name in images:
            counted.add(name)
        return counted.listed()


def write_list(folder: Folder, images: Iterable[str], settled: Callable[[Listed], bool]) -> Listed:
    """Write the list, in flat memory.

    Args:
        folder: of the data set.
        images: N names, gone through once.
        settled: asked when the list is complete: whether it must not be put into its place, because another run has
            put one there meanwhile.

    Raises:
        SettingsError: no images, or a place that cannot be written.
    """
    import pyarrow as pa
    from pyarrow import parquet

    schema = _schema()
    counted, names = _Counted(), iter(images)
    try:
        with folder.written(LIST, PARQUET_MARK) as draft:
            with parquet.ParquetWriter(draft, schema, compression="zstd", write_page_checksum=True) as writer:
                while group := list(islice(names, _GROUP)):
                    for name in group:
                        counted.add(name)
                    shown = [printable(name) for name in group]
                    raw = [None if name == text else os.fsencode(name) for name, text in zip(group, shown, strict=True)]
                    writer.write_table(pa.table({"image": shown, "path": raw}, schema=schema), row_group_size=_GROUP)
                writer.add_key_value_metadata({FACTS: json.dumps(asdict(counted.listed()))})
            if not counted.images:
                raise SettingsError("Expected at least one image to embed, but got none.")
            if settled(counted.listed()):
                raise _Settled
    except _Settled:
        pass
    return counted.listed()


def listed_names(folder: Folder, listed: Listed, stretches: Iterable[range]) -> Iterator[list[str]]:
    """The names in some stretches of the list, one stretch after the other.

    Args:
        folder: of the data set.
        listed: what its manifest says of the list.
        stretches: in rising order; only the row groups that hold them are read.

    Raises:
        InputError: the list is not there, damaged, or another one.
    """
    from pyarrow import parquet

    try:
        with folder.open(LIST) as stream, parquet.ParquetFile(stream, page_checksum_verification=True) as file:
            if parse_json((file.metadata.metadata or {})[FACTS].decode()) != asdict(listed):
                raise ValueError("it is a list of other images")
            if file.schema_arrow.remove_metadata() != _schema() or file.metadata.num_rows != listed.images:
                raise ValueError("its columns are not those of a list of images")
            kept, kept_names = -1, []
            for rows in stretches:
                wanted: list[str] = []
                for group in range(rows.start // _GROUP, (rows.stop - 1) // _GROUP + 1):
                    first = group * _GROUP
                    if group != kept:
                        kept, kept_names = group, _paths(file.read_row_group(group))
                        if len(kept_names) != min(_GROUP, listed.images - first):
                            raise ValueError("a stretch of it has another length")
                    wanted += kept_names[max(0, rows.start - first) : rows.stop - first]
                yield wanted
    except (OSError, ValueError, LookupError, TypeError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(
            f"cannot read '{LIST}' of the data set '{folder}': {reason}. Delete that file and run the command that "
            "made the data set again: the list is written again, and what is embedded stays."
        ) from error


def _schema() -> Any:
    import pyarrow as pa

    return pa.schema([("image", pa.string()), ("path", pa.binary())])


class _Counted:
    """Names that are counted and digested as they pass."""

    def __init__(self) -> None:
        self.images, self._digest = 0, hashlib.sha256()

    def add(self, name: str) -> None:
        """Count one."""
        self.images += 1
        self._digest.update(os.fsencode(name) + b"\0")

    def listed(self) -> Listed:
        """What was counted so far."""
        return Listed(self.images, self._digest.hexdigest())


class _Settled(Exception):
    """Leaves the draft of a list without putting it into its place."""


def _paths(group: Any) -> list[str]:
    """The paths in a row group, as the system opens them."""
    shown, raw = group["image"].to_pylist(), group["path"].to_pylist()
    return [name if path is None else os.fsdecode(path) for name, path in zip(shown, raw, strict=True)]

"""What an index on disk is, and how one is told from what is left of another, or was damaged.

Letters: N rows, M of them in the index, C cells, D embedding width, Q queries.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from zsderm.atomic_files import atomic_file
from zsderm.embeddings.disk_index.cells import Cells, list_bytes
from zsderm.embeddings.nearest_rows import Floats, Integers
from zsderm.errors import CheckpointError, SettingsError
from zsderm.stored_json import checksum_of, fields_of, file_sha256, read_json_file

CARD_FILE, CELLS_FILE, LISTS_FILE = "index.json", "cells.npz", "entries.lists"
BEGUN_FILE, BEGUN_CELLS = "begun.json", "begun.npz"  # what is known of an index that is still being built
# What numpy raises for a damaged file of several arrays.
ARRAY_ERRORS = (OSError, ValueError, LookupError, EOFError, MemoryError, zipfile.BadZipFile, SyntaxError)


@dataclass(frozen=True)
class Marks:
    """Whose rows an index holds; one with other marks is built again."""

    checksum: str  # of what the rows are
    fingerprint: str  # of the encoder
    rows: int  # N
    width: int  # D
    form: int = 1  # of the files


@dataclass(frozen=True)
class DiskCard(Marks):
    """What an index is.

    Attributes:
        entries: M, rows that are not NaN.
        cells: C.
        probes: cells looked into for a query.
        recall: of the ten nearest of each query, beside an exact search; measured when it was built, with
            queries that `probes` was not chosen by. The least of all kinds of queries.
        recalls: each kind of queries with its recall.
        cells_digest: SHA-256 of the cells.
        lists_digest: SHA-256 of the lists.
        changed: when the lists were last seen to have that digest, as their time of change in nanoseconds.
    """

    entries: int = 0
    cells: int = 0
    probes: int = 0
    recall: float = 0.0
    recalls: dict[str, float] | None = None
    cells_digest: str = ""
    lists_digest: str = ""
    changed: int = 0


@dataclass(frozen=True)
class Begun(Marks):
    """What is known of an index that is being built."""

    cells_digest: str = ""
    shard_rows: int = 0


def write_json(path: Path, said: Marks) -> None:
    """Write a card with its checksum, whole or not at all."""
    content = asdict(said)
    with atomic_file(path) as draft:
        draft.write_text(json.dumps({**content, "digest": checksum_of(content)}, indent=2) + "\n", encoding="utf-8")


def _read_json(path: Path, kind: type) -> dict[str, Any]:
    """The fields of a card that `write_json` wrote.

    Raises:
        OSError: it is not there, or cannot be read.
        ValueError: it is another, or damaged.
    """
    content = read_json_file(path)
    if not isinstance(content, dict) or content.pop("digest", None) != checksum_of(content):
        raise ValueError(f"{path.name} does not have its checksum")
    return fields_of(kind, content)


def read_begun(folder: Path, marks: Marks) -> Begun | None:
    """What an earlier run has begun with the same marks; None where there is nothing, or it cannot be used."""
    with suppress(OSError, ValueError):
        begun = Begun(**_read_json(folder / BEGUN_FILE, Begun))
        if _marks_of(begun) == marks and begun.shard_rows > 0:
            return begun
    return None


def write_cells(path: Path, cells: Cells, sizes: Integers, queries: Floats, kinds: Iterable[str]) -> str:
    """Write the cells and the queries that recall is measured on; returns the SHA-256 of the file."""
    with atomic_file(path) as draft:
        np.savez(draft, centres=cells.centres, sizes=sizes, queries=queries, kinds=list(kinds))
        return file_sha256(draft)


def read_cells(path: Path, digest: str) -> tuple[Cells, Integers, Floats, list[str]]:
    """What `write_cells` wrote: cells, (C,) int64 rows of each, (Q, D) float32 queries, their Q kinds.

    Raises:
        ValueError: it is not that file.
        OSError: it cannot be read.
    """
    try:
        if file_sha256(path) != digest:
            raise ValueError(f"{path.name} does not have its checksum")
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            cells, sizes = Cells(stored["centres"]), stored["sizes"]
            queries, kinds = stored["queries"], stored["kinds"].tolist()
    except ARRAY_ERRORS as error:
        raise ValueError(str(error)) from error
    cells.check()
    if sizes.shape != (len(cells.centres),) or sizes.dtype != np.int64 or (sizes < 0).any():
        raise ValueError("it does not say how many rows each cell has")
    return cells, sizes, queries, kinds


def read_card(folder: Path, marks: Marks) -> tuple[DiskCard, Cells, Integers]:
    """The card of an index that is finished, its cells, and how many rows are in each.

    The lists are gigabytes. Where their size or their time of change are not those of the card, they are held against
    their digest; else that was done before.

    Raises:
        CheckpointError: there is none, it has other marks, or it is damaged.
    """
    try:
        card = DiskCard(**_read_json(folder / CARD_FILE, DiskCard))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"there is no index in {str(folder)!r} that can be read: {error}. Build it.") from error
    if _marks_of(card) != marks:
        raise CheckpointError(f"the index in {str(folder)!r} is of other rows, or of another encoder. Build it again.")
    try:
        cells, sizes, _, _ = read_cells(folder / CELLS_FILE, card.cells_digest)
        if cells.centres.shape != (card.cells, card.width) or sizes.sum() != card.entries:
            raise ValueError("its card is of another index")
        if card.probes < 1:
            raise ValueError("its card does not say where to look")
        status = (folder / LISTS_FILE).stat()
        if status.st_size != list_bytes(sizes, card.width):
            raise ValueError(f"{LISTS_FILE} has {status.st_size} bytes")
        if status.st_mtime_ns != card.changed:
            if file_sha256(folder / LISTS_FILE) != card.lists_digest:
                raise ValueError(f"{LISTS_FILE} does not have its checksum")
            card = replace(card, changed=status.st_mtime_ns)
            with suppress(SettingsError):  # a folder that is read-only: the digest is looked at again the next time
                write_json(folder / CARD_FILE, card)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"the index in {str(folder)!r} is damaged: {error}. Build it again.") from error
    return card, cells, sizes


def clear(folder: Path, kept: Iterable[str] = ()) -> None:
    """Delete what is in the folder of an index, but for some files."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in kept and path.is_file():
            with suppress(OSError):
                path.unlink()


def size_on_disk(folder: Path) -> int:
    """Bytes of all its files."""
    return sum(os.path.getsize(path) for path in folder.iterdir())


def _marks_of(said: Marks) -> Marks:
    own: dict[str, Any] = {field.name: getattr(said, field.name) for field in fields(Marks)}
    return Marks(**own)

"""Image sets in tar shards, each image with a .json file, as the webdataset tools write them.

A shard is read where it lies: its headers are walked once, and from then on an image is a file name, a place and a
length. So everything that works for tables works for shards: weights, draws in any order, resuming in mid-epoch. A
sample that is not complete is a row without an image, with the reason (`Place.flaw`); hidden files are passed over.

The package webdataset is not used: the format is plain tar, which Python reads, and its streams know neither the place
that a stopped run had reached nor how many images a shard holds, which several processes have to agree upon.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from glob import glob
from pathlib import Path, PurePosixPath

from zsderm.errors import PretrainingDataError
from zsderm.images import SUFFIXES
from zsderm.pretrain.config import Source
from zsderm.pretrain.data.published_format import CAPTION_COLUMNS, Cells, text_of
from zsderm.pretrain.data.records import Place

IMAGES = SUFFIXES
LONGEST_WORDS = 1_000_000  # bytes of a .json or .txt file; a longer one is not read


def read_shards(source: Source, root: Path) -> Iterator[tuple[Cells, Place]]:
    """The samples of all shards that a source names, in the order of the file names.

    Args:
        source: its table is a .tar file, or a pattern such as "shards/*.tar".
        root: the data folder.

    Raises:
        PretrainingDataError: no shard is there, or one is compressed, cut short or cannot be opened.
    """
    # An absolute pattern stands for itself, and no folder name above it is read as a pattern.
    shards = sorted(map(Path, glob(source.table, root_dir=root, recursive=True)))
    if not shards:
        raise PretrainingDataError(f"There is no shard {root / source.table}. Set the data folder with --data-root.")
    for shard in (root / found for found in shards):
        if not shard.is_file():
            raise PretrainingDataError(f"Expected shard {shard} to be a tar file, but it is none. Name files only.")
        try:
            yield from _samples(shard)
        except (tarfile.TarError, OSError) as error:
            raise PretrainingDataError(
                f"Expected shard {shard} to be a complete, uncompressed tar file, but {error}. "
                "Decompress a compressed one: images inside it are read where they lie."
            ) from error


def _samples(shard: Path) -> Iterator[tuple[Cells, Place]]:
    number, key = 0, ""
    files: list[tarfile.TarInfo] = []
    with tarfile.open(shard, "r:") as tar:
        size = shard.stat().st_size
        for member in tar:
            if not member.isfile() or PurePosixPath(member.name).name.startswith("."):
                continue
            if member.offset_data + member.size > size:
                raise tarfile.ReadError("it ends in the middle of a file")
            stem, _ = _split(member.name)
            if stem != key:
                if files:
                    number += 1
                    yield _sample(tar, files, shard, number)
                key, files = stem, []
            files.append(member)
        if files:
            yield _sample(tar, files, shard, number + 1)


def _sample(tar: tarfile.TarFile, files: list[tarfile.TarInfo], shard: Path, number: int) -> tuple[Cells, Place]:
    """One sample; one that is not complete has a reason and the words that could be read."""
    images = [member for member in files if _split(member.name)[1] in IMAGES]
    images = images or [member for member in files if _split(member.name)[1] == "."]  # packed without a suffix
    names = ", ".join(member.name for member in files)
    name = images[0].name if images else files[0].name
    cells: dict[str, object] = {}
    try:
        cells = _words(tar, files)
        if len(images) != 1 or not cells:
            raise PretrainingDataError(f"expected an image and a .json file, but got {names}")
        if images[0].issparse():
            raise PretrainingDataError(f"expected the bytes of {name} in one piece, but the tar file leaves some out")
    except PretrainingDataError as flaw:
        return cells, Place(shard, number, name, flaw=f"{flaw}; files of a sample stand together, with one name")
    return cells, Place(shard, number, name, (images[0].offset_data, images[0].size))


def _words(tar: tarfile.TarFile, files: list[tarfile.TarInfo]) -> dict[str, object]:
    """The cells of a sample: its .json file, and its .txt file as the caption where that has none."""
    cells: dict[str, object] = {}
    for suffix in (".json", ".txt"):
        found = [member for member in files if _split(member.name)[1] == suffix]
        if len(found) > 1:
            raise PretrainingDataError(f"expected one {suffix} file, but got {', '.join(m.name for m in found)}")
        if not found:
            continue
        text = _text(tar, found[0])
        if suffix == ".json":
            cells = _object(text, found[0].name)
        elif "label" not in cells and not any(text_of(cells.get(column)) for column in CAPTION_COLUMNS):
            cells = {**cells, "caption": text}
    return cells


def _text(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    if member.size > LONGEST_WORDS:
        raise PretrainingDataError(f"expected the words of an image in {member.name}, but it has {member.size} bytes")
    file = tar.extractfile(member)
    try:
        return file.read().decode("utf-8-sig") if file else ""
    except UnicodeDecodeError as error:
        raise PretrainingDataError(f"expected {member.name} in UTF-8, but {error.reason}") from error


def _object(text: str, name: str) -> dict[str, object]:
    try:
        cells = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PretrainingDataError(f"expected JSON in {name}, but {error}") from error
    if not isinstance(cells, dict):
        raise PretrainingDataError(f"expected an object in {name}, but got {text!r:.60}")
    return cells


def _split(name: str) -> tuple[str, str]:
    """The key of a sample and the kind of one of its files: the name is cut at the first dot behind the last slash."""
    path = PurePosixPath(name)
    stem, _, suffix = path.name.partition(".")
    return str(path.parent / stem), f".{suffix.lower()}"

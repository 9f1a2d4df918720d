"""Image sets in tar shards, each image with a .json file, as the webdataset tools write them.

A shard is read where it lies: its headers are walked once, and from then on an image is a file name, a place and a
length. So everything that works for tables works for shards: weights, draws in any order, resuming in mid-epoch.

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
from zsderm.pretrain.data.published_format import Cells
from zsderm.pretrain.data.records import Place


def read_shards(source: Source, root: Path) -> Iterator[tuple[Cells, Place]]:
    """The samples of all shards that a source names, in the order of the file names.

    Args:
        source: its table is a .tar file, or a pattern such as "shards/*.tar".
        root: the data folder.

    Raises:
        PretrainingDataError: no shard is there, one is compressed, cut short, or holds a sample that is not complete.
    """
    # An absolute pattern stands for itself, and no folder name above it is read as a pattern.
    shards = sorted(map(Path, glob(source.table, root_dir=root, recursive=True)))
    if not shards:
        raise PretrainingDataError(f"There is no shard {root / source.table}. Set the data folder with --data-root.")
    for shard in (root / found for found in shards):
        try:
            yield from _samples(shard)
        except tarfile.TarError as error:
            raise PretrainingDataError(
                f"Expected shard {shard} to be a complete, uncompressed tar file, but {error}. "
                "Decompress a compressed one: images inside it are read where they lie."
            ) from error


def _samples(shard: Path) -> Iterator[tuple[Cells, Place]]:
    number, key = 0, ""
    parts: dict[str, tarfile.TarInfo] = {}
    with tarfile.open(shard, "r:") as tar:
        size = shard.stat().st_size
        for member in tar:
            if not member.isfile():
                continue
            if member.offset_data + member.size > size:
                raise tarfile.ReadError("it ends in the middle of a file")
            stem, suffix = _split(member.name)
            if stem != key:
                if parts:
                    number += 1
                    yield _sample(tar, parts, shard, number)
                key, parts = stem, {}
            parts[suffix] = member
        if parts:
            yield _sample(tar, parts, shard, number + 1)


def _sample(tar: tarfile.TarFile, parts: dict[str, tarfile.TarInfo], shard: Path, number: int) -> tuple[Cells, Place]:
    image = next((member for suffix, member in parts.items() if suffix in SUFFIXES), None)
    words = parts.get(".json") or parts.get(".txt")
    if image is None or words is None:
        names = ", ".join(member.name for member in parts.values())
        raise PretrainingDataError(f"{shard}, sample {number}: expected an image and a .json file, but got {names}.")
    file = tar.extractfile(words)
    text = file.read().decode("utf-8", errors="replace") if file else ""
    place = Place(shard, number, image.name, (image.offset_data, image.size))
    if words.name.lower().endswith(".txt"):
        return {"caption": text}, place
    try:
        cells = json.loads(text)
    except ValueError as error:
        raise PretrainingDataError(f"{shard}, sample {number}: expected JSON in {words.name}, but {error}.") from error
    if not isinstance(cells, dict):
        raise PretrainingDataError(
            f"{shard}, sample {number}: expected an object in {words.name}, but got {text!r:.60}."
        )
    return cells, place


def _split(name: str) -> tuple[str, str]:
    """The key of a sample and the kind of one of its files: the name is cut at the first dot behind the last slash."""
    path = PurePosixPath(name)
    stem, _, suffix = path.name.partition(".")
    return str(path.parent / stem), f".{suffix.lower()}"

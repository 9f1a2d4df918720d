"""A table and its images written as tar shards, for sets larger than a folder likes."""

from __future__ import annotations

import json
import tarfile
from io import BytesIO
from itertools import islice
from pathlib import Path

from zsderm.atomic_files import atomic_file
from zsderm.errors import ImageError, SettingsError
from zsderm.pretrain.config import Source
from zsderm.pretrain.data.records import image_bytes
from zsderm.pretrain.data.sources import read_rows

PER_SHARD = 1000  # images in a shard that `pack` writes


def pack(source: Source, root: Path, folder: Path, per_shard: int = PER_SHARD) -> tuple[list[Path], dict[str, str]]:
    """Write a table and its images as shards.

    Args:
        source: the table.
        root: the data folder.
        folder: where shard-000000.tar and so on are written.
        per_shard: images in a shard.

    Returns:
        The shards, and the images that were left out with the reason.

    Raises:
        PretrainingDataError: as `read_rows`, or no image of the table can be read.
        SettingsError: the folder holds shards, or cannot be written.
    """
    if left := sorted(folder.glob("shard-*.tar")):  # of an earlier run: training would read those it had more of, too
        raise SettingsError(f"'{folder}' holds shards already, such as '{left[0].name}'. Choose another folder.")
    rows = read_rows(source, root)
    shards: list[Path] = []
    errors: dict[str, str] = {}
    while chunk := list(islice(rows, per_shard)):
        shard = folder / f"shard-{len(shards):06d}.tar"
        with atomic_file(shard) as draft, tarfile.open(draft, "w", format=tarfile.PAX_FORMAT) as tar:
            for number, (cells, place) in enumerate(chunk, start=len(shards) * per_shard):
                try:
                    content = image_bytes(place.image, place.span)
                except ImageError as error:
                    errors[place.filename] = str(error)
                    continue
                _add(tar, f"{number:09d}{Path(place.filename).suffix.lower()}", content)
                _add(tar, f"{number:09d}.json", json.dumps(dict(cells), ensure_ascii=False).encode())
        shards.append(shard)
    return shards, errors


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # no owner and no date: equal tables give equal shards
    member.size = len(content)
    tar.addfile(member, BytesIO(content))

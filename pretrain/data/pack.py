"""A table and its images written as tar shards, for sets larger than a folder likes."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from io import BytesIO
from itertools import chain, islice
from pathlib import Path

from PIL import Image

from zsderm.atomic_files import atomic_file
from zsderm.errors import ImageError, PretrainingDataError, SettingsError
from zsderm.images import SUFFIXES, open_image
from zsderm.images.formats import AVIF, DICOM, HEAD, HEIC, kind_of
from zsderm.pretrain.config import Source
from zsderm.pretrain.data.image_files import is_inside
from zsderm.pretrain.data.published_format import Cells
from zsderm.pretrain.data.records import Place, image_bytes, image_stream
from zsderm.pretrain.data.sources import read_rows

PER_SHARD = 1000  # images in a shard that `pack` writes
# The suffix in a shard, of what a file really is: names lie, and some have none.
SUFFIX_OF = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif", "GIF": ".gif"}
SUFFIX_OF |= {"BMP": ".bmp", "DIB": ".bmp", HEIC: ".heic", AVIF: ".avif"}


def pack(
    source: Source,
    root: Path,
    folder: Path,
    per_shard: int = PER_SHARD,
    *,
    data_folder: Path | None = None,
    allow_outside: bool = False,
) -> tuple[list[Path], dict[str, str]]:
    """Write a table and its images as shards. Every image is decoded first: what is none does not get into a shard.

    Args:
        source: the table.
        root: what the table is relative to.
        folder: where shard-000000.tar and so on are written; none may be there yet.
        per_shard: rows of a shard.
        data_folder: where images may lie; default: the folder of the table.
        allow_outside: take images from elsewhere too, which the table names by an absolute path, by "..", or through a
            link. Without it they are left out: a table of somebody else could name any file of yours.

    Returns:
        The shards, and the images that were left out with the reason.

    Raises:
        PretrainingDataError: as `read_rows`, or no image of the table can be packed.
        SettingsError: the folder holds shards already, or cannot be written.
    """
    if there := next(folder.glob("shard-*.tar"), None):
        raise SettingsError(f"'{there}' is there already. Choose another folder: shards of two runs would mix.")
    rows = read_rows(source, root)
    shards: list[Path] = []
    errors: dict[str, str] = {}
    number = 0
    while chunk := list(islice(rows, per_shard)):
        members = _members(chunk, number, errors, data_folder, allow_outside)
        number += len(chunk)
        if (first := next(members, None)) is None:
            continue  # a shard without images would be a file that cannot be read back
        shard = folder / f"shard-{len(shards):06d}.tar"
        with atomic_file(shard) as draft, tarfile.open(draft, "w", format=tarfile.PAX_FORMAT) as tar:
            for name, content in chain([first], members):
                _add(tar, name, content)
        shards.append(shard)
    if not shards:
        image, reason = next(iter(errors.items()))
        raise PretrainingDataError(f"None of the {number} images of {source.table} can be packed. {image}: {reason}.")
    return shards, errors


def _members(
    chunk: list[tuple[Cells, Place]], number: int, errors: dict[str, str], inside: Path | None, allow_outside: bool
) -> Iterator[tuple[str, bytes]]:
    """Names and bytes for a shard, image and words in turn; a reason in `errors` for each row that has none."""
    for key, (cells, place) in enumerate(chunk, start=number):
        try:
            if not allow_outside and not place.span and not is_inside(place.image, [inside or place.table.parent]):
                raise ImageError("it lies outside of the data folder; allow that with --allow-outside")
            content, suffix = _image(place)
        except ImageError as error:
            errors[place.filename or str(place)] = str(error)
            continue
        yield f"{key:09d}{suffix}", content
        yield f"{key:09d}.json", json.dumps(dict(cells)).encode("ascii")


def _image(place: Place) -> tuple[bytes, str]:
    """The bytes of an image that can be decoded, and the suffix that says what it is.

    Raises:
        ImageError: it cannot.
    """
    if place.flaw or not place.filename:
        raise ImageError(place.flaw or "the cell that names the image is empty")
    content = image_bytes(place.image, place.span)
    kind = kind_of(content[:HEAD])
    if kind == DICOM:  # the picture alone: what its header says of a patient is nobody's who gets the shard
        buffer = BytesIO()
        with image_stream(place.image, place.span) as stream:
            open_image(stream).save(buffer, "PNG")
        return buffer.getvalue(), ".png"
    open_image(content, at_least=1)  # decoded in full, but a JPEG at an eighth of its size, which is quick
    own = Path(place.filename).suffix.lower()
    if kind:
        return content, SUFFIX_OF[kind]
    with Image.open(BytesIO(content)) as image:
        suffix = SUFFIX_OF.get(image.format or "", own)
    return content, own if own in SUFFIXES and suffix not in SUFFIX_OF.values() else suffix


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # no owner and no date: equal tables give equal shards
    member.size = len(content)
    tar.addfile(member, BytesIO(content))

"""Training images decoded to squares of one size, each time or once for the whole run.

A square holds the whole image, squeezed where it is not square itself; crops undo that (`augmentation`). Decoding takes
longer than all effects together, so a run may keep its squares in a file: `keep_decoded`.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from stat import S_ISREG
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from zsderm.atomic_files import atomic_file, remove_forgotten
from zsderm.encoders.colour_constancy import shades_of_grey
from zsderm.errors import ImageError
from zsderm.images import VERSION, file_of, open_image
from zsderm.pretrain.data.records import Record, image_stream
from zsderm.pretrain.distributed import Group
from zsderm.pretrain.run_settings import RunSettings

log = logging.getLogger(__name__)
SHARE_FOR_SQUARES = 0.3  # of the free memory of a card, at most


class Square(NamedTuple):
    """One decoded image."""

    pixels: Tensor  # (3, S0, S0) uint8
    aspect: float  # width by height of the image that it was made from


class Squares:
    """The images of some records as squares, decoded whenever they are asked for.

    Args:
        records: N images.
        side: S0, in pixels.
        norm: of the colour constancy that the encoder expects; 0: none.
    """

    def __init__(self, records: Sequence[Record], side: int, norm: int = 0) -> None:
        self.records = records
        self.side = side
        self.norm = norm

    def __getitem__(self, index: int) -> Square:
        """The square of a record.

        Raises:
            ImageError: the image cannot be read.
        """
        record = self.records[index]
        with image_stream(record.path, record.span) as stream:
            image = open_image(stream, at_least=self.side)
        square = image.resize((self.side, self.side), Image.Resampling.BICUBIC, reducing_gap=3.0)
        if self.norm:
            square = shades_of_grey(square, self.norm)
        return Square(torch.from_numpy(np.array(square)).permute(2, 0, 1), image.width / image.height)


class KeptSquares:
    """The squares of a run, decoded once into a file that is mapped into memory.

    Args:
        path: the file, as `made` writes it.

    Attributes:
        pixels: (N, 3, S0, S0) uint8, read-only.
        aspects: (N,) float32; 0 where the image could not be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pixels = np.load(path, mmap_mode="r")
        self.aspects = np.load(_beside(path))

    def __reduce__(self) -> tuple[type[KeptSquares], tuple[Path]]:
        return KeptSquares, (self.path,)  # another process maps the file itself, instead of getting a copy of it

    @classmethod
    def made(cls, squares: Squares, folder: Path) -> KeptSquares:
        """Decode all images into a file, unless an earlier run has left one of the very same images.

        Args:
            squares: what is decoded.
            folder: of the files; each is named after what it was made of.

        Raises:
            SettingsError: the folder cannot be written.
        """
        shape = (len(squares.records), 3, squares.side, squares.side)
        path = folder / f"squares-{_key(squares)}.npy"
        if not (path.is_file() and _beside(path).is_file()):
            log.info("decoding %d images once: %.1f GB in %s", shape[0], np.prod(shape) / 1e9, path)
            remove_forgotten(folder, ending=".npy")  # those of other images too: they are large
            with atomic_file(path) as draft:
                aspects = _decode(squares, np.lib.format.open_memmap(draft, mode="w+", dtype=np.uint8, shape=shape))
            with atomic_file(_beside(path)) as draft, draft.open("wb") as stream:
                np.save(stream, aspects)
        return cls(path)

    def __getitem__(self, index: int) -> Square:
        """The square of a record.

        Raises:
            ImageError: the image could not be read when all were decoded.
        """
        if not self.aspects[index]:
            raise ImageError("it could not be decoded")
        return Square(torch.from_numpy(np.array(self.pixels[index])), float(self.aspects[index]))


def squares_of(records: Sequence[Record], config: RunSettings, output: Path, group: Group) -> Squares | KeptSquares:
    """The images of a run, decoded as they are drawn, or once into a file beside the run.

    Args:
        records: the images.
        config: says which of both, how large they are and in which colours.
        output: the folder of the run.
        group: the processes that train together; the first one decodes.
    """
    squares = Squares(records, config.square_side, config.colour_norm)
    if not config.keep_decoded:
        return squares
    folder = output.resolve().parent / "decoded"  # beside the run folder, for other runs too
    if group.is_first:
        KeptSquares.made(squares, folder)
    group.wait()
    return KeptSquares.made(squares, folder)


def held_by(device: torch.device, squares: Squares | KeptSquares) -> Tensor | None:
    """All squares on the card, where they were decoded once and leave most of its memory free."""
    if device.type != "cuda" or isinstance(squares, Squares):
        return None
    free, _ = torch.cuda.mem_get_info(device)
    if squares.pixels.nbytes > SHARE_FOR_SQUARES * free:
        return None
    return torch.from_numpy(np.array(squares.pixels)).to(device)


def _beside(path: Path) -> Path:
    """The file of the aspects of some squares."""
    return path.with_suffix(".aspects.npy")


def _decode(squares: Squares, pixels: np.memmap[Any, Any]) -> np.ndarray:
    """Decode all images into (N, 3, S0, S0), and return their aspects; 0 where an image cannot be read."""
    aspects = np.zeros(len(squares.records), dtype=np.float32)

    def decode(index: int) -> None:
        try:
            square = squares[index]
        except ImageError:
            return
        pixels[index], aspects[index] = square.pixels.numpy(), square.aspect

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(decode, range(len(squares.records))))
    pixels.flush()
    return aspects


def _key(squares: Squares) -> str:
    digest = hashlib.sha256(repr((VERSION, squares.side, squares.norm)).encode())
    for record in squares.records:
        facts = (str(record.path), record.span, _state(record.path))
        digest.update(repr(facts).encode())
    return digest.hexdigest()[:16]


def _state(path: Path) -> tuple[int, int] | None:
    """Size and time of a file; None where there is none, or none can be."""
    try:
        file = os.stat(file_of(path))
    except (OSError, ValueError):
        return None
    return (file.st_size, file.st_mtime_ns) if S_ISREG(file.st_mode) else None

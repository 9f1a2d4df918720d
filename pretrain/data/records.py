"""One image of a table as training takes it, where it stands, and its bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from zsderm.errors import ImageError
from zsderm.images import open_file
from zsderm.pretrain.data.captions import Case


@dataclass(frozen=True)
class Record:
    """One image of a table: a case to write captions for, or captions as found.

    Attributes:
        path: the image file, or the shard that holds it.
        weight: how often it is drawn, relative to the others.
        case: facts to write captions from; None where there are captions.
        captions: `CAPTIONS_PER_IMAGE` texts, empty where there is none; or nothing, for a labelled image.
        span: first byte and number of bytes of the image inside a shard; None for a file of its own.
        table: where its row stands; no part of what it is.
    """

    path: Path
    weight: float
    case: Case | None = None
    captions: tuple[str, ...] = ()
    span: tuple[int, int] | None = None
    table: str = field(default="", compare=False)


@dataclass(frozen=True)
class Place:
    """The place of a row in its table.

    Attributes:
        table: the table, or the shard.
        row: number of the row as a spreadsheet counts (the header is row 1); number of the sample in a shard, from 1.
        filename: the image, relative to the table, or its name in the shard; empty where the cell is.
        span: first byte and number of bytes of the image inside a shard; None for a file of its own.
        file: the file that the name means, where it was found under another spelling.
        flaw: why there is no image to be had, although the row is there; empty where there may be one.
    """

    table: Path
    row: int
    filename: str
    span: tuple[int, int] | None = None
    file: Path | None = None
    flaw: str = ""

    @property
    def image(self) -> Path:
        """The file that holds the image."""
        return self.table if self.span else self.file or self.table.parent / self.filename

    def __str__(self) -> str:
        """As errors name it; "sample" stands for what lacks its image in a shard."""
        return f"{self.table}, {'sample' if self.flaw and not self.file else 'row'} {self.row}"


def image_bytes(path: Path, span: tuple[int, int] | None = None) -> bytes:
    """The bytes of an image file, or of an image inside a shard.

    Args:
        path: the file, or the shard.
        span: first byte and number of bytes inside a shard; None for the whole file.

    Raises:
        ImageError: it does not exist or cannot be read; the message is one clause.
    """
    start, length = span or (0, -1)
    with open_file(path) as file:
        try:
            file.seek(start)
            return file.read(length)
        except OSError as error:
            raise ImageError(f"the file cannot be read: {(error.strerror or str(error)).lower()}") from error

"""What stands on one page of a document, as it is kept between runs: lines of text, pictures, drawings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from zsderm.pretrain.pages.boxes import Box

TEXT, SCANNED, EMPTY = "text", "scanned", "without text"  # kinds of pages


@dataclass(frozen=True)
class Line:
    """One line of text in one column."""

    text: str
    box: Box
    size: float  # of its letters, in points
    font: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture on a page, and what was measured of its pixels.

    Attributes:
        box: where it is on the page.
        filename: of the file that was written, below the output folder; empty where none was, see `fault`.
        digest: SHA-256 of its pixels.
        pixels: width and height.
        looks: see `zsderm.pretrain.pages.looks.Looks`.
        modality: logits, see `zsderm.pretrain.pages.modality`.
        drawn_over: whether lines or letters were drawn over it, such as arrows.
        fault: why it cannot be used, whatever stands around it.
    """

    box: Box
    filename: str
    digest: str
    pixels: tuple[int, int]
    looks: Mapping[str, float] = field(default_factory=dict)
    modality: tuple[float, ...] = ()
    drawn_over: bool = False
    fault: str = ""


@dataclass(frozen=True)
class Page:
    """One page, upright as one reads it.

    Attributes:
        number: from 1.
        width: in points.
        height: in points.
        kind: TEXT, SCANNED or EMPTY.
        lines: of text.
        pictures: raster pictures.
        drawings: boxes of groups of drawn lines and areas, which are no pictures.
        turned: by how many degrees the page was turned, clockwise, to be upright.
        fault: why the page could not be read; it is empty then.
    """

    number: int
    width: float
    height: float
    kind: str = TEXT
    lines: tuple[Line, ...] = ()
    pictures: tuple[Picture, ...] = ()
    drawings: tuple[Box, ...] = ()
    turned: int = 0
    fault: str = ""

    def to_json(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Page:
        """What `to_json` made."""
        lines = tuple(Line(**{**line, "box": Box(**line["box"])}) for line in content["lines"])
        pictures = tuple(
            Picture(
                **{
                    **picture,
                    "box": Box(**picture["box"]),
                    "pixels": tuple(picture["pixels"]),
                    "modality": tuple(picture["modality"]),
                }
            )
            for picture in content["pictures"]
        )
        drawings = tuple(Box(**box) for box in content["drawings"])
        return cls(**{**content, "lines": lines, "pictures": pictures, "drawings": drawings})

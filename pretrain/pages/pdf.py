"""A PDF file, page by page: where its text, its pictures and its drawings are, all turned upright.

Read with PDFium (pypdfium2, Apache-2.0 or BSD-3-Clause). The direction of most of the text says what upright is, so
that a page that lies on its side in the book is read like any other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pypdfium2
import pypdfium2.raw as pdfium
from PIL import Image
from scipy import ndimage

from zsderm.errors import PretrainingDataError
from zsderm.pretrain.pages.boxes import Box, around
from zsderm.pretrain.pages.embedded import Embedded, merged, placed
from zsderm.pretrain.pages.page import Line
from zsderm.pretrain.pages.text_lines import letters, lines_of, reading_angle

MOST_PIXELS = 12_000_000  # of a page that is drawn to pixels
MOST_PATHS = 20_000  # drawn lines of a page that are looked at
GRID = 6.0  # points; drawn lines that are closer than two of these are one drawing
SMALLEST_DRAWING, FEWEST_PATHS = 40.0, 6  # points, and lines; less is a rule or a frame
HIDDEN = 3  # the way of drawing text that leaves no ink (ISO 32000-1, table 106), as programs that read scans use it


@dataclass(frozen=True)
class Content:
    """One page, as long as it is open.

    Attributes:
        width: in points.
        height: in points.
        turned: degrees clockwise that made it upright.
        lines: of text.
        hidden: whether the text is not drawn, so that what one reads is a picture of it.
        pictures: embedded pictures.
        drawings: boxes of drawings.
        drawn: makes the pixels of a part of the page, at so many pixels a point.
    """

    width: float
    height: float
    turned: int
    lines: tuple[Line, ...]
    hidden: bool
    pictures: tuple[Embedded, ...]
    drawings: tuple[Box, ...]
    drawn: Callable[[Box, float], Image.Image]


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[pypdfium2.PdfDocument]:
    """A PDF file; its pages are read with `page_content`.

    Raises:
        PretrainingDataError: it is none, is damaged, or needs a password.
    """
    try:
        document = pypdfium2.PdfDocument(path)
    except (pypdfium2.PdfiumError, OSError) as error:
        locked = "password" in str(error).lower()
        reason = "it needs a password; save a copy without one" if locked else "it is not a PDF file, or it is damaged"
        raise PretrainingDataError(f"{os.fspath(path)} cannot be opened: {reason}.") from error
    try:
        yield document
    finally:
        document.close()


@contextmanager
def page_content(document: pypdfium2.PdfDocument, number: int) -> Iterator[Content]:
    """A page, while it is open.

    Args:
        document: of `opened`.
        number: of the page, from 1.

    Raises:
        pypdfium2.PdfiumError: the page is damaged.
    """
    page = document[number - 1]
    text = None
    try:
        text = page.get_textpage()
        angle = reading_angle(text) if text.count_chars() else page.get_rotation()
        frame = Frame(page.get_bbox(), angle)
        whole = Box(0, 0, frame.width, frame.height)

        def drawn(box: Box, scale: float) -> Image.Image:
            box = box.cut(whole)
            scale = min(scale, (MOST_PIXELS / max(1.0, box.area)) ** 0.5)
            crop = (box.x0, frame.height - box.y1, frame.width - box.x1, box.y0)
            more = (angle - page.get_rotation()) % 360
            bitmap = page.render(scale, more, tuple(max(0.0, edge) for edge in crop), draw_annots=False)
            return bitmap.to_pil().convert("RGB")

        found = lines_of(letters(text, frame.upright))
        lines = tuple(line for line in found if _inside(line.box, whole))  # not what was cut off the page
        pictures, drawings = _objects(page, frame, whole)
        yield Content(
            *(frame.width, frame.height, angle, lines, _is_hidden(text), tuple(merged(pictures, drawn))),
            *(tuple(drawings), drawn),
        )
    finally:
        if text is not None:
            text.close()
        page.close()


@dataclass(frozen=True)
class Frame:
    """The space of a page, and by how many degrees anticlockwise its text is turned in it."""

    bounds: tuple[float, float, float, float]  # left, bottom, right, top
    angle: int

    @property
    def width(self) -> float:
        """Of the upright page."""
        left, bottom, right, top = self.bounds
        return right - left if self.angle % 180 == 0 else top - bottom

    @property
    def height(self) -> float:
        """Of the upright page."""
        left, bottom, right, top = self.bounds
        return top - bottom if self.angle % 180 == 0 else right - left

    def upright(self, left: float, bottom: float, right: float, top: float) -> Box:
        """A box of the page's own space, on the upright page."""
        x0, y0, x1, y1 = self.bounds
        if self.angle == 0:
            return Box(left - x0, y1 - top, right - x0, y1 - bottom)
        if self.angle == 90:
            return Box(bottom - y0, left - x0, top - y0, right - x0)
        if self.angle == 180:
            return Box(x1 - right, bottom - y0, x1 - left, top - y0)
        return Box(y1 - top, x1 - right, y1 - bottom, x1 - left)


def _is_hidden(text: Any) -> bool:
    """Whether most of the text is not drawn."""
    count = pdfium.FPDFText_CountChars(text)
    places = range(0, count, max(1, count // 60))
    objects = [found for place in places if (found := pdfium.FPDFText_GetTextObject(text, place))]
    modes = [pdfium.FPDFTextObj_GetTextRenderMode(found) == HIDDEN for found in objects]
    return bool(modes) and sum(modes) > 0.5 * len(modes)


def _objects(page: Any, frame: Frame, whole: Box) -> tuple[list[Embedded], list[Box]]:
    """The pictures of a page, and the boxes of its drawings."""
    pictures: list[Embedded] = []
    paths: list[Box] = []
    kinds = [pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_PATH]
    for order, found in enumerate(page.get_objects(filter=kinds)):
        if found.type == pdfium.FPDF_PAGEOBJ_IMAGE:
            picture = placed(found, frame, whole, order)
            if picture.box.area > 0:
                pictures.append(picture)
        elif len(paths) < MOST_PATHS:
            box = path_box(found, frame).cut(whole)
            if box.width >= 0 and box.height >= 0:
                paths.append(box)
                for picture in pictures:  # which were drawn before it
                    picture.note(box)
    return pictures, _drawings(paths, [picture.box for picture in pictures], whole)


def path_box(found: Any, frame: Frame) -> Box:
    """Where a drawn line or area is."""
    left, bottom, right, top = found.get_bounds()
    container = found.container
    while container is not None:
        left, bottom, right, top = container.get_matrix().on_rect(left, bottom, right, top)
        container = container.container
    return frame.upright(left, bottom, right, top)


def _drawings(paths: list[Box], pictures: list[Box], whole: Box) -> list[Box]:
    """Boxes of drawn lines that are close together and no frame of a picture, rule or background."""
    shape = (int(whole.height / GRID) + 2, int(whole.width / GRID) + 2)
    cells, kept = np.zeros(shape, bool), []
    for box in paths:
        framing = any(box.common(picture) > 0.8 * picture.area for picture in pictures)
        ruled = min(box.width, box.height) < 3 and max(box.width, box.height) > 0.4 * whole.width
        if box.area > 0.5 * whole.area or framing or ruled or any(_inside(box, picture) for picture in pictures):
            continue
        rows = slice(int(box.y0 / GRID), int(box.y1 / GRID) + 1)
        cells[rows, int(box.x0 / GRID) : int(box.x1 / GRID) + 1] = True
        kept.append(box)
    labels, _ = ndimage.label(ndimage.binary_dilation(cells, np.ones((3, 3), bool)))
    groups: dict[int, list[Box]] = {}
    for box in kept:
        groups.setdefault(int(labels[int(box.y0 / GRID), int(box.x0 / GRID)]), []).append(box)
    found = [around(group) for group in groups.values() if len(group) >= FEWEST_PATHS]
    return [box for box in found if min(box.width, box.height) >= SMALLEST_DRAWING]


def _inside(box: Box, picture: Box) -> bool:
    x, y = box.centre
    return picture.x0 <= x <= picture.x1 and picture.y0 <= y <= picture.y1

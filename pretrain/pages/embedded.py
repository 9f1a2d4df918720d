"""The pictures inside a PDF page: where each stands, and its pixels as one sees them there."""

from __future__ import annotations

import ctypes
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pypdfium2
import pypdfium2.raw as pdfium
from PIL import Image

from zsderm.pretrain.pages.boxes import Box, around

TOUCHING = 0.8  # points between two strips of one picture
STRIPS, FLAT = 3, 4.0  # so many pieces that touch, or one so many times as wide as high, are strips of one picture
TRANSPARENT = 250  # of 255; below it a pixel is not opaque
MOST_SIDE = 4096  # pixels of the longer side that are kept
Pixels = tuple[Image.Image, bytes | None]  # and the JPEG file that they come from, if it can be kept as it is


class Upright(Protocol):
    """See `zsderm.pretrain.pages.pdf.Frame`."""

    @property
    def angle(self) -> int:
        """How many degrees the page is turned."""
        ...

    def upright(self, left: float, bottom: float, right: float, top: float) -> Box:
        """A box of the page's own space, on the upright page."""
        ...


@dataclass
class Embedded:
    """One picture of a page that is open.

    Attributes:
        box: what of it is seen.
        load: makes its pixels.
        drawn_over: whether something was drawn over it.
    """

    box: Box
    load: Callable[[], Pixels]
    order: int = 0
    drawn_over: bool = field(default=False)

    def note(self, path: Box) -> None:
        """Look at something that was drawn after the picture: an arrow on it, or a frame around it."""
        inside = path.grown(0.1).cut(self.box)
        if inside.area > 0.9 * path.grown(0.1).area and path.area < 0.3 * self.box.area:
            lies_in = min(path.x0 - self.box.x0, self.box.x1 - path.x1, path.y0 - self.box.y0, self.box.y1 - path.y1)
            self.drawn_over = self.drawn_over or lies_in > 1.5


def placed(found: Any, frame: Upright, whole: Box, order: int) -> Embedded:
    """A picture object of PDFium, with its place on the upright page.

    Args:
        found: the object.
        frame: the space of the page.
        whole: the page.
        order: its place among all that is drawn.
    """
    matrix = found.get_matrix()
    clip = _clipped(found)
    container = found.container
    while container is not None:
        outer = container.get_matrix()
        matrix = matrix.multiply(outer)
        clip = None if clip is None else outer.on_rect(*clip)
        container = container.container
    full = frame.upright(*matrix.on_rect(0, 0, 1, 1))
    seen = full.cut(whole)
    if clip is not None:
        seen = seen.cut(frame.upright(*clip))
    return Embedded(seen, lambda: _pixels(found, matrix, frame.angle, full, seen), order)


def _clipped(found: Any) -> tuple[float, float, float, float] | None:
    """What a picture is cut down to: left, bottom, right, top, in its own space."""
    path = pdfium.FPDFPageObj_GetClipPath(found)
    x, y = ctypes.c_float(), ctypes.c_float()
    result: tuple[float, float, float, float] | None = None
    for place in range(max(0, pdfium.FPDFClipPath_CountPaths(path)) if path else 0):
        points = []
        for segment in range(max(0, pdfium.FPDFClipPath_CountPathSegments(path, place))):
            part = pdfium.FPDFClipPath_GetPathSegment(path, place, segment)
            if part and pdfium.FPDFPathSegment_GetPoint(part, x, y):
                points.append((x.value, y.value))
        if points:
            across, up = zip(*points, strict=True)
            box = (min(across), min(up), max(across), max(up))
            result = box if result is None else (*map(max, result[:2], box[:2]), *map(min, result[2:], box[2:]))
    return result


def _pixels(found: Any, matrix: Any, angle: int, full: Box, seen: Box) -> Pixels:
    """The pixels as one sees them on the upright page, without what is drawn over them.

    Raises:
        pypdfium2.PdfiumError: PDFium cannot decode it.
    """
    if _is_transparent(found):
        bitmap = found.get_bitmap(render=True).to_pil().convert("RGBA")
        white = Image.new("RGBA", bitmap.size, "white")
        image = Image.alpha_composite(white, bitmap).convert("RGB").rotate(-angle, expand=True)
        jpeg = None
    else:
        image, turned = _upright(found.get_bitmap().to_pil(), matrix, angle)
        jpeg = None if turned else _jpeg(found, image.size)
    if seen.area < 0.995 * full.area:
        across, down = image.width / full.width, image.height / full.height
        left, right = (round((edge - full.x0) * across) for edge in (seen.x0, seen.x1))
        top, bottom = (round((edge - full.y0) * down) for edge in (seen.y0, seen.y1))
        image = image.crop((left, top, right, bottom))
        jpeg = None
    if max(image.size) > MOST_SIDE:
        image.thumbnail((MOST_SIDE, MOST_SIDE))
        jpeg = None
    return image.convert("RGB"), jpeg


def _upright(image: Image.Image, matrix: Any, angle: int) -> tuple[Image.Image, bool]:
    """The pixels turned and mirrored as the matrix puts them on the page, and whether that changed them."""
    across, up = (matrix.a, matrix.b), (matrix.c, matrix.d)
    for _ in range(angle // 90):  # a quarter clockwise each
        across, up = (across[1], -across[0]), (up[1], -up[0])
    if abs(across[0]) >= abs(across[1]):
        flips = (across[0] < 0, up[1] < 0)
        turned = False
    else:
        image = image.transpose(Image.Transpose.TRANSPOSE)
        flips = (up[0] > 0, across[1] > 0)
        turned = True
    if flips[0]:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if flips[1]:
        image = image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    return image, turned or any(flips)


def _is_transparent(found: Any) -> bool:
    """Whether a mask hides a part of the picture; looked at in small."""
    small = found.get_bitmap(render=True, scale_to_original=False).to_pil()
    if small.mode != "RGBA":
        return False
    alpha = np.asarray(small)[..., 3][1:-1, 1:-1]  # edges are smoothed
    return bool(alpha.size) and float((alpha < TRANSPARENT).mean()) > 0.005


def _jpeg(found: Any, size: tuple[int, int]) -> bytes | None:
    """The file that the picture was embedded as, if it is a JPEG that any program shows with the same colours."""
    if found.get_filters(skip_simple=True) != ["DCTDecode"]:
        return None
    content = bytes(found.get_data(decode_simple=True))
    try:
        with Image.open(io.BytesIO(content)) as image:
            plain = image.format == "JPEG" and image.mode in ("RGB", "L") and image.size == size
            return content if plain and image.getexif().get(0x0112, 1) == 1 else None
    except OSError:
        return None


def merged(pictures: Sequence[Embedded], drawn: Callable[[Box, float], Image.Image]) -> Iterator[Embedded]:
    """The pictures, with those that a program has cut into strips put together again.

    Args:
        pictures: of a page.
        drawn: makes the pixels of a part of the page.
    """
    groups: list[list[Embedded]] = []
    for picture in pictures:
        near = [group for group in groups if any(_continues(one.box, picture.box) for one in group)]
        joined = [picture, *(one for group in near for one in group)]
        groups = [group for group in groups if group not in near] + [joined]
    for group in sorted(groups, key=lambda group: min(one.order for one in group)):
        flat = any(max(one.box.width, one.box.height) > FLAT * min(one.box.width, one.box.height) for one in group)
        if len(group) == 1 or (len(group) < STRIPS and not flat):
            yield from sorted(group, key=lambda one: one.order)
            continue
        yield _whole(group, drawn)


def _whole(group: Sequence[Embedded], drawn: Callable[[Box, float], Image.Image]) -> Embedded:
    box = around(one.box for one in group)

    def load() -> Pixels:
        first = max(group, key=lambda one: one.box.area)
        scale = first.load()[0].width / first.box.width
        return drawn(box, scale), None

    return Embedded(box, load, min(one.order for one in group), any(one.drawn_over for one in group))


def _continues(one: Box, other: Box) -> bool:
    """Whether two boxes touch along a whole side."""
    beside = abs(one.y0 - other.y0) < TOUCHING and abs(one.y1 - other.y1) < TOUCHING
    stacked = abs(one.x0 - other.x0) < TOUCHING and abs(one.x1 - other.x1) < TOUCHING
    return (beside and abs(one.across(other)) < TOUCHING) or (stacked and abs(one.along(other)) < TOUCHING)


Unreadable = pypdfium2.PdfiumError  # what `Embedded.load` may raise

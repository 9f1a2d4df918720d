"""The lines of text of a PDF page: letters as PDFium gives them, joined in the order of the file."""

from __future__ import annotations

import ctypes
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

import pypdfium2.raw as pdfium

from zsderm.pretrain.pages.boxes import Box, around
from zsderm.pretrain.pages.page import Line

GAP = 1.4  # in sizes of a letter: a wider space between two words is one between two columns
GUTTER_GAP, GUTTER_LINES = 0.7, 4  # a narrower one is too, where so many lines leave the same strip free
LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st", 0xFB06: "st"}
WORD_GAP = 0.12  # in sizes of a letter; closer pieces are parts of one word
_HYPHENS = {0x02: "-", 0xFFFE: "-", 0xAD: "-", 0x2010: "-", 0x2011: "-"}  # the first two are PDFium's, at line ends
_TABLE = {**LIGATURES, **_HYPHENS, 0xA0: " ", 0x2002: " ", 0x2003: " ", 0x2009: " ", 0x200B: ""}


@dataclass(frozen=True)
class Letter:
    """One character, upright."""

    text: str
    box: Box
    size: float
    font: str


def reading_angle(page: Any) -> int:
    """By how many degrees (0, 90, 180, 270) most of the text is turned anticlockwise in the page's own space.

    Args:
        page: a text page of pypdfium2.
    """
    count = pdfium.FPDFText_CountChars(page)
    step = max(1, count // 400)
    angles = (pdfium.FPDFText_GetCharAngle(page, place) for place in range(0, count, step))
    # PDFium counts angles clockwise.
    found = Counter(-round(math.degrees(angle) / 90) % 4 * 90 for angle in angles if angle >= 0)
    return found.most_common(1)[0][0] if found else 0


def letters(page: Any, upright: Callable[[float, float, float, float], Box]) -> Iterator[Letter | None]:
    """The characters of a page in the order of the file; None where a line ends.

    Args:
        page: a text page of pypdfium2.
        upright: a box in the page's own space (left, bottom, right, top) -> upright.
    """
    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    loose, matrix = pdfium.FS_RECTF(), pdfium.FS_MATRIX()
    name, flags = ctypes.create_string_buffer(128), ctypes.c_int()
    for place in range(pdfium.FPDFText_CountChars(page)):
        code = pdfium.FPDFText_GetUnicode(page, place)
        if code in (0x0A, 0x0D):
            yield None
            continue
        if not code or not pdfium.FPDFText_GetCharBox(page, place, left, right, bottom, top):
            continue
        box = upright(left.value, bottom.value, right.value, top.value)
        size = pdfium.FPDFText_GetFontSize(page, place)
        if pdfium.FPDFText_GetMatrix(page, place, matrix):  # some files scale letters of size 1
            size *= math.hypot(matrix.c, matrix.d) or 1.0
        if pdfium.FPDFText_GetLooseCharBox(page, place, loose):  # of one height for all letters of a font
            tall = upright(loose.left, loose.bottom, loose.right, loose.top)
            if 0.7 * size < tall.height < 1.8 * size:
                box = Box(box.x0, tall.y0, box.x1, tall.y1)
        pdfium.FPDFText_GetFontInfo(page, place, name, 128, flags)
        yield Letter(chr(code).translate(_TABLE), box, round(size, 2), name.value.decode("latin-1"))


def lines_of(found: Iterator[Letter | None]) -> list[Line]:
    """Lines of text, each in one column, from top to bottom."""
    runs = [piece for run in _runs(found) for piece in _cut(run, GAP)]
    strips = _gutters(runs)
    if strips:
        runs = [piece for run in runs for piece in _cut(run, GUTTER_GAP, strips)]
    return _joined([_line(run) for run in runs if any(letter.text.strip() for letter in run)])


def _runs(found: Iterator[Letter | None]) -> Iterator[list[Letter]]:
    """Letters that follow one another on one line."""
    run: list[Letter] = []
    for letter in found:
        inked = [known for known in run[-3:] if known.text.strip()]
        if letter is None or (inked and letter.text.strip() and _leaves(inked[-1], letter)):
            if run:
                yield run
            run = []
        if letter is not None and letter.text:
            run.append(letter)
    if run:
        yield run


def _leaves(last: Letter, letter: Letter) -> bool:
    """Whether a letter is on another line than the last one: below or above it, or back at the left."""
    size = max(last.size, letter.size)
    middle, before = letter.box.centre[1], last.box.centre[1]
    return abs(middle - before) > 0.8 * size or letter.box.x0 < last.box.x0 - 0.7 * size


def _cut(run: Sequence[Letter], gap: float, strips: Sequence[float] = ()) -> Iterator[list[Letter]]:
    """A run in pieces, cut where letters are further apart; with strips only where one of them goes through."""
    piece: list[Letter] = []
    last: Letter | None = None
    for letter in run:
        if last and letter.text.strip():
            free = letter.box.x0 - last.box.x1
            inside = not strips or any(last.box.x1 - 1 <= strip <= letter.box.x0 + 1 for strip in strips)
            if free > gap * max(last.size, letter.size) and inside:
                yield piece
                piece = []
        piece.append(letter)
        last = letter if letter.text.strip() else last
    if piece:
        yield piece


def _gutters(runs: Sequence[Sequence[Letter]]) -> list[float]:
    """Where (x) several lines leave a strip free that is wider than the space between two words."""
    middles: list[float] = []
    for run in runs:
        inked = [letter for letter in run if letter.text.strip()]
        for one, other in pairwise(inked):
            if other.box.x0 - one.box.x1 > GUTTER_GAP * max(one.size, other.size):
                middles.append((one.box.x1 + other.box.x0) / 2)
    middles.sort()
    found: list[float] = []
    for place in range(len(middles) - GUTTER_LINES + 1):
        near = middles[place : place + GUTTER_LINES]
        if near[-1] - near[0] < 4 and not (found and near[0] - found[-1] < 12):
            found.append(median(near))
    return found


def _line(run: Sequence[Letter]) -> Line:
    inked = [letter for letter in run if letter.text.strip()]
    text = " ".join("".join(letter.text for letter in run).split())
    font = Counter(letter.font for letter in inked).most_common(1)[0][0]
    return Line(text, around(letter.box for letter in inked), median(letter.size for letter in inked), font)


def _joined(pieces: Sequence[Line]) -> list[Line]:
    """Pieces of one line, such as a number in bold and its text, as one line; the lines from top to bottom.

    Files write text in any order, and turned text comes in single words.
    """
    joined: list[Line] = []
    for piece in sorted(pieces, key=lambda piece: piece.box.x0):
        for place, line in enumerate(joined):
            if _same_line(line, piece):
                free = piece.box.x0 - line.box.x1
                space = " " if free > WORD_GAP * max(line.size, piece.size) else ""
                main = line if line.box.width >= piece.box.width else piece
                text = f"{line.text}{space}{piece.text}"
                joined[place] = Line(text, around([line.box, piece.box]), main.size, main.font)
                break
        else:
            joined.append(piece)
    return sorted(joined, key=lambda line: (line.box.y0, line.box.x0))


def _same_line(line: Line, piece: Line) -> bool:
    size = max(line.size, piece.size)
    level = abs(line.box.centre[1] - piece.box.centre[1]) < 0.45 * size
    return level and -0.2 * size < piece.box.x0 - line.box.x1 < 0.65 * size

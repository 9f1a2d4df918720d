"""Matches captions to pictures on the page before or after: over a page break, or on a plate facing the caption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from zsderm.pretrain.pages.boxes import around, reading_order
from zsderm.pretrain.pages.captions import Caption
from zsderm.pretrain.pages.nearness import ABOVE, BELOW, LONG_LINE
from zsderm.pretrain.pages.page import Line, Page

FACING, OTHER = "facing page", "page break"
_NEVER, _MOST = 1e6, 100.0
FEW_LINES = 2  # of text, up to which a page is a plate: a running head and a number
CREST = 0.12  # share of the height in which a running head or a page number stands


@dataclass(frozen=True)
class Left:
    """The pictures and captions of a page that were not matched within it.

    Attributes:
        page: as it was read.
        pictures: places of its pictures without a caption.
        captions: its captions without a picture.
        text: its lines that belong to no caption.
        busy: whether a caption of the page has a picture of it.
    """

    page: Page
    pictures: tuple[int, ...]
    captions: tuple[Caption, ...]
    text: tuple[Line, ...]
    busy: bool = False


@dataclass(frozen=True)
class Spread:
    """A caption with pictures of a neighbouring page."""

    caption_page: int
    caption: int  # its place in `Left.captions`
    picture_page: int
    pictures: tuple[int, ...]
    how: str


def spreads(pages: Sequence[Left], habit: Mapping[str, float]) -> list[Spread]:
    """Match the remaining captions and pictures of neighbouring pages; each caption and each picture is used once.

    Args:
        pages: the remaining contents of each page, in order.
        habit: see `zsderm.pretrain.pages.habits`.
    """
    captions = [(left, place) for left in pages for place in range(len(left.captions))]
    groups = [(left, group) for left in pages for group in _groups(left)]
    if not captions or not groups:
        return []
    table = np.full((len(captions), len(groups) + len(captions)), _NEVER)
    table[:, len(groups) :] = _MOST
    hows = {}
    for row, (at, place) in enumerate(captions):
        for column, (of, group) in enumerate(groups):
            found = _cost(at, place, of, group, habit)
            if found is not None:
                table[row, column], hows[row, column] = found
    result = []
    for row, column in zip(*linear_sum_assignment(table), strict=True):
        if column < len(groups) and table[row, column] < _MOST:
            (at, place), (of, group) = captions[row], groups[column]
            result.append(Spread(at.page.number, place, of.page.number, group, hows[row, column]))
    return result


def _is_plate(left: Left) -> bool:
    """Whether a page has pictures and next to no text."""
    return not left.busy and len([line for line in left.text if len(line.text) >= LONG_LINE]) <= FEW_LINES


def _groups(left: Left) -> list[tuple[int, ...]]:
    """The pictures that may go together: all of a plate; else each alone."""
    if not left.pictures:
        return []
    boxes = [left.page.pictures[place].box for place in left.pictures]
    order = tuple(left.pictures[place] for place in reading_order(boxes))
    return [order] if _is_plate(left) and not left.captions else [(place,) for place in order]


def _cost(
    at: Left, place: int, of: Left, group: tuple[int, ...], habit: Mapping[str, float]
) -> tuple[float, str] | None:
    """How unlikely it is that a caption on one page is that of pictures on another; None where it cannot be."""
    step = at.page.number - of.page.number
    if abs(step) != 1:
        return None
    first = of if step == 1 else at
    if _is_plate(of) and not of.captions:
        facing = first.page.number % 2 == 0  # left pages have even numbers in print, and mostly in files
        ends = place == 0 if step == 1 else place == len(at.captions) - 1
        return (10.0 if facing else 25.0) + (0.0 if ends else 15.0 * place), FACING
    box = around(of.page.pictures[one].box for one in group)
    caption = at.captions[place].box
    if step == 1 and _is_last(of, box.y1) and _is_first(at, caption.y0):
        return 20.0 + habit.get(BELOW, 0.0), OTHER
    if step == -1 and _is_last(at, caption.y1) and _is_first(of, box.y0):
        return 20.0 + habit.get(ABOVE, 0.0), OTHER
    return None


def _is_last(left: Left, y: float) -> bool:
    """Whether nothing but the foot of the page stands below."""
    foot = left.page.height * (1 - CREST)
    lines = [line for line in left.text if line.box.y0 > y - 2 and line.box.y1 < foot]
    others = [picture.box for picture in left.page.pictures if picture.box.y0 > y + 2 and not picture.fault]
    return not lines and not others and not any(caption.box.y0 > y + 2 for caption in left.captions)


def _is_first(left: Left, y: float) -> bool:
    """Whether nothing but the head of the page stands above."""
    head = left.page.height * CREST
    lines = [line for line in left.text if line.box.y1 < y + 2 and line.box.y0 > head]
    others = [picture.box for picture in left.page.pictures if picture.box.y1 < y - 2 and not picture.fault]
    return not lines and not others and not any(caption.box.y1 < y - 2 for caption in left.captions)

"""The cost of matching a caption to a picture of the same page, in points: the free space and the obstacles between.

A picture can be above, below or beside its caption, but never on the other side of the gutter between two columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from zsderm.pretrain.pages.boxes import Box, around
from zsderm.pretrain.pages.captions import Caption
from zsderm.pretrain.pages.page import Line

BELOW, ABOVE, RIGHT, LEFT = "below", "above", "right", "left"  # where the caption is, seen from the picture
SIDES = (BELOW, ABOVE, RIGHT, LEFT)
FURTHEST, FURTHEST_BESIDE = 110.0, 60.0  # points of free space
MISFIT = 60.0  # for a caption that shares no width (above, below) or height (beside) with the picture
OF_TEXT, OF_CAPTION = 45.0, 35.0  # for a line of text, or another caption, in between
BESIDE = 8.0  # for being beside, which is rarer
NEXT_TO = 30.0  # points between pictures that may be parts of one figure
STEP = 12.0  # for reaching a caption by way of the picture next to it
LONG_LINE = 14  # letters from which a line is text, and no mark at a picture
STACKED = 14.0  # points between captions that are printed as one block
WRAPPED = 60.0  # for a picture outside of the width in which a caption of several lines is set


@dataclass(frozen=True)
class Scene:
    """The contents of a page that matter for matching.

    Attributes:
        pictures: boxes of those that may have a caption.
        captions: of the page.
        text: its other lines.
        gutter: the x of the space between two columns of text, if there are two.
    """

    pictures: Sequence[Box]
    captions: Sequence[Caption]
    text: Sequence[Line]
    gutter: float | None = None

    def costs(self, caption: int, habit: Mapping[str, float]) -> dict[int, tuple[float, str]]:
        """The cost and the side for each picture to which a caption may belong.

        Args:
            caption: its place in `captions`.
            habit: the extra cost of each side, see `zsderm.pretrain.pages.habits`.
        """
        found: dict[int, tuple[float, str]] = {}
        for side in SIDES:
            for place, cost in self._of_side(caption, side).items():
                total = cost + habit.get(side, 0.0)
                if place not in found or total < found[place][0]:
                    found[place] = (total, side)
        return found

    def _of_side(self, caption: int, side: str) -> dict[int, float]:
        costs = {
            place: cost
            for place, box in enumerate(self.pictures)
            if (cost := self._direct(box, caption, side, place)) is not None
        }
        for _ in self.pictures:  # pictures in a row or a column pass it on
            more: dict[int, float] = {}
            for place, cost in costs.items():
                for other, step in self._neighbours(place).items():
                    nearer = cost + step < min(costs.get(other, 1e9), more.get(other, 1e9))
                    if nearer and self._behind(place, other, side):
                        more[other] = cost + step + self._outside(other, caption, side)
            more = {place: cost for place, cost in more.items() if cost < costs.get(place, 1e9)}
            if not more:
                break
            costs.update(more)
        return costs

    def _direct(self, box: Box, caption: int, side: str, place: int) -> float | None:
        """The cost of a picture that a caption touches with its width or height; None where it is out of reach."""
        own = self._stacked(caption)
        if self._across_gutter(box, own):
            return None
        if side in (BELOW, ABOVE):
            free = own.y0 - box.y1 if side == BELOW else box.y0 - own.y1
            shared, least = box.across(own), min(box.width, own.width)
            between = Box(max(box.x0, own.x0), min(box.y1, own.y1), min(box.x1, own.x1), max(box.y0, own.y0))
            furthest, extra = FURTHEST, 0.0
        else:
            free = own.x0 - box.x1 if side == RIGHT else box.x0 - own.x1
            shared, least = box.along(own), min(box.height, own.height)
            between = Box(min(box.x1, own.x1), max(box.y0, own.y0), max(box.x0, own.x0), min(box.y1, own.y1))
            furthest, extra = FURTHEST_BESIDE, BESIDE
        if shared <= 0 or free < -6 or (side in (RIGHT, LEFT) and shared < 0.4 * least):
            return None
        free = max(0.0, free) - self._covered(between, side, place)
        if free > furthest:
            return None
        cost = max(0.0, free) + MISFIT * (1 - min(1.0, shared / max(1.0, least))) + extra
        return cost + self._blocked(between, caption) + 0.1 * self._misaligned(box, own, side)

    def _stacked(self, caption: int) -> Box:
        """The box of a caption, with those that stand close below or above it: in such a stack the order decides."""
        return around(self.captions[place].box for place in self._stacks[caption])

    @cached_property
    def _stacks(self) -> list[set[int]]:
        """For each caption those that stand in one block with it, itself among them."""
        stacks = [{place} for place in range(len(self.captions))]
        order = sorted(stacks, key=lambda stack: self.captions[min(stack)].box.y0)
        for place, other in ((min(one), min(two)) for one in order for two in order):
            upper, lower = self.captions[place].box, self.captions[other].box
            close = 0 <= lower.y0 - upper.y1 + 3 < STACKED and abs(lower.x0 - upper.x0) < 3
            if place != other and close and not any(_in(box, _gap(upper, lower, row=False)) for box in self.pictures):
                joined = stacks[place] | stacks[other]
                for one in joined:
                    stacks[one] = joined
        return stacks

    def _covered(self, between: Box, side: str, place: int) -> float:
        """How much of the way to a caption other pictures fill."""
        total = 0.0
        for other, box in enumerate(self.pictures):
            part = box.cut(between)
            if other != place and part.width > 0 and part.height > 0:
                upright = side in (BELOW, ABOVE)
                whole = between.width if upright else between.height
                if (part.width if upright else part.height) > 0.3 * whole:
                    total += part.height if upright else part.width
        return total

    def _blocked(self, between: Box, caption: int) -> float:
        """For lines of text and other captions between a picture and a caption."""
        lines = sum(OF_TEXT for line in self.text if len(line.text) >= LONG_LINE and _in(line.box, between))
        stack = self._stacks[caption]
        others = sum(
            OF_CAPTION for place, other in enumerate(self.captions) if place not in stack and _in(other.box, between)
        )
        return lines + others

    @staticmethod
    def _misaligned(box: Box, own: Box, side: str) -> float:
        """Points between the nearest edges or middles."""
        if side in (BELOW, ABOVE):
            pairs = [(box.x0, own.x0), (box.x1, own.x1), (box.centre[0], own.centre[0])]
        else:
            pairs = [(box.y0, own.y0), (box.y1, own.y1), (box.centre[1], own.centre[1])]
        return min(abs(one - other) for one, other in pairs)

    def _neighbours(self, place: int) -> dict[int, float]:
        """The pictures next to one, with nothing but a little space in between, and what a step to each costs."""
        box, found = self.pictures[place], {}
        for other, near in enumerate(self.pictures):
            across, along = box.across(near), box.along(near)
            row = along > 0.6 * min(box.height, near.height) and -3 < -across < NEXT_TO
            column = across > 0.6 * min(box.width, near.width) and -3 < -along < NEXT_TO
            if other == place or not (row or column) or self._across_gutter(box, near):
                continue
            gap = _gap(box, near, row=row)
            if not any(_in(caption.box, gap) for caption in self.captions) and not any(
                len(line.text) >= LONG_LINE and _in(line.box, gap) for line in self.text
            ):
                found[other] = STEP + max(0.0, -min(across, along))
        return found

    def _behind(self, place: int, other: int, side: str) -> bool:
        """Whether a caption on one side of a picture can be on that side of its neighbour too, or level with it."""
        one, next_one = self.pictures[place], self.pictures[other]
        if side == BELOW:
            return next_one.y0 < one.y1 - 3
        if side == ABOVE:
            return next_one.y1 > one.y0 + 3
        return next_one.x0 < one.x1 - 3 if side == RIGHT else next_one.x1 > one.x0 + 3

    def _outside(self, place: int, caption: int, side: str) -> float:
        """For a picture beyond the width to which the lines of a caption were broken."""
        own = self.captions[caption]
        beyond = side in (BELOW, ABOVE) and own.lines > 1 and self.pictures[place].across(own.box) < 0
        return WRAPPED if beyond else 0.0

    def _across_gutter(self, one: Box, other: Box) -> bool:
        if self.gutter is None:
            return False
        left, right = (one, other) if one.x0 < other.x0 else (other, one)
        return left.x1 <= self.gutter + 4 and right.x0 >= self.gutter - 4


def find_gutter(text: Sequence[Line], width: float) -> float | None:
    """The x of the space between two columns of text; None if the text has one column.

    Args:
        text: lines that are no captions.
        width: of the page, in points.
    """
    lines = [line for line in text if len(line.text) >= LONG_LINE]
    for share in (0.5, 0.49, 0.51, 0.48, 0.52, 0.46, 0.54, 0.44, 0.56, 0.42, 0.58, 0.4, 0.6):
        x = share * width
        left = [line for line in lines if line.box.x1 <= x]
        right = [line for line in lines if line.box.x0 >= x]
        crossing = len(lines) - len(left) - len(right)
        if min(len(left), len(right)) >= 4 and crossing <= 0.1 * len(lines):
            one, other = around(line.box for line in left), around(line.box for line in right)
            if 0.5 < one.width / max(1.0, other.width) < 2 and one.along(other) > 0:
                return (one.x1 + other.x0) / 2
    return None


def _gap(one: Box, other: Box, *, row: bool) -> Box:
    """The space between two boxes in a row or a column."""
    if row:
        return Box(min(one.x1, other.x1), max(one.y0, other.y0), max(one.x0, other.x0), min(one.y1, other.y1))
    return Box(max(one.x0, other.x0), min(one.y1, other.y1), min(one.x1, other.x1), max(one.y0, other.y0))


def _in(box: Box, space: Box) -> bool:
    """Whether the middle of a box is in a space, in one direction, and shares some of it in the other."""
    x, y = box.centre
    tall = space.y0 - 1 < y < space.y1 + 1 and box.across(space) > 0
    wide = space.x0 - 1 < x < space.x1 + 1 and box.along(space) > 0
    return tall or wide

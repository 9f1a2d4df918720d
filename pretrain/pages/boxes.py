"""Rectangles on a page, in points (1/72 inch) from its upper left corner, with y growing downwards."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass


@dataclass(frozen=True)
class Box:
    """Left, top, right, bottom."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        """Points from left to right."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Points from top to bottom."""
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        """Square points; nothing for a box that is turned inside out."""
        return max(0.0, self.width) * max(0.0, self.height)

    @property
    def centre(self) -> tuple[float, float]:
        """The point in its middle."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    def across(self, other: Box) -> float:
        """How many points of width two boxes share; negative: how far they are apart."""
        return min(self.x1, other.x1) - max(self.x0, other.x0)

    def along(self, other: Box) -> float:
        """How many points of height two boxes share; negative: how far they are apart."""
        return min(self.y1, other.y1) - max(self.y0, other.y0)

    def common(self, other: Box) -> float:
        """Square points that two boxes share."""
        return max(0.0, self.across(other)) * max(0.0, self.along(other))

    def cut(self, other: Box) -> Box:
        """The part that lies in another box; its area is 0 where there is none."""
        return Box(max(self.x0, other.x0), max(self.y0, other.y0), min(self.x1, other.x1), min(self.y1, other.y1))

    def grown(self, points: float) -> Box:
        """The box, wider by so many points on all sides."""
        return Box(self.x0 - points, self.y0 - points, self.x1 + points, self.y1 + points)

    def rounded(self) -> list[float]:
        """The four numbers with one decimal, for a table."""
        return [round(value, 1) for value in astuple(self)]


def around(boxes: Iterable[Box]) -> Box:
    """The smallest box that holds all of them."""
    found = list(boxes)
    return Box(
        min(box.x0 for box in found),
        min(box.y0 for box in found),
        max(box.x1 for box in found),
        max(box.y1 for box in found),
    )


def reading_order(boxes: Iterable[Box]) -> list[int]:
    """The places of boxes as one reads them: rows from top to bottom, each from left to right.

    Boxes are in one row where they share half of the height of the lower one of them.
    """
    found = list(boxes)
    rows: list[list[int]] = []
    for place in sorted(range(len(found)), key=lambda n: (found[n].y0, found[n].x0)):
        for row in rows:
            first = found[row[0]]
            if first.along(found[place]) > 0.5 * min(first.height, found[place].height):
                row.append(place)
                break
        else:
            rows.append([place])
    return [place for row in rows for place in sorted(row, key=lambda n: found[n].x0)]

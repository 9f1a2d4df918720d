"""Matches the captions of a page to its pictures, as one assignment problem for the whole page.

Each caption has one slot for a picture, and further slots at a cost for the parts of its figure. A caption therefore
does not take two pictures while another one has none, and two captions are not swapped to save a few points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from zsderm.pretrain.pages.boxes import reading_order
from zsderm.pretrain.pages.nearness import Scene
from zsderm.pretrain.pages.panels import letters_in

ALONE = 100.0  # the cost of a picture without a caption
FIRST, LETTERED = -150.0, -50.0  # for the first picture of a caption, and for those that its letters ask for
FURTHER, FURTHER_LETTERED = 12.0, 45.0  # for one more picture of a caption without letters, or with fewer
OUT_OF_ORDER = 2.0  # for each place that a picture is before or after its turn: figures have numbers
MOST_PARTS = 16
_NEVER = 1e6


@dataclass(frozen=True)
class Match:
    """A caption with its pictures.

    Attributes:
        caption: index among the captions of the page.
        pictures: indices of the pictures, in reading order.
        side: the side of the pictures on which the caption is.
        certain: whether all pictures that were possible for the caption have it on that side.
    """

    caption: int
    pictures: tuple[int, ...]
    side: str
    certain: bool


def match(scene: Scene, habit: Mapping[str, float]) -> list[Match]:
    """Assign the pictures of a page to its captions.

    Args:
        scene: pictures, captions and text of the page.
        habit: the extra cost of each side, in points.

    Returns:
        At most one match for each caption, in the order of the captions.
    """
    if not scene.pictures or not scene.captions:
        return []
    costs = [scene.costs(place, habit) for place in range(len(scene.captions))]
    forbidden: set[tuple[int, int]] = set()
    while True:
        chosen = _assigned(scene, costs, forbidden)
        wrong = {pair for caption, places in chosen.items() for pair in _on_two_sides(caption, places, costs[caption])}
        if not wrong:
            break
        forbidden |= wrong
    order = reading_order(scene.pictures)
    found = []
    for caption in sorted(chosen):
        places = sorted(chosen[caption], key=order.index)
        side = costs[caption][min(places, key=lambda place: costs[caption][place])][1]
        certain = {one for _, one in costs[caption].values()} == {side}
        found.append(Match(caption, tuple(places), side, certain))
    return found


def _assigned(
    scene: Scene, costs: Sequence[Mapping[int, tuple[float, str]]], forbidden: set[tuple[int, int]]
) -> dict[int, list[int]]:
    """The pictures of each caption that has any."""
    slots = [(caption, extra) for caption in range(len(costs)) for extra in _slots(scene, caption, len(costs[caption]))]
    count = len(scene.pictures)
    table = np.full((count, len(slots) + count), _NEVER)
    table[:, len(slots) :] = ALONE
    ranks = _ranks(scene)
    for column, (caption, extra) in enumerate(slots):
        for place, (cost, _) in costs[caption].items():
            if (caption, place) not in forbidden:
                turn = abs(ranks[0][place] - ranks[1][caption])
                table[place, column] = cost + extra + OUT_OF_ORDER * turn * len(costs) / max(1, count)
    chosen: dict[int, list[int]] = {}
    for place, column in zip(*linear_sum_assignment(table), strict=True):
        if column < len(slots) and table[place, column] < _NEVER / 2:
            chosen.setdefault(slots[column][0], []).append(int(place))
    return chosen


def _slots(scene: Scene, caption: int, possible: int) -> list[float]:
    """What each place of a caption costs: the first, those of its letters, and further ones."""
    own = scene.captions[caption]
    lettered = 1 if own.letter else max(1, len(letters_in(own.text)))
    further = FURTHER if lettered == 1 and not own.letter else FURTHER_LETTERED
    count = min(possible, MOST_PARTS)
    costs = [FIRST, *[LETTERED] * (lettered - 1)]
    return [*costs, *[further] * max(0, count - len(costs))][:count]


def _ranks(scene: Scene) -> tuple[list[float], list[float]]:
    """The turn of each picture and of each caption in reading order; pictures count in turns of captions."""
    pictures, captions = reading_order(scene.pictures), reading_order(one.box for one in scene.captions)
    scale = len(captions) / len(pictures)
    return [pictures.index(n) * scale for n in range(len(pictures))], [
        float(captions.index(n)) for n in range(len(captions))
    ]


def _on_two_sides(caption: int, places: Sequence[int], costs: Mapping[int, tuple[float, str]]) -> list[tuple[int, int]]:
    """The pictures of a caption that are on another side of it than the nearest one."""
    side = costs[min(places, key=lambda place: costs[place][0])][1]
    return [(caption, place) for place in places if costs[place][1] != side]

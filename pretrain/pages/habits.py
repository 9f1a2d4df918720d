"""The side of its pictures on which a book prints captions, learned from pages where only one side is possible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from zsderm.pretrain.pages.matching import Match
from zsderm.pretrain.pages.nearness import SIDES

MOST = 24.0  # points that the rarest side costs more than the usual one
DOUBT = 2.0  # pages that stand for the time before any was seen


def habit_of(matches: Iterable[Match]) -> dict[str, float]:
    """The extra cost of each side over the usual one, in points; 0 for all sides without an unambiguous match.

    Args:
        matches: of all pages of a document; ambiguous ones are not counted.
    """
    counts = Counter(match.side for match in matches if match.certain)
    total = counts.total()
    if not total:
        return dict.fromkeys(SIDES, 0.0)
    shares = {side: (counts[side] + DOUBT / len(SIDES)) / (total + DOUBT) for side in SIDES}
    usual = max(shares.values())
    return {side: round(MOST * (1 - share / usual), 1) for side, share in shares.items()}


def usual_side(habit: Mapping[str, float]) -> str:
    """The side that costs least; empty where all cost the same."""
    return min(habit, key=lambda side: habit[side]) if len(set(habit.values())) > 1 else ""

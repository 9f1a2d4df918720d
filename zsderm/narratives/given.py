"""What a caller gives beside photographs: a narrative for each, and a weight for all."""

from __future__ import annotations

from collections.abc import Sequence

from zsderm.errors import InputError, SettingsError

WEIGHT = 1.5  # of words beside the photograph; see docs/narratives.md for how it was chosen
HEAVIEST = 10.0


def check_narratives(narratives: Sequence[str | None] | None, images: Sequence[str], weight: float = WEIGHT) -> None:
    """Refuse what is not one narrative for each image, and a weight that is none; None is no narratives at all.

    Raises:
        InputError: it is not.
        SettingsError: the weight is not between 0 and `HEAVIEST`.
    """
    if narratives is None:
        return
    if isinstance(narratives, str) or len(narratives) != len(images):
        got = f"the text {narratives[:40]!r}" if isinstance(narratives, str) else len(narratives)
        raise InputError(f"expected `narratives` to have one entry for each of {len(images)} images, but got {got}")
    for story in narratives:
        if story is not None and not isinstance(story, str):
            raise InputError(f"expected each narrative to be a text or None, but got {story!r:.60}")
    if not 0 <= weight <= HEAVIEST:
        raise SettingsError(f"expected `words_weight` to be between 0 and {HEAVIEST:g}, but got {weight}")

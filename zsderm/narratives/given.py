"""What a caller gives beside photographs: a narrative for each, and a weight for all."""

from __future__ import annotations

from collections.abc import Sequence

from zsderm.errors import InputError, SettingsError

WEIGHT = 1.5  # of words beside the photograph; see docs/narratives.md for how it was chosen
TRAINED_WEIGHT = 0.5  # of words that a trained model reads; see docs/chain_of_options.md
HEAVIEST = 10.0
OPTIONS = 3  # the first classes by photograph among which a trained model of stories chooses


def weight_of(weight: float | None, *, modelled: bool) -> float:
    """The weight of the words: the given one, or the default.

    Args:
        weight: what was given.
        modelled: whether a trained model reads them.
    """
    if weight is not None:
        return weight
    return TRAINED_WEIGHT if modelled else WEIGHT


def check_narratives(
    narratives: Sequence[str | None] | None, images: Sequence[str], weight: float = WEIGHT, *, modelled: bool = False
) -> None:
    """Refuse what is not one narrative for each image, and a weight that is none; None is no narratives at all.

    Args:
        narratives: one for each image, or None.
        images: N names.
        weight: of the words.
        modelled: whether a model of stories was given, which needs stories.

    Raises:
        InputError: it is not.
        SettingsError: the weight is not between 0 and `HEAVIEST`, or there is a model and no narratives.
    """
    if narratives is None:
        if modelled:
            raise SettingsError("expected `narratives` for the `words_model` to read, but got none")
        return
    if isinstance(narratives, str) or len(narratives) != len(images):
        got = f"the text {narratives[:40]!r}" if isinstance(narratives, str) else len(narratives)
        raise InputError(f"expected `narratives` to have one entry for each of {len(images)} images, but got {got}")
    for story in narratives:
        if story is not None and not isinstance(story, str):
            raise InputError(f"expected each narrative to be a text or None, but got {story!r:.60}")
    if not 0 <= weight <= HEAVIEST:
        raise SettingsError(f"expected `words_weight` to be between 0 and {HEAVIEST:g}, but got {weight}")

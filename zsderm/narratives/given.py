"""What a caller gives beside photographs: a narrative for each, and a weight for all."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real

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
    narratives: Sequence[str | None] | None,
    images: Sequence[str],
    weight: float | None = None,
    *,
    modelled: bool = False,
    options: int | None = None,
) -> None:
    """Refuse what is not one narrative for each image, and a weight that is none; None is no narratives at all.

    Args:
        narratives: one for each image, or None.
        images: N names.
        weight: of the words; None where none was given.
        modelled: whether a model of stories was given, which needs stories.
        options: how many classes such a model chooses among; None where it was not said.

    Raises:
        InputError: it is not.
        SettingsError: the weight is not between 0 and `HEAVIEST`, or something is given that narratives, or a model of
            them, would use, and they are not.
    """
    if narratives is None:
        if modelled:
            raise SettingsError("expected `narratives` for the `words_model` to read, but got none")
        for name, value in (("words_weight", weight), ("words_options", options)):
            if value is not None:
                raise SettingsError(f"expected `narratives` beside `{name}`, but got none")
        return
    if options is not None and not modelled:
        raise SettingsError("expected `words_model` beside `words_options`, but got none")
    if isinstance(narratives, str) or not hasattr(narratives, "__len__") or len(narratives) != len(images):
        got = f"the text {narratives[:40]!r}" if isinstance(narratives, str) else _count(narratives)
        raise InputError(f"expected `narratives` to have one entry for each of {len(images)} images, but got {got}")
    for story in narratives:
        if story is not None and not isinstance(story, str):
            raise InputError(f"expected each narrative to be a text or None, but got {story!r:.60}")
    if weight is not None and not (isinstance(weight, Real) and 0 <= weight <= HEAVIEST):
        raise SettingsError(f"expected `words_weight` to be between 0 and {HEAVIEST:g}, but got {weight!r:.60}")


def _count(narratives: object) -> str:
    """How many there are, or what was given instead of a list."""
    return str(len(narratives)) if hasattr(narratives, "__len__") else f"a {type(narratives).__name__}"

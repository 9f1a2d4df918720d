"""Class names as people type them, in one line with commas, and what is refused of them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from zsderm.errors import ClassListError
from zsderm.knowledge.names import repeated


def typed_names(text: str) -> list[str]:
    """The names in ``"a, b, c"``, with single blanks. Chinese keyboards have commas of their own."""
    return [" ".join(name.split()) for name in re.split("[,，、]", text) if name.strip()]


def checked_names(names: Sequence[str], source: str, least: int = 2) -> tuple[str, ...]:
    """The names as a tuple.

    Args:
        names: of classes.
        source: where they come from, for the error.
        least: how many there must be. A classifier of one class would answer it for every photograph.

    Raises:
        ClassListError: there are too few, or two differ in case only.
    """
    if not names:
        raise ClassListError(f"expected class names, but found none in {source!r}; write one per line, or 'a, b, c'")
    if len(names) < least:
        several = [name.strip() for name in re.split("[;|\t]", names[0]) if name.strip()]
        hint = "Add the classes that it may be mistaken for."
        if len(several) > 1:
            hint = f"Write commas between names: {', '.join(several)!r}"
        raise ClassListError(
            f"expected at least {least} classes, but got only {names[0]!r}: it would be the answer for every "
            f"photograph. {hint}"
        )
    if twice := sorted(set(repeated(names))):
        raise ClassListError(
            f"expected every class once, but {source!r} repeats: {', '.join(twice)}; remove the repeats"
        )
    return tuple(names)

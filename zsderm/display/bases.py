"""A knowledge base as a table for a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from zsderm.display.tables import html_table
from zsderm.wording import counted

SHOWN = 10  # diseases


def base_table(name: str, licence: str, told: Mapping[str, Sequence[str]]) -> str:
    """The first diseases of a base, each with one of its descriptions.

    Args:
        name: of the base, with its version.
        licence: of its texts.
        told: disease -> its descriptions.
    """
    sizes = f"{counted(len(told), 'disease')}, {counted(sum(map(len, told.values())), 'description')}"
    rows = ((disease, len(texts), texts[0] if texts else "") for disease, texts in islice(told.items(), SHOWN))
    rest = len(told) - SHOWN
    more = f"and {counted(rest, 'more disease')}; any of them: base.find(name). " if rest > 0 else ""
    header = ("disease", "descriptions", "such as")
    return html_table(f"Knowledge base {name}: {sizes}", header, rows, f"{more}Licence: {licence}")

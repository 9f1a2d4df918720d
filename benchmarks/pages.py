"""Pages that scripts write into: what stands between the marks of a part is replaced, the prose around it stays.

A part stands between ``<!-- NAME -->`` and ``<!-- end of NAME -->``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from zsderm.atomic_files import atomic_file


def spliced(page: str, parts: Mapping[str, str], required: str) -> str:
    """The page with every part that it has marks for replaced.

    Args:
        page: its text.
        parts: name -> new text, put between the marks as it is.
        required: the part that must have marks.

    Raises:
        click.ClickException: the page has no marks for the required part.
    """
    if f"<!-- {required} -->" not in page or f"<!-- end of {required} -->" not in page:
        raise click.ClickException(
            f"Expected a page with the lines <!-- {required} --> and <!-- end of {required} -->."
        )
    for name, text in parts.items():
        before, begin, rest = page.partition(f"<!-- {name} -->")
        _, end, after = rest.partition(f"<!-- end of {name} -->")
        page = f"{before}{begin}{text}{end}{after}" if end else page
    return page


def splice(path: Path, parts: Mapping[str, str], required: str) -> None:
    """Replace parts of a page on disk, whole or not at all; arguments and errors as in `spliced`."""
    text = spliced(path.read_text(encoding="utf-8"), parts, required)
    with atomic_file(path) as draft:
        draft.write_text(text, encoding="utf-8")

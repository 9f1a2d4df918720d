"""Pages with generated parts: the text between the marks of a part is replaced, the prose around it stays.

A part stands between ``<!-- NAME -->`` and ``<!-- end of NAME -->``, or, one of several of a kind, between
``<!-- KIND: NAME -->`` and ``<!-- end of KIND -->``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from zsderm.atomic_files import atomic_file

_PART = re.compile(
    r"(?P<begin><!-- (?P<name>(?P<kind>[\w-]+(?: [\w-]+)*)(?:: [\w-]+)?) -->).*?(?P<end><!-- end of (?P=kind) -->)",
    re.DOTALL,
)


def part_names(page: str) -> list[str]:
    """The names of all parts of a page, "NAME" or "KIND: NAME", in their order."""
    return [part["name"] for part in _PART.finditer(page)]


def filled(page: str, parts: Mapping[str, str]) -> str:
    """The page with the parts that are given replaced.

    Args:
        page: its text.
        parts: name, as in `part_names`, -> new text, put between the marks as it is.
    """

    def part(found: re.Match[str]) -> str:
        text = parts.get(found["name"])
        return found[0] if text is None else found["begin"] + text + found["end"]

    return _PART.sub(part, page)


def rewrite(path: Path, change: Callable[[str], str]) -> bool:
    """Replace a page on disk, whole or not at all, by what `change` makes of it; whether anything changed."""
    before = path.read_text(encoding="utf-8")
    after = change(before)
    if after != before:
        with atomic_file(path) as draft:
            draft.write_text(after, encoding="utf-8")
    return after != before


def splice(path: Path, parts: Mapping[str, str], required: str) -> None:
    """Replace parts of a page on disk.

    Args:
        path: the page.
        parts: as in `filled`.
        required: the part that must have marks; others may be missing.

    Raises:
        click.ClickException: the page has no marks for the required part.
    """
    if required not in part_names(path.read_text(encoding="utf-8")):
        raise click.ClickException(
            f"Expected a page with the lines <!-- {required} --> and <!-- end of {required} -->."
        )
    rewrite(path, lambda page: filled(page, parts))


def publish(parts: Mapping[str, str], figures: Mapping[str, Any], output: Path | None, document: Path | None) -> None:
    """Print the tables of an experiment; write its figures and fill its parts of a page where that is asked for.

    Args:
        parts: name of the part of the page -> its tables, as Markdown. Others than the first may have no marks.
        figures: everything that was measured, ready for JSON.
        output: file for the figures.
        document: the page.

    Raises:
        click.ClickException: the page has no marks for the first part.
    """
    click.echo("\n\n".join(parts.values()))
    if output:
        with atomic_file(output) as draft:
            draft.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if document:
        splice(document, {name: f"\n\n{text}\n\n" for name, text in parts.items()}, required=next(iter(parts)))

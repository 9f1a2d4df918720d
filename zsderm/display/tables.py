"""A small table as HTML, for a notebook: nothing in it can be anything but text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from zsderm.file_names import printable
from zsderm.harmless_text import one_line

# Colours are the notebook's own, light or dark; only lines and pale words are set.
_CELL = "padding:.2em .8em .2em 0;text-align:left;vertical-align:top;border-bottom:1px solid rgba(128,128,128,.3)"
_TABLE = "border-collapse:collapse;font-size:.95em"
_PALE = "opacity:.7;margin:.3em 0"


def text_in_html(value: object) -> str:
    """A value as it may stand in a page: escaped, on one line, and without what steers a terminal or turns the text."""
    return escape(one_line(printable(str(value))))


def notes_in_html(notes: Iterable[str]) -> str:
    """What is to be known of the answers above, a line for each note."""
    return "".join(f'<div style="margin:.3em 0">Note: {text_in_html(note)}</div>' for note in notes)


def html_table(title: str, header: Sequence[str], rows: Iterable[Sequence[object]], below: str = "") -> str:
    """A table with a line above and perhaps one below.

    Args:
        title: what the table is about.
        header: the names of the columns; none for a table of facts, whose first column names them.
        rows: cells, which become text.
        below: what is not shown.
    """
    parts = [f'<div style="margin:.3em 0"><b>{text_in_html(title)}</b></div><table style="{_TABLE}">']
    if header:
        cells = "".join(f'<th style="{_CELL}">{text_in_html(name)}</th>' for name in header)
        parts.append(f"<thead><tr>{cells}</tr></thead>")
    parts.append("<tbody>")
    for row in rows:
        cells = "".join(f'<td style="{_CELL}">{text_in_html(cell)}</td>' for cell in row)
        parts.append(f"<tr>{cells}</tr>")
    parts.append("</tbody></table>")
    if below:
        parts.append(f'<div style="{_PALE}">{text_in_html(below)}</div>')
    return "".join(parts)

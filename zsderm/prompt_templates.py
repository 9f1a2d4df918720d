"""Prompt templates: sentences into which the name of a class is put before the text tower reads it.

A file of templates has one on each line, with ``{name}`` where the name goes::

    a photo of {name}
    {name}, seen from nearby

Empty lines, and lines that begin with "#" and a blank, are passed over.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from zsderm.errors import SettingsError
from zsderm.text_files import read_text, text_lines

PLACE = "{name}"
LONGEST = 500  # characters; text towers read some 77 tokens, about 300 characters, and cut the rest
MOST = 1000  # every class is read in each of them

Templates = str | os.PathLike[str] | Sequence[str]


def filled(template: str, name: str) -> str:
    """A template with the name of a class in it; the name may hold braces of its own.

    >>> filled("a photo of {name}", "melanoma")
    'a photo of melanoma'
    """
    return template.replace(PLACE, name)


def given_templates(templates: Templates | None) -> tuple[str, ...] | None:
    """The templates that a user gives: in a list, or in a file of one a line; None where there are none.

    Raises:
        SettingsError: the file cannot be read, or see `checked_templates`.
    """
    if isinstance(templates, str) and PLACE in templates:
        raise SettingsError(f"Expected `templates` to be a list or a file, but got one template: [{templates!r}]?")
    if isinstance(templates, str) and not templates.strip():
        raise SettingsError("Expected `templates` to be a list or a file, but got an empty text. Leave it out?")
    if isinstance(templates, str | os.PathLike):
        path = Path(templates)
        return checked_templates([line for line in text_lines(read_text(path, SettingsError)) if line], str(path))
    return None if templates is None else checked_templates(templates)


def checked_templates(templates: Sequence[str], source: str = "`templates`") -> tuple[str, ...]:
    """Templates with single blanks, each of which has the place of a name.

    Args:
        templates: at least one sentence.
        source: where they are from, for the error.

    Raises:
        SettingsError: none, too many, one that is no text, is too long, stands there twice, has no ``{name}`` or
            other braces.
    """
    if isinstance(templates, str) or not isinstance(templates, Sequence):
        raise SettingsError(
            f"Expected {source} to be a list of texts such as 'a photo of {PLACE}', got {templates!r:.60}."
        )
    if not 1 <= len(templates) <= MOST:
        got = f"{len(templates):,}" if templates else "none"
        raise SettingsError(
            f"Expected 1 to {MOST:,} templates in {source}, but got {got}. Write one on each line, such as: a photo of "
            f"{PLACE}"
        )
    for number, template in enumerate(templates, start=1):
        _check(template, f"template {number} of {source}")
    found = tuple(" ".join(template.split()) for template in templates)
    if twice := [template for template, count in Counter(found).items() if count > 1]:
        raise SettingsError(f"Expected every template of {source} once, but got {twice[0]!r:.60} twice. Remove one.")
    return found


def _check(template: object, which: str) -> None:
    if not isinstance(template, str):
        raise SettingsError(f"Expected {which} to be a text, but got {template!r:.60}.")
    if len(template) > LONGEST:
        raise SettingsError(
            f"Expected {which} to have at most {LONGEST} characters, but it has {len(template):,}: a text tower "
            "would cut it. Write one template on each line."
        )
    if PLACE not in template:
        raise SettingsError(
            f"Expected {which} to hold {PLACE}, where the name of a class goes, but got {template!r:.60}."
        )
    if other := re.search("[{}]", template.replace(PLACE, "")):
        raise SettingsError(
            f"Expected no braces in {which} but those of {PLACE}, but got {template!r:.60} with another {other[0]!r}."
        )

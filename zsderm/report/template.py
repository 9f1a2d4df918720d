"""Pages made from a template: one HTML file that needs no other file and no network."""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from zsderm import __version__
from zsderm.atomic_files import atomic_file
from zsderm.harmless_text import harmless

TEMPLATES = Path(__file__).resolve().parents[1] / "templates"


@dataclass(frozen=True)
class Script:
    """A script that stands in a page, and nothing else may run there."""

    text: str

    @property
    def policy(self) -> str:
        """What the page allows: this script by its digest, styles and pictures of its own; no network, no form."""
        digest = base64.b64encode(hashlib.sha256(self.text.encode()).digest()).decode("ascii")
        return (
            f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
            "base-uri 'none'; form-action 'none'"
        )


def read_script(*names: str) -> Script:
    """The files of ``zsderm/templates`` one after the other, as one script."""
    return Script("\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in names))


def environment(folder: Path) -> Environment:
    """The templates of a folder: everything in them is text, and no text of others steers the page."""
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: harmless(value) if isinstance(value, str) else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write_page(template: str, path: str | os.PathLike[str], **content: object) -> None:
    """Fill a template and write it as a stream; the file is replaced whole or not at all.

    Args:
        template: a file name in ``zsderm/templates``.
        path: the HTML file; missing parent folders are made.
        content: what the template names, besides ``written`` (the time) and ``version``; iterators are taken one item
            at a time, while the page is written.

    Raises:
        SettingsError: the place cannot be written.
    """
    written = datetime.now().astimezone().strftime("%d %B %Y, %H:%M %Z")
    stream = environment(TEMPLATES).get_template(template).stream(written=written, version=__version__, **content)
    with atomic_file(path) as draft, draft.open("wb") as file:
        stream.dump(file, encoding="utf-8", errors="replace")  # a file name need not be valid Unicode

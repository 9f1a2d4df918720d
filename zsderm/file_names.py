"""File names as text that any file and any terminal takes."""

from __future__ import annotations

import re

_SURROGATE = re.compile("[\ud800-\udfff]")


def printable(name: str) -> str:
    r"""A file name as it is, but for bytes that are not UTF-8 (old cameras, foreign zip files): these become ``\xe9``.

    Python holds such bytes as lone surrogates, which no table, page or terminal can be given.
    """
    return name if name.isascii() else _SURROGATE.sub(_escaped, name)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"

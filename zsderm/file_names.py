"""File names as text that any file and any terminal takes, and names of single pictures in a file of several."""

from __future__ import annotations

import os
import re

_FRAME = re.compile(r"(?P<file>.+)#(?P<frame>[1-9]\d{0,5})", re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_NUMBER = re.compile(r"\d+")


def printable(name: str) -> str:
    r"""A file name as it is, but for bytes that are not UTF-8 (old cameras, foreign zip files): these become ``\xe9``.

    Python holds such bytes as lone surrogates, which no table, page or terminal can be given.
    """
    return name if name.isascii() else _SURROGATE.sub(_escaped, name)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def frame_name(file: str | os.PathLike[str], frame: int) -> str:
    """What a picture is called that lies with others in one DICOM file, such as ``name.dcm#2``.

    Args:
        file: its path.
        frame: from 1.
    """
    return f"{os.fspath(file)}#{frame}"


def file_and_frame(name: str | os.PathLike[str]) -> tuple[str, int | None]:
    """The file that a name means and which picture in it, as `frame_name` writes them; None where it names none.

    This reads the name only: a file that is called so itself comes first, see `zsderm.images.open_file`.
    """
    found = _FRAME.fullmatch(os.fspath(name))
    return (os.fspath(name), None) if found is None else (found["file"], int(found["frame"]))


def counting_order(path: str) -> str:
    """A key by which paths sort the way people count: ``2.jpg`` before ``10.jpg``, folder by folder.

    What is in a folder stands where the folder itself would stand among its neighbours, as in a walk through the
    folders. Names that count alike (``02`` and ``2``, ``A`` and ``a``) follow each other as plain text.

    Args:
        path: names with "/" between folders.
    """
    # A number is worth its digits, after how many they are; \x01 and \0 come before everything that names hold.
    return "".join(f"{_NUMBER.sub(_counted, name.casefold())}\0{name}\0" for name in path.split("/"))


def _counted(found: re.Match[str]) -> str:
    digits = str(int(found[0]))
    return f"\x01{chr(len(digits))}{digits}"

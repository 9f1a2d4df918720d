"""Small files of text that a user writes: names, templates."""

from __future__ import annotations

import re
from pathlib import Path

from zsderm.errors import InputError

LARGEST = 20 * 10**6  # bytes; ten thousand names are a hundredth of that
COMMENT = re.compile(r"#(\s|$)")  # how a line begins that is one


def read_text(path: Path, error: type[InputError] = InputError) -> str:
    """The text of a small file, in UTF-8 or UTF-16.

    Args:
        path: of the file.
        error: what is raised where it cannot be read.

    Raises:
        InputError: missing, no regular file, too large, or no text; ``error``, to be exact.
    """
    try:
        if path.exists() and not path.is_file():
            raise error(f"expected a text file, but {path} is a folder or a device")
        if path.stat().st_size > LARGEST:
            raise error(f"expected a short text in {path}, but it is larger than {LARGEST // 10**6} MB")
        content = path.read_bytes()
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as fault:
        raise error(f"expected UTF-8 text in {path}, but it is not; save it as UTF-8") from fault
    except OSError as fault:
        raise error(f"cannot read {path}: {fault.strerror}") from fault
    if "\0" in text:
        raise error(f"expected UTF-8 text in {path}, but it is not; save it as UTF-8")
    return text


def text_lines(text: str) -> list[str]:
    """The lines of a text without blanks around them and without comments: "#" alone, or "#" and a blank, and more.

    >>> text_lines("# mine\\nacne\\n\\n#1 wart\\n")
    ['acne', '', '#1 wart', '']
    """
    return [line.strip() for line in re.split(r"\r\n|\r|\n", text) if not COMMENT.match(line.strip())]

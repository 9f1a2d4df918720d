"""Names and texts of others, shown so that they steer neither a terminal nor a page."""

from __future__ import annotations

# Control characters, which a terminal obeys, and those that turn the direction of what follows.
_STEERING = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    for code in (
        *(code for code in range(32) if code not in b"\t\n"),
        *range(0x7F, 0xA0),
        *(0x061C, 0x200E, 0x200F, 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)),
    )
}


def harmless(text: str) -> str:
    """A text in which what would steer a terminal is written out.

    >>> harmless("red \\x1b[31m")
    'red \\\\x1b[31m'
    """
    return text.translate(_STEERING)


def one_line(text: str) -> str:
    """A name or a reason, harmless and on one line."""
    return harmless(text).replace("\n", "\\n").replace("\t", "\\t")

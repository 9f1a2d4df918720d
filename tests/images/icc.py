"""Small ICC profiles, written by hand: three primaries and a gamma, a grey gamma, or a table of inks."""

from __future__ import annotations

import struct

import numpy as np

# X, Y, Z of red, green and blue under the D50 light of profiles, and the gamma.
PRIMARIES = {
    "Display P3": ([[0.51512, 0.24120, -0.00105], [0.29198, 0.69225, 0.04189], [0.15710, 0.06657, 0.78407]], 2.2),
    "Adobe RGB": ([[0.60974, 0.31111, 0.01947], [0.20528, 0.62567, 0.06087], [0.14919, 0.06322, 0.74457]], 2.19921875),
    "ProPhoto": ([[0.79767, 0.28804, 0.0], [0.13519, 0.71188, 0.00009], [0.03134, 0.00009, 0.82491]], 1.8),
}
SRGB = np.array([[0.43607, 0.22249, 0.01392], [0.38515, 0.71687, 0.09708], [0.14307, 0.06061, 0.71410]])


def rgb_profile(name: str) -> bytes:
    """The profile of one of `PRIMARIES`."""
    primaries, gamma = PRIMARIES[name]
    tags = {f"{letter}XYZ".encode(): _xyz(row) for letter, row in zip("rgb", primaries, strict=True)}
    return _profile(b"RGB ", b"mntr", b"XYZ ", {**tags, **{f"{x}TRC".encode(): _curve(gamma) for x in "rgb"}})


def grey_profile(gamma: float) -> bytes:
    """A grey profile."""
    return _profile(b"GRAY", b"mntr", b"XYZ ", {b"kTRC": _curve(gamma)})


def ink_profile() -> bytes:
    """A CMYK profile whose cyan is a dark red: what no guess would make of it."""
    red, white, black = (110, 170, 150), (255, 128, 128), (0, 128, 128)  # L, a, b as bytes
    # Nodes with and without each ink, the first of which counts most; the last is black, as the others are together.
    grid = b"".join(bytes(black if node & 1 or node == 14 else red if node & 8 else white) for node in range(16))
    line = bytes(range(256))
    identity = struct.pack(">9i", *(65536 if place in (0, 4, 8) else 0 for place in range(9)))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity + line * 4 + grid + line * 3
    return _profile(b"CMYK", b"prtr", b"Lab ", {b"A2B0": table})


def to_srgb(pixels: np.ndarray, name: str) -> np.ndarray:
    """(..., 3) uint8 of a profile as sRGB, reckoned from the definition."""
    primaries, gamma = PRIMARIES[name]
    linear = (pixels / 255) ** gamma @ np.array(primaries) @ np.linalg.inv(SRGB)
    linear = linear.clip(0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055) * 255


def _xyz(values: list[float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def _curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"


def _profile(space: bytes, kind: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    text = b"made for a test\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78),
        b"cprt": b"text\0\0\0\0" + text,
        b"wtpt": _xyz([0.9642, 1.0, 0.8249]),
        **tags,
    }
    offset, table, content = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        padded = value + bytes(-len(value) % 4)
        table += name + struct.pack(">II", offset + len(content), len(value))
        content += padded
    size = 128 + len(table) + len(content)
    header = struct.pack(">I4sI4s4s4s", size, b"none", 0x02400000, kind, space, connection)
    header += struct.pack(">6H4s", 2024, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    header += struct.pack(">3i", 63190, 65536, 54061)  # the D50 light
    return header.ljust(128, b"\0") + table + content

"""What happens to bytes on the way: cut short, flipped, zeroed, doubled, mixed with others. Seeded, never a no-op."""

from __future__ import annotations

import random
from collections.abc import Callable


def cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def flip(rng: random.Random, data: bytes) -> bytes:
    """Some bytes become others: one, or up to a hundredth of all."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 3, 1 + len(data) // 100])):
        changed[rng.randrange(len(changed))] ^= rng.randrange(1, 256)
    return bytes(changed)


def zero(rng: random.Random, data: bytes) -> bytes:
    start = rng.randrange(len(data))
    length = rng.randrange(1, 1 + len(data) - start)
    return data[:start] + bytes(length) + data[start + length :]


def drop(rng: random.Random, data: bytes) -> bytes:
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.randrange(1, 64) :]


def insert(rng: random.Random, data: bytes) -> bytes:
    start = rng.randrange(len(data))
    return data[:start] + rng.randbytes(rng.randrange(1, 64)) + data[start:]


def extreme(rng: random.Random, data: bytes) -> bytes:
    """Four bytes of a header say something very large, or negative."""
    start = rng.randrange(min(len(data), 256))
    return data[:start] + rng.choice([b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x00\x00\x00\x80"]) + data[start + 4 :]


def swap_ends(rng: random.Random, data: bytes) -> bytes:
    start = rng.randrange(len(data))
    return data[start:] + data[:start]


DAMAGES: tuple[Callable[[random.Random, bytes], bytes], ...] = (cut, flip, zero, drop, insert, extreme, swap_ends)


def damaged(rng: random.Random, data: bytes) -> tuple[str, bytes]:
    """One kind of damage, by name, and the bytes after it; they differ from what they were."""
    while True:
        damage = rng.choice(DAMAGES)
        if (changed := damage(rng, data)) != data:
            return damage.__name__, changed

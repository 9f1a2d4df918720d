"""Numbers in sentences: one image is, two images are."""

from __future__ import annotations


def counted(count: int, what: str, several: str = "") -> str:
    """A count with its noun.

    Args:
        count: how many.
        what: the noun for one.
        several: the noun for none and for several; by default with an "s".

    >>> counted(1, "image"), counted(1200, "image"), counted(0, "class", "classes")
    ('1 image', '1200 images', '0 classes')
    """
    return f"{count} {what if count == 1 else several or what + 's'}"


def agrees(count: int, one: str, several: str) -> str:
    """The word that goes with a count: "is" or "are", "it" or "they".

    >>> agrees(1, "is", "are"), agrees(0, "is", "are")
    ('is', 'are')
    """
    return one if count == 1 else several


def none_of(count: int, what: str) -> str:
    """The subject of a sentence about all of something, of which nothing went well.

    >>> none_of(1, "image"), none_of(3, "image")
    ('the only image could not', 'none of the 3 images could')
    """
    return f"the only {what} could not" if count == 1 else f"none of the {count} {what}s could"

"""The objects in a bucket, in the order in which people count, folder by folder, as in a walk through folders.

A store lists in an order of its own. So the names of a folder are put in order here before the first is given; how
many are held at once is the number of those in one folder, or, where a folder has very many folders, below it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from zsderm.file_names import counting_order
from zsderm.places.addresses import Address
from zsderm.places.failures import place_error
from zsderm.places.store import Entry
from zsderm.places.stores import store_of

# Folders in one folder above which all below them is listed at once: a request for each would take longer.
MANY_FOLDERS = 100
_SIGNS = re.compile(r"[*?\[]")


def has_signs(text: str) -> bool:
    """Whether a text is a pattern: it has one of the signs * ? [."""
    return _SIGNS.search(text) is not None


def objects_below(folder: Address) -> Iterator[Address]:
    """The objects in a folder and the folders below it, in their order; hidden ones (".name") are left out.

    Raises:
        FileNotFoundError: nothing is there.
        PlaceError: it cannot be listed.
    """
    for entry in _below(folder):
        yield replace(folder, key=entry.key)


def objects_like(pattern: Address) -> Iterator[Address]:
    """The objects that match a pattern, in their order.

    Args:
        pattern: its key has * and ? for anything within one name, [abc] for one of these letters, and ** as a whole
            name for any number of folders. Hidden objects and folders (".name") are left out.

    Raises:
        PlaceError: nothing can be listed where it begins.
    """
    parts = pattern.key.split("/")
    fixed = next(number for number, part in enumerate(parts) if has_signs(part))
    folder = replace(pattern, key="/".join(parts[:fixed]))
    matches = re.compile(_expression(parts), re.DOTALL).fullmatch
    below = len(parts) - fixed > 1 or "**" in parts
    try:
        found = _below(folder) if below else _sorted(_listed(folder, deep=False))
        for entry in found:
            if entry.size is not None and matches(entry.key) and not _hidden(entry.key, folder):
                yield replace(pattern, key=entry.key)
    except FileNotFoundError:
        return


def _below(folder: Address, deep: bool = False) -> Iterator[Entry]:
    """The objects below a folder."""
    deep = deep or store_of(folder).only_deep
    found = [entry for entry in _listed(folder, deep) if not _hidden(entry.key, folder)]
    if not deep and sum(entry.size is None for entry in found) > MANY_FOLDERS:
        del found
        yield from _below(folder, deep=True)
        return
    for entry in _sorted(found):
        if entry.size is not None:
            yield entry
        else:
            yield from _below(replace(folder, key=entry.key))


def _sorted(entries: Iterator[Entry] | list[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: counting_order(entry.key))


def _hidden(key: str, folder: Address) -> bool:
    below = key[len(folder.key) :]
    return below.startswith(".") or "/." in below


def _listed(folder: Address, deep: bool) -> Iterator[Entry]:
    try:
        yield from store_of(folder).listed(folder, deep)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise place_error(folder, error) from None


def _expression(parts: list[str]) -> str:
    """A pattern as a regular expression."""
    pieces = []
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            pieces.append(r"(?:[^/.][^/]*/)*" + (r"[^/.][^/]*" if last else ""))
        else:
            pieces.append(_of_name(part) + ("" if last else "/"))
    return "".join(pieces)


def _of_name(part: str) -> str:
    return re.sub(r"\[!?\]?[^\]]*\]|.", _piece, part, flags=re.DOTALL)


def _piece(found: re.Match[str]) -> str:
    text = found[0]
    if len(text) > 1:
        letters = text[1:-1].replace("\\", "\\\\").replace("^", r"\^").replace("[", r"\[").replace("]", r"\]")
        return f"[^/{letters[1:]}]" if letters.startswith("!") else f"(?!/)[{letters}]"
    return {"*": "[^/]*", "?": "[^/]"}.get(text, re.escape(text))

"""A small tree of skin diseases, and the place of every disease of a knowledge base in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from zsderm.errors import InputError

FOLDER = Path(str(resources.files("zsderm.knowledge_bases"))) / "captions"
ARROW = " > "


@dataclass(frozen=True)
class Ontology:
    """A tree of groups, and where the paths of a knowledge base lead in it.

    Attributes:
        paths: each group with the path to it, from general to specific, itself included.
        places: a path of the knowledge base, or the beginning of one, and the group that it means.

    Raises:
        InputError: a place leads to no group.
    """

    paths: Mapping[str, tuple[str, ...]]
    places: Mapping[tuple[str, ...], str]

    def __post_init__(self) -> None:
        """Refuse places that lead nowhere."""
        if lost := sorted(set(self.places.values()) - set(self.paths)):
            raise InputError(
                f"expected every place of the ontology to be a group of its tree, but {lost[0]!r} is none."
            )

    def path(self, stored: tuple[str, ...]) -> tuple[str, ...]:
        """The path in this tree that a path of the knowledge base means.

        Args:
            stored: `Disease.ontology`.

        Returns:
            The groups from general to specific. A path that is known in no part is kept as it is.
        """
        for length in range(len(stored), 0, -1):
            if group := self.places.get(stored[:length]):
                return self.paths[group]
        return stored

    @classmethod
    @cache
    def load(cls) -> Ontology:
        """The bundled one."""
        record = json.loads((FOLDER / "ontology.json").read_text(encoding="utf-8"))
        paths: dict[str, tuple[str, ...]] = {}
        for path in _walk(record["tree"], ()):
            if path[-1] in paths:
                raise InputError(f"expected one place for the group {path[-1]!r} of the ontology, but it has two.")
            paths[path[-1]] = path
        return cls(paths, {tuple(stored.split(ARROW)): group for stored, group in record["places"].items()})


def _walk(tree: Mapping[str, Mapping], above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, below in tree.items():
        yield (*above, name)
        yield from _walk(below, (*above, name))

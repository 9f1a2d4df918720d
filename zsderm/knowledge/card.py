"""What a knowledge base says of itself: its base.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from zsderm.errors import InputError
from zsderm.knowledge import library
from zsderm.knowledge.languages import read_ambiguous, read_languages

Meanings = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class KnowledgeCard:
    """What a knowledge base says about itself."""

    name: str
    version: str = "unversioned"
    licence: str = "unknown"
    language: str = "unknown"
    description: str = ""
    ambiguous: Meanings = field(default_factory=dict, hash=False)  # "AK" -> what it may mean; asked back
    groups: Meanings = field(default_factory=dict, hash=False)  # "acne and rosacea" -> the diseases it pools
    pools: Meanings = field(default_factory=dict, hash=False)  # a disease that is a pooled label -> what it pools
    kinds: Meanings = field(default_factory=dict, hash=False)  # a disease -> the diseases that are kinds of it
    subtypes: Mapping[str, Meanings] = field(default_factory=dict, hash=False)  # disease -> kind -> its other names
    group_aliases: Meanings = field(default_factory=dict, hash=False)  # a group -> its other names
    names: Mapping[str, Meanings] = field(default_factory=dict, hash=False)  # language -> disease -> its names there

    @classmethod
    def read(cls, location: Path) -> KnowledgeCard:
        """The card of a base on disk; its folder or file gives the name where it has none.

        Raises:
            InputError: if base.json or a file of names is no JSON object, or a list in it is none.
        """
        stored = library.read_card(location)
        known = {key: str(stored[key]) for key in ("version", "licence", "language", "description") if stored.get(key)}
        return cls(
            name=str(stored.get("name") or location.resolve().stem),
            ambiguous=read_ambiguous(location, _meanings(stored, "ambiguous")),
            groups=_meanings(stored, "groups"),
            pools=_meanings(stored, "pools"),
            kinds=_meanings(stored, "kinds"),
            subtypes=_subtypes(stored),
            group_aliases=_meanings(stored, "group_aliases"),
            names=read_languages(location, stored),
            **known,
        )


def _subtypes(card: Mapping[str, object]) -> dict[str, dict[str, tuple[str, ...]]]:
    stored = card.get("subtypes", {})
    if not isinstance(stored, dict):
        raise InputError(f"{library.CARD_FILE}: expected 'subtypes' to be an object, but got {stored!r:.80}.")
    return {entry: _meanings(stored, entry) for entry in stored}


def _meanings(card: Mapping[str, object], key: str) -> dict[str, tuple[str, ...]]:
    stored = card.get(key, {})
    if not isinstance(stored, dict):
        raise InputError(f"{library.CARD_FILE}: expected {key!r} to be an object, but got {stored!r:.80}.")
    return {name: library.texts_field(library.CARD_FILE, stored, name) for name in stored}

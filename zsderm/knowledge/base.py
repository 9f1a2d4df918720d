"""A knowledge base: per disease, many short sentences about what a camera sees."""

from __future__ import annotations

import hashlib
import json
import shlex
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from zsderm.errors import AmbiguousClassError, FallbackWarning, InputError, UnknownClassError
from zsderm.knowledge import library
from zsderm.knowledge.names import NameTable, spelling


@dataclass(frozen=True)
class Description:
    """One visible sign of a disease, in 8 to 30 words that do not name it."""

    text: str
    disease: str  # canonical name
    aspect: str  # what it speaks of: "colour", "surface and scale", ... (vocabulary.ASPECTS)
    modality: str  # "clinical" | "dermoscopic" | "either"
    source: str  # who says so; the name of the knowledge base where its file says nothing


@dataclass(frozen=True)
class Disease:
    """One disease: its names, its place among the others, and what it looks like."""

    name: str
    aliases: tuple[str, ...] = ()
    ontology: tuple[str, ...] = ()  # path from general to specific, without the disease itself
    sites: tuple[str, ...] = ()
    concepts: tuple[str, ...] = ()
    descriptions: tuple[Description, ...] = ()

    @classmethod
    def from_record(cls, place: str, record: Mapping[str, object], source: str) -> Disease:
        """A disease from one line of a .jsonl file. Only its name is demanded here; `validate` demands the rest.

        Args:
            place: where the line stands, for the error.
            record: the parsed line.
            source: stands in for the source of texts that name none.

        Raises:
            InputError: if a value is not of the kind that its key asks for.
        """
        name = _string(place, record, "name")
        stored = record.get("descriptions", [])
        if not isinstance(stored, list) or not all(isinstance(item, dict) for item in stored):
            raise InputError(f"{place}: expected 'descriptions' to be a list of objects, but got {stored!r:.80}.")
        return cls(
            name=name,
            aliases=_strings(place, record, "aliases"),
            ontology=_strings(place, record, "ontology"),
            sites=_strings(place, record, "sites"),
            concepts=_strings(place, record, "concepts"),
            descriptions=tuple(_description(place, item, name, source) for item in stored),
        )


@dataclass(frozen=True)
class KnowledgeCard:
    """What a knowledge base says about itself."""

    name: str
    version: str = "unversioned"
    licence: str = "unknown"
    language: str = "unknown"
    description: str = ""
    ambiguous: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)  # "AK" -> what it may mean


class KnowledgeBase:
    """Diseases by name, and the sentences that describe them. Its length is the number of descriptions, M.

    Args:
        card: name, version, licence.
        diseases: distinct diseases, each name and alias standing for one of them.
        origin: what `load` was given, so that errors can name a command that works.

    Raises:
        InputError: if a disease comes twice, or a name stands for two diseases.
    """

    def __init__(self, card: KnowledgeCard, diseases: Iterable[Disease], origin: str | None = None) -> None:
        self.card = card
        self.origin = origin or card.name
        self.diseases: Mapping[str, Disease] = _by_name(card.name, diseases)
        self._names = NameTable(card.name, ((disease.name, disease.aliases) for disease in self.diseases.values()))
        self._ambiguous = {spelling(short): (short, meanings) for short, meanings in card.ambiguous.items()}

    @classmethod
    def load(cls, name_or_path: str | Path) -> KnowledgeBase:
        """Load a bundled base by name, or a folder of .jsonl files, or one .jsonl file.

        Raises:
            UnknownKnowledgeBaseError: if it is neither a bundled name nor an existing path.
            InputError: if a file cannot be used, with its place and what is wrong with it.
        """
        location = library.locate(name_or_path)
        card = _card(location)
        diseases = (
            Disease.from_record(place, library.parse_object(place, line), card.name)
            for place, line in library.read_lines(location)
        )
        base = cls(card, diseases, str(name_or_path))
        if not base.diseases:
            raise InputError(f"expected {str(location)!r} to hold one disease per line, but it is empty.")
        return base

    @property
    def name(self) -> str:
        """The name its base.json gives, or that of the folder or file."""
        return self.card.name

    @property
    def version(self) -> str:
        """The version its base.json gives."""
        return self.card.version

    @property
    def descriptions(self) -> tuple[Description, ...]:
        """All descriptions, disease by disease."""
        return tuple(text for disease in self.diseases.values() for text in disease.descriptions)

    @cached_property
    def checksum(self) -> str:
        """16 hex digits that change with the content and not with the order or number of files."""
        content = [_content(self.diseases[name]) for name in sorted(self.diseases)]
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()[:16]

    def find(self, class_name: str) -> Disease:
        """The disease that a class name means: exactly, by an alias, or in another spelling.

        Raises:
            UnknownClassError: if no disease goes by that name, with the nearest names.
            AmbiguousClassError: if several do, with what it may mean.
        """
        name = self._resolve(class_name)
        if name is None:
            raise UnknownClassError(f"{self._missing(class_name)} See: zsderm kb show {shlex.quote(self.origin)}")
        return self.diseases[name]

    def descriptions_for(self, classes: Sequence[str]) -> dict[str, list[Description]]:
        """The descriptions of each class, under the name as given.

        A class that is not in the base, or has no descriptions there, gets an empty list and a FallbackWarning.

        Raises:
            AmbiguousClassError: if a name is an abbreviation of several diseases.
        """
        found: dict[str, list[Description]] = {}
        for class_name in classes:
            name = self._resolve(class_name)
            found[class_name] = list(self.diseases[name].descriptions) if name else []
            if not found[class_name]:
                reason = (
                    f"knowledge base {self.name!r} does not describe {name!r}." if name else self._missing(class_name)
                )
                warnings.warn(f"{reason} The class goes without descriptions.", FallbackWarning, stacklevel=2)
        return found

    def hint(self, class_name: str) -> str:
        """A sentence naming the names written most like this one, or an empty string."""
        return self._names.hint(class_name)

    def subset(self, keep: Callable[[Description], bool]) -> KnowledgeBase:
        """The same diseases with only the descriptions that `keep` accepts; its checksum is its own."""
        kept = (
            replace(disease, descriptions=tuple(text for text in disease.descriptions if keep(text)))
            for disease in self.diseases.values()
        )
        return KnowledgeBase(self.card, kept, self.origin)

    def __len__(self) -> int:
        return sum(len(disease.descriptions) for disease in self.diseases.values())

    def __repr__(self) -> str:
        return (
            f"KnowledgeBase(name={self.name!r}, version={self.version!r}, diseases={len(self.diseases)}, "
            f"descriptions={len(self)}, checksum={self.checksum!r})"
        )

    def _resolve(self, class_name: str) -> str | None:
        name = self._names.resolve(class_name)
        if name is None and (known := self._ambiguous.get(spelling(class_name))):
            short, meanings = known
            raise AmbiguousClassError(
                f"class {class_name!r} may mean {' or '.join(map(repr, meanings))}: {short} stands for each of them. "
                "Write the one you mean."
            )
        return name

    def _missing(self, class_name: str) -> str:
        size = f"{len(self.diseases)} classes"
        return f"class {class_name!r} is not in knowledge base {self.name!r} ({size}).{self.hint(class_name)}"


def _by_name(base: str, diseases: Iterable[Disease]) -> dict[str, Disease]:
    by_name: dict[str, Disease] = {}
    for disease in diseases:
        if disease.name in by_name:
            raise InputError(f"disease {disease.name!r} comes twice in knowledge base {base!r}. Merge the two lines.")
        by_name[disease.name] = disease
    return by_name


def _content(disease: Disease) -> dict[str, object]:
    """What the checksum covers. The source of a text is left out: it falls back on the base's name."""
    return {
        "name": disease.name,
        "aliases": disease.aliases,
        "ontology": disease.ontology,
        "sites": disease.sites,
        "concepts": disease.concepts,
        "descriptions": [(text.aspect, text.modality, text.text) for text in disease.descriptions],
    }


def _card(location: Path) -> KnowledgeCard:
    stored = library.read_card(location)
    known = {key: str(stored[key]) for key in ("version", "licence", "language", "description") if stored.get(key)}
    return KnowledgeCard(
        name=str(stored.get("name") or location.resolve().stem),
        ambiguous=_ambiguous(stored.get("ambiguous", {})),
        **known,
    )


def _ambiguous(stored: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(stored, dict):
        raise InputError(f"{library.CARD_FILE}: expected 'ambiguous' to be an object, but got {stored!r:.80}.")
    return {short: _strings(library.CARD_FILE, stored, short) for short in stored}


def _description(place: str, record: Mapping[str, object], disease: str, source: str) -> Description:
    return Description(
        text=_string(place, record, "text"),
        disease=disease,
        aspect=_string(place, record, "aspect", default="unspecified"),
        modality=_string(place, record, "modality", default="either"),
        source=_string(place, record, "source", default=source),
    )


def _string(place: str, record: Mapping[str, object], key: str, default: str | None = None) -> str:
    value = record.get(key, default)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{place}: expected {key!r} to be a text, but got {value!r:.80}.")
    return value.strip()


def _strings(place: str, record: Mapping[str, object], key: str) -> tuple[str, ...]:
    value = record.get(key, [])
    # A lone string is a sequence of letters to Python: aliases "BCC" would become "B", "C", "C".
    if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
        raise InputError(f"{place}: expected {key!r} to be a list of texts, but got {value!r:.80}.")
    return tuple(item.strip() for item in value)

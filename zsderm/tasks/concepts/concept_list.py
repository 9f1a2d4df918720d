"""Vocabularies of visual concepts: what can be seen on skin, and the phrases that say it to an encoder."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from zsderm.errors import InputError, NotFoundError, did_you_mean
from zsderm.knowledge.names import spelling

TERM = "{term}"
TABLE_COLUMNS = ("image", "error")  # of the table of scores, beside the concepts


@dataclass(frozen=True)
class Concept:
    """One visual concept."""

    name: str
    terms: tuple[str, ...]  # phrases that say it; at least one
    meaning: str = ""  # what counts as present, where the name alone does not say it
    contrast: tuple[str, ...] = ()  # phrases for the other side, where that is more than the finding's absence


@dataclass(frozen=True)
class PromptPair:
    """A sentence with a finding, and the same sentence without."""

    target: str  # with the place "{term}"
    reference: str


@dataclass(frozen=True)
class ConceptVocabulary:
    """Concepts, and the sentences that they are asked in.

    Raises:
        InputError: no concepts or prompts, a concept without a term, a name that stands there twice in any spelling or
            is a column of the table of scores, or a target prompt without the place for a term.
    """

    name: str
    concepts: tuple[Concept, ...]
    prompts: tuple[PromptPair, ...]
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be asked."""
        if not (self.concepts and self.prompts):
            raise InputError(f"expected concepts and prompts in vocabulary {self.name!r}, but one of them is empty.")
        seen: dict[str, str] = {}
        for concept in self.concepts:
            if not concept.name.strip() or not concept.terms or not all(term.strip() for term in concept.terms):
                raise InputError(f"vocabulary {self.name!r}: expected a name and terms, but got {concept}.")
            if spelling(concept.name) in TABLE_COLUMNS:
                raise InputError(
                    f"vocabulary {self.name!r}: a concept cannot be called {concept.name!r}, which is a column of the "
                    "table of scores. Give it another name."
                )
            if (other := seen.setdefault(spelling(concept.name), concept.name)) is not concept.name:
                raise InputError(f"vocabulary {self.name!r}: {concept.name!r} and {other!r} are the same name.")
        for pair in self.prompts:
            if TERM not in pair.target or TERM in pair.reference:
                raise InputError(
                    f"vocabulary {self.name!r}: expected {TERM} in the target prompt only, but got {pair}."
                )

    @property
    def names(self) -> list[str]:
        """The concepts, in the order of the file."""
        return [concept.name for concept in self.concepts]

    def targets(self, concept: Concept) -> list[str]:
        """Every target prompt with every term of a concept in it."""
        return self._asked(concept.terms)

    def references(self, concept: Concept) -> list[str]:
        """What a concept is held against: the target prompts with its contrast, or the reference prompts."""
        return self._asked(concept.contrast) or [pair.reference for pair in self.prompts]

    def _asked(self, phrases: Sequence[str]) -> list[str]:
        return [pair.target.replace(TERM, phrase) for pair in self.prompts for phrase in phrases]

    @classmethod
    def load(cls, name_or_path: str | Path) -> ConceptVocabulary:
        """A bundled vocabulary by its name, or one's own: a .json file, or a .txt file with one concept a line.

        A line of text is ``concept`` or ``concept: term; term``; "#" between blanks starts a comment.
        Without terms the name is its own term, and prompts that are not given are those of ``skincon``.

        Raises:
            NotFoundError: neither a bundled name nor a file.
            InputError: the file is not what its suffix says.
        """
        known = bundled()
        path = known.get(str(name_or_path), Path(name_or_path))
        if not os.path.isfile(path):
            raise NotFoundError(
                f"concepts {str(name_or_path)!r} are neither a bundled vocabulary ({', '.join(known)}) nor a file."
                f"{did_you_mean(str(name_or_path), known)}"
            )
        try:
            text = path.read_text(encoding="utf-8-sig")
            record = json.loads(text) if path.suffix.lower() == ".json" else {"concepts": _lines(text)}
            return _from_record(path, record)
        except (KeyError, TypeError, AttributeError, ValueError, OSError, RecursionError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"expected concepts in {path}, as .json with a list 'concepts' of objects with a name and terms, or as "
                f".txt with one a line, but cannot read that ({type(error).__name__}: {error})."
            ) from error


def bundled() -> dict[str, Path]:
    """The vocabularies that come with the package: name to file, in alphabetical order."""
    folder = Path(str(resources.files("zsderm.knowledge_bases"))) / "concepts"
    return {file.stem: file for file in sorted(folder.glob("*.json"))}


def _from_record(path: Path, record: Mapping[str, Any]) -> ConceptVocabulary:
    prompts = record.get("prompts")
    return ConceptVocabulary(
        name=str(record.get("name", path.stem)),
        concepts=tuple(_concept(entry) for entry in record["concepts"]),
        prompts=ConceptVocabulary.load("skincon").prompts
        if prompts is None
        else tuple(PromptPair(pair["target"], pair["reference"]) for pair in prompts),
        source=str(record.get("source", "")),
    )


def _concept(entry: Mapping[str, Any]) -> Concept:
    terms, contrast = entry.get("terms") or [entry["name"]], entry.get("contrast") or []
    if isinstance(terms, str) or isinstance(contrast, str):
        raise TypeError(f"terms or contrast of {entry['name']!r} are one text and not a list")
    texts = tuple(map(str, terms)), str(entry.get("meaning", "")), tuple(map(str, contrast))
    return Concept(entry["name"].strip(), *texts)


def _lines(text: str) -> Sequence[Mapping[str, Any]]:
    lines = filter(None, (re.split(r"(?:^|\s)#(?:\s|$)", line, maxsplit=1)[0].strip() for line in text.split("\n")))
    parts = (line.partition(":") for line in lines)
    return [{"name": name, "terms": [t.strip() for t in terms.split(";") if t.strip()]} for name, _, terms in parts]

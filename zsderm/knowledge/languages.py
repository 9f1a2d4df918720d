"""Names of diseases in other languages than that of a knowledge base: files in its folder ``names``, one a language.

They lead from what a user types to a disease, and nowhere else: the text tower reads the base's own names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from zsderm.errors import InputError
from zsderm.knowledge import library
from zsderm.knowledge.names import spelling, split_brackets, without_photos

FOLDER = "names"
_WRITTEN_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})
# Plurals of Spanish, French, Portuguese and German beyond the "s" that `spelling` drops: "lunares", "Melanome".
_PLURAL = re.compile(r"(?<=\w{4})(es|en|e|n)\b")


def read_languages(location: Path, card: Mapping[str, object]) -> dict[str, dict[str, tuple[str, ...]]]:
    """The names in other languages: of the folder ``names`` of a base, and of "names" in its base.json.

    Args:
        location: the folder or file of a base.
        card: what its base.json holds; copies of a base keep the names there.

    Returns:
        Language ("Spanish") -> canonical name of a disease -> its names, the usual one first.

    Raises:
        InputError: a file is not {"language": text, "names": {disease: [names]}}.
    """
    found = {}
    stored = card.get(FOLDER, {})
    if not isinstance(stored, dict):
        raise InputError(f"{library.CARD_FILE}: expected {FOLDER!r} to be an object, but got {stored!r:.80}.")
    for language, names in stored.items():
        found[language] = _names(library.CARD_FILE, {FOLDER: names})
    for file in sorted((location / FOLDER).glob("*.json")) if location.is_dir() else ():
        place = f"{FOLDER}/{file.name}"
        try:
            record = library.parse_object(place, file.read_text(encoding="utf-8-sig"))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{place} cannot be read as UTF-8 text: {error}.") from error
        found[library.text_field(place, record, "language")] = _names(place, record)
    return found


def read_ambiguous(location: Path, own: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Names that are asked back: those of the base's own language, and those in the files of its folder ``names``.

    Args:
        location: the folder or file of a base.
        own: name -> what it may mean, of its base.json.

    Returns:
        As ``own``; a name that two files ask back may mean what either of them says.

    Raises:
        InputError: "ambiguous" in a file is not {name: [diseases]}.
    """
    found = dict(own)
    for file in sorted((location / FOLDER).glob("*.json")) if location.is_dir() else ():
        place = f"{FOLDER}/{file.name}"
        stored = library.parse_object(place, library.read_text(file)).get("ambiguous", {})
        if not isinstance(stored, dict):
            raise InputError(f"{place}: expected 'ambiguous' to be an object, but got {json.dumps(stored):.80}.")
        for name in stored:
            found[name] = tuple(dict.fromkeys((*found.get(name, ()), *library.texts_field(place, stored, name))))
    return found


class ForeignNames:
    """Every name in another language, and the diseases it means there.

    Args:
        languages: as `read_languages` gives them.
    """

    def __init__(self, languages: Mapping[str, Mapping[str, tuple[str, ...]]]) -> None:
        self._known: dict[str, dict[str, list[str]]] = {}  # spelling -> disease -> languages
        self._stems: dict[str, dict[str, list[str]]] = {}  # the same of names without the endings of plurals
        for language, diseases in languages.items():
            for disease, names in diseases.items():
                for known, listed in ((self._known, names), (self._stems, [_PLURAL.sub("", name) for name in names])):
                    for key in {key for name in listed for key in (spelling(name), _written_out(name))}:
                        known.setdefault(key, {}).setdefault(disease, []).append(language)

    def find(self, name: str) -> dict[str, list[str]]:
        """The diseases that a name means, each with its languages; empty where it is no name.

        Accents, capitals, "ß" or "ss", "ä" or "ae", plurals, words for photographs and brackets that add nothing make
        no difference.
        """
        plain = without_photos(name)
        outside, inside = split_brackets(plain)
        for text in (name, plain):
            if found := self._spelt(text):
                return found
        found = self._spelt(outside) if inside else {}
        glossed = self._spelt(inside)
        return found if not glossed or glossed.keys() == found.keys() else {}

    def _spelt(self, name: str) -> dict[str, list[str]]:
        stem = _PLURAL.sub("", name)
        places = ((self._known, name), (self._known, stem), (self._stems, stem))
        keys = ((known, key) for known, text in places for key in (spelling(text), _written_out(text)))
        return next((known[key] for known, key in keys if key in known), {})

    def shared(self) -> Iterator[dict[str, list[str]]]:
        """The diseases and languages of each name that means more than one disease."""
        yield from (found for found in self._known.values() if len(found) > 1)


def _written_out(name: str) -> str:
    """The spelling of a name whose umlauts are written with two letters, as on other keyboards."""
    return spelling(name.translate(_WRITTEN_OUT))


def _names(place: str, record: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    names = record.get(FOLDER)
    if not isinstance(names, dict):
        raise InputError(f"{place}: expected {FOLDER!r} to be an object, but got {json.dumps(names):.80}.")
    return {disease: library.texts_field(place, names, disease) for disease in names}

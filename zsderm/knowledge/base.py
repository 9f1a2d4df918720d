"""A knowledge base: per disease, many short sentences about what a camera sees."""

from __future__ import annotations

import logging
import shlex
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

from zsderm.display.bases import base_table
from zsderm.errors import AmbiguousClassError, FallbackWarning, InputError, UnknownClassError
from zsderm.knowledge import library
from zsderm.knowledge.authoring.vocabulary import shown_by
from zsderm.knowledge.card import KnowledgeCard
from zsderm.knowledge.disease import Description, Disease
from zsderm.knowledge.languages import ForeignNames
from zsderm.knowledge.names import NameTable, ShortForms, split_brackets, without_photos
from zsderm.knowledge.reported import Report, Reports, checksum_of, read_reported
from zsderm.stored_json import checksum_of as json_checksum
from zsderm.wording import counted

log = logging.getLogger(__name__)


class KnowledgeBase:
    """Diseases by name, and the sentences that describe them. Its length is the number of descriptions, M.

    Args:
        card: name, version, licence, and names that mean several diseases.
        diseases: distinct diseases, each name and alias standing for one of them.
        origin: what `load` was given, so that errors can name a command that works.
        reported: gives what patients report, by canonical name; asked for once, when somebody wants to know.

    Raises:
        InputError: if a disease comes twice, a name means two diseases, or a group pools one that is not there.
    """

    def __init__(
        self,
        card: KnowledgeCard,
        diseases: Iterable[Disease],
        origin: str | None = None,
        reported: Callable[[], Reports] = dict,
    ) -> None:
        self.card = card
        self.origin = origin or card.name
        self._read_reported = reported
        self.diseases: Mapping[str, Disease] = _by_name(card.name, diseases)
        self.groups: Mapping[str, Disease] = {name: self._pooled(name) for name in card.groups}
        named = {**self.diseases, **self.groups}
        self._names = NameTable(card.name, ((disease.name, disease.aliases) for disease in named.values()))
        self._short_forms = ShortForms(card.ambiguous, self._names)

    @classmethod
    def load(cls, name_or_path: str | Path) -> KnowledgeBase:
        """Load a bundled base by name, or a folder of .jsonl files, or one .jsonl file.

        Raises:
            UnknownKnowledgeBaseError: if it is neither a bundled name nor an existing path.
            InputError: if a file cannot be used, with its place and what is wrong with it.
            WrongTypeError: if it is neither a text nor a path.
        """
        location = library.locate(name_or_path)
        card = KnowledgeCard.read(location)
        diseases = (
            Disease.from_record(place, library.parse_object(place, line), card.name)
            for place, line in library.read_lines(location)
        )
        base = cls(card, diseases, str(name_or_path), partial(read_reported, location))
        if not base.diseases:
            raise InputError(f"expected {str(location)!r} to hold one disease per line, but it is empty.")
        log.debug("knowledge base %s (%d classes) from %s", base.name, len(base.diseases), location)
        return base

    @property
    def name(self) -> str:
        """The name its base.json gives, or that of the folder or file."""
        return self.card.name

    @property
    def version(self) -> str:
        """The version its base.json gives."""
        return self.card.version

    @cached_property
    def _foreign(self) -> ForeignNames:
        """Names in other languages: spelt out only when a class is not found in the base's own."""
        return ForeignNames(self.card.names)

    @cached_property
    def _subtypes(self) -> NameTable:
        """Kinds without an entry of their own, whose names are aliases."""
        return NameTable(self.name, (kind for kinds in self.card.subtypes.values() for kind in kinds.items()))

    @property
    def descriptions(self) -> tuple[Description, ...]:
        """All descriptions, disease by disease."""
        return tuple(text for disease in self.diseases.values() for text in disease.descriptions)

    @cached_property
    def checksum(self) -> str:
        """16 hex digits that change with the content and not with the order or number of files."""
        return self._checksum(with_ambiguous=True)

    def has_checksum(self, checksum: str) -> bool:
        """Whether a checksum is the base's: as it is now, or as it was before names to be asked back counted."""
        return checksum in (self.checksum, self._checksum(with_ambiguous=False))

    def _checksum(self, *, with_ambiguous: bool) -> str:
        content: list[object] = [_content(self.diseases[name]) for name in sorted(self.diseases)]
        content += [[name, *sorted(self.card.groups[name])] for name in sorted(self.card.groups)]
        card = self.card
        told = {"ambiguous": card.ambiguous, "pools": card.pools, "kinds": card.kinds, **card.names}
        told |= {f"subtypes of {name}": kinds for name, kinds in card.subtypes.items()}
        told["group aliases"] = card.group_aliases
        for what in sorted(told) if with_ambiguous else ():
            if meanings := told[what]:  # a base without any has the checksum that it had before there were any
                content.append({what: [[name, *sorted(meanings[name])] for name in sorted(meanings)]})
        return json_checksum(content)

    @cached_property
    def reported(self) -> Reports:
        """What patients report: canonical name -> sentences, in the order of the diseases; none where nothing is known.

        Raises:
            InputError: a file of the folder ``reported`` cannot be used, or speaks of what is no disease of the base.
        """
        found = self._read_reported()
        if strangers := [name for name in found if name not in self.diseases]:
            raise InputError(
                f"expected the folder 'reported' of knowledge base {self.name!r} to speak of its diseases, but "
                f"{', '.join(map(repr, strangers[:3]))} is none of its canonical names."
            )
        return {name: found[name] for name in self.diseases if name in found}

    @cached_property
    def reported_checksum(self) -> str:
        """16 hex digits that change with what patients report, as `checksum` with everything else."""
        return checksum_of(self.reported)

    def reports_for(self, classes: Sequence[str]) -> dict[str, tuple[Report, ...]]:
        """What patients report of each class, under the name as given; of a group, what they report of its members.

        Nothing for a class that is not in the base, or of which nothing is reported.

        Raises:
            AmbiguousClassError, InputError: as `find` and `reported`.
        """
        found = {}
        for class_name in classes:
            name = self._resolve(class_name)
            members = () if name is None else self.card.groups.get(name, (name,))
            found[class_name] = tuple(report for member in members for report in self.reported.get(member, ()))
        return found

    def find(self, class_name: str) -> Disease:
        """The disease that a class name means: exactly, by an alias, or in another spelling.

        A group comes back as one disease that holds the descriptions of its members.

        Raises:
            UnknownClassError: if no disease goes by that name, with the nearest names.
            AmbiguousClassError: if several do, with what it may mean.
        """
        name = self._resolve(class_name)
        if name is None:
            raise UnknownClassError(f"{self._missing(class_name)} See: zsderm kb show {shlex.quote(self.origin)}")
        return self._entry(name)

    def covered(self, class_name: str) -> str:
        """What a class name covers: its disease, or the kind of it that an alias means ("melanoma in situ").

        Both have one entry here, but a nodular melanoma is the first and not the second.

        Raises:
            UnknownClassError, AmbiguousClassError: as `find`.
        """
        entry = self.find(class_name).name
        kinds = self.card.subtypes.get(entry, {})
        class_name = class_name if self._names.resolve(class_name) else self._names.written_out(class_name)
        for text in (class_name, without_photos(class_name), split_brackets(class_name)[1]) if kinds else ():
            if (kind := self._subtypes.resolve(text)) is not None and kind in kinds:
                return kind
        return entry

    def descriptions_for(self, classes: Sequence[str]) -> dict[str, list[Description]]:
        """The descriptions of each class, under the name as given.

        A class that is not in the base, or has no descriptions there, gets an empty list and a FallbackWarning.

        Raises:
            AmbiguousClassError: if a name is an abbreviation of several diseases.
        """
        found: dict[str, list[Description]] = {}
        for class_name in classes:
            name = self._resolve(class_name)
            found[class_name] = list(self._entry(name).descriptions) if name else []
            if not found[class_name]:
                reason = (
                    f"knowledge base {self.name!r} does not describe {name!r}." if name else self._missing(class_name)
                )
                told = "The class goes without descriptions: its name alone tells it apart, which is less sure."
                warnings.warn(f"{reason} {told}", FallbackWarning, stacklevel=2)
        return found

    def languages_of(self, class_name: str) -> tuple[str, ...]:
        """The languages in which a class name is understood; empty where it is a name of the base's own language.

        Raises:
            AmbiguousClassError: as `find`.
        """
        if self._resolve_own(class_name) is not None:
            return ()
        return tuple(language for languages in self._foreign.find(class_name).values() for language in languages)

    def hint(self, class_name: str) -> str:
        """A sentence naming the names written most like this one, or an empty string."""
        return self._names.hint(class_name)

    def subset(self, keep: Callable[[Description], bool]) -> KnowledgeBase:
        """The same diseases with only the descriptions that `keep` accepts; its checksum is its own."""
        kept = (
            replace(disease, descriptions=tuple(text for text in disease.descriptions if keep(text)))
            for disease in self.diseases.values()
        )
        return KnowledgeBase(self.card, kept, self.origin, self._read_reported)

    def __len__(self) -> int:
        return sum(len(disease.descriptions) for disease in self.diseases.values())

    def __repr__(self) -> str:
        return (
            f"KnowledgeBase(name={self.name!r}, version={self.version!r}, diseases={len(self.diseases)}, "
            f"descriptions={len(self)}, checksum={self.checksum!r})"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: what the base says of itself, and its first diseases."""
        told = {disease.name: [text.text for text in disease.descriptions] for disease in self.diseases.values()}
        return base_table(f"{self.name} {self.version}", self.card.licence, told)

    def _resolve(self, class_name: str) -> str | None:
        """The canonical name; what the base's own language says or leaves open is no matter for another language.

        A whole name that any language knows comes before a short form inside of it: "MANCHA EM VINHO DO PORTO".
        """
        if (name := self._resolve_own(class_name)) is not None:
            return name
        found = {
            disease: of
            for disease, of in self._foreign.find(class_name).items()
            if self._knows(disease) and not self._short_forms.contradicts(class_name, disease)
        }
        if len(found) > 1:
            meanings = " or ".join(f"{disease!r} ({', '.join(of)})" for disease, of in found.items())
            said = f"class {class_name!r} may mean {meanings}. Write the English name of it."
            raise AmbiguousClassError(said, found)
        return next(iter(found), None) or self._short_forms.settled(class_name, self._short_forms.inside(class_name))

    def _resolve_own(self, class_name: str) -> str | None:
        plain = without_photos(class_name)
        name = next(filter(None, map(self._names.resolve, (class_name, plain))), None)
        if name is not None and not self._short_forms.contradicts(class_name, name):
            return name
        if meant := self._short_forms.settled(class_name, self._short_forms.find(class_name)):
            return meant
        name = self._names.resolve(self._names.written_out(plain))
        return None if name is None or self._short_forms.contradicts(class_name, name) else name

    def _knows(self, name: str) -> bool:
        return name in self.diseases or name in self.groups

    def _entry(self, name: str) -> Disease:
        return self.diseases.get(name) or self.groups[name]

    def _pooled(self, group: str) -> Disease:
        """A class that pools several diseases, as in data sets ("acne and rosacea")."""
        if missing := [name for name in self.card.groups[group] if name not in self.diseases]:
            raise InputError(
                f"expected the members of group {group!r} to be diseases of knowledge base {self.name!r}, "
                f"but {', '.join(map(repr, missing))} is none of its canonical names."
            )
        members = [self.diseases[name] for name in self.card.groups[group]]
        return Disease(
            name=group,
            aliases=self.card.group_aliases.get(group, ()),
            ontology=("group",),
            sites=tuple(dict.fromkeys(site for member in members for site in member.sites)),
            concepts=tuple(dict.fromkeys(concept for member in members for concept in member.concepts)),
            descriptions=tuple(text for member in members for text in member.descriptions),
        )

    def _missing(self, class_name: str) -> str:
        size = counted(len(self.diseases), "class", "classes")
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
        "descriptions": [_told(text) for text in disease.descriptions],
    }


def _told(text: Description) -> tuple[str, ...]:
    """What the checksum covers of a text; bases from before there was `shows` keep theirs."""
    derived = text.shows == shown_by(text.aspect)
    return (text.aspect, text.modality, text.text, *(() if derived else (text.shows,)))

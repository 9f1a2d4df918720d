"""A data set as a folder of numbered parts: its manifest, which parts are there, and what is said where one is not.

The manifest says what holds for all parts and cannot change while they are made; once all of them are there, it also
says how that ended. A part appears whole or not at all, so a run that was stopped goes on with those that are missing.
What is in a part is for the data set to say that has this base.

Letters: N images, n of a part.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar, Generic, TypeVar

from zsderm.errors import InputError, SettingsError
from zsderm.places import Folder, folder_at
from zsderm.stored_json import parse_json

PARQUET_MARK = re.compile(rb"zsderm.*PAR1\Z", re.DOTALL)  # of every Parquet file that is written into such a folder
_PART = re.compile(r"part-\d{6,}\.parquet")  # see `PartFolder.part_name`
_LARGEST = 64 << 20  # bytes of a manifest


class PartFacts(ABC):
    """What is said of a data set, and cannot change while it is made: the base of frozen dataclasses.

    The manifest has their fields, in their order.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]
    images: int  # N
    begun: dict[str, Any]  # the run that began it

    @property
    @abstractmethod
    def part_length(self) -> int:
        """How many images a part holds, n; the last may hold fewer."""

    @property
    def parts(self) -> int:
        """How many parts hold N images."""
        return -(-self.images // self.part_length)

    def rows(self, part: int) -> range:
        """Which images a part holds, by their places in the order of the input."""
        return range(part * self.part_length, min((part + 1) * self.part_length, self.images))


Facts = TypeVar("Facts", bound=PartFacts)
Opened = TypeVar("Opened", bound="PartFolder[Any]")


class PartFolder(ABC, Generic[Facts]):
    """A data set of parts that has been begun, and perhaps finished.

    Args:
        place: the folder: a path, or a `zsderm.places.Folder`.
        facts: what is said of it.
        finished: what is said once all parts are there; else None.

    Attributes:
        MANIFEST: the name of the manifest.
        KIND: what the manifest says first, which tells it from those of others.
        BESIDE: further files that may be there before the manifest is.
        CALLED: what the data set is called in a sentence.
        STRANGER: what to say of a manifest of something else, as a clause.
        MADE_WITH: the sentence that says which command makes such a data set, without its full stop.
        PART_OF: the words between the name of a part and that of its folder.
        MADE_AGAIN: the sentence that says how a damaged part is made again.
    """

    MANIFEST: ClassVar[str]
    KIND: ClassVar[str]
    BESIDE: ClassVar[tuple[str, ...]] = ()
    CALLED: ClassVar[str]
    STRANGER: ClassVar[str]
    MADE_WITH: ClassVar[str]
    PART_OF: ClassVar[str]
    MADE_AGAIN: ClassVar[str]

    def __init__(self, place: Any, facts: Facts, finished: Mapping[str, Any] | None = None) -> None:
        self.folder: Folder = folder_at(place)
        self.facts = facts
        self.finished = finished

    @classmethod
    def exists(cls, place: Any) -> bool:
        """Whether a data set of this kind has been begun at a place.

        Raises:
            OSError: nobody can say.
        """
        return folder_at(place).has(cls.MANIFEST)

    @classmethod
    def refuse_others(cls, place: Any) -> None:
        """Refuse a folder that holds something else than a data set of this kind, before any work is done for it.

        Raises:
            SettingsError: it does.
            OSError: it cannot be listed.
        """
        folder = folder_at(place)
        strange = [name for name in folder.names() if name not in (cls.MANIFEST, *cls.BESIDE)]
        if not strange or cls.exists(folder):
            return
        others = [name for name in strange if not _PART.fullmatch(name)]
        if not others:
            raise SettingsError(f"'{folder}' {_without(cls.MANIFEST)}, delete the folder, or choose another place.")
        raise SettingsError(
            f"expected '{folder}' to be new or empty, or a {cls.CALLED}, but it holds '{others[0]}'. "
            "Choose another place."
        )

    @classmethod
    def lacks_manifest(cls, place: Any) -> bool:
        """Whether parts are at a place, and their manifest is not, nor any other file that is not of such a data set.

        Raises:
            OSError: the folder cannot be listed.
        """
        there = False
        for name in folder_at(place).names():  # a folder of photographs is left at the first of them
            if name not in cls.BESIDE:
                if not _PART.fullmatch(name):
                    return False
                there = True
        return there

    @classmethod
    def open(cls: type[Opened], place: Any) -> Opened:
        """A data set that has been begun.

        Raises:
            InputError: there is none, or its manifest is damaged.
        """
        folder = folder_at(place)
        try:
            with folder.open(cls.MANIFEST) as stream:
                said = parse_json(stream.read(_LARGEST).decode("utf-8"))
            if not isinstance(said, dict) or said.pop("dataset", "") != cls.KIND:
                raise ValueError(cls.STRANGER)
            finished = said.pop("finished", None)
            facts = cls._checked(said, finished)
        except FileNotFoundError as error:
            reason = f"it has no '{cls.MANIFEST}'. {cls.MADE_WITH}"
            if cls.lacks_manifest(folder):
                reason = f"it {_without(cls.MANIFEST)}, or delete what is there. {cls.MADE_WITH}"
            raise InputError(f"cannot read the {cls.CALLED} '{folder}': {reason}") from error
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"cannot read the {cls.CALLED} '{folder}': {_reason(error)}. {cls.MADE_WITH}") from error
        return cls(folder, facts, finished)

    @classmethod
    def open_finished(cls: type[Opened], place: Any) -> Opened:
        """A data set in which all parts are there.

        Raises:
            InputError: there is none, or parts are missing.
        """
        found = cls.open(place)
        if found.finished is None:
            command = found.facts.begun.get("command")
            raise InputError(
                f"the {cls.CALLED} '{found.folder}' is not finished: {len(found.missing())} of {found.facts.parts} "
                f"parts are missing. Run the command again that began it{f': {command}' if command else ''}"
            )
        return found

    @classmethod
    @abstractmethod
    def _checked(cls, said: dict[str, Any], finished: Any) -> Facts:
        """The facts that a manifest says, held against what they have to be, and with them how it says that it ended.

        Raises:
            ValueError, TypeError: no data set says that.
        """

    def part_name(self, part: int) -> str:
        """The file of a part."""
        return f"part-{part:06d}.parquet"

    def missing(self) -> list[int]:
        """The parts that are not there yet, in their order.

        Raises:
            OSError: the folder cannot be listed.
        """
        there = set(self.folder.names())
        return [part for part in range(self.facts.parts) if self.part_name(part) not in there]

    def damaged(self, part: int, error: Exception) -> InputError:
        """The error that says what is wrong with a part that cannot be read."""
        where = f"'{self.part_name(part)}' {self.PART_OF} '{self.folder}'"
        return InputError(f"cannot read {where}: {_reason(error)}. {self.MADE_AGAIN}")

    def _write_manifest(self) -> None:
        mark = re.compile(rb'\A\{\s*"dataset": "' + re.escape(self.KIND.encode()) + rb'"')
        text = self._manifest_text({"dataset": self.KIND, **asdict(self.facts)})
        with self.folder.written(self.MANIFEST, mark) as draft:
            draft.write_text(text + "\n", encoding="utf-8")

    @abstractmethod
    def _manifest_text(self, said: dict[str, Any]) -> str:
        """The manifest as JSON: what is given, and then `finished`."""


def _without(manifest: str) -> str:
    """What to say of a folder with parts in it, behind its name."""
    return (
        f"has parts, but not the manifest '{manifest}', without which nobody can say what they are of. Put that file "
        "back from a copy"
    )


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")  # pyarrow's have several lines

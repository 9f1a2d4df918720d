"""The training conversations of a run, and those that are left out because of their photograph or an empty answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zsderm.asking.questions import read_conversations, rounds
from zsderm.errors import ImageError, PretrainingDataError
from zsderm.images import open_file, read_header
from zsderm.pretrain.answers.config import AnswersConfig


@dataclass(frozen=True)
class Conversation:
    """One entry of the file.

    Attributes:
        id: of the entry.
        name: of the photograph, as the file has it; empty for a conversation without one.
        image: the file of the photograph; None without one.
        rounds: questions with their answers, in order.
    """

    id: str
    name: str
    image: Path | None
    rounds: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Dropped:
    """An entry that is left out of training."""

    id: str
    image: str
    reason: str


def read_all(config: AnswersConfig, root: Path | None) -> tuple[list[Conversation], list[Dropped]]:
    """The conversations of a run, in the order of the file, without those whose photograph is missing or damaged.

    Args:
        config: names the file and the folder of photographs.
        root: the data folder; None for the folder one is in.

    Raises:
        InputError: the file holds no conversations.
        PretrainingDataError: none is left.
    """
    base = root or Path()
    file = base / config.conversations
    folder = base / config.images if config.images else file.parent
    kept: list[Conversation] = []
    dropped: list[Dropped] = []
    known: dict[Path, str] = {}
    for number, entry in enumerate(read_conversations(file), start=1):
        name, own = entry.get("image", ""), str(entry.get("id", number))
        image = folder / name if name else None
        if image is not None and image not in known:
            known[image] = _fault(image)
        turns = tuple(rounds(entry))
        reason = known[image] if image is not None else ""
        reason = reason or ("" if all(answer for _, answer in turns) else "an answer is empty")
        if reason:
            dropped.append(Dropped(own, name, reason))
        else:
            kept.append(Conversation(own, name, image, turns))
    if not kept:
        raise PretrainingDataError(
            f"none of {len(dropped)} conversations in {file} can be used for training; the first: {dropped[0].reason}. "
            f"Photographs are looked for in {folder}."
        )
    return kept, dropped


def checksum(conversations: Sequence[Conversation]) -> str:
    """16 hex digits over names of photographs, questions and answers, in their order."""
    lines = (json.dumps([one.name, one.rounds], ensure_ascii=False) for one in conversations)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _fault(image: Path) -> str:
    """Why a photograph cannot be opened, from its header; empty if it can."""
    try:
        with open_file(image) as stream:
            read_header(stream)
    except ImageError as error:
        return str(error)
    return ""

"""Questions about photographs, from a table, from conversations, or the same questions for all images."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zsderm.errors import InputError
from zsderm.image_table import image_column, known_column
from zsderm.modalities import modality_of
from zsderm.stored_json import read_json_file
from zsderm.table_files import read_cells

OPEN, CLOSED, CHOICE = FORMS = ("open", "closed", "choice")
IMAGE_TOKEN = "<image>"  # where the photograph stands in a conversation
_ASKS_YES_OR_NO = re.compile(
    r"(is|are|was|were|does|do|did|has|have|had|can|could|will|would|should|may|might)\b", re.IGNORECASE
)
_EXPECTED = "a list of {'id', 'image', 'conversations': [{'from': 'human', 'value'}, {'from': 'gpt', 'value'}]}"


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        id: of the row.
        image: name or path of the photograph; empty for none.
        text: what is asked.
        answer: the right answer; None if the file has no answers.
        kind: the subject, such as morphology or colour; empty if not stated.
        form: "open", "closed" (yes or no) or "choice" (one of the options).
        modality: of the photograph, such as "dermoscopic"; empty if not stated.
        options: of a multiple-choice question.
    """

    id: str
    image: str
    text: str
    answer: str | None = None
    kind: str = ""
    form: str = OPEN
    modality: str = ""
    options: tuple[str, ...] = ()


def of_all_images(images: Sequence[str], questions: Sequence[str]) -> list[Question]:
    """Every question for every image, in the order of the images; the ids count from 1."""
    pairs = [(image, " ".join(text.split())) for image in images for text in questions]
    return [Question(str(n), image, text, form=form_of(text)) for n, (image, text) in enumerate(pairs, start=1)]


def form_of(text: str, options: Sequence[str] = ()) -> str:
    """The form of a question whose form is not stated, from its first word and its options.

    >>> form_of("Is there scale?"), form_of("What colour is it?"), form_of("Which one?", ["scale", "crust"])
    ('closed', 'open', 'choice')
    """
    if options:
        return CHOICE
    return CLOSED if _ASKS_YES_OR_NO.match(text.strip()) else OPEN


def read_questions(path: Path, column: str | None = None) -> list[Question]:
    """The questions in a file: a table (.csv, .tsv, .jsonl, .parquet), or conversations in the format of LLaVA (.json).

    A table has a column "question" and one that names images; id, answer, kind, form, modality and options may be
    there. Options stand in one cell, as a JSON list or with ";" or "|" between them.

    Args:
        path: the file.
        column: the column that names the images; None: image, filename or another usual name.

    Raises:
        InputError: it cannot be read, lacks one of these columns, or holds a question without words, or an id twice.
    """
    found = _of_conversations(path) if path.suffix.lower() == ".json" else _of_table(path, column)
    if not found:
        raise InputError(f"expected questions in {path}, but it holds none.")
    if empty := next((question for question in found if not question.text), None):
        raise InputError(f"expected a question in every row of {path}, but the row with the id {empty.id} has none.")
    ids = [question.id for question in found]
    if len(set(ids)) < len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise InputError(f"expected every id of {path} once, but {twice!r} occurs twice.")
    return found


def rounds(entry: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The questions and answers of a conversation, without the image token.

    Raises:
        ValueError: it is no conversation of a human and a model in turn.
    """
    turns = entry["conversations"]
    speakers = [turn["from"] for turn in turns]
    if not turns or speakers != ["human", "gpt"] * (len(turns) // 2):
        raise ValueError("its turns do not alternate between human and gpt")
    texts = [turn["value"] for turn in turns]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("a value is not a text")
    plain = [text.replace(IMAGE_TOKEN, " ").strip() for text in texts]
    return list(zip(plain[::2], plain[1::2], strict=True))


def read_conversations(path: Path) -> list[Mapping[str, Any]]:
    """The entries of a file of conversations in the format of LLaVA; every entry is checked.

    Raises:
        InputError: it is no such file; the message names the first entry that is wrong.
    """
    try:
        content = read_json_file(path)
    except (OSError, ValueError) as error:
        raise InputError(
            f"expected conversations in {path}, {_EXPECTED}, but the file cannot be read: {error}"
        ) from error
    if not isinstance(content, list) or not content:
        raise InputError(f"expected conversations in {path}: {_EXPECTED}.")
    for number, entry in enumerate(content, start=1):
        try:
            if not isinstance(entry.get("image", ""), str):
                raise ValueError("its image is not a file name")
            rounds(entry)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
            raise InputError(f"expected conversations in {path}: {_EXPECTED}; entry {number}: {reason}.") from error
    return content


def _of_conversations(path: Path) -> list[Question]:
    found = []
    for number, entry in enumerate(read_conversations(path), start=1):
        own, image = str(entry.get("id", number)), entry.get("image", "")
        modality, kind = (str(entry.get(name) or "") for name in ("modality", "kind"))
        options = entry.get("options", ())
        choices = tuple(map(str, options)) if isinstance(options, list) else _options(str(options or ""))
        for turn, (text, answer) in enumerate(rounds(entry), start=1):
            name, listed = (own, choices) if turn == 1 else (f"{own}.{turn}", ())
            said = entry.get("form") if turn == 1 else None
            form = said if said in FORMS and (said != CHOICE or len(listed) > 1) else form_of(text, listed)
            found.append(Question(name, image, text, answer, kind, str(form), modality, listed))
    return found


def _of_table(path: Path, column: str | None) -> list[Question]:
    cells = read_cells(path)
    images = image_column(cells.columns) if column is None else column
    asked = known_column(cells.columns, ("question",))
    if images not in cells.columns or not asked:
        raise InputError(
            f"expected the columns image and question in {path}, but its columns are: {', '.join(cells) or 'none'}."
        )
    names = ("id", "answer", "kind", "form", "modality", "options")
    known = {name: known_column(cells.columns, (name,)) for name in names}
    return list(_rows(cells.to_dict(orient="records"), images, asked, known, path))


def _rows(
    rows: Sequence[Mapping[Any, str]], images: str, asked: str, known: Mapping[str, str], path: Path
) -> Iterator[Question]:
    for number, row in enumerate(rows, start=1):  # the first row of a file is its header
        said = {name: row[column].strip() if column else "" for name, column in known.items()}
        text, options = " ".join(row[asked].split()), _options(said["options"])
        form = said["form"].casefold() or form_of(text, options)
        if form not in FORMS or (form == CHOICE and len(options) < 2):
            wrong = f"the form {form!r}" if form not in FORMS else "a choice of fewer than two options"
            raise InputError(f"expected the forms {', '.join(FORMS)} in {path}, but row {number + 1} has {wrong}.")
        yield Question(
            id=said["id"] or str(number),
            image=row[images].strip(),
            text=text,
            answer=said["answer"] if known["answer"] else None,
            kind=said["kind"],
            form=form,
            modality=modality_of(said["modality"]) or said["modality"],
            options=options,
        )


def _options(cell: str) -> tuple[str, ...]:
    if cell.startswith("["):
        try:
            return tuple(str(option).strip() for option in json.loads(cell))
        except (ValueError, RecursionError):
            pass  # brackets of an option
    return tuple(option.strip() for option in re.split(r"[;|]", cell) if option.strip())

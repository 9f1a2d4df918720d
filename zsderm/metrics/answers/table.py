"""Tables of questions and answers: one row for each question."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from zsderm.errors import InputError
from zsderm.image_table import IMAGE_COLUMNS, known_column
from zsderm.metrics.answers.replies import NO, YES
from zsderm.table_files import read_cells

OPEN, CLOSED, CHOICE = FORMS = ("open", "closed", "choice")
_PREDICTIONS = ("prediction", "predicted", "model_answer", "response", "reply", "output")
_REFERENCES = ("answer", "reference", "ground_truth")


@dataclass(frozen=True)
class AnsweredQuestion:
    """One question with the right answer and the answer of a model.

    Attributes:
        id: of the question.
        image: the picture it is about.
        question: its words.
        answer: the right answer.
        prediction: the answer of the model; empty if there is none.
        kind: the subject ("disease", "site", ...); may be empty.
        form: open, closed (yes or no) or choice.
        modality: of the picture; may be empty.
        options: of a choice.
    """

    id: str
    image: str
    question: str
    answer: str
    prediction: str = ""
    kind: str = ""
    form: str = OPEN
    modality: str = ""
    options: tuple[str, ...] = ()


def read_answers(path: Path, *, answered: bool = True) -> list[AnsweredQuestion]:
    """Read a table of answers (.csv, .jsonl or .parquet).

    It needs columns for the image, the question, the right answer and the prediction. id, kind, form, modality and
    options (a JSON list, or texts with | or ; between them) may be missing: without a form, a bare yes or no is
    closed, what has options is a choice, and everything else is open.

    Args:
        path: the table.
        answered: whether the table must have predictions.

    Raises:
        InputError: the file cannot be read, lacks a column, has no row, names a question twice or knows another form.
    """
    frame = read_cells(path)
    names = list(map(str, frame.columns))
    columns = {
        "image": known_column(names, IMAGE_COLUMNS),
        "question": known_column(names, ("question",)),
        "answer": known_column(names, _REFERENCES),
    }
    predicted = known_column(names, _PREDICTIONS)
    if answered:
        columns["prediction"] = predicted
    if missing := [name for name, column in columns.items() if not column]:
        raise InputError(
            f"expected the columns image, question, answer{' and prediction' if answered else ''} in {path}, but "
            f"{missing[0]} is missing. Its columns are: {', '.join(names)}. Rename or add the column."
        )
    if frame.empty:
        raise InputError(f"expected questions in {path}, but it has no rows")
    optional = {name: known_column(names, (name,)) for name in ("id", "kind", "form", "modality", "options")}
    cells = {name: _column(frame, column) for name, column in {**columns, **optional}.items()}
    cells.setdefault("prediction", _column(frame, predicted))
    rows = [_row(path, number, {name: texts[number] for name, texts in cells.items()}) for number in range(len(frame))]
    seen: set[str] = set()
    for row in rows:
        if row.id in seen:
            raise InputError(f"expected every question of {path} once, but the id {row.id!r} occurs twice")
        seen.add(row.id)
    return rows


def _column(frame: pd.DataFrame, column: str) -> list[str]:
    return [str(cell).strip() for cell in frame[column]] if column else [""] * len(frame)


def _row(path: Path, number: int, cells: dict[str, str]) -> AnsweredQuestion:
    options = options_of(cells["options"])
    form = cells["form"].lower() or _guessed_form(cells["answer"], options)
    if form not in FORMS:
        raise InputError(
            f"expected the form of a question to be {', '.join(FORMS)}, but row {number + 2} of {path} has {form!r}"
        )
    if form == CLOSED and cells["answer"].strip(" .").lower() not in (YES, NO):
        raise InputError(
            f"expected yes or no as the answer of a closed question, but row {number + 2} of {path} has "
            f"{cells['answer']!r:.80}. Set its form to open."
        )
    if form == CHOICE and cells["answer"] not in options:
        raise InputError(
            f"expected the answer of a choice among its options, but row {number + 2} of {path} has "
            f"{cells['answer']!r:.80}. Its options: {', '.join(options) or 'none'}."
        )
    answer = cells["answer"].strip(" .").lower() if form == CLOSED else cells["answer"]
    return AnsweredQuestion(
        id=cells["id"] or str(number + 1),
        image=cells["image"],
        question=cells["question"],
        answer=answer,
        prediction=cells["prediction"],
        kind=cells["kind"],
        form=form,
        modality=cells["modality"],
        options=options,
    )


def options_of(cell: str) -> tuple[str, ...]:
    """The options in a cell: a JSON list of texts, or texts with | or else ; between them.

    >>> options_of('["scale", "crust"]'), options_of("scale | crust"), options_of("scale; crust"), options_of("")
    (('scale', 'crust'), ('scale', 'crust'), ('scale', 'crust'), ())
    """
    if cell.startswith("["):
        try:
            found = json.loads(cell)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, list) and all(isinstance(one, str) for one in found):
            return tuple(found)
    return tuple(part for text in cell.split("|" if "|" in cell else ";") if (part := text.strip()))


def _guessed_form(answer: str, options: Sequence[str]) -> str:
    if options:
        return CHOICE
    return CLOSED if answer.strip(" .").lower() in (YES, NO) else OPEN

"""Generates the questions for a table of pairs, and writes them as a table and as conversations."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from zsderm.atomic_files import atomic_file, refuse_others
from zsderm.csv_files import csv_file, header_mark
from zsderm.errors import AnswerError, InputError
from zsderm.manifest_files import run_facts, versions, write_manifest
from zsderm.metrics.answers import CHOICE, CLOSED, AnsweredQuestion, Guess, cross_fitted
from zsderm.metrics.answers.normal_form import same
from zsderm.pretrain.questions import question as q
from zsderm.pretrain.questions.balance import balanced, with_options
from zsderm.pretrain.questions.conversations import conversation
from zsderm.pretrain.questions.facts import FactReader, Facts
from zsderm.pretrain.questions.grounding import Grounding
from zsderm.pretrain.questions.question import Asked, Dropped, Pair, Question

QUESTIONS, CONVERSATIONS, DROPPED = "questions.csv", "conversations.json", "dropped.csv"
COLUMNS = (
    *("id", "image", "question", "answer", "kind", "form", "modality", "options"),
    *("text_only", "text_only_probability", "caption", "source", "page", "figure"),
)
DROPPED_COLUMNS = ("row", "image", "kind", "form", "question", "reason", "detail")
_MARK = header_mark(COLUMNS)
_TALKS_MARK = re.compile(rb'\A\[\s*(?:\{\s*"id": "|\])')
_DROPPED_MARK = header_mark(DROPPED_COLUMNS)


class Engine(Protocol):
    """Generates questions about pictures; several threads may call it at once."""

    def ask(self, pair: Pair, facts: Facts) -> Asked:
        """The questions on one pair."""
        ...


@dataclass
class Summary:
    """Counts of the questions that were generated from a table."""

    pairs: int
    questions: Counter[tuple[str, str]] = field(default_factory=Counter)  # by kind and form
    yes: int = 0
    text_only: Counter[str] = field(default_factory=Counter)  # by form, of those that are marked
    guessed: Counter[str] = field(default_factory=Counter)  # by form, those that the text-only model gets right
    dropped: Counter[str] = field(default_factory=Counter)  # by reason

    def forms(self) -> Counter[str]:
        """How many questions there are of each form."""
        found: Counter[str] = Counter()
        for (_, form), count in self.questions.items():
            found[form] += count
        return found

    def to_dict(self) -> dict[str, object]:
        """Ready for JSON."""
        forms = self.forms()
        return {
            "pairs": self.pairs,
            "questions": sum(forms.values()),
            "by_kind_and_form": {f"{kind}, {form}": count for (kind, form), count in sorted(self.questions.items())},
            "yes_share": self.yes / forms[CLOSED] if forms[CLOSED] else None,
            "text_only": {form: self.text_only[form] for form in sorted(forms)},
            "text_only_right": {form: self.guessed[form] for form in sorted(forms)},
            "dropped": dict(self.dropped.most_common()),
        }


def ask_all(
    pairs: Sequence[Pair],
    facts: Sequence[Facts],
    engine: Engine,
    grounding: Grounding,
    *,
    seed: int = 0,
    kinds: Collection[str] = q.KINDS,
    workers: int = 1,
    advance: Callable[[float], object] = float,
) -> tuple[list[Question], list[Dropped]]:
    """Generate, check and balance the questions on all pairs.

    Args:
        pairs: N.
        facts: of each.
        engine: generates the questions.
        grounding: checks every question against the caption.
        seed: of all random choices.
        kinds: of questions to keep.
        workers: number of pairs that are processed at the same time.
        advance: called with 1 after each pair.

    Raises:
        InputError: the endpoint of the engine does not answer.
    """
    ready: list[Question] = []
    closed: list[Question] = []
    choices = []
    dropped: list[Dropped] = []
    for (pair, known), asked in zip(
        zip(pairs, facts, strict=True), _answers(pairs, facts, engine, workers), strict=True
    ):
        dropped += asked.dropped
        choices += [choice for choice in asked.choices if choice.question.kind in kinds]
        for question in asked.questions:
            if question.kind not in kinds:
                continue
            reason, detail = grounding.flaw(question, known)
            if reason:
                dropped.append(Dropped(pair, question.kind, question.form, question.text, reason, detail))
            else:
                (closed if question.form == CLOSED else ready).append(question)
        advance(1)
    rng = random.Random(seed)
    even, alone = balanced(closed, rng)
    offered, few = with_options(choices, rng)
    told = {id(pair): known for pair, known in zip(pairs, facts, strict=True)}
    for question in offered:
        reason, detail = grounding.flaw(question, told[id(question.pair)])
        if reason:
            few.append(Dropped(question.pair, question.kind, question.form, question.text, reason, detail))
        else:
            ready.append(question)
    order = {id(pair): place for place, pair in enumerate(pairs)}
    questions = sorted(
        (*ready, *even), key=lambda one: (order[id(one.pair)], q.KINDS.index(one.kind), one.form != "open")
    )
    return questions, [*dropped, *alone, *few]


def _answers(pairs: Sequence[Pair], facts: Sequence[Facts], engine: Engine, workers: int) -> Iterator[Asked]:
    if workers == 1:
        yield from (_answer(engine, pair, known) for pair, known in zip(pairs, facts, strict=True))
        return
    pool = ThreadPoolExecutor(workers)
    try:
        yield from pool.map(lambda given: _answer(engine, *given), zip(pairs, facts, strict=True))
    finally:
        pool.shutdown(cancel_futures=True)


def _answer(engine: Engine, pair: Pair, facts: Facts) -> Asked:
    try:
        return engine.ask(pair, facts)
    except AnswerError as error:
        return Asked(dropped=(Dropped(pair, "", "", "", "the answer of the model cannot be used", str(error)),))


def read_facts(pairs: Sequence[Pair], reader: FactReader) -> list[Facts]:
    """The facts of all pairs; the same caption with the same fields is read once."""
    known: dict[tuple[str, str, str, str], Facts] = {}
    found = []
    for pair in pairs:
        key = (pair.caption, pair.modality, pair.disease, pair.site)
        if key not in known:
            known[key] = reader.read(pair)
        found.append(known[key])
    return found


def marks(questions: Sequence[Question], names: Sequence[str], seed: int = 0) -> list[Guess | None]:
    """The guess of the text-only model for each question; None for all if there is only one picture."""
    rows = [_asked(name, one) for name, one in zip(names, questions, strict=True)]
    try:
        return list(cross_fitted(rows, np.random.default_rng(seed))) if rows else []
    except InputError:
        return [None] * len(rows)


def write_questions(
    questions: Sequence[Question],
    dropped: Sequence[Dropped],
    output: Path,
    *,
    pairs: int,
    seed: int = 0,
    command: str | None = None,
    settings: dict[str, object] | None = None,
) -> Summary:
    """Write questions.csv, conversations.json, dropped.csv and a manifest; each appears whole or not at all.

    Args:
        questions: in their order.
        dropped: what was not asked.
        output: the folder.
        pairs: how many there were.
        seed: of the folds of the text-only model.
        command: the command line, for the manifest.
        settings: for the manifest.

    Raises:
        SettingsError: the place cannot be written, or holds files of somebody else.
    """
    refuse_foreign(output)
    names = _names(questions)
    guesses = marks(questions, names, seed)
    with csv_file(output / QUESTIONS, COLUMNS, mark=_MARK) as writer:
        for name, question, guess in zip(names, questions, guesses, strict=True):
            writer.write(_row(name, question, guess))
    talks = [conversation(name, question) for name, question in zip(names, questions, strict=True)]
    summary = _counted(questions, dropped, guesses, pairs)
    with csv_file(output / DROPPED, DROPPED_COLUMNS, mark=_DROPPED_MARK) as writer:
        writer.write_all(
            {
                "row": one.pair.row,
                "image": one.pair.image,
                "kind": one.kind,
                "form": one.form,
                "question": one.text,
                "reason": one.reason,
                "detail": one.detail,
            }
            for one in dropped
        )
    with atomic_file(output / CONVERSATIONS, mark=_TALKS_MARK) as draft:
        draft.write_text(json.dumps(talks, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    facts = {
        **(settings or {}),
        "seed": seed,
        "counts": summary.to_dict(),
        "versions": versions(),
        **run_facts(command),
    }
    write_manifest(output / QUESTIONS, facts)
    return summary


def summary_of(questions: Sequence[Question], dropped: Sequence[Dropped], pairs: int, seed: int = 0) -> Summary:
    """Count questions without writing them.

    Args:
        questions: in their order.
        dropped: what was not asked.
        pairs: how many there were.
        seed: of the folds of the text-only model.
    """
    return _counted(questions, dropped, marks(questions, _names(questions), seed), pairs)


def _counted(
    questions: Sequence[Question], dropped: Sequence[Dropped], guesses: Sequence[Guess | None], pairs: int
) -> Summary:
    summary = Summary(pairs, dropped=Counter(one.reason for one in dropped))
    for question, guess in zip(questions, guesses, strict=True):
        summary.questions[question.kind, question.form] += 1
        summary.yes += question.answer == q.YES and question.form == CLOSED
        if guess is not None:
            summary.text_only[question.form] += guess.gives_away(_asked("", question))
            summary.guessed[question.form] += same(guess.answer, question.answer)
    return summary


def refuse_foreign(output: Path) -> None:
    """Refuse a folder in which files of these names are not ours.

    Raises:
        SettingsError: a file is there that zsderm did not write.
    """
    refuse_others(output / QUESTIONS, _MARK)
    refuse_others(output / DROPPED, _DROPPED_MARK)
    refuse_others(output / CONVERSATIONS, _TALKS_MARK)


def _row(name: str, question: Question, guess: Guess | None) -> dict[str, object]:
    pair = question.pair
    return {
        "id": name,
        "image": pair.image,
        "question": question.text,
        "answer": question.answer,
        "kind": question.kind,
        "form": question.form,
        "modality": pair.modality,
        "options": json.dumps(question.options, ensure_ascii=False) if question.form == CHOICE else "",
        "text_only": "" if guess is None else q.YES if guess.gives_away(_asked(name, question)) else q.NO,
        "text_only_probability": "" if guess is None else round(guess.probability, 3),
        "caption": pair.caption,
        **{key: pair.more.get(key, "") for key in ("source", "page", "figure")},
    }


def _asked(name: str, one: Question) -> AnsweredQuestion:
    pair = one.pair
    return AnsweredQuestion(name, pair.image, one.text, one.answer, "", one.kind, one.form, pair.modality, one.options)


def _names(questions: Sequence[Question]) -> list[str]:
    """An id for each question that depends on its picture and its words only, so that it lives on in a larger table."""
    found: list[str] = []
    seen: Counter[str] = Counter()
    for one in questions:
        told = "\n".join((one.pair.image, one.kind, one.form, one.text, one.answer, *one.options))
        name = hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return found

"""A picture with its caption, and the questions about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DISEASE, MORPHOLOGY, COLOUR, NUMBER, SITE, MODALITY = KINDS = (
    *("disease", "morphology", "colour", "number", "site", "modality"),
)
YES, NO = "yes", "no"


@dataclass(frozen=True)
class Pair:
    """A picture and what is written about it.

    Attributes:
        row: of the table, as a spreadsheet counts.
        image: name of the file, relative to the output.
        caption: as it stands in the table.
        modality: one of `zsderm.modalities.MODALITIES`; empty where it is not known.
        disease: what a column of the table states; empty without one.
        site: likewise.
        more: what else goes along into the table of questions.
    """

    row: int
    image: str
    caption: str
    modality: str = ""
    disease: str = ""
    site: str = ""
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """One question and what is right.

    Attributes:
        pair: what it is about.
        kind: one of `KINDS`.
        form: one of `FORMS`.
        term: what is asked for, by a name that all questions for it share; closed ones are balanced by it.
        text: the words.
        answer: what is right.
        options: of a choice.
    """

    pair: Pair
    kind: str
    form: str
    term: str
    text: str
    answer: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice:
    """A question with several options, before they are chosen.

    Attributes:
        question: with the right answer and no options.
        wrong: what may stand beside it: term -> its words.
    """

    question: Question
    wrong: Mapping[str, str]


@dataclass(frozen=True)
class Dropped:
    """What was not asked, and why."""

    pair: Pair
    kind: str
    form: str
    text: str
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Asked:
    """What an engine makes of one pair: questions that are ready, choices that want options, and what was dropped.

    Closed ones among the questions are candidates: see `zsderm.pretrain.questions.balance`.
    """

    questions: tuple[Question, ...] = ()
    choices: tuple[Choice, ...] = ()
    dropped: tuple[Dropped, ...] = ()

"""The prompt for a question."""

from __future__ import annotations

from string import ascii_uppercase

from zsderm.asking.questions import CHOICE, CLOSED, Question

NO_ANSWER = "no answer"  # what stands in the place of an answer that a model does not give
YES_OR_NO = "Answer with yes or no."
ONE_OF = "Answer with one of the options and nothing else."


def phrased(question: Question, plain: bool = False) -> str:
    """The text of a question, with an instruction on the form of the answer.

    Args:
        question: the question.
        plain: omit the instruction, for models that were trained on plain questions. The options of a multiple-choice
            question are added in any case, unless the text already contains them.

    >>> phrased(Question("1", "a.jpg", "Is there scale?", form="closed"))
    'Is there scale?\\nAnswer with yes or no.'
    """
    if question.form == CLOSED and not plain:
        return f"{question.text}\n{YES_OR_NO}"
    if question.form != CHOICE:
        return question.text
    if all(option.casefold() in question.text.casefold() for option in question.options):
        listed: list[str] = []
    else:
        listed = [f"{_letter(place)}. {option}" for place, option in enumerate(question.options)]
    return "\n".join([question.text, *([] if plain else [ONE_OF]), *listed])


def _letter(place: int) -> str:
    return ascii_uppercase[place] if place < len(ascii_uppercase) else str(place + 1)

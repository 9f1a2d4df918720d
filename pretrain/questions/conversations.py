"""Questions in the training format of LLaVA and similar models: a list of conversations about pictures.

Each question is a conversation of its own: in one that goes on, "Is this psoriasis?" would answer what comes next.
"""

from __future__ import annotations

from zsderm.metrics.answers import CHOICE, CLOSED
from zsderm.pretrain.questions.question import Question

IMAGE = "<image>"  # stands where the picture goes


def conversation(name: str, question: Question) -> dict[str, object]:
    """One entry of the JSON: id, image, and two turns.

    Args:
        name: id of the question.
        question: its options are put below its words, with letters.
    """
    asked = prompt(question.text, question.options if question.form == CHOICE else ())
    if question.form == CLOSED:
        asked += " Answer yes or no."
    # A caption may hold the word itself; a second one would ask for a second picture.
    asked, answer = (text.replace(IMAGE, "image") for text in (asked, question.answer))
    turns = [{"from": "human", "value": f"{IMAGE}\n{asked}"}, {"from": "gpt", "value": answer}]
    return {"id": name, "image": question.pair.image, "conversations": turns}


def prompt(text: str, options: tuple[str, ...] = ()) -> str:
    """A question with its options below it.

    >>> prompt("What can be seen?", ("scale", "crusts")).splitlines()
    ['What can be seen?', 'A. scale', 'B. crusts', 'Answer with one of these.']
    """
    if not options:
        return text
    lines = [f"{chr(ord('A') + number)}. {option}" for number, option in enumerate(options)]
    return "\n".join([text, *lines, "Answer with one of these."])

"""Questions in the training format of LLaVA and similar models: a list of conversations about pictures.

Each question is a conversation of its own: in one that goes on, "Is this psoriasis?" would answer what comes next.
"""

from __future__ import annotations

from zsderm.asking.phrasing import phrased
from zsderm.asking.questions import IMAGE_TOKEN
from zsderm.asking.questions import Question as Prompted
from zsderm.pretrain.questions.question import Question


def conversation(name: str, question: Question) -> dict[str, object]:
    """One entry of the JSON: id, image, and two turns.

    Args:
        name: id of the question.
        question: is put in the words in which `zsderm ask` will put it to the trained model.
    """
    asked = phrased(Prompted(name, question.pair.image, question.text, form=question.form, options=question.options))
    # A caption may hold the word itself; a second one would ask for a second picture.
    asked, answer = (text.replace(IMAGE_TOKEN, "image") for text in (asked, question.answer))
    turns = [{"from": "human", "value": f"{IMAGE_TOKEN}\n{asked}"}, {"from": "gpt", "value": answer}]
    return {"id": name, "image": question.pair.image, "conversations": turns}

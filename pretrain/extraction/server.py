"""The engine that asks a language model, and believes nothing of its answer that the caption does not say."""

from __future__ import annotations

import json

from zsderm.language_model import Answers, Ask, json_object
from zsderm.pretrain.data.captions import SUB_CAPTIONS
from zsderm.pretrain.extraction.answer import NO_DISEASE, Answer, Rejection
from zsderm.pretrain.extraction.checks import Checks
from zsderm.pretrain.extraction.reading import CaptionReader

KEYS = ("disease", "concepts", "sub_captions")
ATTEMPTS = 2  # a model that gets the form wrong is told so, once

SYSTEM = (
    "You take apart captions of skin images. You use only what the caption says, you never add, guess or interpret. "
    "What the caption denies, doubts or tells of the past you leave out. You answer with JSON only."
)
REQUEST = (
    "Caption: {caption}\n\n"
    'Answer with an object of three keys. "disease": the standard name of the disease that the caption states, or '
    '"{none}". "concepts": what the caption says can be seen, in words of this list only: {concepts}. "sub_captions": '
    "the caption cut into at most {most} short sentences, each in words of the caption.\n"
    'Form: {{"disease": "...", "concepts": ["..."], "sub_captions": ["..."]}}'
)
AGAIN = "\n\nYour last answer could not be used: {flaw}. Answer with that object and nothing else."


class ServerEngine:
    """Takes a caption apart with a language model.

    Args:
        reader: finds what the caption names, to check the answers.
        ask: sends one request.
        answers: keeps the answers that can be used, so that nothing is asked twice and a run that was killed goes on.
    """

    def __init__(self, reader: CaptionReader, ask: Ask, answers: Answers) -> None:
        self.reader = reader
        self.checks = Checks(reader)
        self.ask = ask
        self.answers = answers

    def request(self, caption: str, flaw: str = "") -> str:
        """What is asked for one caption.

        Args:
            caption: goes in as a JSON string, so that no line break of it looks like a part of the request.
            flaw: what was wrong with the last answer.
        """
        text = REQUEST.format(
            caption=json.dumps(caption, ensure_ascii=False),
            none=NO_DISEASE,
            concepts=", ".join(self.reader.terms.names),
            most=SUB_CAPTIONS,
        )
        return text + AGAIN.format(flaw=flaw) if flaw else text

    def extract(self, caption: str) -> Answer:
        """What one caption says.

        Raises:
            AnswerError: this caption has no answer that can be used.
            InputError: the endpoint does not answer.
        """
        rejected: list[Rejection] = []
        flaw = ""
        for _ in range(ATTEMPTS):
            reply = self.answers.get(self.ask, SYSTEM, self.request(caption, flaw), lambda given: parse(given)[3])
            disease, concepts, texts, flaw = parse(reply)
            if not flaw:
                reading = self.reader.read(caption)
                name, no_disease = self.checks.disease(disease, reading)
                kept, no_concepts = self.checks.concepts(concepts, reading)
                pieces, no_pieces = self.checks.sub_captions(texts, reading)
                return Answer(name, kept, pieces, (*rejected, *no_disease, *no_concepts, *no_pieces))
            rejected.append(Rejection("reply", reply[:80], "it has not the form that was asked for", flaw))
        return Answer(rejected=tuple(rejected))


def parse(reply: str) -> tuple[str, list[str], list[str], str]:
    """Disease, concepts and sub-captions of a reply, and what is wrong with it if it is not what was asked for.

    >>> parse('{"disease": "melanoma", "concepts": ["scale"], "sub_captions": []}')
    ('melanoma', ['scale'], [], '')
    """
    found = json_object(reply, *KEYS)
    if found is None:
        return "", [], [], "it is no JSON object"
    if set(found) != set(KEYS):
        return "", [], [], f"its keys are {', '.join(sorted(found))[:80] or 'none'}"
    disease, concepts, texts = found["disease"], found["concepts"], found["sub_captions"]
    if not isinstance(disease, str):
        return "", [], [], "disease is not a text"
    for key, value in (("concepts", concepts), ("sub_captions", texts)):
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            return "", [], [], f"{key} is not a list of texts"
    return disease, list(map(str, concepts)), list(map(str, texts)), ""  # type: ignore[call-overload]

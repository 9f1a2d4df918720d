"""The engine that asks a language model for questions, and keeps only those that the caption supports."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from zsderm.language_model import Answers, Ask, json_object
from zsderm.metrics.answers import CLOSED, FORMS
from zsderm.pretrain.questions import question as q
from zsderm.pretrain.questions.facts import Facts
from zsderm.pretrain.questions.grounding import Grounding
from zsderm.pretrain.questions.question import Asked, Dropped, Pair, Question
from zsderm.pretrain.questions.rules import RuleQuestions
from zsderm.pretrain.questions.verdicts import Verdicts

ATTEMPTS = 2  # a model that gets the form wrong is told so, once
MOST = 12  # questions of one reply that are read

SYSTEM = (
    "You write questions on skin pictures, with their answers, from captions. You use only what the caption says; you "
    "never add, guess or interpret. You answer with JSON only."
)
REQUEST = (
    "Caption: {caption}\nFields: {fields}\n\n"
    'Write up to {most} questions that somebody who sees the picture can answer. "kind": one of {kinds}. "form": '
    '"open", "closed" or "choice". "answer": in words of the caption; "yes" or "no" for a closed question; one of the '
    '"options" for a choice of four. '
    "Name no diagnosis in a question of another kind than disease. Ask for no size, age, "
    "symptom or course. A closed question asks for one thing.\n"
    'Form: {{"questions": [{{"kind": "...", "form": "...", "question": "...", "answer": "...", "options": []}}]}}'
)
AGAIN = "\n\nYour last answer could not be used: {flaw}. Answer with that object and nothing else."
REFUSED = "the model did not reply in the requested format"


@dataclass(frozen=True)
class ServerQuestions:
    """Asks a language model for questions, and checks each of them against the caption.

    Attributes:
        verdicts: finds the term that a question asks about.
        grounding: accepts or rejects questions.
        rules: generates closed questions with which those of the model are balanced.
        ask_model: sends one request.
        answers: saves usable replies, so that no request is repeated and an interrupted run continues.
    """

    verdicts: Verdicts
    grounding: Grounding
    rules: RuleQuestions
    ask_model: Ask
    answers: Answers

    def request(self, pair: Pair, flaw: str = "") -> str:
        """The request for one pair; the caption is included as JSON, so that no line looks like an instruction."""
        fields = {name: value for name in ("modality", "disease", "site") if (value := getattr(pair, name))}
        text = REQUEST.format(
            caption=json.dumps(pair.caption, ensure_ascii=False),
            fields=json.dumps(fields, ensure_ascii=False),
            most=MOST,
            kinds=", ".join(q.KINDS),
        )
        return text + AGAIN.format(flaw=flaw) if flaw else text

    def ask(self, pair: Pair, facts: Facts) -> Asked:
        """The accepted questions of the model, closed questions of the rules, and the questions that were dropped.

        Raises:
            AnswerError: there is no usable reply for this pair.
            InputError: the endpoint does not answer.
        """
        flaw, reply = "", ""
        for _ in range(ATTEMPTS):
            reply = self.answers.get(self.ask_model, SYSTEM, self.request(pair, flaw), lambda given: parse(given)[1])
            items, flaw = parse(reply)
            if not flaw:
                return self._checked(pair, facts, items)
        return Asked(dropped=(Dropped(pair, "", "", reply[:80], REFUSED, flaw),))

    def _checked(self, pair: Pair, facts: Facts, items: list[dict[str, Any]]) -> Asked:
        kept: list[Question] = []
        dropped: list[Dropped] = []
        for number, item in enumerate(items):
            question = self._question(pair, item)
            twice = any(" ".join(question.text.lower().split()) == " ".join(one.text.lower().split()) for one in kept)
            reason, detail = self.grounding.flaw(question, facts)
            if number >= MOST:
                reason, detail = f"the reply has more than {MOST} questions", ""
            elif twice and not reason:
                reason, detail = "the reply asks it twice", ""
            if reason:
                dropped.append(Dropped(pair, question.kind, question.form, question.text, reason, detail))
            else:
                kept.append(question)
        closed = {(one.kind, one.term) for one in kept if one.form == CLOSED}
        own = self.rules.ask(pair, facts).questions
        more = [one for one in own if one.form == CLOSED and (one.kind, one.term) not in closed]
        return Asked((*kept, *more), (), tuple(dropped))

    def _question(self, pair: Pair, item: dict[str, Any]) -> Question:
        kind, form = (str(item[key]).strip().lower() for key in ("kind", "form"))
        answer = str(item["answer"]).strip()
        text = str(item["question"]).strip()
        if form == CLOSED:
            answer = answer.rstrip(".").lower()
        term = self.verdicts.term(kind, text if form == CLOSED else answer) if kind in q.KINDS and form in FORMS else ""
        return Question(pair, kind, form, term, text, answer, tuple(map(str, item.get("options") or ())))


def parse(reply: str) -> tuple[list[dict[str, Any]], str]:
    """The questions of a reply, and what is wrong with the reply if it lacks the requested format.

    >>> parse('{"questions": []}'), parse("I cannot help with that.")
    (([], ''), ([], 'it is not a JSON object'))
    """
    found = json_object(reply, "questions")
    if found is None:
        return [], "it is not a JSON object"
    items = found.get("questions")
    if not isinstance(items, list):
        return [], '"questions" is not a list'
    for item in items:
        if not isinstance(item, dict) or not all(isinstance(item.get(k), str) for k in _KEYS):
            return [], f"a question lacks one of the keys {', '.join(_KEYS)}, or its value is not a text"
        options = item.get("options") or []
        if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
            return [], '"options" is not a list of texts'
    return items, ""


_KEYS = ("kind", "form", "question", "answer")

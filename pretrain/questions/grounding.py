"""Rejects questions that the caption does not answer, that reveal a diagnosis, or that no picture can answer."""

from __future__ import annotations

import re

from zsderm.metrics.answers import CHOICE, CLOSED, FORMS
from zsderm.modalities import DERMOSCOPIC, PATHOLOGICAL
from zsderm.pretrain.extraction.mentions import tokens_of
from zsderm.pretrain.questions import question as q
from zsderm.pretrain.questions.facts import FactReader, Facts, words_said
from zsderm.pretrain.questions.question import Question
from zsderm.pretrain.questions.rules import spoken
from zsderm.pretrain.questions.sentences import SIZE, is_of_what_is_seen
from zsderm.pretrain.questions.verdicts import Verdicts

# Words that an answer may need and that say nothing.
_GLUE = frozenset(
    {
        *("a", "an", "the", "and", "or", "of", "in", "on", "at", "with", "is", "are", "this", "it", "by", "to"),
        *("there", "picture", "image", "photograph", "lesion", "skin", "show", "seen", "be", "has", "have", "one"),
    }
)
_NUMBER = re.compile(r"\d+")


class Grounding:
    """Checks questions against what is known about their picture.

    Args:
        facts: reads captions.
        verdicts: decides which terms a picture shows and which it does not.
    """

    def __init__(self, facts: FactReader, verdicts: Verdicts) -> None:
        self._facts = facts
        self._verdicts = verdicts

    def flaw(self, question: Question, facts: Facts) -> tuple[str, str]:
        """Why a question is rejected, and the part of it that is the reason; two empty texts if it is accepted."""
        if question.kind not in q.KINDS or question.form not in FORMS:
            return "its kind or form is not one of those requested", f"{question.kind}, {question.form}"
        if (found := self._of_words(question))[0]:
            return found
        if question.form == CLOSED:
            return self._of_term(question, facts, question.term, question.answer)
        if question.form == CHOICE:
            return self._of_options(question, facts)
        return self._of_open(question, facts)

    def _of_words(self, question: Question) -> tuple[str, str]:
        texts = (question.text, question.answer, *question.options)
        size = next((found.group() for text in texts if (found := SIZE.search(text))), "")
        said = set(_NUMBER.findall(f"{question.pair.caption} {question.pair.modality}"))
        invented = sorted({number for text in texts for number in _NUMBER.findall(text)} - said)
        names = [] if question.kind == q.DISEASE else [n for text in texts for n in self._facts.names_disease(text)]
        hidden = question.kind in (q.SITE, q.NUMBER) and question.pair.modality in (DERMOSCOPIC, PATHOLOGICAL)
        reasons = {
            "it is about a size, which a picture does not show": size,
            "it contains a number that is not in the caption": ", ".join(invented),
            "it names a diagnosis but asks about something else": names[0] if names else "",
            f"a {question.pair.modality} picture does not show it": question.kind if hidden else "",
        }
        return next(((reason, detail) for reason, detail in reasons.items() if detail), ("", ""))

    def _of_term(self, question: Question, facts: Facts, term: str, answer: str) -> tuple[str, str]:
        if not term:
            return "it does not name exactly one term that can be checked against the caption", question.text
        known = self._verdicts.known(question.kind, question.pair, facts)
        if answer == q.YES and term not in known.shown:
            return "the caption does not state it", term
        if answer == q.NO and term not in known.absent:
            return "nothing justifies the answer no", term
        return ("", "") if answer in (q.YES, q.NO) else ("the answer to a closed question must be yes or no", answer)

    def _of_options(self, question: Question, facts: Facts) -> tuple[str, str]:
        if question.answer not in question.options or len(set(question.options)) < len(question.options):
            return "its answer is not one of its options, or an option is repeated", question.answer
        known = self._verdicts.known(question.kind, question.pair, facts)
        terms = {spoken(question.kind, term): term for term in (*known.shown, *known.absent)}
        for option in question.options:
            answer = q.YES if option == question.answer else q.NO
            term = terms.get(option) or self._verdicts.term(question.kind, option)
            if flaw := self._of_term(question, facts, term, answer)[0]:
                return flaw, option
        return "", ""

    def _of_open(self, question: Question, facts: Facts) -> tuple[str, str]:
        answer = question.answer.strip()
        affirmed = {name for f in self._facts.reader.read(answer).concepts if not f.trigger for name in f.names}
        reasons = {
            "it has no answer": not answer,
            "the answer to an open question must be more than yes or no": re.match(
                r"(?i)(?:yes|no)\b(?:[.,]|$)", answer
            ),
            "it is something that a picture does not show": question.kind != q.DISEASE
            and not is_of_what_is_seen(answer),
            "the caption denies it": affirmed & facts.denied,
        }
        if question.kind == q.DISEASE:
            named = self._facts.names_disease(answer, signs=True)
            reasons["the caption states no such diagnosis"] = not facts.disease or set(named) != {facts.disease}
        if reason := next((reason for reason, found in reasons.items() if found), ""):
            return reason, answer[:60]
        foreign = sorted({token.word for token in tokens_of(answer)} - self._words(question, facts))
        return ("the caption does not state it", ", ".join(foreign)) if foreign else ("", "")

    def _words(self, question: Question, facts: Facts) -> set[str]:
        """The folded words that an open answer may have: of caption, fields, and what the base calls what they say."""
        said = [one.concept for group in facts.affirmed.values() for one in group]
        names = [facts.disease, *said, *(spoken(q.MORPHOLOGY, name) for name in said)]
        return {*words_said(question.pair), *_GLUE, *(token.word for name in names for token in tokens_of(name))}

"""Draft a knowledge base for any list of classes with a language model behind an OpenAI-compatible endpoint.

One request a class and aspect. Every answer is kept in a folder as it arrives, so a run that stops goes on where it
stood and no request is paid for twice. What comes out is a draft: it is marked as not reviewed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from zsderm.errors import AnswerError, InputError
from zsderm.knowledge.authoring.validate import WORDS
from zsderm.knowledge.authoring.vocabulary import ASPECTS
from zsderm.knowledge.base import Description, Disease
from zsderm.language_model import Answers, Ask, json_object

REVIEW = "unreviewed draft of a language model"
MOST_FAILURES = 10  # answers in a row that cannot be used before the run stops

SYSTEM = (
    "You describe what photographs show, for people who sort images by what can be seen. You write concrete visible "
    "signs and leave out whatever a camera cannot see. You leave out what you are not sure of."
)
REQUEST = (
    "Subject: {domain}. Class: {name}. Aspect: {aspect}.\n"
    "Write {count} different sentences about this aspect of how this class looks in a photograph. Each has {fewest} to "
    "{most} words and a sign that sets the class apart from its look-alikes. Never use the name of the class, nor a "
    "synonym of it. No treatment, no causes, nothing invisible. If the aspect does not apply, answer with an empty "
    'list. Answer with JSON only: {{"sentences": ["...", "..."]}}'
)


@dataclass(frozen=True)
class Draft:
    """The drafted diseases, and what the model got wrong, class by class."""

    diseases: list[Disease]
    problems: list[str]


def requests_for(
    classes: Sequence[str], domain: str, aspects: Sequence[str], count: int
) -> Iterator[tuple[str, str, str]]:
    """(class, aspect, request) for every request, in order.

    Args:
        classes: class names.
        domain: what the images are of, such as "skin diseases" or "birds".
        aspects: what to ask about.
        count: sentences a request.
    """
    fewest, most = WORDS
    for name in classes:
        for aspect in aspects:
            text = REQUEST.format(domain=domain, name=name, aspect=aspect, count=count, fewest=fewest, most=most)
            yield name, aspect, text


def draft(
    classes: Sequence[str],
    ask: Ask,
    answers: Path,
    *,
    domain: str = "skin diseases in photographs",
    aspects: Sequence[str] = ASPECTS,
    count: int = 3,
    model: str = "unknown",
    advance: Callable[[], None] = lambda: None,
) -> Draft:
    """Ask for every class and aspect, keep every answer that can be used, and sort out what cannot.

    Args:
        classes: class names.
        ask: sends one request; see `zsderm.language_model.endpoint`.
        answers: folder that keeps the answers; an answer that is there is not asked for again.
        domain: what the images are of.
        aspects: what to ask about.
        count: sentences a request.
        model: name of the model; part of what identifies an answer, and the source of each description.
        advance: called after each request.

    Returns:
        The diseases with the sentences that are fit for use, and a line for each answer or sentence that is not. An
        answer that cannot be used is asked for again by the next run.

    Raises:
        InputError: the endpoint does not answer, gives ten answers in a row that cannot be used, or not one sentence
            that can.
    """
    kept = Answers(answers, model)
    texts: dict[str, list[Description]] = {name: [] for name in classes}
    problems: list[str] = []
    failures = 0
    for name, aspect, request in requests_for(classes, domain, aspects, count):
        sentences, reason = _answer(kept, ask, request)
        failures = failures + 1 if reason else 0
        if reason:
            problems.append(f"{name}, {aspect}: {reason}; the next run asks again")
        if failures == MOST_FAILURES:
            raise InputError(f"{failures} answers in a row cannot be used. The last: {reason}.")
        seen = {d.text.casefold() for d in texts[name]}
        for sentence in sentences:
            if sentence.casefold() in seen:
                continue
            if flaw := _flaw(sentence, name):
                problems.append(f"{name}, {aspect}: {flaw}: {sentence!r}")
            else:
                texts[name].append(Description(sentence, name, aspect, "either", source=model))
        advance()
    if not any(texts.values()):
        raise InputError(f"not one sentence of {model} can be used. {'; '.join(problems[:1]) or 'It gave none'}.")
    return Draft([Disease(name=name, descriptions=tuple(found)) for name, found in texts.items()], problems)


def _answer(kept: Answers, ask: Ask, request: str) -> tuple[list[str], str]:
    try:
        return parse_answer(kept.get(ask, SYSTEM, request, lambda answer: parse_answer(answer)[1]))
    except AnswerError as error:
        return [], str(error).removesuffix(".")


def parse_answer(answer: str) -> tuple[list[str], str]:
    """The sentences of an answer, and why there are none if it is not what was asked for.

    Models wrap JSON in thoughts, code fences and talk; these are not read.

    >>> parse_answer('Sure! {"sentences": ["A brown macule."]}')
    (['A brown macule.'], '')
    """
    sentences = (json_object(answer, "sentences") or {}).get("sentences")
    if not isinstance(sentences, list) or not all(isinstance(sentence, str) for sentence in sentences):
        return [], "the answer is not a JSON object with a list of sentences"
    return [" ".join(sentence.split()) for sentence in sentences if sentence.strip()], ""


def _flaw(sentence: str, name: str) -> str:
    fewest, most = WORDS
    if not fewest <= (count := len(sentence.split())) <= most:
        return f"expected {fewest} to {most} words, but got {count}"
    if not sentence.isprintable():
        return "it holds characters that cannot be shown"
    return "it says the name of the class" if name.casefold() in sentence.casefold() else ""

"""Draft a knowledge base for any list of classes with a language model behind an OpenAI-compatible endpoint.

One request a class and aspect. Every answer is kept in a folder as it arrives, so a run that stops goes on where it
stood and no request is paid for twice. What comes out is a draft: it says of itself that nobody has reviewed it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from zsderm.errors import InputError
from zsderm.knowledge.base import Description, Disease
from zsderm.knowledge.validate import WORDS
from zsderm.knowledge.vocabulary import ASPECTS

REVIEW = "unreviewed draft of a language model"

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

Ask = Callable[[str, str], str]  # (system, request) -> the model's answer


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
    """Ask for every class and aspect, keep every answer, and sort out what cannot be used.

    Args:
        classes: class names.
        ask: sends one request; see `endpoint`.
        answers: folder that keeps the answers; an answer that is there is not asked for again.
        domain: what the images are of.
        aspects: what to ask about.
        count: sentences a request.
        model: name of the model; part of what identifies an answer, and the source of each description.
        advance: called after each request.

    Returns:
        The diseases with the sentences that are fit for use, and a line for each answer or sentence that is not.
    """
    answers.mkdir(parents=True, exist_ok=True)
    texts: dict[str, list[Description]] = {name: [] for name in classes}
    problems: list[str] = []
    for name, aspect, request in requests_for(classes, domain, aspects, count):
        file = answers / f"{hashlib.sha256(f'{model}|{SYSTEM}|{request}'.encode()).hexdigest()[:24]}.json"
        if not file.is_file():
            _keep(file, {"class": name, "aspect": aspect, "model": model, "answer": ask(SYSTEM, request)})
        sentences, reason = parse_answer(json.loads(file.read_text(encoding="utf-8"))["answer"])
        if reason:
            problems.append(f"{name}, {aspect}: {reason}; delete {file.name} to ask again")
        seen = {d.text.casefold() for d in texts[name]}
        for sentence in sentences:
            if sentence.casefold() in seen:
                continue
            if flaw := _flaw(sentence, name):
                problems.append(f"{name}, {aspect}: {flaw}: {sentence!r}")
            else:
                texts[name].append(Description(sentence, name, aspect, "either", source=model))
        advance()
    return Draft([Disease(name=name, descriptions=tuple(found)) for name, found in texts.items()], problems)


def parse_answer(answer: str) -> tuple[list[str], str]:
    """The sentences of an answer, and why there are none if it is not what was asked for.

    Models wrap JSON in code fences and in talk; the outermost braces are what counts.

    >>> parse_answer('Sure! {"sentences": ["A brown macule."]}')
    (['A brown macule.'], '')
    """
    found = re.search(r"\{.*\}", answer, flags=re.DOTALL)
    try:
        sentences = json.loads(found.group(0))["sentences"] if found else None
    except (json.JSONDecodeError, KeyError, TypeError):
        sentences = None
    if not isinstance(sentences, list) or not all(isinstance(sentence, str) for sentence in sentences):
        return [], "the answer is not a JSON object with a list of sentences"
    return [" ".join(sentence.split()) for sentence in sentences if sentence.strip()], ""


def endpoint(url: str, model: str, api_key: str | None, timeout: float = 120.0) -> Ask:
    """A function that sends one request to an OpenAI-compatible endpoint.

    Args:
        url: base address, such as "http://localhost:11434/v1".
        model: name of the model there.
        api_key: key, if the endpoint wants one.
        timeout: seconds to wait for an answer.
    """
    from huggingface_hub import InferenceClient
    from huggingface_hub.errors import HfHubHTTPError

    # The first base is what the client's HTTP library raises, whichever library this version of the hub brings.
    failures: tuple[type[BaseException], ...] = (OSError, ValueError, HfHubHTTPError.__mro__[1])
    client = InferenceClient(base_url=url, api_key=api_key or "none", timeout=timeout)

    def ask(system: str, request: str) -> str:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": request}]
        try:
            answer = client.chat_completion(messages, model=model, temperature=0.7, max_tokens=1024)
        except failures as error:
            raise InputError(
                f"the endpoint {url} did not answer: {error}. What was answered so far is kept; run the command again."
            ) from error
        return answer.choices[0].message.content or ""

    return ask


def _flaw(sentence: str, name: str) -> str:
    fewest, most = WORDS
    if not fewest <= (count := len(sentence.split())) <= most:
        return f"expected {fewest} to {most} words, but got {count}"
    return "it says the name of the class" if name.casefold() in sentence.casefold() else ""


def _keep(file: Path, content: dict[str, str]) -> None:
    fresh = file.with_suffix(f".{os.getpid()}.tmp")
    fresh.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
    fresh.replace(file)

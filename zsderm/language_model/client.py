"""A language model that is asked one question at a time, patiently."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from zsderm.errors import AnswerError, InputError
from zsderm.language_model.address import Address
from zsderm.language_model.failure import CutOff, Failure

Ask = Callable[[str, str], str]  # (system, request) -> the model's answer
Messages = Sequence[Mapping[str, Any]]  # of a chat completion: a role each, and a text or a list of texts and images

FIRST_WAIT = 1.0  # seconds before the second attempt; doubled for each further one
LONGEST_WAIT = 60.0  # seconds, also where an endpoint asks for more
TOKENS = 1024  # of an answer, at most
MORE_TOKENS = 8192  # where that was too few: models that think aloud need more


def endpoint(
    url: str,
    model: str,
    api_key: str | None,
    timeout: float = 120.0,
    *,
    temperature: float = 0.7,
    retries: int = 3,
) -> Ask:
    """A function that sends one request to an OpenAI-compatible endpoint; several threads may call it at once.

    What may pass (no connection, no answer in time, overload, an answer that is empty or no JSON) is tried again after
    1, 2, 4 seconds, or after as many as the server asks for. An answer that is cut off is asked for again with more
    room. What will not pass (a wrong key, an unknown model, a refusal) fails at once. Keys and passwords are in no
    message. A server on this machine is asked without a proxy.

    Args:
        url: base address, such as "http://localhost:11434/v1".
        model: name of the model there.
        api_key: key, if the endpoint wants one.
        timeout: seconds to wait for a whole answer.
        temperature: of the sampling; 0 gives the most likely answer.
        retries: attempts after the first.

    Returns:
        The function; it raises AnswerError when this question alone has no answer that can be used, and InputError when
        the endpoint does not answer.

    Raises:
        InputError: the address or the key cannot be used.
    """
    say = conversation(url, model, api_key, timeout, {"temperature": temperature}, retries=retries)

    def ask(system: str, request: str) -> str:
        return say([{"role": "system", "content": system}, {"role": "user", "content": request}])

    return ask


def conversation(
    url: str,
    model: str,
    api_key: str | None,
    timeout: float,
    sampling: Mapping[str, Any],
    *,
    tokens: int = TOKENS,
    retries: int = 3,
) -> Callable[[Messages], str]:
    """As `endpoint`, for messages that may hold images, with any fields of the protocol that steer the sampling.

    Args:
        url: see `endpoint`.
        model: see `endpoint`.
        api_key: see `endpoint`.
        timeout: see `endpoint`.
        sampling: such as temperature, top_p and seed; sent as they are.
        tokens: of an answer, at most; one that is cut off there is asked for again with `MORE_TOKENS`.
        retries: see `endpoint`.
    """
    from zsderm.language_model.completion import words_in
    from zsderm.language_model.exchange import post

    address = Address.of(url, api_key)

    def say(messages: Messages) -> str:
        question: dict[str, Any] = {"model": model, "messages": list(messages), **sampling, "max_tokens": tokens}
        for attempt in range(retries + 1):
            try:
                return words_in(post(address, question, timeout))
            except Failure as failure:
                cut = isinstance(failure, CutOff)
                if attempt == retries or not failure.again or (cut and question["max_tokens"] >= MORE_TOKENS):
                    raise _error(address, failure) from None
                if cut:
                    question["max_tokens"] = MORE_TOKENS
                else:
                    wait = FIRST_WAIT * 2**attempt if failure.after is None else failure.after
                    time.sleep(min(wait, LONGEST_WAIT))
        raise AssertionError("the last attempt returns or raises")

    return say


def _error(address: Address, failure: Failure) -> InputError:
    reason = address.hide(failure.reason).removesuffix(".")
    if failure.of_this_question:
        return AnswerError(f"the endpoint {address.shown} did not answer in a way that can be used: {reason}.")
    return InputError(
        f"the endpoint {address.shown} did not answer: {reason}. "
        "What was answered so far is kept; run the command again."
    )

"""A language model behind an OpenAI-compatible endpoint: asked in a simple way, patiently, and never twice.

Such endpoints are what vLLM, Ollama, llama.cpp and most clouds offer.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from zsderm.atomic_files import atomic_file
from zsderm.errors import InputError

Ask = Callable[[str, str], str]  # (system, request) -> the model's answer

# Answers that may be better a moment later: overload, a proxy that lost its server, a model that is still loading.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
FIRST_WAIT = 1.0  # seconds before the second attempt; doubled for each further one
LONGEST_WAIT = 60.0  # seconds, also where an endpoint asks for more


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

    What may pass (no connection, no answer in time, overload, an answer that is cut short) is tried again after 1, 2, 4
    seconds; what will not (a wrong key, an unknown model) fails at once.

    Args:
        url: base address, such as "http://localhost:11434/v1".
        model: name of the model there.
        api_key: key, if the endpoint wants one.
        timeout: seconds to wait for an answer.
        temperature: of the sampling; 0 gives the most likely answer.
        retries: attempts after the first.

    Returns:
        The function; it raises InputError when the endpoint does not answer.
    """
    from huggingface_hub import InferenceClient
    from huggingface_hub.errors import HfHubHTTPError

    # The first base is what the client's HTTP library raises, whichever library this version of the hub brings. The
    # others are what it raises on answers that are no JSON, or JSON of another form.
    http = HfHubHTTPError.__mro__[1]
    failures: tuple[type[BaseException], ...] = (OSError, ValueError, TypeError, KeyError, AttributeError, http)
    client = InferenceClient(base_url=url, api_key=api_key or "none", timeout=timeout)

    def ask(system: str, request: str) -> str:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": request}]
        for attempt in range(retries + 1):
            try:
                answer = client.chat_completion(messages, model=model, temperature=temperature, max_tokens=1024)
                return _content(answer)
            except failures as error:
                wait = _wait(error, attempt)
                if attempt == retries or wait is None:
                    raise InputError(
                        f"the endpoint {url} did not answer: {error}. "
                        "What was answered so far is kept; run the command again."
                    ) from error
                time.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    return ask


@dataclass(frozen=True)
class Answers:
    """A folder that keeps every answer under the hash of what was asked, so that no request is sent twice.

    Attributes:
        folder: made when the first answer comes.
        model: name of the model; another model is another answer.
    """

    folder: Path
    model: str

    def file(self, system: str, request: str) -> Path:
        """The file of the answer to a request, whether it exists or not."""
        digest = hashlib.sha256(f"{self.model}|{system}|{request}".encode()).hexdigest()[:24]
        return self.folder / digest[:2] / f"{digest}.json"  # hundreds of thousands are too many for one folder

    def get(self, ask: Ask, system: str, request: str) -> str:
        """The answer that is kept, or else the one that `ask` gives, which is then kept.

        Raises:
            InputError: there is no answer, or a kept one cannot be read.
        """
        file = self.file(system, request)
        if not file.is_file():
            content = {"model": self.model, "request": request, "answer": ask(system, request)}
            with atomic_file(file) as draft:
                draft.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
            return content["answer"]
        try:
            return str(json.loads(file.read_text(encoding="utf-8"))["answer"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"expected an answer in {file}, but cannot read it; delete it to ask again.") from error


def json_object(answer: str) -> dict[str, object] | None:
    """The JSON object in an answer, or None.

    Models wrap JSON in code fences and in prose; only what is between the outermost braces is read.

    >>> json_object('Sure! {"disease": "melanoma"}')
    {'disease': 'melanoma'}
    """
    try:
        value = json.loads(answer[answer.index("{") : answer.rindex("}") + 1])
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _content(answer: object) -> str:
    choices = getattr(answer, "choices", None)
    if not choices:
        raise ValueError("the answer holds no choices")
    return choices[0].message.content or ""


def _wait(error: BaseException, attempt: int) -> float | None:
    """Seconds to wait before the next attempt; None where another attempt is no use."""
    wait = FIRST_WAIT * 2**attempt
    response = getattr(error, "response", None)
    if response is None:
        return min(wait, LONGEST_WAIT)
    if response.status_code not in PASSING:
        return None
    asked = str(response.headers.get("Retry-After", ""))
    return min(float(asked) if asked.isdecimal() else wait, LONGEST_WAIT)

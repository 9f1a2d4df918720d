"""The words of a model out of the body of a chat completion, or why they cannot be used."""

from __future__ import annotations

import json

from zsderm.language_model.exchange import said_in
from zsderm.language_model.failure import CutOff, Failure
from zsderm.language_model.json_in_talk import is_text, spoken

MOST_CHARACTERS = 100_000  # of an answer; the most tokens that are asked for have a fifth of that
# Reasons to stop that are known to leave an answer unfinished, of OpenAI and of servers that speak its protocol.
CUT = frozenset({"length", "max_tokens", "max_length", "model_length"})
REFUSED = frozenset({"content_filter", "refusal", "safety"})
BROKEN_OFF = frozenset({"error", "abort", "cancelled"})


def words_in(body: bytes) -> str:
    """What the model said, whole and not empty.

    Args:
        body: of an answer with HTTP status 200.

    Raises:
        CutOff: the answer ends before its end.
        Failure: it is no chat completion, it is empty, no text, or the model refuses to answer.
    """
    try:
        content = json.loads(body)
    except ValueError:
        raise _flaw("it is no JSON", again=True) from None
    except RecursionError:
        raise _flaw("its JSON is nested too deeply") from None
    choice = _first(content)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise _flaw("it holds no message", again=True)
    reason = choice.get("finish_reason")
    refusal = message.get("refusal")
    if reason in REFUSED or (isinstance(refusal, str) and refusal.strip()):
        raise _flaw(f"the model refuses: {refusal}" if isinstance(refusal, str) else "it is held back by a filter")
    if reason in CUT:
        raise CutOff
    if reason in BROKEN_OFF:
        raise _flaw("the server broke it off", again=True)
    return _checked(message.get("content"))


def _first(content: object) -> dict[str, object]:
    choices = content.get("choices") if isinstance(content, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        said = said_in(json.dumps(content).encode()) if isinstance(content, dict) and "error" in content else ""
        raise _flaw(said or "it holds no choices", again=True)
    choice: dict[str, object] = choices[0]
    # A reason of another type would not be found in a set of texts, or not be looked for at all.
    return {**choice, "finish_reason": str(choice.get("finish_reason"))}


def _checked(words: object) -> str:
    if words is None:
        raise _flaw("it is empty", again=True)
    if not isinstance(words, str):
        raise _flaw(f"its content is no text but {type(words).__name__}")
    if len(words) > MOST_CHARACTERS:
        raise _flaw(f"it has more than {MOST_CHARACTERS} characters")
    if not is_text(words):
        raise _flaw("it holds half of a character (a lone surrogate)")
    said = spoken(words)
    if said is None:
        raise CutOff  # in the middle of a thought
    if not said.strip():
        raise _flaw("it is empty", again=True)
    return words


def _flaw(reason: str, *, again: bool = False) -> Failure:
    return Failure(reason, again=again, of_this_question=True)

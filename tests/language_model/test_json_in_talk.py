"""The JSON object that an answer gives, whatever stands around it."""

from __future__ import annotations

import json

import pytest

from zsderm.language_model import json_object
from zsderm.language_model.json_in_talk import spoken

CONTENT = {"disease": "melanoma", "inner": {"a": [1]}}
TALK = {
    "alone": "{}",
    "a fence": "Sure:\n```json\n{}\n```",
    "a thought": "<think>well</think> {} Anything else?",
    "braces in a thought": '<think>{disease}? or {"disease": "nevus"}</think>{}',
    "a thought that the server opened": 'The form is {"disease": ""}. </think>\n{}',
    "a thought in other words": "<Thinking>{</Thinking>{}",
    "a thought after it": "{}<think>{was that right?}</think>",
    "braces after it": "{} I hope {that} helps :-} {",
    "an empty object after it": "{} Here, {} stands for nothing.",
    "braces before it": "In the form {key: value}: {}",
    "the form before it": 'The form is {"disease": "..."}. {}',
    "an object before it": 'Of {"a": 1} follows {}',
}


@pytest.mark.parametrize("talk", TALK.values(), ids=TALK)
def test_json_is_found_in_talk(talk: str) -> None:
    assert json_object(talk.replace("{}", json.dumps(CONTENT), 1), "disease") == CONTENT


@pytest.mark.parametrize(
    "answer",
    [
        *("", "no", "[1]", "{broken}", "}{", '{"a": 1} {"b": 2}', "{" * 9000, '{"a":' * 9000, '{"a": "\\ud83d"}'),
        *('<think>{"a": 1}', 'It is <think> {"a": 1} </think> nothing.', '{"a": [1, 2'),
    ],
)
def test_an_answer_without_one_json_object_is_none(answer: str) -> None:
    assert json_object(answer) is None


def test_without_the_wanted_keys_a_single_object_is_still_given() -> None:
    assert json_object('so {"a": 1}', "b") == {"a": 1}


def test_an_answer_that_ends_in_a_thought_says_nothing() -> None:
    assert spoken("yes <think>or no") is None

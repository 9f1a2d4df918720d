"""No question is asked twice, unless its answer cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zsderm import ZsdermWarning
from zsderm.benchmarks.experiments.protocol_server import ProtocolServer
from zsderm.language_model import Answers, endpoint

HAND_MADE: dict[str, object] = {
    "cut short": b'{"answer',
    "not UTF-8": b'{"answer": "\xff"}',
    "nested too deeply": b"[" * 200_000,
    "a list": [],
    "no answer": {"model": "m", "request": "r"},
    "no text": {"model": "m", "request": "r", "answer": {"a": 1}},
    "null": {"model": "m", "request": "r", "answer": None},
    "half of a character": {"model": "m", "request": "r", "answer": "\ud83d"},
    "another question": {"model": "m", "request": "another", "answer": "wrong"},
    "another model": {"model": "another", "request": "r", "answer": "wrong"},
    "too large": b" " * 4_000_001,
}


def test_an_answer_that_is_kept_is_not_asked_for_again(server: ProtocolServer, tmp_path: Path) -> None:
    ask = endpoint(server.url, "m", None)
    for _ in range(2):
        assert Answers(tmp_path / "kept", "m").get(ask, "s", "r") == "answer to r"
    assert len(server.requests) == 1
    Answers(tmp_path / "kept", "another model").get(ask, "s", "r")
    Answers(tmp_path / "kept", "m").get(ask, "another system", "r")
    Answers(tmp_path / "kept", "m").get(ask, "s", "another request")
    assert len(server.requests) == 4


@pytest.mark.parametrize("content", HAND_MADE.values(), ids=HAND_MADE)
def test_a_file_without_the_answer_is_ignored_and_written_anew(content: object, tmp_path: Path) -> None:
    answers = Answers(tmp_path, "m")
    file = answers.file("s", "r")
    file.parent.mkdir()
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.warns(ZsdermWarning, match=file.name):
        assert answers.get(lambda system, request: "right", "s", "r") == "right"
    assert answers.get(lambda system, request: "never", "s", "r") == "right"


def test_an_answer_that_cannot_be_used_is_given_back_and_not_kept(tmp_path: Path) -> None:
    answers, given = Answers(tmp_path, "m"), iter(["bad", "good"])

    def get() -> str:
        return answers.get(lambda system, request: next(given), "s", "r", lambda answer: "flaw" * (answer == "bad"))

    assert [get(), get(), get()] == ["bad", "good", "good"]


def test_a_kept_answer_that_cannot_be_used_is_asked_for_again(tmp_path: Path) -> None:
    answers = Answers(tmp_path, "m")
    answers.get(lambda system, request: "cut off he", "s", "r")
    assert answers.get(lambda system, request: "whole", "s", "r", lambda answer: "cut" * ("he" in answer)) == "whole"


def test_a_name_that_is_not_utf_8_can_be_kept(tmp_path: Path) -> None:
    answers = Answers(tmp_path, "m\udcff")
    for reply in ("an answer", "never"):
        assert answers.get(lambda system, request, reply=reply: reply, "s", "class \udcfe") == "an answer"

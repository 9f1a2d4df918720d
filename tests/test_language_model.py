"""A model behind an endpoint: asked again when that helps, and never asked twice for the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from zsderm import InputError, language_model
from zsderm.benchmarks.experiments.protocol_server import ProtocolServer, Reply, serving
from zsderm.language_model import Answers, endpoint, json_object

BROKEN = {
    "503": Reply(503),
    "429": Reply(429, headers={"Retry-After": "0"}),
    "500": Reply(500, "<html>"),
    "no JSON": Reply(body="<html>502</html>"),
    "cut short": Reply(body='{"choices": [{"index": 0'),
    "another form": Reply(body='{"choices": 7}'),
    "no choices": Reply(body='{"choices": [], "id": "1"}'),
    "a list": Reply(body="[]"),
    "an empty body": Reply(),
    "too slow": Reply(wait=0.6),
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ProtocolServer]:
    monkeypatch.setattr(language_model, "FIRST_WAIT", 0.01)
    with serving(lambda request, number: f"answer to {request}") as running:
        yield running


def test_a_request_carries_what_was_said_and_the_answer_comes_back(server: ProtocolServer) -> None:
    assert endpoint(server.url, "m", None, temperature=0.0)("be brief", "what?") == "answer to what?"
    (sent,) = server.requests
    assert (sent["model"], sent["temperature"]) == ("m", 0.0)
    assert [message["content"] for message in sent["messages"]] == ["be brief", "what?"]


@pytest.mark.slow
@pytest.mark.parametrize("reply", BROKEN.values(), ids=BROKEN)
def test_what_may_pass_is_tried_again(server: ProtocolServer, reply: Reply) -> None:
    server.script = lambda request, number: reply if number < 3 else "at last"
    assert endpoint(server.url, "m", None, timeout=0.3)("s", "r") == "at last"
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_what_will_not_pass_is_not_tried_again(server: ProtocolServer, status: int) -> None:
    server.script = lambda request, number: Reply(status, "{}")
    with pytest.raises(InputError, match="did not answer"):
        endpoint(server.url, "m", None)("s", "r")
    assert len(server.requests) == 1


def test_it_gives_up_after_the_last_attempt(server: ProtocolServer) -> None:
    server.script = lambda request, number: Reply(503)
    with pytest.raises(InputError, match="run the command again"):
        endpoint(server.url, "m", None, retries=2)("s", "r")
    assert len(server.requests) == 3


def test_each_wait_is_twice_the_one_before_and_an_endpoint_may_name_its_own(
    server: ProtocolServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(language_model.time, "sleep", waits.append)
    monkeypatch.setattr(language_model, "FIRST_WAIT", 1.0)
    answers = [
        Reply(503),
        Reply(503),
        Reply(429, headers={"Retry-After": "7"}),
        Reply(429, headers={"Retry-After": "900"}),
    ]
    # The server sleeps with the same function, for the 0 seconds of each reply.
    server.script = lambda request, number: answers[number - 1] if number <= len(answers) else "at last"
    endpoint(server.url, "m", None, retries=4)("s", "r")
    assert [wait for wait in waits if wait] == [1.0, 2.0, 7.0, 60.0]


def test_an_endpoint_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(InputError, match=r"the endpoint http://127.0.0.1:9/v1 did not answer"):
        endpoint("http://127.0.0.1:9/v1", "m", None, timeout=2, retries=0)("s", "r")


def test_several_threads_may_ask_at_once(server: ProtocolServer) -> None:
    ask = endpoint(server.url, "m", None)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: ask("s", str(number)), range(40)))
    assert found == [f"answer to {number}" for number in range(40)]


def test_an_answer_that_is_kept_is_not_asked_for_again(server: ProtocolServer, tmp_path: Path) -> None:
    ask = endpoint(server.url, "m", None)
    for _ in range(2):
        assert Answers(tmp_path / "kept", "m").get(ask, "s", "r") == "answer to r"
    assert len(server.requests) == 1
    Answers(tmp_path / "kept", "another model").get(ask, "s", "r")
    Answers(tmp_path / "kept", "m").get(ask, "another system", "r")
    Answers(tmp_path / "kept", "m").get(ask, "s", "another request")
    assert len(server.requests) == 4


def test_a_kept_answer_that_is_damaged_says_which_file(tmp_path: Path) -> None:
    answers = Answers(tmp_path, "m")
    file = answers.file("s", "r")
    file.parent.mkdir()
    file.write_text('{"answer')
    with pytest.raises(InputError, match=file.name):
        answers.get(lambda system, request: "never", "s", "r")


@pytest.mark.parametrize("talk", ["{}", "Sure:\n```json\n{}\n```", "<think>well</think> {} Anything else?"])
def test_json_is_found_in_talk(talk: str) -> None:
    content = {"disease": "melanoma", "inner": {"a": [1]}}
    assert json_object(talk.replace("{}", json.dumps(content))) == content


@pytest.mark.parametrize("answer", ["", "no", "[1]", "{broken}", "}{", '{"a": 1} {"b": 2}', "{" * 9000 + "}"])
def test_an_answer_without_one_json_object_is_none(answer: str) -> None:
    assert json_object(answer) is None

"""A model behind an endpoint: asked again when that helps, within bounds, and without a word about its key."""

from __future__ import annotations

import asyncio
import gzip
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import pytest

from zsderm import AnswerError, InputError
from zsderm.benchmarks.experiments.protocol_server import ProtocolServer, Reply, completion, serving
from zsderm.language_model import client, endpoint

KEY = "sk-SECRET123"
SAID = '{"sentences": []}'
BOMB = gzip.compress(b" " * 50_000_000)
UNUSABLE = {
    "an object": (Reply(body=completion({"sentences": []})), "no text but dict"),
    "a number": (Reply(body=completion(5)), "no text but int"),
    "a list of parts": (Reply(body=completion([{"type": "text", "text": SAID}])), "no text but list"),
    "half of a character": (Reply(body=completion("a \ud83d b")), "half of a character"),
    "nested too deeply": (Reply(body="[" * 200_000), "nested too deeply"),
    "a gzip bomb": (Reply(body=BOMB, headers={"Content-Encoding": "gzip"}), "more than 4 MB"),
    "an endless body": (Reply(pieces=repeat(b"x" * 2**20)), "more than 4 MB"),
    "endless words": (Reply(body=completion("x" * 100_001)), "more than 100000 characters"),
    "a refusal": (Reply(body=completion(None, refusal="I cannot say")), "the model refuses: I cannot say"),
    "a filter": (Reply(body=completion("half of", "content_filter")), "held back by a filter"),
    "a question that is refused": (Reply(400, '{"error": {"message": "too long"}}'), "HTTP 400 Bad Request: too long"),
}
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
    "an error with status 200": Reply(body='{"error": {"message": "overloaded"}}'),
    "no message": Reply(body='{"choices": [{}]}'),
    "broken off": Reply(body=completion("a part", "error")),
    "too slow": Reply(wait=2.5),
}


def test_a_request_carries_what_was_said_and_the_answer_comes_back(server: ProtocolServer) -> None:
    assert endpoint(server.url, "m", None, temperature=0.0)("be brief", "what?") == "answer to what?"
    (sent,) = server.requests
    assert (sent["model"], sent["temperature"]) == ("m", 0.0)
    assert [message["content"] for message in sent["messages"]] == ["be brief", "what?"]


@pytest.mark.slow
@pytest.mark.parametrize("reply", BROKEN.values(), ids=BROKEN)
def test_what_may_pass_is_tried_again(server: ProtocolServer, reply: Reply) -> None:
    server.script = lambda request, number: reply if number < 3 else "at last"
    assert endpoint(server.url, "m", None, timeout=1.5)("s", "r") == "at last"
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
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
    monkeypatch.setattr(client.time, "sleep", waits.append)
    monkeypatch.setattr(client, "FIRST_WAIT", 1.0)
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


@pytest.mark.parametrize(("reply", "reason"), UNUSABLE.values(), ids=UNUSABLE)
def test_an_answer_that_cannot_be_used_is_refused_at_once_and_the_next_is_taken(
    server: ProtocolServer, reply: Reply, reason: str
) -> None:
    server.script = lambda request, number: reply if number == 1 else "fine"
    ask = endpoint(server.url, "m", None)
    with pytest.raises(AnswerError, match=reason):
        ask("s", "r")
    assert ask("s", "r") == "fine"


@pytest.mark.parametrize("empty", [None, "", " \n", "<think>{}</think>"])
def test_an_empty_answer_is_asked_for_again_and_refused_in_the_end(server: ProtocolServer, empty: str | None) -> None:
    server.script = lambda request, number: Reply(body=completion(empty)) if number < 5 else "fine"
    ask = endpoint(server.url, "m", None)
    with pytest.raises(AnswerError, match="it is empty"):
        ask("s", "r")
    assert len(server.requests) == 4 and ask("s", "r") == "fine"


def test_an_answer_that_is_cut_off_is_asked_for_with_more_room_and_refused_in_the_end(server: ProtocolServer) -> None:
    server.script = lambda request, number: Reply(body=completion('{"a', "length")) if number < 2 else "whole"
    ask = endpoint(server.url, "m", None)
    assert ask("s", "r") == "whole"
    assert [request["max_tokens"] for request in server.requests] == [1024, 8192]
    server.script = lambda request, number: "<think> so" if number % 2 else Reply(body=completion("", "length"))
    with pytest.raises(AnswerError, match="cut off"):
        ask("s", "r")
    assert len(server.requests) == 4


def test_a_packed_answer_is_read(server: ProtocolServer) -> None:
    packed = gzip.compress(completion("fine").encode())
    server.script = lambda request, number: Reply(body=packed, headers={"Content-Encoding": "gzip"})
    assert endpoint(server.url, "m", None)("s", "r") == "fine"


def dripping() -> Iterator[bytes]:
    while True:
        time.sleep(0.02)
        yield b" "


@pytest.mark.parametrize("reply", [Reply(pieces=dripping()), Reply(wait=5.0)], ids=["drips", "is silent"])
def test_the_time_limit_is_that_of_the_whole_answer(server: ProtocolServer, reply: Reply) -> None:
    server.script = lambda request, number: reply
    began = time.monotonic()
    with pytest.raises(InputError, match="longer than the time limit"):
        endpoint(server.url, "m", None, timeout=0.15, retries=0)("s", "r")
    assert time.monotonic() - began < 3, "much less, on a machine that has nothing else to do"
    assert len(server.requests) == 1


@pytest.mark.slow
def test_a_server_that_drips_is_not_asked_again(server: ProtocolServer) -> None:
    server.script = lambda request, number: Reply(pieces=dripping())
    with pytest.raises(InputError, match="longer than the time limit"):
        endpoint(server.url, "m", None, timeout=1.0)("s", "r")
    assert len(server.requests) == 1


def test_a_question_follows_its_own_server_only(server: ProtocolServer) -> None:
    server.script = lambda request, number: Reply(307, headers={"Location": "/v2"}) if number == 1 else "there"
    assert endpoint(server.url, "m", KEY)("s", "r") == "there"
    assert [headers["Authorization"] for headers in server.headers] == [f"Bearer {KEY}"] * 2
    with serving(lambda request, number: "never") as other:
        for elsewhere in (
            other.url,
            "file:///etc/passwd",
            "//elsewhere.invalid/v1",
            "http://user:pw@elsewhere.invalid",
        ):
            server.script = lambda request, number, to=elsewhere: Reply(302, headers={"Location": to})
            with pytest.raises(InputError, match="another server"):
                endpoint(server.url, "m", KEY)("s", "r")
        assert not other.requests


def test_a_question_is_not_sent_round_for_ever(server: ProtocolServer) -> None:
    server.script = lambda request, number: Reply(308, headers={"Location": server.url})
    with pytest.raises(InputError, match="more than 3 times"):
        endpoint(server.url, "m", None)("s", "r")
    assert len(server.requests) == 4


@pytest.mark.parametrize("status", [401, 500])
@pytest.mark.parametrize("form", ['{{"error": {{"message": "bad key {}"}}}}', "oops Bearer {}", '{{"detail": "{}"}}'])
def test_a_key_that_the_server_repeats_is_not_shown(server: ProtocolServer, status: int, form: str) -> None:
    server.script = lambda request, number: Reply(status, form.format(KEY))
    with pytest.raises(InputError, match=rf"HTTP {status} [\w ]+: .*\*\*\*") as caught:
        endpoint(server.url.replace("//", f"//user:{KEY}@"), "m", f"{KEY}\r\n", retries=0)("s", "r")
    assert "SECRET" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("offline", ["", "1"])
def test_a_server_on_this_machine_is_asked_without_proxy_and_without_hub(
    server: ProtocolServer, monkeypatch: pytest.MonkeyPatch, offline: str
) -> None:
    for scheme in ("HTTP", "HTTPS", "ALL"):
        monkeypatch.setenv(f"{scheme}_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv(f"{scheme.lower()}_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", offline)
    assert endpoint(server.url, "m", None)("s", "r") == "answer to r"


def test_a_proxy_stands_before_other_servers(server: ProtocolServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert endpoint("http://elsewhere.invalid/v1", "m", None)("s", "by proxy") == "answer to by proxy"


def test_it_works_where_an_event_loop_runs_already(server: ProtocolServer) -> None:
    async def cell() -> str:
        return endpoint(server.url, "m", None)("s", "r")

    assert asyncio.run(cell()) == "answer to r"

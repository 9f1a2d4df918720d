from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from zsderm import InputError, KnowledgeBase
from zsderm.cli import main
from zsderm.knowledge.generate import draft, endpoint, parse_answer

GOOD = "A sharply edged patch with a silvery sheen that catches the light"


class Endpoint(ThreadingHTTPServer):
    """A real HTTP server on this machine that answers as an OpenAI-compatible endpoint does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[dict] = []
        self.fail_after = 10**9

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(body)
        number = len(self.server.requests)
        if number > self.server.fail_after:
            self.send_error(503)
            return
        sentences = [f"{GOOD}, number {number} of its kind.", "Too short.", f"{GOOD}, which is zebra disease."]
        message = {"role": "assistant", "content": f"Here it is: {json.dumps({'sentences': sentences})}"}
        answer = {"id": "1", "created": 0, "model": "m", "object": "chat.completion", "system_fingerprint": ""}
        answer |= {"choices": [{"index": 0, "finish_reason": "stop", "message": message}]}
        answer |= {"usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[Endpoint]:
    with Endpoint() as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def arguments(server: Endpoint, output: Path) -> list[str]:
    told = ["kb", "generate", "--classes", "zebra disease, tiger disease", "--output", str(output), "--model", "m"]
    return [*told, "--endpoint", server.url, "--aspect", "colour", "--aspect", "surface and scale"]


def test_a_draft_asks_once_per_class_and_aspect_and_is_marked_unreviewed(server: Endpoint, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, arguments(server, tmp_path / "draft"))
    assert result.exit_code == 0, result.stderr
    assert len(server.requests) == 4
    assert "colour" in server.requests[0]["messages"][1]["content"]
    base = KnowledgeBase.load(tmp_path / "draft")
    assert list(base.diseases) == ["zebra disease", "tiger disease"]
    assert json.loads((tmp_path / "draft" / "base.json").read_text())["review"].startswith("unreviewed")
    assert "Nobody has reviewed it" in result.stderr


def test_sentences_that_are_too_short_or_say_the_name_are_left_out_and_listed(server: Endpoint, tmp_path: Path) -> None:
    drafted = draft(["zebra disease"], endpoint(server.url, "m", None), tmp_path, aspects=["colour"])
    assert [d.text for d in drafted.diseases[0].descriptions] == [f"{GOOD}, number 1 of its kind."]
    assert any("words" in problem for problem in drafted.problems)
    assert any("says the name" in problem for problem in drafted.problems)


def test_a_run_that_stops_goes_on_where_it_stood(server: Endpoint, tmp_path: Path) -> None:
    server.fail_after = 3
    stopped = CliRunner().invoke(main, arguments(server, tmp_path / "draft"))
    assert stopped.exit_code == 1 and "run the command again" in stopped.stderr
    assert not (tmp_path / "draft").exists()
    asked = len(server.requests)
    server.fail_after = 10**9
    again = CliRunner().invoke(main, arguments(server, tmp_path / "draft"))
    assert again.exit_code == 0, again.stderr
    assert len(server.requests) == asked + 1, "the three answers that were kept were not asked for again"


@pytest.mark.parametrize("answer", ["no", "{}", '{"sentences": "one"}', '{"sentences": [1]}', "{broken}"])
def test_an_answer_of_another_form_has_a_reason(answer: str) -> None:
    assert parse_answer(answer) == ([], "the answer is not a JSON object with a list of sentences")


def test_an_endpoint_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did not answer"):
        draft(["zebra disease"], endpoint("http://127.0.0.1:9/v1", "m", None, timeout=2), tmp_path, aspects=["colour"])

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from zsderm import InputError, KnowledgeBase
from zsderm.benchmarks.experiments.protocol_server import ProtocolServer, Reply, completion, serving
from zsderm.cli import main
from zsderm.knowledge.authoring.generate import draft, parse_answer
from zsderm.language_model import client, endpoint

GOOD = "A sharply edged patch with a silvery sheen that catches the light"


def sentences(request: str, number: int) -> str:
    """One sentence that is fit for use, and two that are not."""
    found = [f"{GOOD}, number {number} of its kind.", "Too short.", f"{GOOD}, which is zebra disease."]
    return f"Here it is: {json.dumps({'sentences': found})}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ProtocolServer]:
    monkeypatch.setattr(client, "FIRST_WAIT", 0.01)
    with serving(sentences) as running:
        yield running


def arguments(server: ProtocolServer, output: Path) -> list[str]:
    told = ["kb", "generate", "--classes", "zebra disease, tiger disease", "--output", str(output), "--model", "m"]
    return [*told, "--endpoint", server.url, "--aspect", "colour", "--aspect", "surface and scale"]


def test_a_draft_asks_once_per_class_and_aspect_and_is_marked_unreviewed(
    server: ProtocolServer, tmp_path: Path
) -> None:
    result = CliRunner().invoke(main, arguments(server, tmp_path / "draft"))
    assert result.exit_code == 0, result.stderr
    assert len(server.requests) == 4
    assert "colour" in server.requests[0]["messages"][1]["content"]
    base = KnowledgeBase.load(tmp_path / "draft")
    assert list(base.diseases) == ["zebra disease", "tiger disease"]
    assert json.loads((tmp_path / "draft" / "base.json").read_text())["review"].startswith("unreviewed")
    assert "Nobody has reviewed it" in result.stderr


def test_sentences_that_are_too_short_or_say_the_name_are_left_out_and_listed(
    server: ProtocolServer, tmp_path: Path
) -> None:
    drafted = draft(["zebra disease"], endpoint(server.url, "m", None), tmp_path, aspects=["colour"])
    assert [d.text for d in drafted.diseases[0].descriptions] == [f"{GOOD}, number 1 of its kind."]
    assert any("words" in problem for problem in drafted.problems)
    assert any("says the name" in problem for problem in drafted.problems)


def test_a_run_that_stops_goes_on_where_it_stood(server: ProtocolServer, tmp_path: Path) -> None:
    server.script = lambda request, number: sentences(request, number) if number <= 3 else Reply(503)
    stopped = CliRunner().invoke(main, arguments(server, tmp_path / "draft"))
    assert stopped.exit_code == 1 and "run the command again" in stopped.stderr
    assert not (tmp_path / "draft").exists()
    asked = len(server.requests)
    server.script = sentences
    again = CliRunner().invoke(main, arguments(server, tmp_path / "draft"))
    assert again.exit_code == 0, again.stderr
    assert len(server.requests) == asked + 1, "the three answers that were kept were not asked for again"


UNUSABLE = {
    "no text": Reply(body=completion({"sentences": []})),
    "half of a character": '{"sentences": ["\\ud83d"]}',
    "talk": "I would rather not say.",
    "empty": Reply(body=completion("")),
    "cut off": Reply(body=completion('{"sentences": ["', "length")),
    "refused": Reply(body=completion("{", "content_filter")),
}


@pytest.mark.parametrize("reply", UNUSABLE.values(), ids=UNUSABLE)
def test_an_answer_that_cannot_be_used_is_a_line_and_asked_for_again_by_the_next_run(
    server: ProtocolServer, tmp_path: Path, reply: str | Reply
) -> None:
    server.script = lambda request, number: sentences(request, number) if "tiger" in request else reply
    told = arguments(server, tmp_path / "draft")
    result = CliRunner().invoke(main, told)
    assert result.exit_code == 0, result.output
    assert "left out: zebra disease, colour: " in result.stderr and "the next run asks again" in result.stderr
    assert {d.disease for d in KnowledgeBase.load(tmp_path / "draft").descriptions} == {"tiger disease"}
    before, server.script = len(server.requests), sentences
    shutil.rmtree(tmp_path / "draft")
    assert CliRunner().invoke(main, told).exit_code == 0
    assert len(server.requests) == before + 2
    assert len({d.disease for d in KnowledgeBase.load(tmp_path / "draft").descriptions}) == 2


def test_without_one_sentence_that_can_be_used_nothing_is_written(server: ProtocolServer, tmp_path: Path) -> None:
    server.script = lambda request, number: "no"
    result = CliRunner().invoke(main, arguments(server, tmp_path / "draft"))
    assert result.exit_code == 1 and "not one sentence of m can be used" in result.stderr
    assert not (tmp_path / "draft").exists()


def test_ten_answers_in_a_row_that_cannot_be_used_end_the_run(server: ProtocolServer, tmp_path: Path) -> None:
    server.script = lambda request, number: sentences(request, number) if number == 1 else "no"
    with pytest.raises(InputError, match="10 answers in a row"):
        draft(["a", "b"], endpoint(server.url, "m", None), tmp_path)
    assert len(server.requests) == 11


def test_a_sentence_that_steers_the_terminal_is_left_out(server: ProtocolServer, tmp_path: Path) -> None:
    server.script = lambda request, number: json.dumps({"sentences": [f"{GOOD}, \x1b[2J it is.", GOOD]})
    drafted = draft(["zebra disease"], endpoint(server.url, "m", None), tmp_path, aspects=["colour"])
    assert [d.text for d in drafted.diseases[0].descriptions] == [GOOD]
    assert drafted.problems[0].isprintable() and "cannot be shown" in drafted.problems[0]


@pytest.mark.parametrize("answer", ["no", "{}", '{"sentences": "one"}', '{"sentences": [1]}', "{broken}"])
def test_an_answer_of_another_form_has_a_reason(answer: str) -> None:
    assert parse_answer(answer) == ([], "the answer is not a JSON object with a list of sentences")


def test_an_endpoint_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did not answer"):
        draft(
            ["zebra disease"],
            endpoint("http://127.0.0.1:9/v1", "m", None, timeout=2, retries=0),
            tmp_path,
            aspects=["colour"],
        )

"""``zsderm pretrain extract`` at the command line, and a run that is killed."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from zsderm.benchmarks.experiments.protocol_server import ProtocolServer, Reply, completion, serving
from zsderm.cli import main

CAPTIONS = 40


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["pretrain", "extract", *map(str, arguments)])


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    rows = [f"{n}.png,Number {n} is a scaly plaque of psoriasis without crust\n" for n in range(CAPTIONS)]
    (tmp_path / "captions.csv").write_text("filename,caption\n" + "".join(rows))
    return tmp_path / "captions.csv"


def answer(request: str, number: int) -> str:
    found = re.search(r"Number \d+ is a scaly plaque", request)
    assert found
    return json.dumps({"disease": "psoriasis", "concepts": ["scale", "crust"], "sub_captions": [found.group()]})


def told(server: ProtocolServer, captions: Path, *more: object) -> list[str]:
    output = captions.with_name("out.csv")
    fixed = [
        "--captions",
        captions,
        "--output",
        output,
        "--engine",
        "server",
        "--endpoint",
        server.url,
        "--language-model",
        "m",
    ]
    return [str(word) for word in (*fixed, *more)]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_rules_need_no_model(captions: Path) -> None:
    output = captions.with_name("out.csv")
    result = run("--captions", captions, "--output", output)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.strip() == str(output)
    assert "40 captions: 40 with a diagnosis, 80 concepts" in result.stderr
    assert "40\tconcept: the caption denies it" in result.stderr
    assert {row["visual_concept_caption"] for row in rows_of(output)} == {"plaque, scale"}
    assert len(rows_of(captions.with_name("out-rejected.csv"))) == 40


@pytest.mark.slow
def test_a_server_is_asked_once_for_each_caption(captions: Path) -> None:
    with serving(answer) as server:
        result = run(*told(server, captions))
        assert result.exit_code == 0, result.stderr
        assert len(server.requests) == CAPTIONS
    rejected = rows_of(captions.with_name("out-rejected.csv"))
    assert {(row["kind"], row["term"], row["reason"]) for row in rejected} == {
        ("concept", "crust", "the caption denies it")
    }


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_where_it_stood(captions: Path) -> None:
    def slowly(request: str, number: int) -> str:
        time.sleep(0.05)
        return answer(request, number)

    code = "from zsderm.cli import main; main()"
    with serving(slowly) as server:
        arguments = told(server, captions, "--workers", 2)
        killed = subprocess.Popen([sys.executable, "-c", code, "pretrain", "extract", *arguments])
        until = time.monotonic() + 120  # a busy machine takes its time to start Python
        while len(server.requests) < 10 and time.monotonic() < until:
            time.sleep(0.01)
        killed.kill()
        killed.wait()
        time.sleep(0.2)  # what was on its way arrives
        before = len(server.requests)
        assert 10 <= before < CAPTIONS and not captions.with_name("out.csv").exists()
        server.script = answer
        result = run(*arguments)
        assert result.exit_code == 0, result.stderr
        # Two requests at most were under way when it was killed, and one answer may not have been on the disk.
        assert CAPTIONS <= len(server.requests) <= CAPTIONS + 4
    assert len(rows_of(captions.with_name("out.csv"))) == CAPTIONS


@pytest.mark.parametrize(
    ("reply", "said"),
    [(Reply(401), "HTTP 401"), (Reply(body=completion([])), "its content is no text")],
    ids=["nobody answers", "nobody gives a text"],
)
def test_a_run_that_could_ask_nothing_fails_and_writes_nothing(captions: Path, reply: Reply, said: str) -> None:
    captions.write_text("".join(captions.read_text().splitlines(keepends=True)[:4]) + "5.png,\n")  # fewer than ten
    with serving(lambda request, number: reply) as server:
        result = run(*told(server, captions))
    assert result.exit_code == 1 and said in result.stderr
    assert not captions.with_name("out.csv").exists()


@pytest.mark.slow
def test_a_caption_whose_answer_cannot_be_used_is_a_row_and_asked_again_by_the_next_run(captions: Path) -> None:
    with serving(lambda request, number: _unusable(request) or answer(request, number)) as server:
        result = run(*told(server, captions))
        assert result.exit_code == 0, result.stderr
        found = rows_of(captions.with_name("out-rejected.csv"))
        rejected = {row["filename"]: row["detail"] for row in found if row["reason"] == "the answer cannot be used"}
        assert list(rejected) == ["1.png", "2.png", "3.png"]
        assert "no text" in rejected["1.png"] and "refuses" in rejected["2.png"] and "cut off" in rejected["3.png"]
        assert len(rows_of(captions.with_name("out.csv"))) == CAPTIONS
        asked, server.script = len(server.requests), answer
        assert run(*told(server, captions)).exit_code == 0
        assert len(server.requests) == asked + 3
    assert {row["disease"] for row in rows_of(captions.with_name("out.csv"))} == {"psoriasis"}


def _unusable(request: str) -> Reply | None:
    bodies = {1: completion({}), 2: completion(None, refusal="no"), 3: completion('{"dis', "length")}
    return next((Reply(body=body) for number, body in bodies.items() if f"Number {number} is" in request), None)


def test_a_server_needs_an_address_and_a_model(captions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZSDERM_LLM_ENDPOINT", raising=False)
    result = run("--captions", captions, "--output", captions.with_name("out.csv"), "--engine", "server")
    assert result.exit_code == 2 and "--endpoint URL and --language-model NAME" in result.stderr

"""``zsderm ask`` from the outside: what is sent, what is kept, what a row says, and mistakes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from tests.asking.tiny_vlm import PLACE, write_photos
from zsderm.benchmarks.experiments.protocol_server import ProtocolServer, Reply
from zsderm.cli import main
from zsderm.language_model import Address

SCALE = "Is there scale?"


@pytest.fixture
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photographs that say where they were taken, and a file that is none; those of tests/cli say nothing."""
    return write_photos(tmp_path_factory.mktemp("photos"))


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["ask", *(str(argument) for argument in arguments)])


def _served(vision_server: ProtocolServer, output: Path, *more: object) -> Result:
    return _run(*more, "--model", f"openai:{vision_server.url}", "--language-model", "m", "--output", output)


def test_photographs_go_out_as_pixels_alone_and_come_back_as_rows(
    vision_server: ProtocolServer,
    tagged: Path,
    tmp_path: Path,
) -> None:
    done = _served(vision_server, tmp_path / "a.csv", tagged, "--question", SCALE, "--question", "What is it?")
    assert done.exit_code == 0, done.stderr
    table = pd.read_csv(tmp_path / "a.csv", keep_default_na=False)
    assert list(table) == ["id", "image", "question", "prediction", "kind", "form", "modality", "options", "reason"]
    assert len(table) == 8 and list(table["form"][:2]) == ["closed", "open"]
    broken = table["image"].str.endswith("broken.jpg")
    assert set(table["prediction"][~broken]) == {"a round brown spot"} and set(table["reason"][~broken]) == {""}
    assert set(table["prediction"][broken]) == {""} and all(table["reason"][broken])
    assert len(vision_server.requests) == 6
    content = vision_server.requests[0]["messages"][0]["content"]
    assert [part["type"] for part in content] == ["image_url", "text"]
    sent = json.dumps([vision_server.requests, vision_server.headers])
    assert PLACE.decode() not in sent and "Meier" not in sent and str(tagged) not in sent
    assert {request["temperature"] for request in vision_server.requests} == {0.0}


def test_nothing_is_asked_twice_and_a_failed_request_is_asked_again(
    vision_server: ProtocolServer,
    tagged: Path,
    tmp_path: Path,
) -> None:
    first = [sorted(tagged.glob("patient*"))[0]]
    vision_server.script = lambda content, number: Reply(400, '{"error": {"message": "held back"}}')
    done = _served(vision_server, tmp_path / "a.csv", *first, "--question", SCALE)
    assert done.exit_code == 1 and "no question was answered" in done.stderr and "held back" in done.stderr
    assert "held back" in pd.read_csv(tmp_path / "a.csv")["reason"][0]
    vision_server.script = lambda content, number: "<think>hm</think>yes"
    for _ in range(2):
        assert _served(vision_server, tmp_path / "a.csv", *first, "--question", SCALE).exit_code == 0
    assert list(pd.read_csv(tmp_path / "a.csv")["prediction"]) == ["yes"] and len(vision_server.requests) == 2
    _served(vision_server, tmp_path / "a.csv", *first, "--question", SCALE, "--temperature", 0.2, "--top-p", 0.9)
    _served(vision_server, tmp_path / "a.csv", *first, "--question", SCALE, "--without-images")
    assert len(vision_server.requests) == 4, "other settings are another question"
    assert (vision_server.requests[2]["temperature"], vision_server.requests[2]["top_p"]) == (0.2, 0.9)
    assert [part["type"] for part in vision_server.requests[3]["messages"][0]["content"]] == ["text"]


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(vision_server: ProtocolServer, tagged: Path, tmp_path: Path) -> None:
    def slowly(content: object, number: int) -> Reply | str:
        return f"answer {number}" if number <= 4 else Reply(wait=30)

    vision_server.script = slowly
    asked = [part for n in range(4) for part in ("--question", f"What is {n}?")]
    command = [sys.executable, "-m", "zsderm", "ask", str(tagged), *asked, "--model", f"openai:{vision_server.url}"]
    command += ["--language-model", "m", "--workers", "2", "--output", str(tmp_path / "a.jsonl")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        end = time.monotonic() + 60
        while len(list(tmp_path.glob("a-answers/*/[0-9a-f]*.json"))) < 4 and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "a.jsonl").exists()
    before = [json.dumps(request) for request in vision_server.requests]
    vision_server.script = lambda content, number: f"answer {number}"
    done = _served(vision_server, tmp_path / "a.jsonl", tagged, *asked)
    assert done.exit_code == 0
    answered, later = before[:4], [json.dumps(request) for request in vision_server.requests[len(before) :]]
    assert len(later) == 12 - 4 and not set(answered) & set(later)
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert sum(row["prediction"].startswith("answer") for row in rows) == 12


def test_a_server_that_is_gone_ends_the_run(tagged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zsderm.language_model.client.FIRST_WAIT", 0.001)
    asked = [part for n in range(3) for part in ("--question", f"What is {n}?")]
    how = ["--model", "openai:http://127.0.0.1:9/v1", "--language-model", "m", "-o", tmp_path / "a.csv"]
    done = _run(tagged, *asked, *how)
    assert done.exit_code == 1 and "did not answer" in done.stderr and not (tmp_path / "a.csv").exists()


def test_an_address_beyond_this_machine_is_named_first_and_keys_are_nowhere(
    vision_server: ProtocolServer,
    tagged: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from dataclasses import replace

    of = Address.of
    far = classmethod(lambda cls, given, key=None: replace(of(given, key), is_local=False))
    monkeypatch.setattr(Address, "of", far)
    monkeypatch.setenv("ZSDERM_LLM_API_KEY", "sk-in-the-environment")
    for key in (["--api-key", "sk-on-the-line"], []):
        done = _served(
            vision_server, tmp_path / "a.csv", tagged, "--question", SCALE, "-q", *key, "--answers", tmp_path / "k"
        )
        assert f"Photographs are sent beyond this machine, to {vision_server.url}" in done.stderr
    assert vision_server.headers[0]["Authorization"] == "Bearer sk-on-the-line"
    address = vision_server.url.replace("//", "//me:pass-in-address@") + "?token=in-the-query"
    how = ["--language-model", "m", "-o", tmp_path / "b.csv", "--without-images"]
    assert _run(tagged, "--question", SCALE, "--model", f"openai:{address}", *how).exit_code == 0
    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    secrets = ("sk-on-the-line", "sk-in-the-env", "pass-in-address", "in-the-query")
    assert not [secret for secret in secrets if secret in written] and vision_server.url in written


def test_a_table_of_questions_names_its_images(vision_server: ProtocolServer, tagged: Path, tmp_path: Path) -> None:
    table = tmp_path / "q.csv"
    table.write_text(
        "id,image,question,answer,options\n"
        "a,patient-Meier-0.jpg,Is it red?,yes,\nb,patient-Meier-1.jpg,Which?,red,red; blue\nc,other.jpg,What?,x,\n"
    )
    done = _served(vision_server, tmp_path / "a.parquet", "--questions", table, "--images", tagged)
    assert done.exit_code == 0, done.stderr
    found = pd.read_parquet(tmp_path / "a.parquet")
    assert list(found["id"]) == ["a", "b", "c"] and list(found["answer"]) == ["yes", "red", "x"]
    assert (
        found["options"][1] == "red; blue" and found["reason"][2] == "no image, or more than one image, has this name"
    )
    texts = {request["messages"][0]["content"][-1]["text"] for request in vision_server.requests}
    assert texts == {
        "Is it red?\nAnswer with yes or no.",
        "Which?\nAnswer with one of the options and nothing else.\nA. red\nB. blue",
    }
    (tagged / "q.csv").write_text("image,question\npatient-Meier-0.jpg,Is it red?\n")
    done = _served(vision_server, tmp_path / "b.csv", "--questions", tagged / "q.csv")
    (tagged / "q.csv").unlink()
    assert done.exit_code == 0 and list(pd.read_csv(tmp_path / "b.csv")["prediction"]) == ["a round brown spot"]


@pytest.mark.slow
def test_a_local_model_answers_and_its_answers_are_kept(vlm: Path, tagged: Path, tmp_path: Path) -> None:
    how = [
        "--model",
        f"transformers:{vlm}",
        "--min-tokens",
        2,
        "--max-tokens",
        5,
        "--device",
        "cpu",
        "-o",
        tmp_path / "a.csv",
    ]
    texts = []
    for _ in range(2):
        done = _run(tagged, "--question", SCALE, *how)
        assert done.exit_code == 0, done.stderr
        texts.append((tmp_path / "a.csv").read_text())
    table = pd.read_csv(tmp_path / "a.csv", keep_default_na=False)
    assert texts[0] == texts[1] and sum(table["prediction"] != "") == 3
    assert len(list(tmp_path.glob("a-answers/*/[0-9a-f]*.json"))) == 3
    told = json.loads((tmp_path / "a.csv.manifest.json").read_text())["manifest"]
    assert told["model"]["kind"] == "transformers" and told["sampling"]["max_tokens"] == 5


@pytest.mark.slow
def test_concepts_answer_what_they_can(tmp_path: Path) -> None:
    image = sorted((Path(__file__).parents[2] / "examples" / "images").glob("*.jpg"))[0]
    done = _run(
        image, "--question", SCALE, "--question", "What is it?", "--model", "annotate", "-o", tmp_path / "a.csv"
    )
    assert done.exit_code == 0 and "1 with no answer" in done.stderr
    found = list(pd.read_csv(tmp_path / "a.csv")["prediction"])
    assert found[0] in ("yes", "no") and found[1] == "no answer"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--question", "x", "--model", "gpt"], "expected --model openai:URL, transformers:FOLDER or annotate"),
        (["--question", "x", "--model", "openai:"], "expected an address after openai:"),
        (["--question", "x", "--model", "openai:http://localhost/v1"], "expected --language-model NAME"),
        (["--question", "x", "--model", "transformers:/no/such"], "nothing is downloaded from a hub"),
        (["--question", "x", "--model", "annotate", "--beams", "2"], "--beams has no effect with --model annotate"),
        (["--model", "annotate"], "expected either --question or --questions FILE"),
        (
            ["--question", "x", "--model", "openai:http://localhost/v1", "--language-model", "m", "--beams", "5"],
            "Leave out --beams and --min-tokens",
        ),
    ],
)
def test_a_mistake_is_a_sentence(tagged: Path, tmp_path: Path, arguments: list[str], told: str) -> None:
    done = _run(tagged, *arguments, "--output", tmp_path / "a.csv")
    assert done.exit_code in (1, 2) and told in " ".join(done.stderr.split())
    assert not (tmp_path / "a.csv").exists()

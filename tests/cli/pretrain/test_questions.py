"""``zsderm pretrain questions`` at the command line, with rules and with a server on this machine."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from zsderm.asking.phrasing import phrased
from zsderm.asking.questions import read_questions
from zsderm.benchmarks.experiments.protocol_server import serving
from zsderm.cli import main

CAPTIONS = (
    "Psoriasis. Red plaques with silvery scale on the elbow, no ulceration.",
    "Melanoma. A black nodule with erosions on the back.",
    "Melanocytic nevus. A brown macule on the cheek.",
    "Basal cell carcinoma. A pearly papule with crust on the nose.",
)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["pretrain", "questions", *map(str, arguments)])


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    with (tmp_path / "pairs.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["filename", "caption", "modality", "page"])
        writer.writerows([f"images/{n}.jpg", CAPTIONS[n % 4], "clinical", n] for n in range(24))
    return tmp_path / "pairs.csv"


@pytest.mark.slow
def test_rules_write_questions_conversations_and_what_was_dropped(pairs: Path) -> None:
    output = pairs.parent / "out" / "questions"
    result = run(pairs, "--output", output)
    assert result.exit_code == 0, result.output
    rows = rows_of(output / "questions.csv")
    assert list(rows[0])[:8] == ["id", "image", "question", "answer", "kind", "form", "modality", "options"]
    assert rows[0]["image"] == "../../images/0.jpg"
    assert len({row["id"] for row in rows}) == len(rows)
    closed = Counter(row["answer"] for row in rows if row["form"] == "closed")
    assert closed["yes"] == closed["no"] > 0
    assert {row["text_only"] for row in rows} == {"yes", "no"}
    talks = json.loads((output / "conversations.json").read_text())
    assert [talk["id"] for talk in talks] == [row["id"] for row in rows]
    first = talks[0]["conversations"]
    assert [turn["from"] for turn in first] == ["human", "gpt"]
    asked = read_questions(output / "questions.csv")
    assert {question.form for question in asked} == {"open", "closed", "choice"}
    assert [talk["conversations"][0]["value"] for talk in talks] == [f"<image>\n{phrased(one)}" for one in asked]
    manifest = json.loads((output / "questions.csv.manifest.json").read_text())
    assert manifest["counts"]["yes_share"] == 0.5
    before = (output / "questions.csv").read_bytes()
    assert run(pairs, "--output", output).exit_code == 0
    assert (output / "questions.csv").read_bytes() == before
    assert run(pairs, "--output", output, "--seed", 9).exit_code == 0
    assert (output / "questions.csv").read_bytes() != before


@pytest.mark.slow
def test_kinds_can_be_chosen(pairs: Path) -> None:
    assert run(pairs, "--output", pairs.parent / "out", "--kind", "site", "--kind", "colour").exit_code == 0
    assert {row["kind"] for row in rows_of(pairs.parent / "out" / "questions.csv")} == {"site", "colour"}


def _reply(request: str, number: int) -> str:
    """A model that asks well for psoriasis, invents for melanoma, and refuses for the nevus."""
    if "Melanocytic" in request:
        return "I am sorry, I cannot help with medical pictures."
    good = {
        "kind": "morphology",
        "form": "open",
        "question": "What covers it?",
        "answer": "silvery scale",
        "options": [],
    }
    bad = {
        "kind": "morphology",
        "form": "open",
        "question": "What is seen?",
        "answer": "a nodule of 9 mm",
        "options": [],
    }
    told = {"kind": "morphology", "form": "open", "question": "What is seen?", "answer": "satellite lesions"}
    return json.dumps({"questions": [good] if "Psoriasis" in request else [bad, told]})


@pytest.mark.slow
def test_a_server_is_believed_only_what_the_caption_says(pairs: Path) -> None:
    output = pairs.parent / "out"
    with serving(_reply) as server:
        words = [pairs, "--output", output, "--engine", "server", "--endpoint", server.url, "--language-model", "m"]
        result = run(*words)
        assert result.exit_code == 0, result.output
        asked = len(server.requests)
        assert run(*words).exit_code == 0
        # Only what had no usable reply is asked again: twice for a caption.
        assert len(server.requests) - asked == 2 * 6
    open_ones = [row for row in rows_of(output / "questions.csv") if row["form"] == "open"]
    assert {(row["question"], row["answer"]) for row in open_ones} == {("What covers it?", "silvery scale")}
    reasons = Counter(row["reason"] for row in rows_of(output / "dropped.csv"))
    assert reasons["it is about a size, which a picture does not show"] == 12
    assert reasons["the caption does not state it"] == 12
    assert reasons["the model did not reply in the requested format"] == 6


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--engine", "server"], "expected --endpoint URL and --language-model NAME"),
        (["--kind", "size"], "'size' is not one of"),
    ],
)
def test_wrong_commands_say_what_is_wrong(pairs: Path, words: list[str], told: str) -> None:
    result = run(pairs, "--output", pairs.parent / "out", *words)
    assert (result.exit_code, told in result.output) == (2, True)


def test_a_table_without_captions_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("filename,label\na.jpg,melanoma\n")
    result = run(tmp_path / "t.csv", "--output", tmp_path / "out")
    assert result.exit_code == 1
    assert "caption" in result.output


@pytest.mark.parametrize("name", ["questions.csv", "dropped.csv", "conversations.json"])
def test_files_of_others_are_not_replaced(pairs: Path, name: str) -> None:
    output = pairs.parent / "out"
    output.mkdir()
    (output / name).write_text('{"mine": 1}')
    result = run(pairs, "--output", output)
    assert (result.exit_code, (output / name).read_text()) == (1, '{"mine": 1}')

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from zsderm.benchmarks.experiments.caption_extraction import Script, main, read_cases
from zsderm.benchmarks.experiments.protocol_server import Reply
from zsderm.benchmarks.experiments.synthetic_captions import SyntheticCaption

CAPTIONS = [
    SyntheticCaption(
        f"{n}.jpg", f"Lesion {n}. A plaque. No scale.", "melanoma", frozenset({"plaque"}), frozenset({"scale"})
    )
    for n in range(200)
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder, columns in (("pad", ("region", "age", "gender")), ("ham10000", ("localization", "age", "sex"))):
        (tmp_path / folder).mkdir()
        with (tmp_path / folder / "index.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("filename", "label", *columns))
            for n in range(40):
                writer.writerow((f"{n}.jpg", "melanoma" if n < 4 else "nevus", "BACK", "50.0", "female"))
    return tmp_path


def test_cases_come_from_both_tables_and_rare_classes_are_among_them(root: Path) -> None:
    cases = read_cases(root, 20, seed=0)
    assert [case.filename.split("/")[0] for case in cases] == ["pad"] * 10 + ["ham10000"] * 10
    assert {case.label for case in cases} == {"melanoma", "nevus"} and cases[0].site == "back"
    assert cases == read_cases(root, 20, seed=0) != read_cases(root, 20, seed=1)


def test_the_script_plants_every_kind_of_mistake_and_notes_each() -> None:
    script = Script({caption.text: caption for caption in CAPTIONS}, ["melanoma", "psoriasis"])
    replies = [script(f"Caption: {json.dumps(caption.text)}\n\nAnswer", n) for n, caption in enumerate(CAPTIONS)]
    assert len(script.planted) == 10
    answers = [json.loads(reply) for reply in replies if isinstance(reply, str) and reply.startswith("{")]
    assert sum(answer["disease"] == "psoriasis" for answer in answers) == len(
        script.planted["disease that is not stated"]
    )
    assert any(isinstance(reply, Reply) and reply.status == 503 for reply in replies)


@pytest.mark.slow
def test_nothing_that_was_planted_stands_in_the_table(root: Path) -> None:
    output = root / "found.json"
    result = CliRunner().invoke(main, ["--data-root", str(root), "--output", str(output), "--count", "16"])
    assert result.exit_code == 0, result.stderr
    found = json.loads(output.read_text())
    assert found["captions"] == found["rules"]["rows"] == found["server"]["rows"] == 16
    assert (
        found["server"]["requests"] >= 16 and found["server"]["requests of a second run"] < 4
    )  # unusable answers are asked for again
    assert not any(kind.get("in the table") for kind in found["server"]["planted"].values())

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from zsderm import KnowledgeBase
from zsderm.benchmarks.experiments.knowledge_checks import agreement, findings, main
from zsderm.knowledge import library
from zsderm.knowledge.authoring.checks.problem import Problem


def test_rows_are_found_by_their_sentence_and_rows_about_names_by_their_disease() -> None:
    found = [
        Problem("wart", "felt", "touch", text="A firm dome."),
        Problem("wart", "rival", "rival", "warning", "A firm dome."),
        Problem("corn", "shared", "alias"),
    ]
    rows = [
        {"kind": "2", "disease": "wart", "text": "A firm dome."},
        {"kind": "2", "disease": "wart", "text": "A grey dome."},
        {"kind": "6", "disease": "corn", "text": "alias: clavus"},
        {"kind": "7", "disease": "corn", "text": "(missing) dots"},
    ]
    tables = {table["kind"]: table for table in agreement(rows, found, 4)}
    assert (tables["2"]["rows"], tables["2"]["found"], tables["2"]["chance"]) == (2, 1, 0.25)
    assert tables["2"]["by"] == {"touch": 1, "rival": 1}
    assert (tables["6"]["found"], tables["7"]["found"], tables["6"]["chance"]) == (1, 0, None)
    assert tables["1"]["rows"] == 0


@pytest.mark.parametrize(
    "text", ["A firm grey dome with black points in it.", "A matt grey dome with black points in it."]
)
def test_the_command_counts_findings_before_and_after(tmp_path: Path, text: str) -> None:
    for name, words in (("old", "A firm grey dome with black points in it."), ("new", text)):
        folder = tmp_path / name
        folder.mkdir()
        line = {"aspect": "colour", "modality": "clinical", "text": words}
        (folder / "all.jsonl").write_text(json.dumps({"name": "wart", "descriptions": [line]}), encoding="utf-8")
    review = tmp_path / "review.csv"
    review.write_text("disease,kind,text\nwart,2,A firm grey dome with black points in it.\n", encoding="utf-8")
    bases = ["--before", str(tmp_path / "old"), "--after", str(tmp_path / "new")]
    output = tmp_path / "checks.json"
    arguments = ["--review", str(review), *bases, "--no-model", "--output", str(output)]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    after = int("firm" in text)
    assert f"| touch | error | 1 | {after} |" in result.stdout
    stored = json.loads(output.read_text(encoding="utf-8"))
    assert stored["before"]["findings"]["touch/error"] == 1
    assert stored["after"]["findings"].get("touch/error", 0) == after


@pytest.mark.slow
def test_a_base_is_checked_with_its_names_in_other_languages() -> None:
    folder = library.locate("dermatology")
    found, sentences = findings(folder, folder, model=False)
    assert [problem for problem in found if problem.severity == "error"] == [], "as `zsderm kb validate` says"
    assert sentences == len(KnowledgeBase.load(folder))

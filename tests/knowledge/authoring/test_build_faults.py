"""``zsderm kb build`` on what people have: every encoding and separator, and what cannot become a base is refused."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from zsderm import KnowledgeBase
from zsderm.cli import main
from zsderm.knowledge.authoring.validate import validate

SENTENCE = "A flat, evenly brown patch."


def build(tmp_path: Path, name: str, content: str | bytes, encoding: str = "utf-8") -> Result:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return CliRunner().invoke(main, ["kb", "build", str(tmp_path / name), "--output", str(tmp_path / "base")])


@pytest.mark.parametrize(
    ("name", "content", "encoding"),
    [
        ("a.csv", f'class,description\nnævus,"{SENTENCE}"\n', "utf-8"),
        ("a.csv", f'class,description\nnævus,"{SENTENCE}"\n', "utf-8-sig"),
        ("a.csv", f'class,description\nnævus,"{SENTENCE}"\n', "utf-16"),
        ("a.csv", f'class,description\nnævus,"{SENTENCE}"\n', "cp1252"),
        ("a.csv", f"class;description\nnævus;{SENTENCE}\n", "utf-8"),
        ("a.tsv", f"class\tdescription\nnævus\t{SENTENCE}\n", "utf-8"),
        ("a.csv", f'Class,Description,Aspect,Modality\r\nnævus ,"{SENTENCE} ", ,Clinical\r\n', "utf-8"),
        ("a.csv", 'class,description\nnævus,"A flat, evenly\nbrown  patch."\n', "utf-8"),
        ("a.jsonl", json.dumps({"class": "nævus", "description": SENTENCE}), "utf-8"),
        ("a.json", json.dumps({"nævus": [SENTENCE]}, ensure_ascii=False), "utf-8-sig"),
        ("a.json", json.dumps({"nævus": [SENTENCE]}, ensure_ascii=False), "utf-16"),
        ("a.json", json.dumps({"nævus": [SENTENCE]}, ensure_ascii=False), "cp1252"),
        ("a.json", json.dumps({"nævus": {"": [SENTENCE], "colour": ["All of it is brown."]}}), "utf-8"),
    ],
)
def test_a_base_is_built_whatever_the_file_and_passes_its_profile(
    tmp_path: Path, name: str, content: str, encoding: str
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        done = build(tmp_path, name, content, encoding)
    assert done.exit_code == 0, done.output
    (disease,) = KnowledgeBase.load(tmp_path / "base").diseases.values()
    assert (disease.name, disease.descriptions[0].text) == ("nævus", SENTENCE)
    assert json.loads((tmp_path / "base" / "base.json").read_text())["profile"] == "minimal"
    assert validate(tmp_path / "base") == [] and validate(tmp_path / "base", "full")
    checked = CliRunner().invoke(main, ["kb", "validate", str(tmp_path / "base")])
    assert checked.exit_code == 0 and "no problems" in checked.stderr
    assert CliRunner().invoke(main, ["kb", "validate", str(tmp_path / "base"), "--profile", "full"]).exit_code == 1


def test_parquet_is_a_table_too(tmp_path: Path) -> None:
    pd.DataFrame({"class": ["NA", "01"], "description": ["red", "blue"]}).to_parquet(tmp_path / "a.parquet")
    done = build(tmp_path, "a.parquet", (tmp_path / "a.parquet").read_bytes())
    assert done.exit_code == 0 and set(KnowledgeBase.load(tmp_path / "base").diseases) == {"NA", "01"}


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", "class,description\nnevus,A flat, evenly brown patch\n", "commas in quotes"),
        ("a.csv", "class,description\nnevus,flat\nnevus,round, brown\n", "commas in quotes"),
        ("a.csv", 'class,description\nnevus,"flat\nrobin,red\n', "close the quote"),
        ("a.csv", "class,description\nnevus,a\0b\n", "a.csv"),
        ("a.csv", f"class,description\nnevus,{'x' * 140_000}\n", "140,000 characters"),
        ("a.csv", "class,description\nnevus,\x1b[31mred\n", "no printable character"),
        ("a.csv", "class,description\nNevus,flat\nnevus,round\n", "it stands for 'Nevus' and 'nevus'"),
        ("a.csv", "class,description\nnaevi,flat\nnevus,round\n", "stand for one disease"),
        ("a.csv", "class,description,modality\nnevus,flat,x-ray\n", "modality"),
        ("a.csv", "class,description\n ,flat\n", "line 2"),
        ("a.csv", "", "a.csv"),
        ("a.json", '{" ": ["flat"]}', "to have a name"),
        ("a.json", '{"nevus": []}', "it is empty"),
        ("a.json", '{"nevus": {}}', "it is empty"),
        ("a.json", '{"nevus": ["flat", NaN]}', "list of texts"),
        ("a.json", '{"nevus": ["flat", ""]}', "list of texts"),
        ("a.json", '{"nevus": NaN}', "list of texts"),
        ("a.json", '{"nevus": ["flat"], "nevus": ["round"]}', "twice"),
        ("a.json", '{"nevus": ["\\ud800"]}', "no printable character"),
        ("a.json", "[" * 100_000, "nested too deep"),
        ("a.json", '{"a": ' * 100_000, "nested too deep"),
        ("a.json", '{"nevus": [' + "9" * 5000 + "]}", "JSON"),
    ],
)
def test_what_cannot_become_a_base_is_one_sentence_and_writes_nothing(
    tmp_path: Path, name: str, content: str, reason: str
) -> None:
    done = build(tmp_path, name, content)
    assert done.exit_code == 1 and isinstance(done.exception, SystemExit), done.output
    assert reason in done.stderr and done.stderr.strip().splitlines()[-1].startswith("Error: ")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_base_of_deep_json_is_a_problem_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "deep.jsonl").write_text("[" * 100_000)
    (problem,) = validate(tmp_path / "deep.jsonl")
    assert problem.disease == "deep.jsonl:1" and "nested too deep" in problem.reason


def test_an_empty_base_and_an_unknown_profile_are_problems(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n")
    assert [problem.reason for problem in validate(tmp_path / "a.jsonl")] == ["no line holds a disease"]
    (tmp_path / "base.json").write_text('{"profile": "some"}')
    assert any("'profile' to be one of full, minimal" in problem.reason for problem in validate(tmp_path))

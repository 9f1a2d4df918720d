from __future__ import annotations

import json
from pathlib import Path

import pytest

from zsderm import InputError
from zsderm.knowledge.authoring.build import read_class_texts


def test_json_as_cupl_writes_it(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"robin": ["A red breast.", "a red breast."], "crow": ["All black."]}))
    robin, crow = read_class_texts(tmp_path / "a.json")
    assert (robin.name, [d.text for d in robin.descriptions]) == ("robin", ["A red breast."])
    assert (crow.descriptions[0].aspect, crow.descriptions[0].modality) == ("unspecified", "either")


def test_json_by_aspect(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"robin": {"colour": ["A red breast."]}}))
    assert read_class_texts(tmp_path / "a.json")[0].descriptions[0].aspect == "colour"


def test_csv_says_what_a_description_shows_or_its_aspect_does(tmp_path: Path) -> None:
    rows = "robin,A red breast.,colour,Place\ncrow,Many together.,size and number,\n"
    (tmp_path / "a.csv").write_text(f"class,description,aspect,shows\n{rows}")
    assert [one.descriptions[0].shows for one in read_class_texts(tmp_path / "a.csv")] == ["place", "number"]
    (tmp_path / "a.csv").write_text("class,description,shows\nrobin,A red breast.,feathers\n")
    with pytest.raises(InputError, match="lesion or place or skin or number or course or differs, but got 'feathers'"):
        read_class_texts(tmp_path / "a.csv")


def test_csv_with_and_without_aspect(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("class,description,aspect\nrobin,A red breast.,colour\ncrow,All black.,\n")
    robin, crow = read_class_texts(tmp_path / "a.csv")
    assert robin.descriptions[0].aspect == "colour" and crow.descriptions[0].aspect == "unspecified"
    assert crow.descriptions[0].source == "a.csv"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", "name,text\nrobin,red\n", "class, description is missing"),
        ("a.csv", "class,description\nrobin,\n", "line 2"),
        ("a.csv", "class,description\n", "empty"),
        ("a.json", "[1]", "list"),
        ("a.json", "{", "JSON"),
        ("a.json", '{"robin": "red"}', "list of texts"),
        ("a.txt", "robin", ".csv or .json"),
    ],
)
def test_another_content_is_refused_with_the_reason(tmp_path: Path, name: str, content: str, reason: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=reason):
        read_class_texts(tmp_path / name)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file"):
        read_class_texts(tmp_path / "none.csv")

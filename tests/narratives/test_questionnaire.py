from __future__ import annotations

import csv
from pathlib import Path

import pytest

from zsderm import InputError
from zsderm.narratives.questionnaire import patient_stories

HEADER = "filename,label,split,patient_id,lesion_id,age,gender,fitspatrick,region,diameter_1,diameter_2"
HEADER += ",itch,grew,hurt,changed,bleed,elevation,biopsed"
ROWS = [
    "images/1.png,nevus,train,P1,7,31,MALE,2,BACK,5,4,False,True,False,UNK,False,True,True",
    "images/2.png,nevus,train,P1,7,31,MALE,2,BACK,5,4,False,True,False,UNK,False,True,True",
    "images/3.png,melanoma,dev,P2,7,66,,,FACE,,,True,True,False,True,True,True,True",
]


def _write(tmp_path: Path, *rows: str, header: str = HEADER) -> Path:
    (tmp_path / "answers.csv").write_text("\n".join((header, *rows)) + "\n")
    return tmp_path / "answers.csv"


def test_a_table_of_answers_becomes_one_of_stories(tmp_path: Path) -> None:
    found = patient_stories(_write(tmp_path, *ROWS))
    assert list(found["image"]) == ["images/1.png", "images/2.png", "images/3.png"]
    assert list(found["case"]) == ["P1 7", "P1 7", "P2 7"]
    assert list(found["label"]) == ["nevus", "nevus", "melanoma"] and list(found["split"]) == ["train", "train", "dev"]
    assert set(found["source"]) == {"patient"} and list(found["patient_id"]) == ["P1", "P1", "P2"]
    assert list(found["known"]) == ["itch grew hurt bleed elevation"] * 2 + ["itch grew hurt changed bleed elevation"]
    assert found["narrative"][0] == found["narrative"][1] != found["narrative"][2]


@pytest.mark.parametrize("column", ["label", "split", "gender", "fitspatrick", "diameter_1", "diameter_2", "biopsed"])
def test_what_may_not_be_told_changes_no_letter_of_a_story(tmp_path: Path, column: str) -> None:
    before = patient_stories(_write(tmp_path, *ROWS))["narrative"]
    names, cells = HEADER.split(","), [row.split(",") for row in ROWS]
    for row in cells:
        row[names.index(column)] = "" if row[names.index(column)] else "9"
    assert list(patient_stories(_write(tmp_path, *map(",".join, cells)))["narrative"]) == list(before)
    without = [",".join(cell for name, cell in zip(names, row, strict=True) if name != column) for row in cells]
    table = _write(tmp_path, *without, header=",".join(name for name in names if name != column))
    assert list(patient_stories(table)["narrative"]) == list(before)


def test_a_table_may_lack_most_columns(tmp_path: Path) -> None:
    found = patient_stories(_write(tmp_path, "1.png,True", "2.png,UNK", header="image,Itch"), seed=4)
    assert list(found["known"]) == ["itch", ""] and list(found["case"]) == ["", ""]
    assert "label" not in found and "split" not in found


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("image,age", "expected answers of patients in .*its columns are: image, age"),
        ("name,itch", "expected an image column"),
    ],
)
def test_a_table_without_images_or_answers_is_refused(tmp_path: Path, header: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        patient_stories(_write(tmp_path, "1,True", header=header))


def test_a_wrong_cell_is_named_by_its_case(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="P2 7: expected itch to be True, False or UNK, but got 'perhaps'"):
        patient_stories(_write(tmp_path, *ROWS[:2], ROWS[2].replace("FACE,,,True", "FACE,,,perhaps")))


def test_the_rows_are_those_of_the_table(tmp_path: Path) -> None:
    path = _write(tmp_path, *ROWS)
    with path.open(newline="") as file:
        assert [row["filename"] for row in csv.DictReader(file)] == list(patient_stories(path)["image"])

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from zsderm import FallbackWarning, InputError
from zsderm.errors import ZsdermWarning
from zsderm.narratives.table import NARRATIVE_COLUMNS, NarrativeTable, read_narratives

ROWS = [
    {"image": "a/1.jpg", "narrative": 'It itches, "always".\nAt night.'},
    {"image": "2.jpg", "narrative": "Hurts;"},
]


def _read(tmp_path: Path, text: str, **columns: str) -> NarrativeTable:
    (tmp_path / "told.csv").write_text(text, encoding="utf-8")
    return read_narratives(tmp_path / "told.csv", **columns)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_every_format_of_a_table_gives_the_same_stories(tmp_path: Path, suffix: str) -> None:
    frame, path = pd.DataFrame(ROWS), tmp_path / f"told{suffix}"
    if suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, ROWS)))
    elif suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    stories = read_narratives(path).of_images(["/photos/2.jpg", "/photos/a/1.jpg", "/photos/3.jpg"])
    assert stories == ["Hurts;", 'It itches, "always".\nAt night.', ""]


@pytest.mark.parametrize("column", ["Narrative", *NARRATIVE_COLUMNS])
def test_the_column_of_stories_may_be_called_otherwise(tmp_path: Path, column: str) -> None:
    assert _read(tmp_path, f"filename,{column}\n1.jpg,It itches\n").of_images(["1.jpg"]) == ["It itches"]


@pytest.mark.parametrize("told", [["It itches", "It hurts"], {"story": "It itches"}, []])
def test_a_list_or_an_object_is_no_story(tmp_path: Path, told: object) -> None:
    path = tmp_path / "told.jsonl"
    path.write_text(json.dumps({"image": "1.jpg", "narrative": told}))
    with pytest.raises(InputError, match=r"each narrative in .* to be one text, but its column 'narrative' holds"):
        read_narratives(path)
    path.write_text(json.dumps({"image": "1.jpg", "narrative": "[...] itches, {sic}"}))
    assert read_narratives(path).of_images(["1.jpg"]) == ["[...] itches, {sic}"]


def test_stories_of_nothing_that_is_asked_for_are_counted(tmp_path: Path) -> None:
    rows = "1.jpg,It itches\n,It hurts\n3.jpg,It bleeds\n4.jpg,\n2.jpg,\n"
    table = _read(tmp_path, f"image,narrative\n{rows}")
    with pytest.warns(ZsdermWarning, match=r"2 of 3 narratives in .*told.csv are of none of the images, and left out"):
        assert table.of_images(["1.jpg", "2.jpg"]) == ["It itches", ""]
    table = _read(tmp_path, f"case,narrative\n{rows}")
    with pytest.warns(ZsdermWarning, match="1 of 3 narratives in .*told.csv is of none of the cases, and left out"):
        assert table.of_cases(["1.jpg", "3.jpg", ""]) == ["It itches", "It bleeds", ""]


@pytest.mark.parametrize("cell", ["", "  ", "n/a", "NaN", "unknown", "-"])
def test_a_cell_that_says_nothing_is_an_empty_story(tmp_path: Path, cell: str) -> None:
    assert _read(tmp_path, f"image,narrative\n1.jpg,{cell}\n2.jpg,x\n").of_images(["1.jpg", "2.jpg"]) == ["", "x"]


def test_a_story_for_each_case_belongs_to_all_its_images(tmp_path: Path) -> None:
    table = _read(tmp_path, "patient_id,narrative\n007,It itches\n8,It hurts\n")
    assert table.case_column == "patient_id"
    cases = ["007", "8", "007", "", "9"]
    told = ["It itches", "It hurts", "It itches", "", ""]
    assert table.of_cases(cases) == table.of_images(["1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg"], cases) == told


def test_rows_of_images_are_of_cases_if_a_column_of_them_is_named(tmp_path: Path) -> None:
    text = "image,lesion_id,narrative\n1.jpg,L1,It itches\n2.jpg,L1,It itches\n3.jpg,L1,\n4.jpg,,Lost\n"
    with pytest.warns(ZsdermWarning, match="2 of 3 narratives"):
        assert _read(tmp_path, text).of_images(["2.jpg"]) == ["It itches"]
    with pytest.warns(ZsdermWarning, match="1 of 3 narratives"):
        assert _read(tmp_path, text, case_column="lesion_id").of_cases(["L1", ""]) == ["It itches", ""]


def test_rows_without_names_are_taken_in_order_if_the_user_says_so(tmp_path: Path) -> None:
    table = _read(tmp_path, "age,narrative\n4,It itches\n5,It hurts\n", image_column="none")
    with pytest.warns(FallbackWarning, match="taken in the order of the images"):
        assert table.of_images(["1.jpg", "2.jpg"]) == ["It itches", "It hurts"]


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("image,text\n1.jpg,x\n", {}, "expected a column narrative in .*its columns are: image, text"),
        ("narrative\nx\n", {}, "expected an image column in"),
        ("image,narrative\n1.jpg,x\n", {"image_column": "imge"}, "Did you mean 'image'"),
        ("image,narrative\n1.jpg,x\n", {"case_column": "lesion"}, "expected a column 'lesion'"),
        ("image,narrative\n1.jpg\x00,x\n", {}, "is no text"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_sentence(
    tmp_path: Path, text: str, columns: dict[str, str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        _read(tmp_path, text, **columns)


def test_stories_that_do_not_fit_the_images_or_cases_are_refused(tmp_path: Path) -> None:
    by_image = _read(tmp_path, "image,narrative\n1.jpg,x\n1.jpg,y\n")
    with pytest.raises(InputError, match="one row for each image"):
        by_image.of_images(["1.jpg"])
    with pytest.raises(InputError, match="names none of them"):
        by_image.of_images(["2.jpg"])
    with pytest.raises(InputError, match="names images in the column 'image'"):
        by_image.of_cases(["1"])
    by_case = _read(tmp_path, "case,narrative\nA,x\nA,y\n")
    with pytest.raises(InputError, match=r"names cases in its column 'case', but no images.*--group-by"):
        by_case.of_images(["1.jpg"])
    with pytest.raises(InputError, match="the rows of 'A' tell different things"):
        by_case.of_cases(["A"])
    with pytest.raises(InputError, match="names none of them: it names A, and the cases are B"):
        _read(tmp_path, "case,narrative\nA,x\n").of_cases(["B"])

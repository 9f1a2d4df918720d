"""Tables as people have them: other column names, missing files, groups in other words."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from zsderm.benchmarks.labelled import LabelledImages, groups_of, read_folder, read_table
from zsderm.errors import InputError, ZsdermWarning

CLASSES = ("nevus", "melanoma", "wart")


@pytest.fixture
def table(tmp_path: Path, make_photos: Callable) -> pd.DataFrame:
    make_photos(tmp_path, [f"{number}.png" for number in range(4)])
    return pd.DataFrame({"filename": [f"{number}.png" for number in range(4)], "label": ["Nevus", "melanoma"] * 2})


def _read(folder: Path, table: pd.DataFrame, split: str = "dev", **how: object) -> LabelledImages:
    table.to_csv(folder / "mine.csv", index=False)
    given: dict = {"published": CLASSES, "codes": {}, **how}
    return read_table(folder / "mine.csv", name="mine", split=split, **given)


def test_names_find_their_class_whatever_their_case(tmp_path: Path, table: pd.DataFrame) -> None:
    found = _read(tmp_path, table)
    assert (found.classes, found.labels.tolist(), found.split) == (CLASSES, [0, 1, 0, 1], "all")


def test_names_that_are_not_published_are_taken_as_they_are_all_of_them(tmp_path: Path, table: pd.DataFrame) -> None:
    table["label"] = ["freckle", "melanoma", "blister", "melanoma"]
    table["split"] = ["dev", "dev", "train", "train"]
    found = _read(tmp_path, table)
    assert found.classes == ("blister", "freckle", "melanoma")  # of every split, so that splits have the same classes
    assert found.labels.tolist() == [1, 2]


def test_a_kind_of_a_published_class_counts_for_it_and_is_said(tmp_path: Path, table: pd.DataFrame) -> None:
    table["label"] = ["Blue nevus", "melanoma", "nodular melanoma", "nevus"]
    with pytest.warns(ZsdermWarning, match=r"mine.csv: .*Blue nevus = nevus, nodular melanoma = melanoma\."):
        found = _read(tmp_path, table)
    assert found.classes == CLASSES and found.labels.tolist() == [0, 1, 1, 0]


def test_other_names_of_a_published_class_count_beside_its_kinds(tmp_path: Path, table: pd.DataFrame) -> None:
    table["label"] = ["Mole", "malignant melanoma", "melanoma in situ", "blue nevus"]
    with pytest.warns(ZsdermWarning) as said:
        found = _read(tmp_path, table)
    assert found.classes == CLASSES and found.labels.tolist() == [0, 1, 1, 0]
    told = [str(warning.message).split(": ", 1)[1] for warning in said]
    assert told == [
        "read as other names of the classes: malignant melanoma = melanoma, Mole = nevus.",
        "read as diseases that the classes hold: blue nevus = nevus, melanoma in situ = melanoma.",
    ]


def test_labels_are_looked_up_as_they_are_written(tmp_path: Path, table: pd.DataFrame) -> None:
    table["label"] = ["AKs", "wart", "AKs", "wart"]  # the capitals tell an abbreviation from a word
    with pytest.warns(ZsdermWarning, match="read as other names of the classes: AKs = actinic keratosis"):
        found = _read(tmp_path, table, published=("wart", "actinic keratosis"))
    assert found.labels.tolist() == [1, 0, 1, 0]


def test_a_table_that_keeps_its_own_names_is_not_said_to_be_read_as_others(tmp_path: Path, table: pd.DataFrame) -> None:
    table["label"] = ["blue nevus", "melanoma", "psoriasis", "melanoma"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _read(tmp_path, table).classes == ("blue nevus", "melanoma", "psoriasis")


def test_numbers_index_the_published_order(tmp_path: Path, table: pd.DataFrame) -> None:
    assert _read(tmp_path, table.assign(label=[2, 0, 1, 1])).labels.tolist() == [2, 0, 1, 1]
    assert _read(tmp_path, table.assign(label=[2.0, 0.0, None, 1.0])).labels.tolist() == [2, 0, 1]


def test_a_part_of_a_set_is_read_and_counted(tmp_path: Path, table: pd.DataFrame) -> None:
    (tmp_path / "2.png").unlink()
    found = _read(tmp_path, table)
    assert (len(found), found.listed, found.labels.tolist()) == (3, 4, [0, 1, 1])


def test_images_are_found_by_name_below_the_table_with_or_without_suffix(
    tmp_path: Path, table: pd.DataFrame, make_photos: Callable
) -> None:
    make_photos(tmp_path, ["deep/er/x.jpg", "one/twin.png", "two/twin.png"])
    table["filename"] = ["0.png", "elsewhere/x", "twin.png", "3.png"]
    with pytest.warns(ZsdermWarning, match=r"not where the table says.*\(1 of 4\): elsewhere/x = deep/er/x\.jpg"):
        found = _read(tmp_path, table)
    assert [Path(image).name for image in found.images] == ["0.png", "x.jpg", "3.png"]  # two twins: nobody knows which


def test_a_file_is_no_image_of_two_rows_and_none_of_a_row_beside_its_own(
    tmp_path: Path, table: pd.DataFrame, make_photos: Callable
) -> None:
    make_photos(tmp_path, ["c/x.png", "d/y.png", "d/z.png"])
    table["filename"] = ["a/x.png", "b/x.png", "d/y.png", "e/y.png"]
    found = _read(tmp_path, pd.concat([table, table.tail(1).assign(filename="z.png")]))
    assert [Path(image).name for image in found.images] == ["y.png", "z.png"] and found.listed == 5


@pytest.mark.parametrize("layout", ["wide", "long"])
def test_predictions_are_no_labels_unless_they_carry_them(tmp_path: Path, table: pd.DataFrame, layout: str) -> None:
    names = ["freckle", "blister"]
    rows = pd.DataFrame({"image": table["filename"], "label": names * 2, **{f"probability: {n}": 0.5 for n in names}})
    if layout == "long":
        cells = [(image, name, 0.5) for image in table["filename"] for name in names]
        rows = pd.DataFrame(cells, columns=["image", "class", "probability"])
    with pytest.raises(InputError, match="it holds predictions, all of which would be right"):
        _read(tmp_path, rows)
    true = dict(zip(table["filename"], ["blister", "freckle"] * 2, strict=True))
    assert len(_read(tmp_path, rows.assign(true_label=rows["image"].map(true)))) == 4


def test_columns_are_known_in_any_spelling_and_ids_are_text(tmp_path: Path, table: pd.DataFrame) -> None:
    table = table.rename(columns={"filename": "File Name", "label": "Label"})
    found = _read(tmp_path, table.assign(Split=["dev", "dev ", "train", "dev"], Patient_ID=["01", "NA", "x", "1"]))
    assert (found.split, len(found), found.unit) == ("dev", 3, "Patient_ID")
    assert found.units is not None and found.units.tolist() == ["01", "", "1"]


def test_names_that_differ_in_case_are_one_class(tmp_path: Path, table: pd.DataFrame) -> None:
    found = _read(tmp_path, table.assign(label=["Freckle", "freckle", "blister", "cafe\u0301"]))
    assert found.classes == ("blister", "café", "Freckle") and found.labels.tolist() == [2, 2, 0, 1]


def test_a_column_of_zeros_and_ones_for_each_code_is_read(tmp_path: Path, table: pd.DataFrame) -> None:
    codes = {"NV": "nevus", "MEL": "melanoma", "WART": "wart"}
    hot = table[["filename"]].assign(mel=["0,0", "1.0", "", "0"], nv=["1,0", "", "", "0"], Wart=["0", "", "", "1"])
    assert _read(tmp_path, hot, codes=codes).labels.tolist() == [0, 1, 2]


def test_an_empty_label_is_left_out(tmp_path: Path, table: pd.DataFrame) -> None:
    table.loc[1, "label"] = ""
    assert len(_read(tmp_path, table)) == 3


def test_groups_are_in_the_same_words_whatever_the_data_set() -> None:
    found = groups_of(
        pd.DataFrame(
            {
                "fitzpatrick_scale": ["1", "-1", "6"],
                "age_approx": ["85.0", "", "30"],
                "gender": ["MALE", "unknown", "female"],
                "localization": ["back", "back", "back"],
            }
        )
    )
    assert found["skin type"].tolist() == ["I", "", "VI"]
    assert found["age"].tolist() == ["70+", "", "30–49"]
    assert found["sex"].tolist() == ["male", "", "female"]
    assert "body site" not in found  # one group only


def _broken(table: pd.DataFrame) -> dict[str, tuple[pd.DataFrame, dict, str]]:
    numbered = table.assign(label=[0, 1, 2, 3])
    return {
        "no image column": (table.rename(columns={"filename": "picture"}), {}, "an image column .*image, filename"),
        "no label column": (table.rename(columns={"label": "truth"}), {}, "a label column"),
        "numbers without an order": (numbered, {"published": ()}, "nothing says which classes"),
        "a number out of range": (numbered, {}, "labels 0 to 2 .* but got 3"),
        "a split that is not there": (table.assign(split="test"), {}, "no split 'dev'; it has: test, and --split all"),
        "one class": (table.assign(label="freckle"), {}, "at least two classes"),
        "images of somewhere else": (table.assign(filename=["a", "b", "c", "d"]), {}, "found none of 4; .*'a'"),
    }


@pytest.mark.parametrize("case", _broken(pd.DataFrame({"filename": list("abcd"), "label": list("abcd")})))
def test_a_mistake_is_one_sentence(tmp_path: Path, table: pd.DataFrame, case: str) -> None:
    broken, how, words = _broken(table)[case]
    with pytest.raises(InputError, match=words):
        _read(tmp_path, broken, **how)


def test_a_folder_without_folders_of_images_is_refused(tmp_path: Path, make_photos: Callable) -> None:
    make_photos(tmp_path, ["nevus/1.png", "2.png"])
    with pytest.raises(InputError, match="at least two folders of images"):
        read_folder(tmp_path, name="mine")

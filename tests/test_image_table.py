from __future__ import annotations

from pathlib import Path

import pytest

from zsderm import FallbackWarning, InputError
from zsderm.image_names import ImageNames
from zsderm.image_table import (
    IMAGE_COLUMNS,
    IN_ORDER,
    LABEL_COLUMNS,
    ImageTable,
    image_column,
    known_column,
)


def _table(tmp_path: Path, text: str) -> ImageTable:
    (tmp_path / "table.csv").write_text(text, encoding="utf-8")
    return ImageTable.read(tmp_path / "table.csv")


def test_the_longest_end_of_a_path_decides(tmp_path: Path) -> None:
    table = _table(tmp_path, "filename,caption\n1.jpg,short\na/1.jpg,long\n")
    assert table.rows_of(["/photos/a/1.jpg", "/photos/b/1.jpg"]) == [[1], [0]]


@pytest.mark.parametrize("name", ["a/1.jpg", "./a/1.jpg", "a\\1.jpg", "1.jpg", "1", "a/1", "elsewhere/a/1.jpg"])
def test_a_name_is_matched_with_or_without_folders_and_suffix(tmp_path: Path, name: str) -> None:
    assert _table(tmp_path, f"image\n{name}\n").rows_of(["/photos/a/1.jpg"]) == [[0]]


def test_an_image_may_have_several_rows_or_none(tmp_path: Path) -> None:
    table = _table(tmp_path, "image,caption\n1.jpg,x\n2.jpg,y\n1.jpg,z\n")
    assert table.rows_of(["1.jpg", "3.jpg"]) == [[0, 2], []]


def test_a_table_that_names_no_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="names none of them"):
        _table(tmp_path, "image\n1.jpg\n").rows_of(["2.jpg"])


def test_a_file_name_that_stands_for_several_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="several images"):
        _table(tmp_path, "image\na/1.jpg\nb/1.jpg\n").rows_of(["1.jpg"])


def test_cells_are_text_and_numbers_stay_as_written(tmp_path: Path) -> None:
    table = _table(tmp_path, "image,patient_id\n1.jpg,007\n2.jpg,\n")
    assert table.column("patient_id") == ["007", ""]


def test_files_are_relative_to_the_folder_of_the_table(tmp_path: Path) -> None:
    assert _table(tmp_path, "image\na/1.jpg\n").files == [tmp_path / "a" / "1.jpg"]


def test_rows_are_chosen_by_the_value_of_a_column(tmp_path: Path) -> None:
    table = _table(tmp_path, "image,split\n1.jpg,train\n2.jpg,dev\n")
    assert table.where("split", "dev").rows_of(["2.jpg"]) == [[0]]
    with pytest.raises(InputError, match=r"no row with split=test; the column holds: dev, train"):
        table.where("split", "test")


def test_a_missing_column_is_met_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Did you mean 'patient_id'"):
        _table(tmp_path, "image,patient_id\n1.jpg,1\n").column("patient")
    with pytest.raises(InputError, match=r"an image column .*image, filename.* but its columns are: name"):
        _table(tmp_path, "name\n1.jpg\n")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b'a,"b\n1,2'])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "table.csv").write_bytes(content)
    with pytest.raises(InputError, match="expected a"):
        ImageTable.read(tmp_path / "table.csv")


@pytest.mark.parametrize("name", [*IMAGE_COLUMNS, "Image", "FILE_NAME", "Image Name", "isic-id"])
def test_the_column_of_the_images_is_known_by_any_usual_name(name: str) -> None:
    assert image_column(["label", name]) == name


def test_the_first_usual_name_decides_and_the_exact_spelling_before_another() -> None:
    assert image_column(["image_id", "Filename", "Image", "image"]) == "image"
    assert image_column(["label", "photo"]) == ""


def test_a_column_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("image,photo\n1.jpg,2.jpg\n", encoding="utf-8")
    assert ImageTable.read(tmp_path / "table.csv", "photo").names == ["2.jpg"]
    with pytest.raises(InputError, match=r"'phot' in .* Did you mean 'photo'"):
        ImageTable.read(tmp_path / "table.csv", "phot")


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("photos\\1.jpg", "photos/1.jpg"),
        ("1.jpg ", "1.jpg"),
        ("1.JPG", "1.jpg"),
        ("Cafe\u0301.jpg", "Caf\u00e9.jpg"),
        ("1.3.6.1.4.7", "1.3.6.1.4.7.dcm"),
        ("1.png", "photos/1.jpg"),
        ("1.jpg", "1"),
        ("/data/a/1.jpg", "a/1.jpg"),
        ("../a/1.jpg", "/data/a/1.jpg"),
        ("//server/share/1.jpg", "/share/1.jpg"),
        ("scan.left", "photos/scan.left.jpg"),
    ],
)
def test_other_spellings_of_a_name_are_the_same_image(tmp_path: Path, written: str, asked: str) -> None:
    assert _table(tmp_path, f"image\n{written}\nother.jpg\n").rows_of([asked, "other.jpg"]) == [[0], [1]]


@pytest.mark.parametrize("asked", ["11.jpg", "1_2.jpg", "2", "1.jpg.png", "1.left", "01.jpg"])
def test_a_name_that_is_only_alike_is_another_image(tmp_path: Path, asked: str) -> None:
    assert _table(tmp_path, "image\n1.jpg\nother.jpg\n").rows_of([asked, "other.jpg"]) == [[], [1]]


def test_one_file_name_in_two_folders_is_told_apart_by_the_folders(tmp_path: Path) -> None:
    table = _table(tmp_path, "image\na/1.jpg\nb/1.jpg\n")
    assert table.rows_of(["photos/b/1.jpg", "photos/a/1.jpg"]) == [[1], [0]]


def test_an_image_of_another_folder_does_not_take_the_row_of_its_namesake(tmp_path: Path) -> None:
    table = _table(tmp_path, "image\na/1.jpg\n")
    assert table.rows_of(["photos/a/1.jpg", "photos/b/1.jpg"]) == [[0], []]


def test_a_name_that_stands_for_two_of_the_images_is_refused(tmp_path: Path) -> None:
    for name, images in {"1.jpg": ["a/1.jpg", "b/1.jpg"], "1": ["1.jpg", "1.png"]}.items():
        with pytest.raises(InputError, match="could be several images"):
            _table(tmp_path, f"image\n{name}\n").rows_of(images)


def test_case_and_suffix_decide_only_where_nothing_fits_better() -> None:
    names = ImageNames(["1.JPG", "1.jpg", "1.png", "1"])
    asked = ["1.JPG", "1.jpg", "1.png", "1", "1.tif"]
    assert [names.meant_by(name)[0] for name in asked] == [[0], [1], [2], [3], [3]]


def test_names_are_matched_whatever_their_order_and_each_finds_itself() -> None:
    files = [f"{folder}/{number}.jpg" for folder in "abc" for number in range(5)]
    for names in (files, files[::-1]):
        known = ImageNames(names)
        assert [names[known.meant_by(name)[0][0]] for name in files] == files


def test_one_row_for_each_image_or_none(tmp_path: Path) -> None:
    table = _table(tmp_path, "image,label\n1.jpg,a\n2.jpg,b\n")
    assert table.row_of(["2.jpg", "3.jpg"]).tolist() == [1, -1]
    beside = table.beside(["2.jpg", "3.jpg"])
    assert beside.column("label") == ["b", ""]
    for again in ("1.jpg", "./1.jpg"):
        with pytest.raises(InputError, match="one name stands for several predictions"):
            table.row_of(["1.jpg", again])


def test_a_table_without_rows_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has none below its header"):
        _table(tmp_path, "image,label\n").row_of(["1.jpg"])


def test_the_column_of_classes_is_known_by_any_usual_name() -> None:
    for name in (*LABEL_COLUMNS, "True Label", "DX", "Diagnosis-3"):
        assert known_column(["image", name], LABEL_COLUMNS) == name
    assert known_column(["dx", "Label", "label"], LABEL_COLUMNS) == "label"


def _unnamed(tmp_path: Path, text: str) -> ImageTable:
    (tmp_path / "unnamed.csv").write_text(text, encoding="utf-8")
    return ImageTable.read(tmp_path / "unnamed.csv", IN_ORDER, required=False)


def test_rows_are_taken_in_order_only_where_that_is_asked_or_nothing_has_a_name(tmp_path: Path) -> None:
    table = _unnamed(tmp_path, "label\na\nb\n")
    unasked = ImageTable.read(table.path, required=False)
    for asked, images in ((table, ["1.jpg", "2.jpg"]), (unasked, ["", ""])):
        with pytest.warns(FallbackWarning, match="its 2 rows are taken in the order of the images"):
            assert asked.row_of(images).tolist() == [0, 1]
    with pytest.raises(InputError, match=r"--image-column none and one row for each .* its columns are: label"):
        unasked.row_of(["1.jpg", "2.jpg"])
    assert ImageTable.read(_table(tmp_path, "image\n1.jpg\n").path, IN_ORDER).names == ["1.jpg"]
    with pytest.raises(InputError, match=r"one row for each of the 3 .* it has 2 rows and its columns are: label"):
        _unnamed(tmp_path, "label\na\nb\n").row_of(["1.jpg", "2.jpg", "3.jpg"])
    with pytest.raises(InputError, match=r"--image-column .* its columns are: slide, label"):
        _unnamed(tmp_path, "slide,label\n2,a\n1,b\n").row_of(["1.jpg", "2.jpg"])
    with pytest.raises(InputError, match=r"--image-column .* its columns are: photo, label"):
        _unnamed(tmp_path, "photo,label\nx.jpg,a\ny.jpg,b\n")
    with pytest.raises(InputError, match="but the predictions name none"):
        _table(tmp_path, "image\n1.jpg\n").row_of([""])


@pytest.mark.parametrize(
    ("cells", "ids"),
    [
        (["172.0", "NaT", "3.0"], ["172", "", "3"]),
        (["172.0", "01", "-"], ["172.0", "01", ""]),
        (["José", "Jose\u0301", "?"], ["José", "José", ""]),
    ],
)
def test_ids_are_text_in_one_form(tmp_path: Path, cells: list[str], ids: list[str]) -> None:
    rows = "".join(f"{row}.jpg,{cell}\n" for row, cell in enumerate(cells))
    assert _table(tmp_path, f"image,patient\n{rows}").ids("patient") == ids


def test_an_unknown_patient_is_no_patient(tmp_path: Path) -> None:
    table = _table(tmp_path, "image,patient\n1.jpg,NA\n2.jpg,0e1\n3.jpg, 01 \n")
    assert table.ids("patient") == ["", "0e1", "01"]


def test_a_row_for_a_file_speaks_of_all_its_pictures_that_have_none_of_their_own(tmp_path: Path) -> None:
    table = _table(tmp_path, "image,label\na/scan.dcm,x\na/scan.dcm#2,y\nother.dcm,z\n")
    images = ["/p/a/scan.dcm#1", "/p/a/scan.dcm#2", "/p/a/scan.dcm#3", "/p/other.dcm"]
    assert table.rows_of(images) == [[0], [1], [0], [2]]
    assert _table(tmp_path, "image\nscan#2\n").rows_of(["a/scan.dcm#1", "a/scan.dcm#2"]) == [[], [0]]
    with pytest.raises(InputError, match="could be several images"):
        _table(tmp_path, "image\nscan.dcm\n").rows_of(["a/scan.dcm#1", "b/scan.dcm#1"])

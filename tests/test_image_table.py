from __future__ import annotations

from pathlib import Path

import pytest

from zsderm import InputError
from zsderm.image_table import ImageTable


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

"""Which photographs belong together, by a column or by their folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from zsderm.cli.image_groups import read_groups
from zsderm.errors import InputError, SettingsError

IMAGES = ["photos/a/1.jpg", "photos/a/2.jpg", "photos/b/3.jpg", "photos\\b\\4.jpg", "5.jpg"]


def test_the_folder_that_an_image_lies_in_is_its_group() -> None:
    assert read_groups(IMAGES, "folder", None, None) == ["photos/a", "photos/a", "photos/b", "photos/b", "."]


def test_a_column_is_text_and_words_for_unknown_are_no_group(tmp_path: Path) -> None:
    table = tmp_path / "lesions.csv"
    table.write_text("photo,lesion\n1.jpg,007\n2.jpg,7\n3.jpg,N/A\n4.jpg,\n")
    assert read_groups(IMAGES, "lesion", table, "photo") == ["007", "7", "", "", ""]
    with pytest.raises(InputError, match=r"expected a column 'leson' .* Did you mean 'lesion'"):
        read_groups(IMAGES, "leson", table, "photo")


def test_whole_numbers_of_a_column_with_gaps_lose_what_a_program_gave_them(tmp_path: Path) -> None:
    (tmp_path / "lesions.csv").write_text("image,lesion\n1.jpg,12.0\n2.jpg,12.0\n3.jpg,\n4.jpg,3.0\n")
    assert read_groups(IMAGES, "lesion", tmp_path / "lesions.csv", None) == ["12", "12", "", "3", ""]


def test_a_column_called_folder_comes_before_the_folder(tmp_path: Path) -> None:
    (tmp_path / "with.csv").write_text("image,folder\n1.jpg,x\n2.jpg,y\n3.jpg,x\n")
    (tmp_path / "without.csv").write_text("image,true_label\n1.jpg,0\n2.jpg,1\n3.jpg,1\n")
    assert read_groups(IMAGES, "folder", tmp_path / "with.csv", None) == ["x", "y", "x", "", ""]
    assert read_groups(IMAGES, "folder", tmp_path / "without.csv", "name of another table")[0] == "photos/a"


def test_a_column_needs_a_table() -> None:
    with pytest.raises(SettingsError, match="expected a table with the column 'lesion'"):
        read_groups(IMAGES, "lesion", None, None)

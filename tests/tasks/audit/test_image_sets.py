from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from zsderm import ImageError, InputError
from zsderm.tasks.audit.image_sets import ImageSet


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "index.csv"
    path.write_text("filename,split,patient_id\na/1.png,train,p1\na/2.png,dev,p2\na/3.png,train,\n", encoding="utf-8")
    return path


def test_a_table_is_all_its_rows_or_those_with_one_value(table: Path) -> None:
    assert len(ImageSet.read(str(table))) == 3
    train = ImageSet.read(f"{table}:split=train", ["patient_id"])
    assert [path.name for path in train.paths] == ["1.png", "3.png"] and train.paths[0].parent == table.parent / "a"
    assert train.groups == {"patient_id": ("p1", "")}


@pytest.mark.parametrize("suffix", ["tsv", "jsonl", "parquet"])
def test_every_kind_of_table_names_a_set(tmp_path: Path, table: Path, suffix: str) -> None:
    frame, path = pd.read_csv(table), tmp_path / f"index.{suffix}"
    if suffix == "parquet":
        frame.to_parquet(path)
    elif suffix == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_csv(path, index=False, sep="\t")
    train = ImageSet.read(f"{path}:split=train", ["patient_id"])
    assert train.groups == {"patient_id": ("p1", "")} and len(train) == 2


def test_a_patient_has_one_name_in_every_part_of_a_table(table: Path) -> None:
    parts = [f"{table}:split=train", f"{table}:split=dev"]
    for last, name in (("x", "172.0"), ("3.0", "172")):
        table.write_text(f"filename,split,patient\n1.png,train,172.0\n2.png,dev,172.0\n3.png,dev,{last}\n")
        found = [ImageSet.read(part, ["patient"]).groups["patient"][0] for part in parts]
        assert found == [name, name]


def test_two_columns_may_be_taken_together(table: Path) -> None:
    groups = ImageSet.read(str(table), ["patient_id+split"]).groups["patient_id+split"]
    assert groups == ("p1+train", "p2+dev", "")  # empty where one of them is


def test_a_folder_is_the_photographs_in_it(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "1.png")
    assert ImageSet.read(str(tmp_path)).paths == (tmp_path / "1.png",)


def test_a_pattern_is_what_it_matches(tmp_path: Path) -> None:
    for name in ("1.png", "2.png", "3.jpg", "[4].png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    meant = {f"{tmp_path}/[12].png": ["1.png", "2.png"], f"file://{tmp_path}/?.jpg": ["3.jpg"]}
    for text, names in (meant | {f"{tmp_path}/[4].png": ["[4].png"]}).items():
        assert [Path(path).name for path in ImageSet.read(text).paths] == names
    with pytest.raises(ImageError, match=r"no image matches '.*gif'"):
        ImageSet.read(f"{tmp_path}/*.gif")


def test_a_folder_that_is_called_like_a_table_is_a_folder(tmp_path: Path) -> None:
    (folder := tmp_path / "x.csv").mkdir()
    Image.new("RGB", (4, 4)).save(folder / "1.png")
    assert len(ImageSet.read(str(folder))) == 1


def test_columns_of_a_folder_and_rows_that_are_not_there_are_refused(tmp_path: Path, table: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "1.png")
    with pytest.raises(InputError, match="expected a CSV table for the column 'patient_id'"):
        ImageSet.read(str(tmp_path), ["patient_id"])
    with pytest.raises(InputError, match="no row with split=test"):
        ImageSet.read(f"{table}:split=test")
    with pytest.raises(InputError, match="Did you mean 'split'"):
        ImageSet.read(f"{table}:spilt=dev")
    with pytest.raises(ImageError, match="no folder"):
        ImageSet.read(str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="cannot read it"):
        ImageSet.read(str(tmp_path / "nowhere.csv"))

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from zsderm.benchmarks.datasets import card, cards, load
from zsderm.errors import NotFoundError

NAMES = ["pad", "f17k", "snu", "sd-128", "ham10000", "isic2019", "bcn20000", "hiba", "mskcc", "dermnet"]


def test_there_is_a_card_for_every_benchmark_of_the_field() -> None:
    assert list(cards()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_where_to_get_the_set_and_where_it_is_looked_for(name: str) -> None:
    known = card(name)
    assert known.get and known.modality and known.tables
    assert len(set(known.classes)) == len(known.classes) > 1
    assert set(known.codes.values()) <= set(known.classes)
    assert all(word in known.to_text() for word in (known.title, known.get, known.tables[0]))


def test_what_is_not_known_is_said_to_be_unknown() -> None:
    assert "licence    unknown" in card("snu").to_text() and "images     unknown" in card("sd-128").to_text()


def test_the_development_layout_is_read_split_by_split(photo_root: Path) -> None:
    found = load("PAD", photo_root)
    assert (found.title, len(found), found.listed, found.unit) == ("PAD dev", 16, 16, "patient_id")
    assert found.classes == card("pad").classes  # the published order, although only three of them occur
    assert [len(load("pad", photo_root, split)) for split in ("train", "all")] == [2, 18]


@pytest.mark.parametrize(
    ("place", "column"),
    [("PAD/MAKE_PAD.csv", "filename"), ("zero-shot-classification/pad-zero-shot-test.csv", "image_path")],
)
def test_published_tables_hold_numbers_in_the_published_order(
    tmp_path: Path, make_photos: Callable, place: str, column: str
) -> None:
    table = tmp_path / place
    make_photos(table.parent, ["images/a.png", "images/b.png"])
    pd.DataFrame({column: ["a.png", "b.png"], "label": [5, 0]}).to_csv(table, index=False)
    found = load("pad", tmp_path)
    assert [found.classes[label] for label in found.labels] == ["melanoma", "nevus"]
    assert found.title == "PAD"


def test_the_original_table_of_ham10000_is_read_by_its_codes(tmp_path: Path, make_photos: Callable) -> None:
    make_photos(tmp_path / "HAM10000", ["HAM10000_images_part_1/ISIC_1.jpg", "HAM10000_images_part_2/ISIC_2.jpg"])
    table = pd.DataFrame({"lesion_id": ["a", "a"], "image_id": ["ISIC_1", "ISIC_2"], "dx": ["nv", "bkl"]})
    table.to_csv(tmp_path / "HAM10000" / "HAM10000_metadata.csv", index=False)
    found = load("ham10000", tmp_path)
    assert [found.classes[label] for label in found.labels] == ["nevus", "benign keratosis"]
    assert found.unit == "lesion_id" and found.units is not None and found.units.tolist() == ["a", "a"]


def test_a_table_with_a_column_a_code_is_read(tmp_path: Path, make_photos: Callable) -> None:
    make_photos(tmp_path / "isic2019", ["ISIC_1.jpg", "ISIC_2.jpg"])
    columns = ["MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK"]
    table = pd.DataFrame([[0.0] * 9, [1.0] + [0.0] * 8], columns=columns)
    table.loc[0, "SCC"] = 1.0
    table.insert(0, "image", ["ISIC_1", "ISIC_2"])
    table.to_csv(tmp_path / "isic2019" / "ISIC_2019_Training_GroundTruth.csv", index=False)
    found = load("isic2019", tmp_path)
    assert [found.classes[label] for label in found.labels] == ["squamous cell carcinoma", "melanoma"]


def test_a_folder_of_classes_is_a_data_set(tmp_path: Path, make_photos: Callable) -> None:
    make_photos(tmp_path / "mine", ["basal_cell_carcinoma/1.png", "nevus/1.png", "nevus/2.png"])
    (tmp_path / "mine" / "notes").mkdir()
    found = load(str(tmp_path / "mine"))
    assert (found.name, found.classes, found.labels.tolist()) == ("mine", ("basal cell carcinoma", "nevus"), [0, 1, 1])


def test_a_data_set_that_is_absent_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(
        NotFoundError, match=r"HAM10000 is not here.*Get it from Harvard Dataverse.*CC BY-NC 4.0.*--cards"
    ):
        load("ham10000", tmp_path)
    with pytest.raises(NotFoundError, match="no --data-root was given"):
        load("ham10000")


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(NotFoundError, match="Did you mean 'ham10000'"):
        load("ham1000")

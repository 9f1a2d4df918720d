from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from zsderm import KnowledgeBase
from zsderm.benchmarks.datasets import card, cards, load
from zsderm.benchmarks.parts import load_parts
from zsderm.errors import NotFoundError, UnknownClassError

NAMES = ["pad", "f17k", "snu", "sd-128", "ham10000", "isic2019", "bcn20000", "hiba", "mskcc", "dermnet"]
NAMES += ["ddi", "f17k-malignancy", "hiba-malignancy", "patch16", "patch16-tumor"]
# Classes and test images of the published linear probes (arXiv 2505.06152), as far as they are said.
PROBES = {
    "ham10000": (7, 1511),
    "ddi": (2, 132),
    "dermnet": (23, 4002),
    "f17k-malignancy": (3, 3193),
    "hiba-malignancy": (2, 327),
    "isic2019": (8, 7600),
    "patch16-tumor": (2, 28039),
    "bcn20000": (12, 3790),
}


def test_there_is_a_card_for_every_benchmark_of_the_field() -> None:
    assert list(cards()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_where_to_get_the_set_and_where_it_is_looked_for(name: str) -> None:
    known = card(name)
    assert known.get and known.modality and known.tables
    assert len(set(known.classes)) == len(known.classes) > 1
    assert set(known.codes.values()) <= set(known.classes)
    assert all(word in known.to_text() for word in (known.title, known.get, known.tables[0]))


@pytest.mark.parametrize("name", PROBES)
def test_the_published_test_sizes_of_probes_are_on_the_cards(name: str) -> None:
    known = card(name)
    assert (len(known.classes), known.probe_n) == PROBES[name]
    assert f"linear probes on {known.probe_n}" in known.to_text()


def test_a_class_count_that_was_published_without_its_classes_is_no_list() -> None:
    known = card("mskcc")
    assert known.probe_n == 259 and "3 classes, which no source available to us lists" in known.to_text()


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_which_classes_the_bundled_base_does_not_describe(name: str) -> None:
    known, base = card(name), KnowledgeBase.load("dermatology")
    missing = set()
    for label in known.classes:
        try:
            base.find(label)
        except UnknownClassError:
            missing.add(label)
    assert missing == set(known.undescribed)
    assert not missing or "bundled" in known.to_text()


def test_the_column_of_one_data_set_goes_before_the_usual_ones(tmp_path: Path, make_photos: Callable) -> None:
    make_photos(tmp_path / "ddi", ["images/000001.png", "images/000002.png"])
    table = pd.DataFrame({"DDI_file": ["000001.png", "000002.png"], "malignant": [True, False], "disease": ["a", "b"]})
    table.to_csv(tmp_path / "ddi" / "ddi_metadata.csv")
    found = load("ddi", tmp_path)
    assert [found.classes[label] for label in found.labels] == ["malignant", "non-malignant"]
    make_photos(tmp_path / "f17k", ["images/x.jpg", "images/y.jpg"])
    table = pd.DataFrame({"md5hash": ["x", "y"], "label": ["psoriasis", "melanoma"]})
    table["three_partition_label"] = ["non-neoplastic", "malignant"]
    table.to_csv(tmp_path / "f17k" / "fitzpatrick17k.csv", index=False)
    found = load("f17k-malignancy", tmp_path)
    assert [found.classes[label] for label in found.labels] == ["non-neoplastic", "malignant"]


def test_histology_has_its_own_parts_and_two_sets_of_classes(tmp_path: Path, make_photos: Callable) -> None:
    folders = ["nontumor_skin_dermis_dermis", "tumor_skin_naevus_naevus"] * 2
    names = [f"tiles/{folder}/{number}.jpg" for number, folder in enumerate(folders)]
    make_photos(tmp_path / "patch16", names)
    table = pd.DataFrame({"file": names, "class": folders, "set": ["Train", "Train", "Test", "Test"]})
    table["malignicy"] = ["nontumor", "tumor"] * 2
    table.to_csv(tmp_path / "patch16" / "tiles-v2.csv", index=False)
    parts = {name: load_parts(name, tmp_path) for name in ("patch16", "patch16-tumor")}
    test = parts["patch16"].test
    assert [test.classes[label] for label in test.labels] == ["nontumor skin dermis", "tumor skin naevus"]
    assert [len(part.learn) for part in parts.values()] == [2, 2]
    assert parts["patch16-tumor"].test.classes == ("nontumor", "tumor") and test.modality == "pathological"


def test_published_lists_hold_labels_in_brackets(tmp_path: Path, make_photos: Callable) -> None:
    make_photos(tmp_path, ["MSKCC/ISIC_1.jpg", "MSKCC/ISIC_2.jpg", "MSKCC/ISIC_3.jpg"])
    rows = ["MSKCC/ISIC_1.jpg,[],['nevus']", "MSKCC/ISIC_2.jpg,[],['lentigo NOS']", "MSKCC/ISIC_3.jpg,[],[]"]
    (tmp_path / "MSKCC_test.csv").write_text("\n".join(["image,atributes,categories", *rows]))
    found = load("mskcc", tmp_path)
    assert [found.classes[label] for label in found.labels] == ["nevus", "lentigo NOS"]  # the third has no label


def test_dermnet_learns_from_one_folder_and_is_tested_on_another(tmp_path: Path, make_photos: Callable) -> None:
    for part in ("train", "test"):
        make_photos(tmp_path / "Dermnet" / part, [f"Eczema Photos/{part}.jpg", f"Urticaria Hives/{part}.jpg"])
    parts = load_parts("dermnet", tmp_path)
    assert (len(parts.learn), len(parts.test)) == (2, 2) and parts.labels.tolist() == [0, 1]


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

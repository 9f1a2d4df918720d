from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from zsderm.benchmarks.experiments.image_side import calibrated, weakened, weight_of
from zsderm.benchmarks.experiments.patients_words import (
    CONFIG,
    figures,
    markdown,
    narratives,
    parts,
    table_rows,
    trained,
)
from zsderm.errors import SettingsError
from zsderm.image_table import ImageTable

DOCS = Path(__file__).resolve().parents[3] / "docs"
LABELS = ("melanoma", "nevus")


@pytest.fixture
def table(tmp_path: Path) -> ImageTable:
    """Forty rows of twenty patients, two diagnoses."""
    names = "filename,label,split,patient_id,lesion_id,age,region,itch,grew,hurt,changed,bleed,elevation,biopsed"
    rows = [
        f"{row}.png,{LABELS[row // 2 % 2]},train,P{row // 2},L{row},{40 + row},ARM,True,UNK,False,False,False,True,True"
        for row in range(40)
    ]
    (tmp_path / "index.csv").write_text("\n".join([names, *rows]), encoding="utf-8")
    return ImageTable.read(tmp_path / "index.csv")


def test_every_image_is_answered_once_by_a_model_of_other_patients(table: ImageTable) -> None:
    patients = np.array(table.column("patient_id"))
    tested = list(parts(table))
    assert sorted(np.concatenate(tested).tolist()) == list(range(40))
    for part in tested:
        assert not {*patients[part]} & {*np.delete(patients, part)}


def test_the_image_model_is_made_as_often_right_as_is_asked() -> None:
    rng = np.random.default_rng(0)
    true = np.arange(200) % 2
    features = np.eye(8, dtype=np.float32)[true] + rng.normal(0, 0.05, (200, 8)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    table, noise = weakened(features, true, np.arange(200), 2, goal=0.75)
    assert 0.65 < (table.argmax(axis=1) == true).mean() < 0.85 and noise > 0.5
    assert table.sum(axis=1) == pytest.approx(1) and (table > 0).all()
    assert weakened(features, true, np.arange(200), 2, goal=1.0)[1] == 0


def test_an_image_model_that_is_not_sure_enough_is_sharpened_by_other_patients_only() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 2, 400)
    sure = np.where(rng.random(400) < 0.9, true, 1 - true)  # right nine times of ten, and says six of ten
    image = np.where(np.eye(2)[sure] == 1, 0.6, 0.4)
    halves = [np.arange(200), np.arange(200, 400)]
    table = calibrated(image, true, halves)
    assert table.max(axis=1) == pytest.approx(0.9, abs=0.05) and (table.argmax(axis=1) == sure).all()
    turned = true.copy()
    turned[:200] = 1 - turned[:200]
    assert np.array_equal(calibrated(image, turned, halves)[:200].round(3), table[:200].round(3))


def test_words_that_mislead_get_no_weight_and_words_that_help_do() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, 600)
    image, words = rng.dirichlet((1, 1, 1), 600), rng.dirichlet((1, 1, 1), 600)
    assert weight_of(image, words, true) < 0.2
    assert weight_of(image, 0.1 + 0.7 * np.eye(3)[true], true) > 1


def test_each_story_is_told_in_several_ways_with_the_ranking_of_the_image(table: ImageTable) -> None:
    image = np.tile([0.3, 0.7], (40, 1))
    rows = list(table_rows(table, LABELS, image))
    assert len({row["id"] for row in rows}) == 120 and rows[0]["options"] == ["nevus", "melanoma"]
    assert len({rows[place]["narrative"] for place in (0, 40, 80)}) > 1
    assert rows[0]["narrative"] == narratives(table, 0)[0]
    assert not any("know" in row["narrative"] and "grow" in row["narrative"] for row in rows)


def test_names_of_diseases_are_masked_in_what_is_asked_and_trained_with(table: ImageTable) -> None:
    table.frame["region"] = "Nevus near my eczema"
    told = [*narratives(table, 0), *(row["narrative"] for row in table_rows(table, LABELS, np.ones((40, 2))))]
    assert sum("[...] near my [...]" in text.lower() for text in told) > 100
    assert not any("nevus" in text.lower() or "eczema" in text.lower() for text in told)


@pytest.mark.parametrize("changed", ["narrative", "split"])
def test_a_model_of_other_stories_is_not_taken(table: ImageTable, tmp_path: Path, changed: str) -> None:
    rows = list(table_rows(table, LABELS, np.tile([0.3, 0.7], (40, 1))))
    (tmp_path / "fold-0" / "words_model").mkdir(parents=True)
    (tmp_path / "fold-0.jsonl").write_text("".join(json.dumps({**row, changed: "x"}) + "\n" for row in rows))
    with pytest.raises(SettingsError, match="fold-0 was trained with other stories"):
        trained(tmp_path, rows, CONFIG, {}, "fold-0", np.arange(8))


@pytest.mark.slow
def test_words_that_say_nothing_change_nothing(table: ImageTable) -> None:
    rng = np.random.default_rng(0)
    image, nothing = rng.dirichlet((1, 1), 40), np.full((40, 2), 0.5)
    found = figures(table, LABELS, image, nothing, nothing, nothing)
    assert (found["images"], found["patients"]) == (40, 20)
    for way in ("both", "both, first three", "another story"):
        assert found["ways"][way]["against image"]["accuracy"]["value"] == 0
        assert found["ways"][way]["accuracy"] == found["ways"]["image"]["accuracy"]
    told = markdown({"seeds": {"7": {"train": found, "dev": found, "weights": [[0.5, 0.4]] * 6}}})
    assert "| train (40 images, 20 patients) | both | " in told and "+0.0 (+0.0 to +0.0)" in told
    assert "Seed 7; weight of the words 0.50 to 0.50 in the parts of train, 0.50 on dev" in told


def test_the_page_of_docs_is_what_the_committed_figures_give() -> None:
    content = json.loads((DOCS / "patients_words.json").read_text("utf-8"))
    assert markdown(content) in (DOCS / "chain_of_options.md").read_text("utf-8")

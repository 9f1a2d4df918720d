from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from zsderm import KnowledgeBase
from zsderm.benchmarks.experiments.narratives import DRAWS, Told, another, narratives, written
from zsderm.benchmarks.experiments.narratives_shown import WAYS, picture, tables
from zsderm.benchmarks.experiments.story_answers import answers_of, fused
from zsderm.image_table import ImageTable
from zsderm.narratives.answers import with_words
from zsderm.narratives.written import written_stories

DOCS = Path(__file__).resolve().parents[3] / "docs"
CLASSES = ["basal cell carcinoma", "melanoma", "nevus"]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> ImageTable:
    """Twelve photographs of six patients, three diagnoses."""
    names = "filename,label,split,patient_id,lesion_id,age,region,itch,grew,hurt,changed,bleed,elevation"
    rows = [
        f"{row}.png,{CLASSES[row // 2 % 3]},dev,P{row // 2},L{row},{30 + row},FACE,True,UNK,False,UNK,{row > 5},True"
        for row in range(12)
    ]
    file = tmp_path_factory.mktemp("pad") / "index.csv"
    file.write_text("\n".join([names, *rows]), encoding="utf-8")
    return ImageTable.read(file)


@pytest.fixture(scope="module")
def told(table: ImageTable, base: KnowledgeBase, tmp_path_factory: pytest.TempPathFactory) -> Told:
    return Told(table, CLASSES, base, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def base() -> KnowledgeBase:
    return KnowledgeBase.load("dermatology")


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).dirichlet(np.ones(3), 12)


def test_the_story_of_another_is_of_another_class_and_drawn_from_the_seed() -> None:
    true = np.arange(60) % 3
    rows = another(true, 1)
    assert (true[rows] != true).all() and (rows == another(true, 1)).all() and (rows != another(true, 2)).any()


def test_what_is_left_out_is_not_told(table: ImageTable) -> None:
    age, unknown = r"\d|thirt|fort[yi]", r"n't know|not know|not sure|no idea|n.t tell|not tell|cannot say|n't say"
    for options, left_out in (({"without": "age"}, age), ({"say_unknown": False}, unknown)):
        plain, without = (
            " ".join(text for seed in range(5) for text in narratives(table, seed, **chosen))  # type: ignore[arg-type]
            for chosen in ({}, options)
        )
        assert re.search(left_out, plain) and not re.search(left_out, without)


@pytest.mark.slow
def test_an_empty_story_leaves_every_row_as_it_is(told: Told, image: np.ndarray) -> None:
    found = told.measured(image)
    assert found["unchanged by an empty story"] is True
    for name, figure in found["against image"]["empty story"].items():
        assert figure["value"] == pytest.approx(0, abs=1e-6), name
    assert list(found["ways"]) == list(WAYS)
    assert found["images"] == 12 and found["patients"] == 6


@pytest.mark.slow
def test_both_is_what_the_library_answers(
    told: Told, table: ImageTable, base: KnowledgeBase, image: np.ndarray
) -> None:
    answers = answers_of([str(file) for file in table.files], CLASSES, image)
    both = with_words(answers, narratives(table, 0), base).probabilities.numpy()
    assert fused(image, told.words["story"][0]) == pytest.approx(both, abs=1e-5)
    assert len(told.words["story"]) == DRAWS["dev"] and len(told.words["age alone"]) == 1


@pytest.mark.slow
def test_photographs_are_counted_by_what_is_known_and_by_class(told: Told, image: np.ndarray) -> None:
    found = told.measured(image)
    counts = {row["name"]: row["images"] for row in found["known"]}
    assert counts["four or fewer known"] == counts["grew: unknown"] == counts["itch: yes"] == 12
    assert counts["bleed: yes"] == counts["bleed: no"] == 6 and "all six known" not in counts
    right = image.argmax(axis=1) == told.true
    assert sum(row["image"] for row in found["classes"]) == right.sum()
    gained = sum(row["both"]["put right"] - row["both"]["put wrong"] for row in found["classes"])
    assert gained / 12 == pytest.approx(found["against image"]["both"]["accuracy"]["value"])


@pytest.mark.slow
def test_the_answers_to_read_are_changed_ones_and_unchanged_ones(
    told: Told, table: ImageTable, image: np.ndarray
) -> None:
    rows = told.to_read(answers_of([str(file) for file in table.files], CLASSES, image))
    assert 5 <= len(rows) <= 10 and len({row["image"] for row in rows}) == len(rows)
    assert all(row["story"] and len(row["truth"]) == 2 for row in rows)
    changed = [row["by image"][0] != row["by both"][0] for row in rows]
    assert changed == sorted(changed, reverse=True)


@pytest.mark.slow
def test_written_stories_are_read_by_words_and_beside_a_simulated_image(base: KnowledgeBase) -> None:
    some = ("scabies", "vitiligo", "herpes zoster", "alopecia areata")
    found = written(base, [story for story in written_stories("test") if story.label in some], draws=2)
    assert list(found) == ["test"] and found["test"]["stories"] == 12
    row = found["test"]
    assert row["words"]["accuracy"]["value"] > 0.5 and row["words"]["top3"]["value"] > 0.8
    assert row["gain"]["value"] == pytest.approx(row["both"]["accuracy"]["value"] - row["image"]["accuracy"]["value"])


def test_the_page_of_docs_is_what_the_committed_figures_give() -> None:
    content = json.loads((DOCS / "narratives.json").read_text("utf-8"))
    page = (DOCS / "narratives.md").read_text("utf-8")
    for name, text in tables(content).items():
        assert f"<!-- {name} -->\n\n{text}\n\n<!-- end of {name} -->" in page
    for found in content["sets"].values():
        assert found["unchanged by an empty story"] is True


def test_the_answers_that_were_read_stand_on_the_page_as_they_were_given() -> None:
    page = (DOCS / "narratives.md").read_text("utf-8")
    rows = json.loads((DOCS / "narratives.json").read_text("utf-8"))["read"]
    for row in rows:
        (before, sure), (after, surer) = row["by image"], row["by both"]
        begins = rf"\| {row['image']}, [^|]*: {row['label']} \|"
        first, second = (f"{100 * share:.0f} %" for share in (sure, surer))
        answers = f"{before} {first} → {after} {second}" if before != after else f"the same {first} → {second}"
        assert re.search(rf"{begins} {answers} \|", page), row["image"]
    assert f"of the {sum(len(row['matched']) for row in rows)} matched sentences say" in page


@pytest.mark.slow
def test_the_plot_shows_every_class_and_photograph() -> None:
    content = json.loads((DOCS / "narratives.json").read_text("utf-8"))
    left, right = picture(content).axes
    assert [text.get_text().split("\n")[0] for text in left.get_yticklabels()] == [
        row["label"] for row in content["sets"]["dev"]["classes"]
    ]
    assert sum(len(points.get_offsets()) for points in right.collections) == content["sets"]["dev"]["images"]

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import pandas as pd
import pytest
import torch

from zsderm import KnowledgeBase, Predictions
from zsderm.errors import FallbackWarning, PretrainingDataError, UnknownClassError
from zsderm.narratives.answers import with_words
from zsderm.pretrain.narratives.config import NarrativesConfig
from zsderm.pretrain.narratives.rows import Story, classes_of, read_stories, without_names

ROW = {"id": "1", "narrative": "It itches.", "label": "scabies", "split": "train"}


def test_the_written_stories_come_with_the_package() -> None:
    rows = read_stories(NarrativesConfig(card={}), None)
    assert len(rows) >= 260 and {row.split for row in rows} == {"train", "dev", "test"}
    assert len(classes_of(rows, KnowledgeBase.load("dermatology"))) == 26


def test_every_patient_is_tested_in_one_fold_and_never_trained_with_there(stories: Path) -> None:
    tested: list[str] = []
    for fold in range(3):
        config = NarrativesConfig(card={}, stories="stories.jsonl", folds=3, fold=fold)
        rows = read_stories(config, stories)
        own = {row.group for row in rows if row.split == "test"}
        assert not own & {row.group for row in rows if row.split == "train"}
        tested += [row.id for row in rows if row.split == "test"]
    assert len(tested) == len(set(tested)) == 16, "dev and test are left alone"
    assert sum(row.split == "dev" for row in rows) == 4


def test_what_the_command_makes_of_answers_is_read(tmp_path: Path) -> None:
    row = {"image": "1.jpg", "narrative": "It itches.", "label": "scabies", "split": "train", "patient_id": "P1"}
    rows = [row, {**row, "image": "2.jpg", "label": "acne vulgaris", "case": "P2", "told": "itch"}]
    (tmp_path / "stories.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    read = read_stories(NarrativesConfig(card={}, stories="stories.jsonl"), tmp_path)
    assert [(story.id, story.group) for story in read] == [("1.jpg", "P1"), ("2.jpg", "P1")]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", r"stories\.jsonl, but cannot read it: line 3 is no JSON object: Expecting property name"),
        ("[1]", "line 3 is no JSON object"),
        ('{"narrative": "It itches.", "label": "acne", "label": "scabies"}', "'label' stands twice"),
        (json.dumps({**ROW, "narrative": "n/a"}), r"stories\.jsonl: row 3: expected 'narrative' to be a text"),
        (json.dumps({**ROW, "narrative": " "}), "expected 'narrative' to be a text"),
        (json.dumps({**ROW, "label": None}), "expected 'label' to be a text"),
        (json.dumps({**ROW, "split": "validation"}), "expected 'split' to be one of train, dev, test"),
        (json.dumps({**ROW, "options": "scabies"}), "expected 'options' to be a list of labels"),
    ],
)
def test_a_line_that_cannot_be_used_is_told_with_its_place(tmp_path: Path, line: str, told: str) -> None:
    good = [json.dumps(ROW), json.dumps({**ROW, "label": "acne"})]
    (tmp_path / "stories.jsonl").write_text("\n".join([*good, line]), encoding="utf-8")
    with pytest.raises(PretrainingDataError, match=told):
        read_stories(NarrativesConfig(card={}, stories="stories.jsonl"), tmp_path)


@pytest.mark.parametrize("written", ["jsonl", "csv", "bom", "utf-16", "windows"])
def test_a_table_is_read_as_tables_are_read_everywhere(tmp_path: Path, written: str) -> None:
    rows = [
        {**ROW, "narrative": "It itches,\u2028caf\u00e9."},
        {**ROW, "label": "acne", "options": ["acne", "scabies"]},
    ]
    file = tmp_path / f"stories.{'csv' if written == 'csv' else 'jsonl'}"
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if written == "csv":
        cells = [{**row, "options": json.dumps(row.get("options", []))} for row in rows]
        pd.DataFrame(cells).to_csv(file, index=False)
    elif written == "windows":
        text = text.replace("\u2028", " ")
        file.write_bytes(text.encode("cp1252"))
    else:
        file.write_text(text, encoding={"jsonl": "utf-8", "bom": "utf-8-sig"}.get(written, written))
    with pytest.warns(FallbackWarning) if written == "windows" else nullcontext():
        read = read_stories(NarrativesConfig(card={}, stories=file.name), tmp_path)
    assert [story.label for story in read] == ["scabies", "acne"] and read[0].narrative.endswith("caf\u00e9.")
    assert [story.options for story in read] == [(), ("acne", "scabies")]


def test_patients_are_told_apart_as_everywhere(tmp_path: Path) -> None:
    patients = [0, 0, "P", "P", " P ", "NA", "unknown", None]
    rows = [{**ROW, "id": str(n), "patient_id": p, "label": "acne" if n else "scabies"} for n, p in enumerate(patients)]
    (tmp_path / "stories.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    read = read_stories(NarrativesConfig(card={}, stories="stories.jsonl"), tmp_path)
    assert [story.group for story in read] == ["0", "0", "P", "P", "P", "5", "6", "7"]


def test_folds_need_a_column_of_groups(stories: Path) -> None:
    config = NarrativesConfig(card={}, stories="stories.jsonl", folds=2, group="patient")
    with pytest.raises(PretrainingDataError, match=r"`group` names .patient., .*Its columns are: id, narrative"):
        read_stories(config, stories)


@pytest.mark.parametrize(
    ("row", "error", "told"),
    [
        ({"label": "dermatosis of the moon"}, UnknownClassError, "dermatosis of the moon"),
        ({"label": "acne"}, PretrainingDataError, "'acne' and 'acne vulgaris' are one disease"),
        ({"label": "melanoma", "split": "test"}, PretrainingDataError, "no story of 'melanoma' to train with"),
        ({"options": ["eczema"]}, PretrainingDataError, "'eczema' is none"),
    ],
)
def test_labels_are_diseases_of_the_base_with_stories(
    tmp_path: Path, row: dict[str, object], error: type[Exception], told: str
) -> None:
    rows = [ROW, {**ROW, "label": "acne vulgaris"}, {**ROW, **row}]
    (tmp_path / "stories.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    with pytest.raises(error, match=told):
        found = read_stories(NarrativesConfig(card={}, stories="stories.jsonl"), tmp_path)
        classes_of(found, KnowledgeBase.load("dermatology"))


def test_a_table_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(PretrainingDataError, match="There is no table"):
        read_stories(NarrativesConfig(card={}, stories="no.jsonl"), tmp_path)


@pytest.mark.slow
def test_a_disease_that_a_story_names_is_not_trained_with() -> None:
    story = Story("1", "My doctor says rosacea, and it burns.", "scabies", "train", "1")
    (read,) = without_names([story], KnowledgeBase.load("dermatology"))
    assert read.narrative == "My doctor says [...], and it burns." and read.label == "scabies"


@pytest.mark.slow
def test_what_is_trained_with_is_masked_as_in_an_answer() -> None:
    told = [
        "It is ROSACEA, it burns at night.",
        "Is it eczema / melonoma? It itches.",
        "Verdachtsmelanom!",
        " It\u200bches ",
    ]
    base, classes = KnowledgeBase.load("dermatology"), ("rosacea", "scabies")
    rows = [Story(str(n), text, classes[n % 2], "train", "1") for n, text in enumerate(told)]
    by_image = Predictions(
        images=tuple(map(str, range(4))),
        classes=classes,
        probabilities=torch.full((4, 2), 0.5),
        method="knowledge",
        prior="uniform",
        requested_method="knowledge",
        evidence=((),) * 4,
        runner_up_evidence=((),) * 4,
    )
    answered = with_words(by_image, told, base).words
    assert answered is not None
    assert tuple(story.narrative for story in without_names(rows, base)) == answered.stories  # type: ignore[attr-defined]
    assert "[...]" in answered.stories[0]  # type: ignore[attr-defined]

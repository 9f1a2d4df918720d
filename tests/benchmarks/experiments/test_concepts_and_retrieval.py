from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from zsderm import KnowledgeBase
from zsderm.benchmarks.experiments.concepts_and_retrieval import (
    implied,
    markdown,
    recall_told_the_diagnosis,
    reported,
    told_the_diagnosis,
    with_captions,
)
from zsderm.image_table import ImageTable
from zsderm.tasks.concepts.agreement import agreement
from zsderm.tasks.concepts.annotation import ConceptScores
from zsderm.tasks.retrieval.recall import CUTOFFS, first_ranks, recall_both_ways

LABELS = ["melanoma", "nevus", "nevus", "melanoma", "nevus", "nevus"]


@pytest.fixture
def table() -> ImageTable:
    frame = pd.DataFrame({"filename": [f"{index}.jpg" for index in range(6)], "label": LABELS, "lesion_id": "1"})
    frame["region"] = ["BACK", "BACK", "FACE", "unknown", "BACK", "FACE"]
    frame["bleed"] = ["True", "False", "UNK", "True", "False", "True"]
    return ImageTable(Path("index.csv"), frame, "filename")


def test_captions_say_diagnosis_and_site_and_leave_an_unknown_site_out(table: ImageTable) -> None:
    captions = with_captions(table, "region").column("caption")
    assert captions[:4] == ["melanoma on the back", "nevus on the back", "nevus on the face", "melanoma"]


def test_implied_labels_are_what_the_knowledge_base_lists(table: ImageTable) -> None:
    base = KnowledgeBase.load("dermatology")
    frame = implied(table, base).frame
    for row, label in zip(frame.drop(columns="lesion_id").to_dict("records"), LABELS, strict=True):
        present = {name for name, value in row.items() if value == "1"}
        assert present and present <= set(base.find(label).concepts)
    assert frame["black"].tolist() == ["1" if label == "melanoma" else "0" for label in LABELS]


def test_the_oracle_scores_by_how_often_the_diagnosis_had_the_sign(table: ImageTable) -> None:
    scores = ConceptScores(tuple(table.column("filename")), ("bleed",), np.arange(6, dtype=np.float32)[:, None])
    found = agreement(scores, table, resamples=5)
    known = [0, 1, 3, 4, 5]
    rate = {"melanoma": 1.0, "nevus": 1 / 3}
    expected = roc_auc_score([1, 0, 1, 0, 1], [rate[LABELS[row]] for row in known])
    assert told_the_diagnosis(found, table.frame, table.frame) == {"bleed": pytest.approx(expected)}


def test_the_recall_oracle_equals_ranking_the_true_diagnosis_first_at_random(table: ImageTable) -> None:
    captioned = with_captions(table, "region")
    texts = captioned.column("caption")
    distinct = list(dict.fromkeys(texts))
    pairs = np.array([(row, distinct.index(text)) for row, text in enumerate(texts)])
    names = [text.split(" on ")[0] for text in distinct]
    # Cosines of features that hold the diagnosis, and noise that decides among equals.
    images = np.array([[label == "melanoma", label == "nevus"] for label in LABELS], np.float32)
    captions = np.array([[name == "melanoma", name == "nevus"] for name in names], np.float32)
    rng, ranks = np.random.default_rng(0), []
    for _ in range(1500):
        noisy = [np.hstack([rows, rng.normal(size=(len(rows), 9)) * 0.01]) for rows in (images, captions)]
        ranks.append((first_ranks(*noisy, pairs), first_ranks(*noisy[::-1], pairs[:, ::-1])))
    oracle = recall_told_the_diagnosis(captioned, recall_both_ways(images, captions, pairs))
    for way, found in zip(oracle.values(), zip(*ranks, strict=True), strict=True):
        np.testing.assert_allclose(way, [(np.array(found) <= k).mean() for k in CUTOFFS], atol=0.03)
    assert len(oracle["image to text"]) == len(CUTOFFS)


def test_reported_signs_have_terms_and_prompts() -> None:
    assert reported().names == ["elevation", "bleed", "changed", "grew", "hurt", "itch"]


def test_the_page_of_docs_is_what_the_committed_figures_give() -> None:
    docs = Path(__file__).resolve().parents[3] / "docs"
    part = "\n".join(markdown(json.loads((docs / "concepts_and_retrieval.json").read_text("utf-8"))))
    marked = f"<!-- concepts and retrieval -->\n\n{part}\n<!-- end of concepts and retrieval -->"
    assert marked in (docs / "tasks.md").read_text("utf-8")

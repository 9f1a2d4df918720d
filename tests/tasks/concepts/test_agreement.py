from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from zsderm import InputError
from zsderm.image_table import ImageTable
from zsderm.tasks.concepts.agreement import agreement, weighted_auroc
from zsderm.tasks.concepts.annotation import ConceptScores

CONCEPTS = ("scale", "grey", "purpura/petechiae")
COUNT = 40


@pytest.fixture
def scores() -> ConceptScores:
    values = np.random.default_rng(3).normal(size=(COUNT, 3)).astype(np.float32).round(1)  # rounded: with ties
    return ConceptScores(tuple(f"photos/{index}.jpg" for index in range(COUNT)), CONCEPTS, values)


@pytest.fixture
def labels(scores: ConceptScores) -> pd.DataFrame:
    noise = np.random.default_rng(4).normal(size=(COUNT, 3))
    shown = (scores.scores + noise > 0).astype(int)
    frame = pd.DataFrame(shown, columns=["Scale", "Gray", "Purpura Petechiae"])
    frame.insert(0, "image", [f"{index}.jpg" for index in range(COUNT)])
    return frame.assign(patient_id=[f"p{index // 4}" for index in range(COUNT)])


def _table(tmp_path: Path, frame: pd.DataFrame) -> ImageTable:
    frame.to_csv(tmp_path / "labels.csv", index=False)
    return ImageTable.read(tmp_path / "labels.csv")


def test_columns_are_matched_by_name_in_any_spelling(tmp_path: Path, scores, labels) -> None:
    found = agreement(scores, _table(tmp_path, labels), resamples=20)
    assert [figure.concept for figure in found.figures] == list(CONCEPTS)
    for index, figure in enumerate(found.figures):
        truth = labels.iloc[:, index + 1]
        assert figure.auroc == pytest.approx(roc_auc_score(truth, scores.scores[:, index]))
        assert (figure.positives, figure.negatives) == (truth.sum(), COUNT - truth.sum())
    assert found.mean_auroc == pytest.approx(np.mean([figure.auroc for figure in found.figures]))
    assert found.unmatched == ("patient_id",) and found.images == COUNT


def test_a_weighted_auroc_equals_the_one_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    values, positive = rng.normal(size=30).round(), rng.integers(0, 2, 30).astype(float)
    weights = rng.integers(0, 4, (20, 30)).astype(float)
    expected = [roc_auc_score(positive, values, sample_weight=row) for row in weights]
    np.testing.assert_allclose(weighted_auroc(values, positive, weights), expected)
    assert np.isnan(weighted_auroc(values, positive, positive[None])).all()  # no negatives left


def test_the_interval_equals_a_slow_bootstrap(tmp_path: Path, scores, labels) -> None:
    def area(positive: np.ndarray, values: np.ndarray) -> float:
        gaps = values[positive == 1][:, None] - values[positive == 0]  # every positive against every negative
        return float((gaps > 0).mean() + (gaps == 0).mean() / 2)

    found = agreement(scores, _table(tmp_path, labels), resamples=400)
    rng, means = np.random.default_rng(1), []
    truth = labels.iloc[:, 1:4].to_numpy()
    for _ in range(400):
        rows = rng.integers(0, COUNT, COUNT)
        means.append(np.mean([area(truth[rows, c], scores.scores[rows, c]) for c in range(3)]))
    np.testing.assert_allclose([found.low, found.high], np.quantile(means, [0.025, 0.975]), atol=0.025)


def test_patients_are_drawn_whole(tmp_path: Path, scores, labels) -> None:
    one_patient = _table(tmp_path, labels.assign(patient_id="p"))
    found = agreement(scores, one_patient, group_column="patient_id", resamples=20)
    assert found.low == pytest.approx(found.mean_auroc) and found.high == pytest.approx(found.mean_auroc)
    assert found.resampled == "patient_id" and found.unmatched == ()


def test_no_figure_depends_on_the_order_of_the_images(tmp_path: Path, scores, labels) -> None:
    order = np.random.default_rng(5).permutation(COUNT)
    shuffled = ConceptScores(tuple(np.array(scores.images)[order]), CONCEPTS, scores.scores[order])
    for column in ("", "patient_id"):
        first = agreement(scores, _table(tmp_path, labels), group_column=column, resamples=20).to_dict()
        assert agreement(shuffled, _table(tmp_path, labels[::-1]), group_column=column, resamples=20).to_dict() == first


def test_a_concept_with_one_side_only_is_left_out_and_said(tmp_path: Path, scores, labels) -> None:
    found = agreement(scores, _table(tmp_path, labels.assign(Scale=0, Gray="yes")), resamples=20)
    assert found.left_out == {
        "scale": "none of 40 labelled images shows it",
        "grey": "all 40 labelled images show it",
    }
    assert [figure.concept for figure in found.figures] == ["purpura/petechiae"]
    assert "Left out: scale: none of 40" in found.to_markdown()


def test_an_empty_or_unknown_cell_counts_for_neither_side(tmp_path: Path, scores, labels) -> None:
    text = labels.astype({"Scale": object})
    text.loc[:4, "Scale"] = ""
    text.loc[5:9, "Scale"] = "UNK"
    figure = agreement(scores, _table(tmp_path, text), resamples=20).figures[0]
    assert figure.positives + figure.negatives == COUNT - 10
    assert figure.auroc == pytest.approx(roc_auc_score(labels["Scale"][10:], scores.scores[10:, 0]))


def test_images_without_a_score_or_a_row_are_left_out(tmp_path: Path, scores, labels) -> None:
    values = scores.scores.copy()
    values[0] = np.nan
    found = agreement(ConceptScores(scores.images, CONCEPTS, values), _table(tmp_path, labels[:-1]), resamples=20)
    assert found.images == COUNT - 2


def test_concepts_without_a_column_are_said(tmp_path: Path, scores, labels) -> None:
    found = agreement(scores, _table(tmp_path, labels.drop(columns="Scale")), resamples=20)
    assert found.unlabelled == ("scale",) and "Not in the labels: scale." in found.to_markdown()
    assert json.loads(json.dumps(found.to_dict()))["mean_auroc"] == found.mean_auroc


def test_wrong_tables_are_refused(tmp_path: Path, scores, labels) -> None:
    with pytest.raises(InputError, match="1, 0 or nothing in column 'Scale'"):
        agreement(scores, _table(tmp_path, labels.assign(Scale="maybe")))
    with pytest.raises(InputError, match="expected columns"):
        agreement(scores, _table(tmp_path, labels[["image"]]))
    with pytest.raises(InputError, match="has 2"):
        agreement(scores, _table(tmp_path, pd.concat([labels, labels[:1]])))
    with pytest.raises(InputError, match="expected a concept with images"):
        agreement(scores, _table(tmp_path, labels[["image"]].assign(Scale=1)))
    with pytest.raises(InputError, match="same name"):
        agreement(scores, _table(tmp_path, labels.assign(scales=0)))

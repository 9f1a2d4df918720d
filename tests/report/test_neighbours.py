"""Beside a wrong answer stands the right one that is nearest to it, of either class."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from zsderm.predictions import Predictions
from zsderm.report.neighbours import nearest_right


@pytest.fixture
def answered() -> tuple[Predictions, np.ndarray]:
    rng = np.random.default_rng(0)
    table = rng.dirichlet(np.ones(4), 60).astype(np.float32)
    table[5] = np.nan
    table[6] = [1, 0, 0, 0]
    names = [str(number) for number in range(60)]
    found = Predictions(names, tuple("abcd"), torch.tensor(table), "", "", "", ((),) * 60, {"5": "torn"})
    true = np.where(rng.random(60) < 0.6, np.nan_to_num(table).argmax(axis=1), rng.integers(-1, 4, 60))
    return found, true


@pytest.mark.parametrize("embedded", [False, True])
def test_no_right_answer_of_the_class_is_nearer(answered: tuple[Predictions, np.ndarray], embedded: bool) -> None:
    predictions, true = answered
    table = predictions.probabilities.numpy()
    logs = np.log(np.maximum(table, 1e-12))
    rows = np.random.default_rng(1).normal(size=(60, 8)) if embedded else logs - logs.mean(axis=1, keepdims=True)
    found = nearest_right(predictions, true, rows.astype(np.float32) if embedded else None)
    answers = np.array([predictions.classes.index(label) if label else -1 for label in predictions.labels])
    wrong = np.flatnonzero((answers >= 0) & (true >= 0) & (answers != true)).tolist()
    assert sorted(found) == wrong and len(wrong) > 5
    for place in wrong:
        assert [one.label for one in found[place]] == [predictions.classes[c] for c in (answers[place], true[place])]
        for one in found[place]:
            same = np.flatnonzero((answers == true) & (answers == predictions.classes.index(one.label)))
            distances = np.linalg.norm(rows[same] - rows[place], axis=1)
            assert one.place == same[distances.argmin()]


def test_a_class_without_a_right_answer_has_no_neighbour() -> None:
    table = torch.tensor([[0.9, 0.1], [0.6, 0.4]])
    predictions = Predictions(("1", "2"), ("a", "b"), table, "", "", "", ((),) * 2)
    assert [one.place for one in nearest_right(predictions, np.array([1, 0]))[0]] == [1]
    assert nearest_right(predictions, np.array([1, 1])) == {}

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from zsderm.benchmarks.experiments.knowledge_variants import (
    VARIANTS,
    Subject,
    balanced_accuracies,
    by_image,
    by_mean,
    by_own_images,
    nearest_in_batch,
    resample,
    rows_for,
    specificity_weights,
    unit,
)
from zsderm.proxies import batch_query, relevant_descriptions, retrieved_scores, text_proxies

N, C, M, D = 24, 3, 30, 8


def test_proxies_agree_with_those_of_the_library(subject: Subject) -> None:
    np.testing.assert_allclose(by_mean(subject), text_proxies(subject.texts, subject.owner, C), atol=1e-6)
    kept = relevant_descriptions(batch_query(subject.images), subject.texts, subject.owner, C, 4)
    assert set(np.flatnonzero(nearest_in_batch(subject, 4))) == set(kept.tolist())
    expected = retrieved_scores(subject.images, subject.texts, subject.owner, C, 4, subject.names, 0.5)
    np.testing.assert_allclose(by_image(subject, 4, 0.5), expected, atol=1e-5)


def test_every_variant_scores_every_image_for_every_class(subject: Subject) -> None:
    for name, scores in VARIANTS.items():
        assert scores(subject).shape == (N, C), name
        assert np.isfinite(scores(subject)).all(), name


def test_a_specific_description_weighs_more_than_one_that_points_elsewhere(subject: Subject) -> None:
    weights = specificity_weights(subject)
    cosines = subject.bare @ subject.names.T
    own = cosines.argmax(axis=1) == subject.owner
    assert (weights[own] >= 1).all() and (weights[~own] < 1).all()


def test_an_image_never_helps_its_own_class_mean(subject: Subject) -> None:
    scores = by_own_images(subject)
    mates = (subject.labels == subject.labels[0]) & (np.arange(N) != 0)
    expected = subject.images[0] @ unit(subject.images[mates].sum(axis=0))
    assert scores[0, subject.labels[0]] == pytest.approx(expected, abs=1e-5)


def test_balanced_accuracy_of_a_resample_is_that_of_the_repeated_images() -> None:
    rng = np.random.default_rng(1)
    labels, answers = rng.integers(0, C, 40), rng.integers(0, C, 40)
    counts = rng.integers(0, 3, (1, 40)).astype(np.float32)
    drawn = np.repeat(np.arange(40), counts[0].astype(int))
    expected = balanced_accuracy_score(labels[drawn], answers[drawn])
    assert balanced_accuracies(answers == labels, labels, counts)[0] == pytest.approx(expected)


def test_images_of_one_patient_are_drawn_together() -> None:
    counts = resample(np.array(["a", "b", "a", "c"], dtype=object))
    assert (counts[:, 0] == counts[:, 2]).all()
    assert counts[:, [0, 1, 3]].sum(axis=1) == pytest.approx(3)


def test_class_names_gain_nothing_on_themselves(subject: Subject) -> None:
    first, *others = rows_for(subject, np.arange(N).astype(object))
    assert first.startswith("| class name |") and first.endswith("| +0.0 (+0.0 to +0.0) |")
    assert len(others) == len(VARIANTS) - 1

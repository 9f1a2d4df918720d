"""One temperature: the likeliest, a guard for small sets, and the one that needs no labels."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from zsderm.calibration import fit_temperature, scale_probabilities, unlabelled_temperature
from zsderm.errors import FallbackWarning, SettingsError
from zsderm.metrics import calibration_error
from zsderm.proxies import text_proxies


def honest_world(
    images: int, classes: int = 5, seed: int = 0, spread: float = 1.5
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log probabilities that are true: each label is drawn from its own row."""
    generator = torch.Generator().manual_seed(seed)
    logits = spread * torch.randn(images, classes, generator=generator, dtype=torch.float64)
    log_probabilities = torch.log_softmax(logits, dim=1)
    return log_probabilities, torch.multinomial(log_probabilities.exp(), 1, generator=generator).flatten()


def slow_temperature(logits: np.ndarray, labels: np.ndarray, prior_spread: float) -> float:
    """The obvious twin: try ten thousand of them."""

    def objective(sharpness: float) -> float:
        loss = 0.0
        for row, label in zip(sharpness * logits, labels, strict=True):
            loss += np.log(np.exp(row).sum()) - row[label]
        return loss + (sharpness - 1) ** 2 / (2 * prior_spread**2)

    grid = np.linspace(0.05, 4, 2000)
    return float(1 / grid[np.argmin([objective(sharpness) for sharpness in grid])])


@pytest.mark.parametrize("prior_spread", [0.3, 1.0, math.inf])
def test_equals_the_slow_twin(prior_spread: float) -> None:
    logits, labels = honest_world(25, seed=3)
    found = fit_temperature(2 * logits, labels, prior_spread=prior_spread)
    slow = slow_temperature(2 * logits.numpy(), labels.numpy(), prior_spread)
    assert 1 / found.value == pytest.approx(1 / slow, abs=2.5e-3)


@pytest.mark.parametrize("distortion", [0.25, 0.5, 1.0, 2.0, 4.0])
def test_a_distortion_of_honest_probabilities_is_found_and_undone(distortion: float) -> None:
    logits, labels = honest_world(4000)
    found = fit_temperature(distortion * logits, labels)
    assert found.value == pytest.approx(distortion, rel=0.08)
    probabilities = scale_probabilities(distortion * logits, found.value).double().numpy()
    correct = probabilities.argmax(axis=1) == labels.numpy()
    assert calibration_error(probabilities.max(axis=1), correct) < 0.03
    assert found.loss_after <= found.loss_before + 1e-6
    assert found.n == 4000


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), classes=st.integers(2, 7))
def test_it_does_not_depend_on_the_order_of_images_or_classes(seed: int, classes: int) -> None:
    logits, labels = honest_world(20, classes, seed)
    rows, columns = torch.randperm(20), torch.randperm(classes)
    permuted = fit_temperature(logits[rows][:, columns], columns.argsort()[labels[rows]])
    assert permuted.value == pytest.approx(fit_temperature(logits, labels).value, rel=1e-6)


def test_a_constant_added_to_a_row_changes_nothing() -> None:
    logits, labels = honest_world(30)
    shifted = logits + torch.arange(30.0)[:, None]
    assert fit_temperature(shifted, labels).value == pytest.approx(fit_temperature(logits, labels).value, rel=1e-9)


@pytest.mark.parametrize("images", [1, 3, 10])
def test_a_handful_of_images_all_of_them_right_does_not_make_every_answer_certain(images: int) -> None:
    logits = torch.log(torch.tensor([[0.7, 0.2, 0.1]])).repeat(images, 1)
    guarded = fit_temperature(logits, [0] * images).value
    assert 0.3 < guarded < 1
    assert fit_temperature(logits, [0] * images, prior_spread=math.inf).value < 0.1


def test_a_handful_of_images_all_of_them_wrong_does_not_make_every_answer_even() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.2]]))
    assert 1 < fit_temperature(logits, [2]).value < 4


def test_labels_that_contradict_the_probabilities_are_told() -> None:
    logits, labels = honest_world(200)
    with pytest.warns(FallbackWarning, match="200 labels contradict the probabilities"):
        found = fit_temperature(3 * logits, logits.argmin(dim=1))
    assert found.value == 50
    assert labels.shape == (200,)


def test_a_probability_that_float32_rounds_to_0_is_no_infinite_penalty() -> None:
    logits, labels = honest_world(60)
    logits[0] = torch.tensor([0.0, -math.inf, -math.inf, -math.inf, -math.inf])
    labels[0] = 1
    found = fit_temperature(logits, labels)
    assert math.isfinite(found.loss_after) and found.loss_after < found.loss_before


def test_one_class_leaves_the_temperature_alone() -> None:
    assert fit_temperature(torch.zeros(4, 1), [0, 0, 0, 0]).value == pytest.approx(1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_half_precision_is_read_and_arguments_are_left_unchanged(dtype: torch.dtype) -> None:
    logits, labels = honest_world(50)
    given_logits = logits.to(dtype)
    kept = given_logits.clone()
    assert fit_temperature(given_logits, labels).value == pytest.approx(fit_temperature(logits, labels).value, rel=0.02)
    assert torch.equal(given_logits, kept)


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (torch.zeros(3), [0, 0, 0], r"shape \(N, C\)"),
        (torch.zeros(2, 3), [0], r"shape \(2,\)"),
        (torch.zeros(2, 3), [0, 3], "labels from 0 to 2"),
        (torch.zeros(2, 3), [-1, 0], "labels from 0 to 2"),
        (torch.zeros(2, 3), [0.0, 1.0], "integer label"),
        (torch.zeros(0, 3), [], "at least one image"),
        (torch.tensor([[math.nan, 0.0]]), [0], "without NaN"),
        (torch.tensor([[math.inf, 0.0]]), [0], "finite largest"),
    ],
)
def test_what_cannot_be_used_is_refused(logits: torch.Tensor, labels: list[int], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        fit_temperature(logits, labels)


def test_a_spread_that_is_not_positive_is_refused() -> None:
    with pytest.raises(SettingsError, match="prior_spread"):
        fit_temperature(torch.zeros(1, 2), [0], prior_spread=0)


# tempered


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), temperature=st.floats(0.05, 20))
def test_each_row_sums_to_1_and_the_order_of_classes_stays(seed: int, temperature: float) -> None:
    logits, _ = honest_world(10, seed=seed)
    probabilities = scale_probabilities(logits, temperature)
    assert probabilities.dtype == torch.float32
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(10), atol=1e-5, rtol=0)
    assert torch.equal(probabilities.argmax(dim=1), logits.argmax(dim=1))


def test_temperature_1_gives_the_probabilities_back() -> None:
    logits, _ = honest_world(10)
    torch.testing.assert_close(scale_probabilities(logits, 1.0).double(), logits.exp(), atol=1e-6, rtol=0)


def test_a_row_with_nan_stays_nan() -> None:
    probabilities = scale_probabilities(torch.tensor([[math.nan, math.nan], [0.0, 0.0]]), 2.0)
    assert probabilities[0].isnan().all()
    assert probabilities[1].tolist() == [0.5, 0.5]


def test_an_empty_table_stays_empty() -> None:
    assert scale_probabilities(torch.zeros(0, 3), 2.0).shape == (0, 3)


# unlabelled_temperature


def sentence_world(
    per_class: int, scatter: float, classes: int = 4, images: int = 40, width: int = 32
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Unit rows of images and of sentences that scatter around class centres, and the sentences' classes."""
    generator = torch.Generator().manual_seed(1)
    centres = torch.randn(classes, 1, width, generator=generator, dtype=torch.float64)
    rows = centres + scatter * torch.randn(classes, per_class, width, generator=generator, dtype=torch.float64)
    seen = centres[torch.arange(images) % classes, 0]
    pictures = seen + 2 * torch.randn(images, width, generator=generator, dtype=torch.float64)
    owners = torch.arange(classes).repeat_interleave(per_class)
    return normalize(pictures, dim=1), normalize(rows.flatten(0, 1), dim=1), owners


def proxy_scores(images: torch.Tensor, sentences: torch.Tensor, owners: torch.Tensor) -> torch.Tensor:
    return images @ text_proxies(sentences, owners, int(owners.max()) + 1).double().T


@pytest.mark.slow
def test_it_keeps_the_spread_of_scores_what_it_is_for_single_sentences() -> None:
    images, sentences, owners = sentence_world(per_class=6, scatter=1.5)
    scores = proxy_scores(images, sentences, owners)
    cosines = (images @ sentences.T).reshape(40, 4, 6)
    rng = np.random.default_rng(0)
    spreads = []  # the obvious twin: draw one sentence of each class, many times
    for _ in range(4000):
        drawn = cosines[:, torch.arange(4), rng.integers(0, 6, 4)]  # (N, C)
        spreads.append(drawn.var(dim=1, correction=0).mean().item())
    found = unlabelled_temperature(0.04, scores, images, sentences, owners)
    spread = scores.var(dim=1, correction=0).mean().item()
    assert spread / found**2 == pytest.approx(np.mean(spreads) / 0.04**2, rel=0.02)


def test_with_one_sentence_a_class_it_is_the_temperature_of_the_encoder() -> None:
    images, sentences, owners = sentence_world(per_class=1, scatter=1.0)
    scores = images @ sentences.T
    assert unlabelled_temperature(0.04, scores, images, sentences, owners) == pytest.approx(0.04, rel=1e-6)


def test_one_class_keeps_the_temperature_of_the_encoder() -> None:
    images, sentences, owners = sentence_world(per_class=5, scatter=1.0, classes=1)
    scores = proxy_scores(images, sentences, owners)
    assert unlabelled_temperature(0.04, scores, images, sentences, owners) == 0.04


def test_scores_that_spread_twice_as_far_get_twice_the_temperature_up_to_the_largest_change() -> None:
    images, sentences, owners = sentence_world(per_class=6, scatter=0.5)
    scores = proxy_scores(images, sentences, owners)
    once, wider, widest, flat = (
        unlabelled_temperature(0.04, factor * scores, images, sentences, owners) for factor in (1.0, 1.5, 50.0, 0.0)
    )
    assert wider == pytest.approx(1.5 * once)
    assert (widest, flat) == (pytest.approx(0.08), pytest.approx(0.02))


def test_the_order_of_sentences_and_images_does_not_matter() -> None:
    images, sentences, owners = sentence_world(per_class=5, scatter=1.0)
    scores = proxy_scores(images, sentences, owners)
    order, turn = torch.randperm(20), torch.randperm(40)
    shuffled = unlabelled_temperature(0.04, scores[turn], images[turn], sentences[order], owners[order])
    assert shuffled == pytest.approx(unlabelled_temperature(0.04, scores, images, sentences, owners))


def test_sixteen_images_are_as_good_as_many() -> None:
    images, sentences, owners = sentence_world(per_class=6, scatter=1.0, images=400)
    scores = proxy_scores(images, sentences, owners)
    few = unlabelled_temperature(0.04, scores[:16], images[:16], sentences, owners)
    assert few == pytest.approx(unlabelled_temperature(0.04, scores, images, sentences, owners), rel=0.1)


def test_sentences_that_fit_nothing_are_refused() -> None:
    images, sentences, owners = sentence_world(per_class=2, scatter=1.0)
    scores = proxy_scores(images, sentences, owners)
    with pytest.raises(SettingsError, match=r"each of the 4 classes, but got some for \[0, 1, 3\]"):
        unlabelled_temperature(0.04, scores, images, sentences, torch.where(owners == 2, 3, owners))
    with pytest.raises(SettingsError, match=r"\(40, 4\), \(39, 32\)"):
        unlabelled_temperature(0.04, scores, images[1:], sentences, owners)
    with pytest.raises(SettingsError, match="encoder_temperature"):
        unlabelled_temperature(0.0, scores, images, sentences, owners)


def test_fitting_warns_of_nothing_when_all_is_well() -> None:
    logits, labels = honest_world(100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit_temperature(logits, labels)

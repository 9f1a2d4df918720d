"""Transported labels: the totals that were stated, rows that sum to 1, and the defects of the published code."""

from __future__ import annotations

import math
import runpy
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zsderm.errors import ConvergenceWarning, SettingsError
from zsderm.proxies.prior import resolve_prior
from zsderm.proxies.transport import Transport, match_marginal, transport, transport_labels

GREENKHORN = runpy.run_path(str(Path(__file__).with_name("greenkhorn.py")))
Solver = Callable[..., Transport]
SOLVERS: tuple[Solver, ...] = (transport, GREENKHORN["greedy_transport"])  # ours, and its slow twin


def cosines(images: int, classes: int, seed: int = 0, spread: float = 0.03) -> torch.Tensor:
    """Scores like a contrastive model's: around 0.25, a few hundredths apart."""
    generator = torch.Generator().manual_seed(seed)
    return 0.25 + spread * torch.randn(images, classes, generator=generator, dtype=torch.float64)


def slow_transport(scores: np.ndarray, prior: np.ndarray, temperature: float) -> np.ndarray:
    """The obvious twin: rescale rows and columns of a plan one by one, in loops, a thousand times."""
    image_count, class_count = scores.shape
    plan = np.exp((scores - scores.max(axis=1, keepdims=True)) / temperature)
    for _ in range(200):
        for j in range(class_count):
            total = plan[:, j].sum()
            plan[:, j] *= prior[j] / total if total > 0 else 0.0
        for i in range(image_count):
            plan[i] *= 1.0 / (image_count * plan[i].sum())
    return plan * image_count


@pytest.mark.parametrize("prior", [[1, 1, 1, 1], [8, 4, 2, 1], [1, 0, 2, 1]])
def test_equals_the_slow_twin(prior: list[float]) -> None:
    scores = cosines(30, 4)
    weights = np.array(prior, dtype=float) / sum(prior)
    labels = transport_labels(scores, weights)
    np.testing.assert_allclose(labels.numpy(), slow_transport(scores.numpy(), weights, 0.01), atol=1e-5)


@pytest.mark.parametrize(("images", "classes"), [(50, 6), (200, 7), (20, 40), (300, 134)])
def test_equals_python_optimal_transport(images: int, classes: int) -> None:
    ot = pytest.importorskip("ot")
    scores = cosines(images, classes)
    weights = np.arange(1.0, classes + 1) / np.arange(1.0, classes + 1).sum()
    rows = np.full(images, 1 / images)
    oracle = images * ot.sinkhorn(rows, weights, -scores.numpy(), 0.01, method="sinkhorn_log", stopThr=1e-9)
    np.testing.assert_allclose(transport_labels(scores, weights).numpy(), oracle, atol=2e-5)


def test_relaxed_totals_equal_python_optimal_transport() -> None:
    ot = pytest.importorskip("ot")
    scores, weights, strength = cosines(60, 5), np.array([0.5, 0.2, 0.1, 0.1, 0.1]), 2.0
    # Hard rows are the limit of a large penalty on rows. With reg_type "kl", POT's entropy term is relative to the
    # product of the marginals, which would pull toward the prior a second time.
    penalties = (1e4, strength * 0.01)
    rows = np.full(60, 1 / 60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # POT says that "entropy" replaces its reference plan, as wanted
        oracle = 60 * ot.unbalanced.sinkhorn_unbalanced(
            rows, weights, -scores.numpy(), 0.01, penalties, reg_type="entropy", numItermax=5000, stopThr=1e-10
        )
    np.testing.assert_allclose(transport_labels(scores, weights, strength=strength).numpy(), oracle, atol=2e-4)


@pytest.mark.parametrize("strength", [0.1, 0.5, 1.0])
def test_gamma_up_to_1_equals_python_optimal_transport_with_134_classes(strength: float) -> None:
    ot = pytest.importorskip("ot")
    scores, weights = cosines(40, 134), np.full(134, 1 / 134)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = 40 * ot.unbalanced.sinkhorn_unbalanced(
            np.full(40, 1 / 40),
            weights,
            -scores.numpy(),
            0.01,
            (1e4, strength * 0.01),
            reg_type="entropy",
            stopThr=1e-10,
        )
    for solver in SOLVERS:
        labels = solver(scores, weights, strength=strength).labels
        np.testing.assert_allclose(labels.numpy(), oracle, atol=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize("strength", [0.0, 0.1, 0.5, 1.0, 10.0, math.inf])
@pytest.mark.parametrize(("images", "classes"), [(1, 1), (1, 6), (9, 1), (6, 20), (80, 7), (60, 134)])
def test_both_solvers_agree_to_1e_minus_5(images: int, classes: int, strength: float) -> None:
    scores = cosines(images, classes)
    weights = torch.arange(classes, dtype=torch.float64) if classes > 6 else torch.ones(classes)  # one of weight 0
    greedy = SOLVERS[1](scores, weights, strength=strength)
    assert greedy.converged
    torch.testing.assert_close(greedy.labels, transport_labels(scores, weights, strength=strength), atol=1e-5, rtol=0)


@pytest.mark.parametrize("strength", [0.0, 0.2, 1.0, math.inf])
def test_potentials_make_the_labels_again(strength: float) -> None:
    scores = cosines(60, 5)
    plan = transport(scores, [0.0, 1, 1, 3, 2], strength=strength)
    assert plan.potentials[0] == -math.inf
    torch.testing.assert_close(torch.softmax(scores / 0.01 + plan.potentials, dim=1).float(), plan.labels)


@settings(max_examples=25, deadline=None)
@given(
    images=st.integers(1, 12),
    classes=st.integers(1, 9),
    seed=st.integers(0, 1000),
    spread=st.sampled_from([0.0, 0.01, 0.1, 1.0]),
    strength=st.sampled_from([0.0, 0.5, 3.0, math.inf]),
    solver=st.sampled_from(SOLVERS),
)
@pytest.mark.filterwarnings("ignore::zsderm.errors.ConvergenceWarning")
def test_each_row_of_labels_sums_to_1(
    images: int, classes: int, seed: int, spread: float, strength: float, solver: Solver
) -> None:
    scores = cosines(images, classes, seed, spread)
    labels = solver(scores, strength=strength, max_sweeps=20).labels
    assert labels.shape == (images, classes)
    assert labels.dtype == torch.float32
    assert (labels >= 0).all()
    torch.testing.assert_close(labels.sum(dim=1), torch.ones(images), atol=1e-5, rtol=0)


@settings(max_examples=20, deadline=None)
@given(images=st.integers(5, 40), classes=st.integers(2, 8), seed=st.integers(0, 1000))
def test_classes_get_the_shares_that_prior_states(images: int, classes: int, seed: int) -> None:
    weights = 0.1 + np.random.default_rng(seed).random(classes)
    labels = transport_labels(cosines(images, classes, seed), weights, max_sweeps=20_000).double()
    np.testing.assert_allclose(labels.mean(dim=0).numpy(), weights / weights.sum(), rtol=1e-4)


def test_scale_of_the_prior_does_not_matter() -> None:
    scores = cosines(40, 3)
    of_shares, of_counts = transport_labels(scores, [0.5, 0.3, 0.2]), transport_labels(scores, np.array([50, 30, 20]))
    torch.testing.assert_close(of_shares, of_counts)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_class_of_weight_0_gets_no_label(solver: Solver) -> None:
    labels = solver(cosines(40, 4), [1.0, 0.0, 1.0, 2.0]).labels
    assert (labels[:, 1] == 0).all()
    torch.testing.assert_close(labels.sum(dim=1), torch.ones(40))


@pytest.mark.parametrize("solver", SOLVERS)
def test_one_class_with_all_the_weight_gets_every_label(solver: Solver) -> None:
    labels = solver(cosines(5, 3), [0.0, 1.0, 0.0]).labels
    torch.testing.assert_close(labels, torch.tensor([[0.0, 1.0, 0.0]]).repeat(5, 1))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("strength", [0.5, math.inf])
def test_permuting_images_and_classes_permutes_labels(solver: Solver, strength: float) -> None:
    scores, weights = cosines(50, 6), torch.arange(1.0, 7)
    random = torch.Generator().manual_seed(0)
    rows, columns = torch.randperm(50, generator=random), torch.randperm(6, generator=random)
    labels = solver(scores, weights, strength=strength).labels
    permuted = solver(scores[rows][:, columns], weights[columns], strength=strength).labels
    torch.testing.assert_close(permuted, labels[rows][:, columns], atol=1e-5, rtol=0)


def test_strength_0_is_plain_softmax_and_a_large_one_meets_the_prior() -> None:
    scores = cosines(40, 4)
    torch.testing.assert_close(transport_labels(scores, strength=0.0), torch.softmax(scores / 0.01, dim=1).float())
    strong = transport_labels(scores, strength=1e6)
    torch.testing.assert_close(strong, transport_labels(scores), atol=1e-4, rtol=0)


def test_relaxed_totals_lie_between_the_softmax_and_the_prior() -> None:
    scores = cosines(200, 2) + torch.tensor([0.02, 0.0])
    shares = [transport_labels(scores, strength=s)[:, 0].mean().item() for s in (0.0, 0.5, 2.0, math.inf)]
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("images, classes", [(1, 4), (3, 7), (200, 6), (60, 134)])
def test_gamma_of_the_published_method_is_a_power_of_the_predicted_mix(images: int, classes: int) -> None:
    """gamma = 0 is the uniform mix, 1 moves no label, and what lies between lies between."""
    scores = cosines(images, classes) + torch.linspace(0, 0.03, classes)
    plain = torch.softmax(scores.double() / 0.01, dim=1)
    predicted = resolve_prior("auto", plain)  # (C,) the mean prediction
    labels = {gamma: transport_labels(scores, predicted**gamma) for gamma in (0.0, 0.3, 0.8, 1.0)}
    torch.testing.assert_close(labels[0.0], transport_labels(scores, "uniform"), atol=1e-5, rtol=0)
    torch.testing.assert_close(labels[1.0], plain.float(), atol=1e-5, rtol=0)
    shares = [float(table.mean(dim=0)[predicted.argmax()]) for table in labels.values()]  # of the class named most
    assert shares == sorted(shares)


def test_auto_moves_no_label() -> None:
    scores = cosines(100, 5) + torch.tensor([0.03, 0, 0, 0, 0])
    assert (transport_labels(scores, "auto").argmax(dim=1) == scores.argmax(dim=1)).all()


def test_one_image_gets_the_prior_and_one_class_gets_everything() -> None:
    torch.testing.assert_close(transport_labels(cosines(1, 4), [4.0, 3, 2, 1]), torch.tensor([[0.4, 0.3, 0.2, 0.1]]))
    torch.testing.assert_close(transport_labels(cosines(7, 1)), torch.ones(7, 1))


def test_chunks_of_any_size_and_a_start_of_ones_own_give_the_same_potentials() -> None:
    scores, target = cosines(200, 5), torch.tensor([8.0, 4, 0, 2, 1], dtype=torch.float64) / 15
    exact = transport(scores, target, tolerance=1e-8).potentials
    for chunk_size in (7, 64, 1000):
        logits = (scores / 0.01).split(chunk_size)
        found, solution = match_marginal(
            lambda logits=logits: logits, target, tolerance=1e-8, start=torch.linspace(-1, 1, 5).double()
        )
        assert solution.converged
        assert found[2] == -math.inf
        difference = (found - exact)[target > 0]  # a constant added to all potentials changes no label
        torch.testing.assert_close(difference, difference.mean().expand_as(difference), atol=1e-4, rtol=0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_scores_are_not_changed(solver: Solver) -> None:
    scores = cosines(10, 3)
    before = scores.clone()
    solver(scores)
    assert torch.equal(scores, before)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16])
def test_half_precision_scores_give_the_labels_of_their_values(kind: torch.dtype, solver: Solver) -> None:
    scores = cosines(100, 6).to(kind)
    exact = solver(scores.double()).labels
    torch.testing.assert_close(solver(scores).labels, exact, atol=0, rtol=0)


def test_numpy_scores_give_the_labels_of_torch_scores() -> None:
    scores = cosines(20, 3)
    assert torch.equal(transport_labels(scores.numpy().astype(np.float32)), transport_labels(scores.float()))


def test_stopping_early_warns_with_the_residual() -> None:
    with pytest.warns(ConvergenceWarning, match=r"cap of 2 sweeps.*still off by \d\.\de[+-]\d\d") as caught:
        plan = transport(cosines(100, 6), max_sweeps=2)
    assert not plan.converged
    assert f"{plan.residual:.1e}" in str(caught[0].message)
    assert plan.residual == pytest.approx((6 * plan.labels.double().mean(dim=0) - 1).abs().max().item(), rel=1e-3)
    torch.testing.assert_close(plan.labels.sum(dim=1), torch.ones(100))


def test_typical_inputs_converge_in_a_few_dozen_sweeps() -> None:
    plan = transport(cosines(500, 7))
    assert plan.converged
    assert plan.sweeps < 60


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ("balanced", "'uniform', 'auto' or 3 weights"),
        ([1.0, 1.0], r"shape \(3,\), but got shape \(2,\)"),
        ([[1.0, 1.0, 1.0]], r"got shape \(1, 3\)"),
        ([1.0, -1.0, 1.0], "0 or more"),
        ([1.0, math.nan, 1.0], "finite"),
        ([0.0, 0.0, 0.0], "at least one prior weight above 0"),
    ],
)
def test_a_prior_that_cannot_be_met_is_refused(prior: object, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        transport_labels(cosines(4, 3), prior)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (torch.zeros(3), "scores to be a matrix"),
        (torch.zeros(0, 3), "at least one row"),
        (torch.full((2, 2), math.nan), "finite scores"),
    ],
)
def test_scores_that_cannot_be_labelled_are_refused(scores: torch.Tensor, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        transport_labels(scores)


@pytest.mark.parametrize("setting", [{"temperature": 0.0}, {"tolerance": -1.0}, {"max_sweeps": 0}, {"strength": -1.0}])
def test_settings_out_of_range_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=next(iter(setting))):
        transport_labels(cosines(4, 3), **setting)  # type: ignore[arg-type]


class TestDefectsOfThePublishedCode:
    """What the public reference implementation of KPL gets wrong: each defect pinned by its name."""

    def test_rows_have_mass_1_after_transport_not_one_nth(self) -> None:
        """Few classes: there, labels came out N times too small, so the threshold of 0.6 never fired."""
        labels = transport_labels(cosines(300, 2))
        torch.testing.assert_close(labels.sum(dim=1), torch.ones(300))
        assert (labels.max(dim=1).values > 0.6).float().mean() > 0.5

    def test_more_than_20_columns_are_touched(self) -> None:
        """128 classes, one of them the softmax's favourite: there, 20 updates reached at most 20 classes."""
        scores = cosines(400, 128)
        scores[:, 0] += 0.05
        shares = transport_labels(scores).mean(dim=0) * 128
        torch.testing.assert_close(shares, torch.ones(128), atol=1e-3, rtol=0)

    @pytest.mark.parametrize("strength", [0.0, 0.3, 1.0, 10.0])
    def test_soft_marginals_have_one_entry_per_class(self, strength: float) -> None:
        """There, gamma above 0 raised IndexError."""
        plan = transport(cosines(30, 5), torch.arange(1.0, 6), strength=strength)
        assert plan.prior.shape == (5,)
        assert plan.labels.shape == (30, 5)

    def test_gamma_above_0_labels_between_the_softmax_and_the_totals(self) -> None:
        """There it raised; here more of it brings every class total nearer to what was asked for."""
        scores = cosines(200, 6) + torch.tensor([0.03, 0, 0, 0, 0, 0])
        errors = [(transport_labels(scores, strength=s).mean(dim=0) - 1 / 6).abs().max() for s in (0.0, 0.2, 0.6, 1.0)]
        assert errors == sorted(errors, reverse=True)

    def test_neither_scores_nor_prior_are_overwritten_in_place(self) -> None:
        scores, prior = cosines(30, 4).float(), torch.tensor([4.0, 3.0, 2.0, 1.0])
        before = scores.clone(), prior.clone()
        for solver in SOLVERS:
            solver(scores, prior)
        assert torch.equal(scores, before[0])
        assert torch.equal(prior, before[1])

    def test_half_precision_does_not_collapse_labels(self) -> None:
        scores = cosines(500, 6)
        exact = transport_labels(scores).argmax(dim=1)
        halved = transport_labels(scores.to(torch.bfloat16)).argmax(dim=1)
        assert (exact == halved).float().mean() > 0.9

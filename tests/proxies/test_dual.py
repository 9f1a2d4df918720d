"""The dual of transport: moments that do not depend on the cut, and steps that end where the totals are met."""

from __future__ import annotations

import math

import pytest
import torch

from zsderm.proxies.dual import DualGradient, Marginal, dual_gradient, solve_dual


def logits(images: int, classes: int, spread: float = 3.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return spread * torch.randn(images, classes, generator=generator, dtype=torch.float64)


def log_shares(weights: list[float]) -> torch.Tensor:
    return (torch.tensor(weights, dtype=torch.float64) / sum(weights)).log()


@pytest.mark.parametrize("sizes", [[50], [7] * 7 + [1], [1] * 50, [49, 1]])
def test_moments_do_not_depend_on_where_the_chunks_are_cut(sizes: list[int]) -> None:
    rows, potential = logits(50, 4), torch.tensor([0.3, -1.0, 2.0, 0.0], dtype=torch.float64)
    labels = torch.softmax(rows + potential, dim=1)
    moments = dual_gradient(rows.split(sizes), potential, overlap=True)
    torch.testing.assert_close(moments.log_normaliser, torch.logsumexp(rows + potential, dim=1).mean())
    torch.testing.assert_close(moments.log_shares, labels.mean(dim=0).log())
    torch.testing.assert_close(moments.overlap, labels.T @ labels / 50)
    assert dual_gradient(rows.split(sizes), potential, overlap=False).overlap is None


@pytest.mark.parametrize("below", [100.0, 700.0, 3000.0])
def test_shares_keep_their_digits_where_all_labels_of_a_class_round_to_nothing(below: float) -> None:
    rows, potential = logits(50, 3), torch.tensor([0.0, 0.5, -below], dtype=torch.float64)
    moments = dual_gradient(rows.split(20), potential, overlap=False)
    expected = torch.logsumexp(torch.log_softmax(rows + potential, dim=1), dim=0) - math.log(50)
    torch.testing.assert_close(moments.log_shares, expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(
        moments.log_normaliser, torch.logsumexp(rows + potential, dim=1).mean(), rtol=1e-14, atol=0
    )


@pytest.mark.parametrize("strength", [0.2, 1.0, math.inf])
def test_the_pulls_are_where_the_dual_objective_is_flat(strength: float) -> None:
    rows, totals = logits(80, 5), Marginal(log_shares([1, 2, 3, 4, 5]), strength)
    ending = solve_dual(lambda potential, overlap: dual_gradient([rows], potential, overlap), totals, 1e-10, 1000)

    def value(potential: torch.Tensor) -> float:
        return totals.value(potential, dual_gradient([rows], potential, overlap=False)).item()

    for direction in 1e-4 * torch.eye(5, dtype=torch.float64):
        ahead, behind = value(ending.potential + direction), value(ending.potential - direction)
        assert ahead < value(ending.potential) + 1e-14 > behind
        assert abs(ahead - behind) / 2e-4 < 1e-8


@pytest.mark.parametrize("strength", [0.2, math.inf])
def test_newton_steps_from_the_start_find_the_same_pulls_in_fewer_passes(strength: float) -> None:
    rows, totals = logits(200, 6), Marginal(log_shares([1, 1, 1, 5, 5, 5]), strength)
    passes = []

    def take_pass(potential: torch.Tensor, overlap: bool) -> DualGradient:
        passes.append(potential)
        return dual_gradient([rows], potential, overlap)

    plain = solve_dual(take_pass, totals, 1e-9, 5000, plain_sweeps=5000)
    assert plain.sweeps == len(passes)
    newton = solve_dual(take_pass, totals, 1e-9, 5000, plain_sweeps=0)
    assert newton.sweeps == len(passes) - plain.sweeps < plain.sweeps
    shift = (plain.potential - newton.potential).mean() if math.isinf(strength) else 0.0  # a constant changes nothing
    torch.testing.assert_close(newton.potential + shift, plain.potential, atol=1e-6, rtol=0)


def test_a_start_at_the_solution_takes_one_pass() -> None:
    rows, totals = logits(40, 3), Marginal(log_shares([1, 2, 3]), math.inf)

    def take_pass(potential: torch.Tensor, overlap: bool) -> DualGradient:
        return dual_gradient([rows], potential, overlap)

    first = solve_dual(take_pass, totals, 1e-6, 100)
    again = solve_dual(take_pass, totals, 1e-6, 100, start=first.potential)
    assert again.sweeps == 1
    assert torch.equal(again.potential, first.potential)


@pytest.mark.parametrize("cap", [1, 2, 3, 31, 33])
def test_the_cap_counts_every_pass_and_the_residual_belongs_to_the_pulls(cap: int) -> None:
    rows = torch.eye(6, dtype=torch.float64).repeat(5, 1) * 60  # clusters so far apart that rescaling hardly helps
    totals, passes = Marginal(log_shares([1, 2, 3, 4, 5, 6]), math.inf), []

    def take_pass(potential: torch.Tensor, overlap: bool) -> DualGradient:
        passes.append(potential)
        return dual_gradient([rows], potential, overlap)

    ending = solve_dual(take_pass, totals, 1e-12, cap)
    assert len(passes) == ending.sweeps <= cap
    assert ending.residual == totals.residual(
        ending.potential, dual_gradient([rows], ending.potential, False).log_shares
    )

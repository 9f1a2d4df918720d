"""The descent: stationary points, unit rows, a guess at curvature that only changes the way, not the goal."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from zsderm.proxies.chunks import FeatureChunks
from zsderm.proxies.cross_entropy import CrossEntropy, inverse_curvature
from zsderm.proxies.sphere_descent import descend


def quadratic(target: torch.Tensor, weights: torch.Tensor) -> tuple[float, torch.Tensor]:
    """A bowl around the target, steeper in some directions; over unit rows its bottom is the target itself."""

    def objective(rows: torch.Tensor) -> tuple[float, torch.Tensor]:
        away = rows - target
        return float((weights * away.square()).sum() / 2), weights * away

    return objective


def unit_rows(rows: int, width: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(rows, width, generator=generator, dtype=torch.float64), dim=1)


def test_finds_the_bottom_of_a_bowl_that_is_a_thousand_times_steeper_one_way() -> None:
    target, weights = unit_rows(3, 8), torch.logspace(0, 3, 8, dtype=torch.float64)
    end = descend(quadratic(target, weights), unit_rows(3, 8, seed=1), torch.eye(8).double(), 1e-12, 500)
    assert end.converged
    torch.testing.assert_close(end.proxies, target, atol=1e-4, rtol=0)
    assert end.gradient_norm < 1e-3


def test_the_guess_at_curvature_shortens_the_way() -> None:
    target, weights = unit_rows(3, 8), torch.logspace(0, 3, 8, dtype=torch.float64)
    start, ignorant = unit_rows(3, 8, seed=1), torch.eye(8).double()
    knowing = descend(quadratic(target, weights), start, torch.diag(1 / weights), 1e-9, 500)
    assert knowing.iterations < descend(quadratic(target, weights), start, ignorant, 1e-9, 500).iterations


def test_every_iterate_has_unit_rows_and_none_is_higher_than_the_last() -> None:
    target, weights = unit_rows(2, 5), torch.ones(5).double()
    bowl, seen = quadratic(target, weights), []

    def watched(rows: torch.Tensor) -> tuple[float, torch.Tensor]:
        torch.testing.assert_close(rows.norm(dim=1), torch.ones(2).double())
        seen.append(bowl(rows)[0])
        return bowl(rows)

    end = descend(watched, unit_rows(2, 5, seed=1), torch.eye(5).double(), 1e-10, 100)
    assert end.objective == min(seen)


def test_a_start_at_the_bottom_takes_no_step() -> None:
    target = unit_rows(2, 5)
    end = descend(quadratic(target, torch.ones(5).double()), target, torch.eye(5).double(), 1e-9, 100)
    assert (end.iterations, end.converged) == (0, True)
    torch.testing.assert_close(end.proxies, target)


def test_the_start_is_not_changed() -> None:
    start = unit_rows(2, 5, seed=1)
    before = start.clone()
    descend(quadratic(unit_rows(2, 5), torch.ones(5).double()), start, torch.eye(5).double(), 1e-9, 100)
    assert torch.equal(start, before)


def test_the_cap_is_told() -> None:
    end = descend(quadratic(unit_rows(3, 8), torch.logspace(0, 3, 8)), unit_rows(3, 8, 1), torch.eye(8).double(), 0, 2)
    assert (end.iterations, end.converged) == (2, False)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_a_tolerance_below_rounding_ends_all_the_same(kind: torch.dtype) -> None:
    images, labels = unit_rows(80, 6).to(kind), torch.softmax(5 * unit_rows(80, 4, seed=2), dim=1).to(kind)
    problem = CrossEntropy(FeatureChunks(images, None, dtype=kind), lambda _: labels, 0.04, hard_label=1.0)
    end = descend(problem, unit_rows(4, 6, seed=3).to(kind), inverse_curvature(images, 4, 0.04), 1e-30, 3000)
    assert end.converged
    assert end.iterations < 1000

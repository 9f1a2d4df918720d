"""Greedy transport: one row or column at a time, and the same labels as everybody else's."""

from __future__ import annotations

import math
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from zsderm.proxies.dual import Marginal, dual_gradient
from zsderm.proxies.transport import transport

GREENKHORN = runpy.run_path(str(Path(__file__).with_name("greenkhorn.py")))
greedy_transport, solve_greedily = GREENKHORN["greedy_transport"], GREENKHORN["solve_greedily"]


def cosines(images: int, classes: int, seed: int = 0, spread: float = 0.03) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.25 + spread * torch.randn(images, classes, generator=generator, dtype=torch.float64)


def marginal(weights: list[float], strength: float = math.inf) -> Marginal:
    target = torch.tensor(weights, dtype=torch.float64)
    return Marginal((target / target.sum()).log(), strength)


@pytest.mark.slow
@pytest.mark.parametrize(("images", "classes"), [(30, 4), (12, 20), (60, 134)])
def test_equals_python_optimal_transport(images: int, classes: int) -> None:
    ot = pytest.importorskip("ot")
    scores, weights = cosines(images, classes), np.arange(1.0, classes + 1) / np.arange(1.0, classes + 1).sum()
    rows = np.full(images, 1 / images)
    oracle = images * ot.bregman.greenkhorn(
        rows, weights, -scores.numpy(), 0.01, numItermax=100_000, stopThr=1e-10, warn=False
    )
    np.testing.assert_allclose(greedy_transport(scores, weights).labels.numpy(), oracle, atol=1e-5)


def test_the_residual_is_that_of_rows_that_are_met_exactly() -> None:
    logits, wanted = cosines(40, 5) / 0.01, marginal([1, 2, 3, 4, 5])
    ending = solve_greedily(logits, wanted, 1e-6, 3)
    gradient = dual_gradient([logits], ending.potential, overlap=False)
    assert ending.residual == wanted.residual(ending.potential, gradient.log_shares)


def test_a_sweep_is_one_update_per_row_and_column_and_the_worst_come_first() -> None:
    """The softmax meets all rows; one class is far off, so the first updates mend it and the rows it robs."""
    scores = cosines(300, 3, spread=0.001)
    scores[:, 0] += 0.03
    before = transport(scores, strength=0.0).labels.mean(dim=0)
    after = solve_greedily(scores / 0.01, marginal([1, 1, 1]), 1e-9, 1)
    assert before[0] > 0.8
    assert after.sweeps == 1
    assert after.residual < 0.05


def test_logits_far_beyond_the_range_of_exp_do_no_harm() -> None:
    """exp(2 000) overflows; in logarithms nothing does."""
    logits = torch.tensor([[2000.0, 0.0], [0.0, 2000.0], [1990.0, 2000.0], [-2000.0, -1999.0]], dtype=torch.float64)
    ending = solve_greedily(logits, marginal([1, 1]), 1e-6, 1000)
    assert ending.residual < 1e-6
    assert torch.isfinite(ending.potential).all()


def test_strength_0_needs_no_update() -> None:
    ending = solve_greedily(cosines(9, 4) / 0.01, marginal([1, 2, 3, 4], strength=0.0), 1e-6, 10)
    assert (ending.sweeps, ending.residual) == (0, 0.0)
    assert (ending.potential == 0).all()


def test_more_columns_than_20_are_touched() -> None:
    """A defect of the published code: its 20 single updates leave most of 128 classes as they were."""
    scores = cosines(150, 128)
    scores[:, 0] += 0.05
    shares = greedy_transport(scores).labels.mean(dim=0) * 128
    torch.testing.assert_close(shares, torch.ones(128), atol=1e-3, rtol=0)

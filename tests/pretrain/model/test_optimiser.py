from __future__ import annotations

import pytest

from zsderm.pretrain.model.optimiser import cosine_with_warm_up


def test_the_factor_rises_over_the_warm_up_and_then_falls_to_0() -> None:
    factors = [cosine_with_warm_up(step, steps=50, warm_up=10) for step in range(51)]
    assert factors[:10] == sorted(factors[:10])
    assert factors[9] == factors[10] == pytest.approx(1.0)
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[50] == pytest.approx(0.0)
    assert all(0 <= factor <= 1 for factor in factors)


def test_without_warm_up_the_first_step_is_whole() -> None:
    assert cosine_with_warm_up(0, steps=5, warm_up=0) == 1.0

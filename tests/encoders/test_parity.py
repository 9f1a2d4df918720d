from __future__ import annotations

import pytest
import torch

from zsderm.encoders.parity import AGREEMENT, COSINES, LEAST_IMAGES, Parity, compare
from zsderm.errors import InputError


def unit(rows: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(rows, dim=1)


@pytest.fixture
def rows() -> torch.Tensor:
    return unit(torch.randn(40, 16, generator=torch.Generator().manual_seed(0)))


def test_equal_rows_agree_in_all(rows):
    found = compare(rows, rows, rows[:5], 2.0)
    assert (found.images, found.classes, found.agreement, found.speed) == (40, 5, 1.0, 2.0)
    assert found.least_cosine == pytest.approx(1) and found.least_cosine <= 1
    assert all(found.passes(precision) for precision in COSINES)


def test_the_figures_are_those_of_a_slow_loop(rows):
    texts = unit(torch.randn(5, 16, generator=torch.Generator().manual_seed(1)))
    near = unit(rows + 0.2 * torch.randn(40, 16, generator=torch.Generator().manual_seed(2)))
    found = compare(near, rows, texts, 1.0)
    cosines = [float(one @ other) for one, other in zip(near, rows, strict=True)]
    same = [
        max(range(5), key=lambda c: float(one @ texts[c])) == max(range(5), key=lambda c: float(other @ texts[c]))
        for one, other in zip(near, rows, strict=True)
    ]
    assert found.least_cosine == pytest.approx(min(cosines), abs=1e-6)
    assert found.mean_cosine == pytest.approx(sum(cosines) / 40, abs=1e-6)
    assert found.agreement == pytest.approx(sum(same) / 40)


@pytest.mark.parametrize("precision", COSINES)
def test_one_photograph_below_the_bar_is_one_too_many(precision):
    bar = COSINES[precision]
    assert Parity(30, 5, bar, 1.0, AGREEMENT, 1.0).passes(precision)
    assert not Parity(30, 5, bar - 1e-5, 1.0, 1.0, 1.0).passes(precision)
    assert not Parity(30, 5, 1.0, 1.0, AGREEMENT - 0.01, 1.0).passes(precision)


def test_a_few_photographs_tell_nothing(rows):
    with pytest.raises(InputError, match=f"at least {LEAST_IMAGES} photographs to compare on, but got 19"):
        compare(rows[:19], rows[:19], rows[:2], 1.0)


def test_all_figures_are_in_the_sentence_and_in_the_file():
    parity = Parity(30, 5, 0.99912345, 0.9999, 0.9667, 2.0)
    assert str(parity) == (
        "30 images: cosine 0.99912 at least, 0.99990 on average; the same first answer of 5 for 96.7%; "
        "2.00 times as fast"
    )
    assert parity.rounded()["least_cosine"] == 0.99912

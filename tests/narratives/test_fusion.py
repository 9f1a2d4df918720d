from __future__ import annotations

import math

import pytest
import torch

from zsderm.narratives.fusion import bounded, by_both


def _reference(by_image: list[float], by_words: list[float], weight: float, doubt: float) -> list[float]:
    """One row, as the formula has it."""
    if any(map(math.isnan, by_words)) or weight == 0:
        return by_image
    count = len(by_image)
    odds = [p * (doubt + (1 - doubt) * count * q) ** weight for p, q in zip(by_image, by_words, strict=True)]
    return [one / sum(odds) for one in odds]


@pytest.fixture
def tables() -> tuple[torch.Tensor, torch.Tensor]:
    dice = torch.Generator().manual_seed(3)
    image, words = (torch.randn(40, 5, generator=dice).mul(3).softmax(dim=1) for _ in range(2))
    words[::7] = torch.nan
    return image, words


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0, 4.0])
@pytest.mark.parametrize("doubt", [0.1, 0.3, 0.9])
def test_both_are_what_the_formula_says(tables: tuple[torch.Tensor, torch.Tensor], weight: float, doubt: float) -> None:
    found = by_both(*tables, weight, doubt)
    twin = torch.tensor([_reference(*rows, weight, doubt) for rows in zip(*(t.tolist() for t in tables), strict=True)])
    torch.testing.assert_close(found, twin, atol=1e-6, rtol=1e-5)


def test_where_nothing_is_told_the_row_is_that_of_the_photograph_to_the_last_bit(
    tables: tuple[torch.Tensor, torch.Tensor],
) -> None:
    image, words = tables
    found = by_both(image, words)
    assert torch.equal(found[::7], image[::7])
    assert torch.equal(by_both(image, words, 0.0), image)
    assert torch.equal(by_both(image, torch.full_like(image, torch.nan)), image)


def test_a_story_never_removes_a_class() -> None:
    certain = torch.eye(6)  # a story that is sure of each class in turn
    added = bounded(certain)
    assert added.min().item() == pytest.approx(math.log(0.3))
    assert added.max().item() == pytest.approx(math.log(0.3 + 0.7 * 6))
    image = torch.full((6, 6), 1 / 6)
    assert by_both(image, certain, 1.0).min().item() == pytest.approx(0.3 / (4.5 + 5 * 0.3))


def test_a_photograph_that_failed_stays_failed() -> None:
    image = torch.full((1, 3), torch.nan)
    assert by_both(image, torch.tensor([[0.2, 0.3, 0.5]])).isnan().all()

from __future__ import annotations

import pytest
import torch
from torch import nn

from zsderm.pretrain.accumulation import CachedFeatures, Features
from zsderm.pretrain.losses.make import MakeLoss, make_loss

B, T, P, D = 32, 5, 4, 6


class Towers(nn.Module):
    """Two small towers, with dropout and running statistics where wanted."""

    def __init__(self, dropout: float = 0.0, norm: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.norm = nn.BatchNorm1d(7) if norm else nn.Identity()
        self.image = nn.Sequential(nn.Linear(7, D), nn.Dropout(dropout))
        self.text = nn.Sequential(nn.Linear(7, D), nn.Dropout(dropout))
        self.logit_scale = nn.Parameter(torch.tensor(2.0))
        self.double()

    def encode(self, rows: torch.Tensor) -> Features:
        pixels = self.norm(rows.flatten(0, 1)).view_as(rows)  # (b, P + T, 7)
        patches = self.image(pixels[:, :P])
        return Features(patches.mean(1), patches, self.text(rows[:, P:]))


ROWS = torch.randn(B, P + T, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
MASK = torch.rand(B, T, generator=torch.Generator().manual_seed(2)) > 0.3
SHARED = {
    "affinity": (torch.rand(B, 4, generator=torch.Generator().manual_seed(4)) > 0.6).double(),
    "about": torch.randint(-1, 4, (B, T), generator=torch.Generator().manual_seed(5)),
}
TARGETS = {"own": {}, "label": {**SHARED, "mix": 1.0}, "ontology": {**SHARED, "mix": 0.5}}


def gradients(towers: Towers, parts: int, targets: str = "own") -> tuple[MakeLoss, list[torch.Tensor]]:
    torch.manual_seed(3)
    loss = CachedFeatures(
        towers,
        towers.encode,
        lambda features: make_loss(*features, MASK, towers.logit_scale.exp(), sigma=0.0, **TARGETS[targets]),
    ).backward(ROWS.chunk(parts))
    return loss, [parameter.grad for parameter in towers.parameters()]


@pytest.mark.parametrize("targets", list(TARGETS))
def test_four_times_8_equals_one_batch_of_32_in_loss_and_gradients(targets: str) -> None:
    loss, whole = gradients(Towers(), 1, targets)
    other, accumulated = gradients(Towers(), 4, targets)
    for part in ("total", "contrastive", "local"):
        torch.testing.assert_close(getattr(other, part), getattr(loss, part), rtol=0, atol=1e-12)
    assert len(whole) == len(accumulated) == 5
    for a, b in zip(whole, accumulated, strict=True):
        torch.testing.assert_close(b, a, rtol=0, atol=1e-12)


def test_one_part_equals_plain_backward() -> None:
    _, ours = gradients(Towers(), parts=1)
    towers = Towers()
    make_loss(*towers.encode(ROWS), MASK, towers.logit_scale.exp(), sigma=0.0).total.backward()
    for a, parameter in zip(ours, towers.parameters(), strict=True):
        torch.testing.assert_close(a, parameter.grad, rtol=0, atol=1e-12)


def test_random_numbers_of_the_first_pass_are_replayed_in_the_second() -> None:
    _, ours = gradients(Towers(dropout=0.5), parts=4)
    towers = Towers(dropout=0.5)
    torch.manual_seed(3)  # the same drops, all parts kept in one graph
    features = Features(*map(torch.cat, zip(*(towers.encode(part) for part in ROWS.chunk(4)), strict=True)))
    make_loss(*features, MASK, towers.logit_scale.exp(), sigma=0.0).total.backward()
    after = torch.rand(1)
    for a, parameter in zip(ours, towers.parameters(), strict=True):
        torch.testing.assert_close(a, parameter.grad, rtol=0, atol=1e-12)
    gradients(Towers(dropout=0.5), parts=4)
    assert torch.equal(torch.rand(1), after), "and the next batch does not meet the same drops again"


def test_running_statistics_move_once_a_batch() -> None:
    towers, once = Towers(norm=True), Towers(norm=True)
    gradients(towers, parts=4)
    for part in ROWS.chunk(4):
        once.encode(part)
    assert towers.norm.num_batches_tracked == 4
    torch.testing.assert_close(towers.norm.running_mean, once.norm.running_mean)
    torch.testing.assert_close(towers.norm.running_var, once.norm.running_var)


@pytest.mark.parametrize("parts", [1, 4])
def test_a_frozen_text_tower_gets_no_gradient(parts: int) -> None:
    towers = Towers()
    towers.text.requires_grad_(False)
    _, grads = gradients(towers, parts)
    assert [g is None for g in grads] == [False, False, False, True, True], "scale, image, text"

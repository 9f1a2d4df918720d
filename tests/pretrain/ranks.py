"""What test_distributed.py runs on each rank under torchrun, and what it runs alone to compare with."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from zsderm.pretrain.accumulation import CachedFeatures, Features
from zsderm.pretrain.distributed import ALONE, Group, join_group
from zsderm.pretrain.losses.make import MakeLoss, make_loss

B, T, P, D = 9, 6, 4, 5


class Towers(nn.Module):
    """Two towers as small as they come."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.image, self.text = nn.Linear(7, D).double(), nn.Linear(7, D).double()
        self.logit_scale = nn.Parameter(torch.tensor(2.0, dtype=torch.float64))
        self.unused = nn.Parameter(torch.zeros(2))


def batch(empty: bool) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(1)
    mask = torch.rand(B, T, generator=random) > 0.4
    mask[:4, 3:] &= not empty  # no sub-caption on the first rank
    return {
        "image": torch.randn(B, 7, generator=random, dtype=torch.float64),
        "patches": torch.randn(B, P, 7, generator=random, dtype=torch.float64),
        "text": torch.randn(B, T, 7, generator=random, dtype=torch.float64),
        "mask": mask,
    }


def step(whole: dict[str, Tensor], own: slice, micro: int, group: Group = ALONE) -> dict[str, Tensor]:
    """Loss and gradients of a batch, of which this process sees the rows `own`, `micro` of them at a time."""
    towers = Towers()
    mine = {name: rows[own] for name, rows in whole.items()}
    parts = [{name: rows[i : i + micro] for name, rows in mine.items()} for i in range(0, len(mine["mask"]), micro)]

    def encode(part: dict[str, Tensor]) -> Features:
        return Features(towers.image(part["image"]), towers.image(part["patches"]), towers.text(part["text"]))

    def loss_of(features: Features) -> MakeLoss:
        return make_loss(*features, mine["mask"], towers.logit_scale.exp(), sigma=0.1, group=group)

    loss = CachedFeatures(towers, encode, loss_of).backward(parts or [mine])
    group.sum_gradients(towers.parameters())
    sums = group.total(torch.stack([loss.total, loss.contrastive, loss.local]))
    return {"loss": sums} | {name: p.grad for name, p in towers.named_parameters() if p.grad is not None}


# Where the second rank begins, whether the first rank has no sub-caption, and how many rows pass the towers at a time.
CASES = {
    "even": (5, False, B),
    "uneven": (2, False, B),
    "one rank without images": (B, False, B),
    "one rank without sub-captions": (4, True, B),
    "in parts": (4, False, 2),
}


def main(output: Path) -> None:
    torch.set_num_threads(1)
    with join_group(torch.device("cpu")) as group:
        results = {}
        for name, (cut, empty, micro) in CASES.items():
            results[name] = step(batch(empty), slice(0, cut) if group.is_first else slice(cut, B), micro, group)
        results["sum"] = group.total(torch.tensor([1.0, group.rank]))
        if group.is_first:
            torch.save(results, output)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""What test_distributed.py runs on each rank under torchrun, and what it runs alone to compare with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

from zsderm import KnowledgeBase
from zsderm.pretrain.accumulation import CachedFeatures, Features
from zsderm.pretrain.data.augmentation import COLUMNS
from zsderm.pretrain.data.dataset import Batch
from zsderm.pretrain.data.diagnoses import Diagnoses
from zsderm.pretrain.distributed import ALONE, Group, join_group
from zsderm.pretrain.losses.make import MakeLoss, make_loss
from zsderm.pretrain.targets import targets_of

B, T, P, D, K = 9, 6, 4, 5, 3


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
        "affinity": (torch.rand(B, K, generator=random) > 0.5).double(),
        "about": torch.randint(-1, K, (B, T), generator=random),
    }


def step(
    whole: dict[str, Tensor], own: slice, micro: int, mix: float | None = None, group: Group = ALONE
) -> dict[str, Tensor]:
    """Loss and gradients of a batch, of which this process sees the rows `own`, `micro` of them at a time.

    `mix` is the weight of shared targets; None: no caption is shared.
    """
    towers = Towers()
    mine = {name: rows[own] for name, rows in whole.items()}
    parts = [{name: rows[i : i + micro] for name, rows in mine.items()} for i in range(0, len(mine["mask"]), micro)]

    def encode(part: dict[str, Tensor]) -> Features:
        return Features(towers.image(part["image"]), towers.image(part["patches"]), towers.text(part["text"]))

    def loss_of(features: Features) -> MakeLoss:
        shared = {} if mix is None else {"affinity": mine["affinity"], "about": mine["about"], "mix": mix}
        return make_loss(*features, mine["mask"], towers.logit_scale.exp(), sigma=0.1, group=group, **shared)

    loss = CachedFeatures(towers, encode, loss_of).backward(parts or [mine])
    group.sum_gradients(towers.parameters())
    sums = group.total(torch.stack([loss.total, loss.contrastive, loss.local]))
    return {"loss": sums} | {name: p.grad for name, p in towers.named_parameters() if p.grad is not None}


# Where the second rank begins, whether the first rank has no sub-caption, how many rows pass the towers at a time, and
# the weight of shared targets.
CASES = {
    "even": (5, False, B, None),
    "uneven": (2, False, B, None),
    "one rank without images": (B, False, B, None),
    "one rank without sub-captions": (4, True, B, None),
    "in parts": (4, False, 2, None),
    "shared targets": (4, False, B, 1.0),
    "half shared, in parts": (2, False, 3, 0.5),
    "shared, one rank without images": (B, False, B, 1.0),
    "shared, one rank without sub-captions": (4, True, B, 1.0),
}


def batch_of(rank: slice) -> Batch:
    """Labelled captions of which some are worded alike, on one rank or on two."""
    labels = ["melanoma", "nevus", "benign keratosis-like lesion", "seborrheic keratosis", "nevus", "melanoma"]
    names = ["melanoma", "melanocytic nevus", "benign keratosis", "solar lentigo", "melanocytic nevus", "melanoma"]
    texts = ["dark", "on the nose", "dark", "on the nose", "flat", "on the nose"]
    captions = [[name, text, *[""] * 9] for name, text in zip(names, texts, strict=True)]
    about = [[name, *[""] * 10] for name in names]
    mask = torch.tensor([[bool(text) for text in row] for row in captions])
    return Batch(torch.zeros(6, 1), torch.zeros(6, COLUMNS), captions, mask, labels, about).part(rank)


def targets(rank: slice, group: Group = ALONE) -> tuple[Tensor, Tensor]:
    diagnoses = Diagnoses(KnowledgeBase.load("dermatology"), ["melanoma", "nevus", "bkl", *batch_of(slice(6)).labels])
    return tuple(targets_of(batch_of(rank), diagnoses, True, torch.device("cpu"), group))


def shared_gradient(group: Group) -> tuple[Tensor, Tensor]:
    """Gradients of rows that are gathered, and of what is added to them: autograd hands the same tensor to both."""
    rows, added = torch.ones(2, 3, requires_grad=True), torch.zeros(4, 3, requires_grad=True)
    given = torch.full((4, 3), 1.0 + group.rank)
    (added + group.gather(rows)).backward(given)
    assert rows.grad is not None
    return rows.grad, given


def patience(group: Group) -> float:
    """Seconds that the first process kept the others waiting, beyond the time limit of exchanges."""
    group.wait()
    dist.distributed_c10d._set_pg_timeout(timedelta(seconds=1), dist.group.WORLD)
    if group.is_first:
        time.sleep(3)
    group.wait()
    dist.distributed_c10d._set_pg_timeout(timedelta(minutes=5), dist.group.WORLD)
    return 3.0


def on_two(*arguments: str, seconds: float = 180.0) -> str:
    """Run a script on two ranks; after so many seconds all of its processes are ended.

    Returns:
        What it wrote to stdout.
    """
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        said, complained = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # torchrun and its ranks
        process.communicate()
        raise
    assert process.returncode == 0, complained
    return said


def main(output: Path) -> None:
    torch.set_num_threads(1)
    with join_group(torch.device("cpu")) as group:
        results = {}
        for name, (cut, empty, micro, mix) in CASES.items():
            results[name] = step(batch(empty), slice(0, cut) if group.is_first else slice(cut, B), micro, mix, group)
        for cut in (2, 6):
            mine = targets(slice(0, cut) if group.is_first else slice(cut, 6), group)
            results[f"targets cut at {cut}"] = [group.gather(rows) for rows in mine]
        results["shared gradient"] = shared_gradient(group)
        results["patience"] = patience(group)
        results["sum"] = group.total(torch.tensor([1.0, group.rank]))
        if group.is_first:
            torch.save(results, output)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

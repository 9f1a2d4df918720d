"""One step of a learner whose image tower has batch statistics over all processes, on each rank and alone.

test_shared_statistics.py runs it under torchrun. torch's own layer (SyncBatchNorm) works on GPUs only; here is one that
waits for the other processes in the same places, in each forward and each backward pass.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import yaml
from timm.layers import BatchNormAct2d
from torch import Tensor, nn

from zsderm import KnowledgeBase
from zsderm.pretrain.config import Augmentation, read_config
from zsderm.pretrain.data.augmentation import draw_effects
from zsderm.pretrain.data.captions import CAPTIONS_PER_IMAGE
from zsderm.pretrain.data.dataset import Batch
from zsderm.pretrain.data.diagnoses import Diagnoses
from zsderm.pretrain.distributed import ALONE, Group, join_group
from zsderm.pretrain.learner import Learner
from zsderm.pretrain.model.start import begin

MINI = Path(__file__).parents[2] / "pretrain" / "configs" / "mini.yaml"
RECIPES = runpy.run_path(str(Path(__file__).with_name("recipes.py")))
IMAGES = 6
# How many of the images the first rank has, and how many pass the towers at a time; 0: all of a rank.
CASES = {"uneven": (5, 0), "one rank without images": (6, 0), "uneven, in parts": (5, 2), "none, in parts": (6, 2)}


class Summed(torch.autograd.Function):
    """The sum over all processes; its gradient is that too."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        total = own.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, given: Tensor) -> Tensor:
        return Summed.forward(ctx, given)


class SharedNorm(nn.SyncBatchNorm):
    """A batch norm over all processes, for any device, written down as in a textbook."""

    def __init__(self, old: BatchNormAct2d) -> None:
        super().__init__(old.num_features, old.eps, old.momentum)
        self.load_state_dict(old.state_dict())
        self.drop, self.act = old.drop, old.act

    def forward(self, images: Tensor) -> Tensor:
        sums = torch.stack([images.sum((0, 2, 3)), images.square().sum((0, 2, 3)), images.new_ones(images.shape[1])])
        sums = torch.cat([sums[:2], sums[2:] * (images.numel() / images.shape[1])])
        if dist.is_initialized():
            sums = Summed.apply(sums)
        mean = sums[0] / sums[2]
        spread = (sums[1] / sums[2] - mean.square() + self.eps).rsqrt()
        scaled = (images - mean[:, None, None]) * (spread * self.weight)[:, None, None] + self.bias[:, None, None]
        return self.act(self.drop(scaled))


def with_shared_norms(module: nn.Module) -> nn.Module:
    for name, child in module.named_children():
        setattr(module, name, SharedNorm(child) if isinstance(child, BatchNormAct2d) else with_shared_norms(child))
    return module


def batch(images: slice) -> Batch:
    random = torch.Generator().manual_seed(1)
    squares = torch.randint(0, 255, (IMAGES, 3, 48, 48), dtype=torch.uint8, generator=random)
    effects = torch.stack([draw_effects(Augmentation(), seed) for seed in range(IMAGES)])
    captions = [[f"spot {n}", *["brown"] * (CAPTIONS_PER_IMAGE - 1)] for n in range(IMAGES)]
    mask = torch.ones(IMAGES, CAPTIONS_PER_IMAGE, dtype=torch.bool)
    about = [[""] * CAPTIONS_PER_IMAGE for _ in range(IMAGES)]
    return Batch(squares, effects, captions, mask, [""] * IMAGES, about).part(images)


def step(images: slice, micro: int, folder: Path, group: Group = ALONE) -> dict[str, Any]:
    """The loss of a step, the norm of its gradient, and the gradients, clipped."""
    changes = {**RECIPES["DROPPING"], "micro_batch": micro}
    changes["model_cfg"]["vision_cfg"]["timm_drop"] = 0.0
    file = folder / f"config-{group.rank}-{group.size}.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(MINI.read_text()), **RECIPES["settings"](**changes)}))
    torch.manual_seed(0)
    config, model, tokenizer = begin(read_config(file))
    model = with_shared_norms(model)
    learner = Learner.of(
        config, model, tokenizer, Diagnoses(KnowledgeBase.load("dermatology"), []), torch.device("cpu"), group
    )
    learner.train()
    loss, norm = learner.step(batch(images), 0)
    return {
        "loss": loss,
        "norm": torch.tensor(norm),
        **{name: p.grad for name, p in model.named_parameters() if p.grad is not None},
    }


def main(output: Path) -> None:
    torch.set_num_threads(1)
    with join_group(torch.device("cpu")) as group:
        results = {}
        for name, (cut, micro) in CASES.items():
            results[name] = step(slice(0, cut) if group.is_first else slice(cut, IMAGES), micro, output.parent, group)
        if group.is_first:
            torch.save(results, output)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

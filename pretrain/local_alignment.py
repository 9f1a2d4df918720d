"""Does the local loss depend on the image? The loss on patches of the right image, of a wrong image, and of noise.

    python -m zsderm.pretrain.local_alignment --data-root DATA

A region is a sum of patches that are chosen by its own sub-caption, and the loss then compares it with that same
sub-caption. Many patches in many directions allow that for any image: the loss then falls although nothing is learned
about the image. So it is computed on regions from three kinds of patches: those of the image that the sub-captions
belong to, those of an image with another diagnosis, and Gaussian noise. Where the first two losses are equal, the loss
does not depend on the image. Images and captions are drawn as in training, from the split that is named; there is no
dropout. Prints Markdown.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from zsderm import KnowledgeBase
from zsderm.pretrain.config import TrainConfig, read_config
from zsderm.pretrain.data.captions import CaptionWriter
from zsderm.pretrain.data.dataset import Batch, CaptionedImages, collate, tower_input
from zsderm.pretrain.data.sampling import DrawPlan, Draws
from zsderm.pretrain.data.sources import read_records
from zsderm.pretrain.data.squares import Squares
from zsderm.pretrain.data.tables import read_table
from zsderm.pretrain.losses.attended_regions import attended_regions
from zsderm.pretrain.losses.make import FIRST_SUB_CAPTION, local_alignment_loss
from zsderm.pretrain.model.start import open_clip_checkpoint
from zsderm.pretrain.model.text_bank import TextBank
from zsderm.pretrain.model.towers import image_and_patch_features

CONFIG = Path(__file__).parent / "configs" / "mini.yaml"
SIGMAS = (-1.0, 0.0, 0.1, 0.2, 0.3, 0.4)
KINDS = ("its own image", "image of another class", "noise")


def batches(config: TrainConfig, data_root: Path, split: str, count: int) -> list[tuple[Batch, list[str]]]:
    """Batches of a recipe with the label of each image, from another split."""
    sources = tuple(dataclasses.replace(source, split=split) for source in config.train)
    present = tuple(source for source in sources if _has(source.table, split, data_root))
    config = dataclasses.replace(config, train=present)
    records = read_records(config, data_root)
    writer = CaptionWriter(KnowledgeBase.load(config.knowledge), config.named_share)
    squares = Squares(records, config.square_side, config.colour_norm)
    images = CaptionedImages(records, writer, squares, config.augmentation)
    found = []
    for draws in Draws(records, DrawPlan(config)).batches[:count]:
        items = [(images[draw], records[draw[0]].case) for draw in draws]
        read = [(item, case.label if case else "") for item, case in items if item is not None]
        found.append((collate([item for item, _ in read]), [label for _, label in read]))
    return found


def _has(table: str, split: str, data_root: Path) -> bool:
    frame = read_table(data_root / table)
    return "split" in frame and bool((frame["split"].str.strip() == split).any())


def of_another_class(labels: list[str], rng: np.random.Generator) -> list[int]:
    """For each image one whose label is different.

    Raises:
        click.ClickException: all labels are the same.
    """
    if len(set(labels)) < 2:
        raise click.ClickException("Expected labelled images of at least two classes in every batch.")
    return [int(rng.choice([other for other, name in enumerate(labels) if name != label])) for label in labels]


def losses(patches: Tensor, text: Tensor, mask: Tensor, scale: Tensor, sigma: float) -> tuple[float, float]:
    """The local loss with equal weights, and the share of sub-captions that a patch reaches.

    Args:
        patches: (B, P, D).
        text: (B, S, D) unit rows.
        mask: (B, S) bool.
        scale: inverse temperature.
        sigma: cosine threshold.
    """
    loss = local_alignment_loss(patches, text, mask, mask.to(text.dtype), scale, sigma)
    reached = attended_regions(patches, text, sigma).norm(dim=-1)[mask] > 0
    return float(loss), float(reached.float().mean())


@click.command(help=__doc__)
@click.option("--data-root", type=click.Path(file_okay=False, path_type=Path), envvar="ZSDERM_DATA", required=True)
@click.option("--model", default="zsderm-mini", show_default=True)
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), default=CONFIG, help="The recipe.")
@click.option("--split", default="dev", show_default=True)
@click.option("--batches", "count", default=4, show_default=True)
@click.option("--sigma", "sigmas", multiple=True, type=float, default=SIGMAS, show_default=True)
def main(data_root: Path, model: str, config: Path, split: str, count: int, sigmas: tuple[float, ...]) -> None:
    """Print the loss of every kind of patches at every threshold."""
    recipe = read_config(config)
    towers, tokenizer = open_clip_checkpoint(model).build()
    towers = towers.float().eval()
    bank, rng = TextBank(towers, tokenizer, trainable=False), np.random.default_rng(0)
    torch.manual_seed(0)  # of the noise
    found: dict[float, list[list[tuple[float, float]]]] = {sigma: [] for sigma in sigmas}
    chance = []
    with torch.no_grad():
        scale = towers.logit_scale.exp()
        for batch, labels in batches(recipe, data_root, split, count):
            pixels = tower_input(batch, recipe, torch.device("cpu"))
            patches = image_and_patch_features(towers, pixels)[1].float()  # (B, P, D)
            text = F.normalize(bank(batch.captions)[:, FIRST_SUB_CAPTION:], dim=-1)  # (B, S, D)
            mask = batch.mask[:, FIRST_SUB_CAPTION:]
            chance.append(float(mask.sum().log()))
            kinds = (patches, patches[of_another_class(labels, rng)], torch.randn_like(patches))
            for sigma in sigmas:
                found[sigma].append([losses(kind, text, mask, scale, sigma) for kind in kinds])
    heads = "".join(f" {kind} |" for kind in KINDS)
    click.echo(f"Local loss (share of sub-captions that a patch reaches); chance {np.mean(chance):.2f}.\n")
    click.echo(f"| sigma |{heads}\n|--:|" + "---|" * len(KINDS))
    for sigma, values in found.items():
        cells = [f"{loss:.2f} ({reached:.2f})" for loss, reached in np.mean(values, axis=0)]
        click.echo(f"| {sigma:g} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()

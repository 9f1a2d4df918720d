"""Does familiarity put pictures of anything but skin below photographs of skin, and how many of these get a note?

    python -m zsderm.benchmarks.experiments.strange_pictures --data-root DATA --pictures FOLDER \\
        --document docs/familiarity.md

Prints Markdown and, with --document, puts it between "<!-- strange -->" and "<!-- end of strange -->" of a page. One
row for each folder of DATA with an index.csv that has images of --split: the share of its images that falls under the
threshold of the encoder, and the AUROC of familiarity between its images and the strange pictures. Strange are pictures
made from a seed (made_pictures.py), and with --pictures those of a folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import click
import torch
from sklearn.metrics import roc_auc_score

from zsderm import load_encoder
from zsderm.benchmarks.experiments.made_pictures import made_pictures
from zsderm.benchmarks.features import image_features
from zsderm.benchmarks.options import cache_dir_option, data_root_option, model_option, split_option
from zsderm.benchmarks.pages import splice
from zsderm.encoders import Encoder
from zsderm.encoders.base import home_of
from zsderm.encoders.home import EncoderHome
from zsderm.errors import ImageError
from zsderm.image_table import ImageTable
from zsderm.images import find

FOLDERS = ("pad", "ham10000", "isic2017", "onychomycosis", "fuseg")
OF_EACH = 25  # made pictures of each kind


def auroc(usual: torch.Tensor, strange: torch.Tensor) -> float:
    """How often a usual image is more familiar than a strange one; a tie counts half.

    Args:
        usual: (n,) familiarities.
        strange: (m,) familiarities.
    """
    true = [1] * len(usual) + [0] * len(strange)
    return float(roc_auc_score(true, torch.cat([usual, strange]).numpy()))


def markdown(
    home: EncoderHome, usual: Mapping[str, torch.Tensor], strange: Mapping[str, torch.Tensor]
) -> Iterator[str]:
    """The part of the page: a row for each set of photographs, and the share of strange pictures that gets a note."""
    yield "| photographs | images | note | " + " | ".join(f"AUROC, {name}" for name in strange) + " |"
    yield "|---|--:|--:|" + "--:|" * len(strange)
    for name, values in usual.items():
        ranked = " | ".join(f"{auroc(values, others):.3f}" for others in strange.values())
        yield f"| {name} | {len(values)} | {home.is_strange(values).float().mean():.1%} | {ranked} |"
    yield ""
    for name, values in strange.items():
        yield f"- {name}: {len(values)}, of which {home.is_strange(values).float().mean():.0%} get the note"


@click.command(help=__doc__)
@data_root_option
@model_option
@split_option
@click.option("--pictures", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Strange pictures.")
@click.option("--document", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Page for the table.")
@cache_dir_option
def main(
    data_root: Path, model: str, split: str, pictures: Path | None, document: Path | None, cache_dir: Path | None
) -> None:
    """Measure, then print the table."""
    encoder = load_encoder(model)
    home = home_of(encoder)
    if home is None:
        raise click.ClickException(f"{model} has no home.safetensors. Measure it with: zsderm pretrain home")
    usual = {}
    for name in FOLDERS:
        if (index := data_root / name / "index.csv").is_file():
            table = ImageTable.read(index)
            kept = [file for file, own in zip(table.files, table.column("split"), strict=True) if own == split]
            if files := [file for file in kept if file is not None]:
                usual[f"{name}, {split}"] = home.familiarity(image_features(encoder, files, cache_dir))
    made = [picture for _, picture in made_pictures(OF_EACH)]
    strange = {"made pictures": home.familiarity(encoder.encode_images(made))}
    if pictures is not None:
        strange["other pictures"] = home.familiarity(torch.cat(list(_readable(encoder, pictures))))
    lines = "\n".join(markdown(home, usual, strange))
    click.echo(lines)
    if document is not None:
        splice(document, {"strange": f"\n{lines}\n"}, "strange")


def _readable(encoder: Encoder, folder: Path) -> Iterator[torch.Tensor]:
    """(1, D) rows of the images of a folder, one after another, without those that cannot be read."""
    yield torch.empty(0, encoder.card.width)
    for path in find(folder):
        with suppress(ImageError):
            yield encoder.encode_images([path])


if __name__ == "__main__":
    main()

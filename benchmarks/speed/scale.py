"""How near embeddings of photographs decoded at reduced size stay to those of the full size, limit by limit.

    python -m zsderm.benchmarks.speed.scale

A limit of 5 means that the shorter side keeps at least five times the pixels that the encoder looks at. The last row of
a block is what rounding does: the same photographs with up to half a grey level of noise on what the encoder sees.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
import torch

from zsderm.benchmarks.options import model_option
from zsderm.benchmarks.speed import photographs
from zsderm.benchmarks.speed.folder_memory import EXAMPLES
from zsderm.encoders import load_encoder
from zsderm.encoders.base import Encoder
from zsderm.images import open_image


@click.command(help=__doc__)
@model_option
@click.option("--images", default=30, show_default=True)
@click.option("--megapixels", default=12.0, show_default=True)
@click.option("--grain", "grains", multiple=True, default=[0.0, 6.0], show_default=True, help="Sensor noise.")
@click.option("--limit", "limits", multiple=True, default=[4, 5, 8], show_default=True)
def main(model: str, images: int, megapixels: float, grains: Sequence[float], limits: Sequence[int]) -> None:
    """Print one row a limit as Markdown."""
    encoder = load_encoder(model)
    click.echo("| grain | limit | decoded size | cosine: least | tenth of ten | mean | below 0.999 |\n|" + "---|" * 7)
    for grain in grains:
        found: dict[str, list[float]] = {}
        with tempfile.TemporaryDirectory() as name:
            for path in photographs.large(Path(name), EXAMPLES, images, megapixels, grain):
                for what, cosine in _cosines(encoder, path, limits).items():
                    found.setdefault(what, []).append(cosine)
        for what, cosines in found.items():
            values = torch.tensor(cosines)
            shown = " | ".join(f"{value:.5f}" for value in (values.min(), values.quantile(0.1), values.mean()))
            click.echo(f"| {grain:g} | {what} | {shown} | {int((values < 0.999).sum())} of {len(values)} |")


def _cosines(encoder: Encoder, path: Path, limits: Sequence[int]) -> dict[str, float]:
    """The cosine of each way of decoding one photograph with its full size."""
    size = encoder.card.image_size
    opened = [open_image(path), *(open_image(path, at_least=limit * size) for limit in limits)]
    pixels = [encoder.preprocess(image) for image in opened]
    level = float(_pixel_step(encoder))
    noise = torch.rand(pixels[0].shape, generator=torch.Generator().manual_seed(0)) - 0.5
    rows = encoder.encode_pixels(torch.stack([*pixels, pixels[0] + level * noise]))
    names = [f"{limit} | {image.width} x {image.height}" for limit, image in zip(limits, opened[1:], strict=True)]
    return dict(zip([*names, "rounding | full"], (rows[1:] @ rows[0]).tolist(), strict=True))


def _pixel_step(encoder: Encoder) -> torch.Tensor:
    """What one grey level is after preprocessing."""
    from PIL import Image

    black, white = (encoder.preprocess(Image.new("RGB", (8, 8), colour)) for colour in ("black", "white"))
    return (white - black).mean() / 255


if __name__ == "__main__":
    main()

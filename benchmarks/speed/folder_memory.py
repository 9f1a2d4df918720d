"""Resident memory while a folder of 100 000 photographs is embedded into a file, at several points on the way.

    python -m zsderm.benchmarks.speed.folder_memory
    python -m zsderm.benchmarks.speed.folder_memory --model zsderm-mini --images 2000

The folder is made of links to the photographs in examples/: each file is opened, decoded and preprocessed. By default
the encoder is a thumbnail of 8 x 8 pixels: it costs nothing and keeps nothing, so what grows would be the pipeline's.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import numpy as np
import torch
from PIL import Image

from zsderm.benchmarks.speed import photographs
from zsderm.embeddings import write_embeddings
from zsderm.encoders import load_encoder
from zsderm.encoders.base import EncoderCard
from zsderm.images import open_image, walk

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "images"
SIDE = 8


class Thumbnail:
    """An encoder that costs nothing: the pixels of a small thumbnail, as a unit row."""

    card = EncoderCard("thumbnail", width=3 * SIDE * SIDE + 1, image_size=SIDE, context_length=1)
    fingerprint, temperature, home = "0" * 16, 1.0, None

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        """(3, 8, 8) float32 between 0 and 1."""
        small = image.resize((SIDE, SIDE), Image.Resampling.BOX)
        return torch.from_numpy(np.asarray(small, np.float32) / 255).permute(2, 0, 1)

    def encode_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, D) unit rows; the last number keeps black images off zero."""
        flat = torch.cat([pixels.flatten(1), torch.ones(len(pixels), 1)], dim=1)
        return torch.nn.functional.normalize(flat, dim=1)

    def encode_images(self, images: Sequence[Image.Image | str | Path], views: int = 1) -> torch.Tensor:
        """(N, D) unit rows; every image is taken as it is."""
        return self.encode_pixels(torch.stack([self.preprocess(open_image(image)) for image in images]))

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """(M, D) unit rows, all equal; they are not used here."""
        return torch.eye(1, self.card.width).repeat(len(texts), 1)


@click.command(help=__doc__)
@click.option("--images", default=100_000, show_default=True)
@click.option("--model", default="thumbnail", show_default=True, help="thumbnail, or an encoder.")
@click.option("--output", default="parquet", show_default=True, type=click.Choice(["npy", "parquet"]))
@click.option("--points", default=10, show_default=True, help="How often memory is looked at on the way.")
@click.option("--source", default=EXAMPLES, type=click.Path(path_type=Path), help="Photographs to link to.")
def main(images: int, model: str, output: str, points: int, source: Path) -> None:
    """Print one row a point as Markdown."""
    encoder = Thumbnail() if model == "thumbnail" else load_encoder(model)
    click.echo(
        f"encoder {encoder.card.name}, {images:,} links to {len(list(walk(source)))} photographs, to .{output}\n"
    )
    click.echo("| images begun | resident memory (MB) | seconds |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "photographs"
        folder.mkdir()
        photographs.links(folder, source, images)
        started = time.perf_counter()
        watched = _watched(walk(folder), max(1, images // points), started)
        count, failed = write_embeddings(Path(name) / f"rows.{output}", encoder, watched)
        click.echo(f"| all {count:,}, {failed} failed | {resident():.0f} | {time.perf_counter() - started:.0f} |")


def _watched(paths: Iterator[Path], every: int, started: float) -> Iterator[Path]:
    """The paths, with a row of the table at regular points."""
    for number, path in enumerate(paths):
        if number % every == 0:
            click.echo(f"| {number:,} | {resident():.0f} | {time.perf_counter() - started:.0f} |")
        yield path


def resident() -> float:
    """Megabytes that this process holds now; where the system does not tell, the most it has ever held."""
    statm = Path("/proc/self/statm")
    if statm.is_file():
        import mmap

        return int(statm.read_text().split()[1]) * mmap.PAGESIZE / 1e6
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most / 1e3


if __name__ == "__main__":
    main()

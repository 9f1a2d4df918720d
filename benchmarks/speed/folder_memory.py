"""Resident memory while a folder of 100 000 photographs is embedded into a file, at several points on the way.

    python -m zsderm.benchmarks.speed.folder_memory
    python -m zsderm.benchmarks.speed.folder_memory --model zsderm-mini --images 2000
    python -m zsderm.benchmarks.speed.folder_memory --output dataset --side 64 --images 200000

The folder is made of links to the photographs in examples/: each file is opened, decoded and preprocessed. By default
the encoder is a thumbnail of 8 x 8 pixels: it costs nothing and keeps nothing, so what grows would be the pipeline's.
With --side the photographs are made that small first, for many of them in little time. The last row is for the rows
read again, a chunk at a time, as a classifier that learns from them reads them.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click
import numpy as np
import torch
from PIL import Image

from zsderm.benchmarks.speed import photographs
from zsderm.embeddings import DatasetFolder, LocalEngine, embed_dataset, read_embeddings, write_embeddings
from zsderm.encoders import Encoder, load_encoder
from zsderm.encoders.base import EncoderCard
from zsderm.images import find, open_image, walk
from zsderm.proxies.chunks import FeatureChunks, KnownRows

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
@click.option("--output", default="parquet", show_default=True, type=click.Choice(["npy", "parquet", "dataset"]))
@click.option("--points", default=10, show_default=True, help="How often memory is looked at on the way.")
@click.option("--source", default=EXAMPLES, type=click.Path(path_type=Path), help="Photographs to link to.")
@click.option("--side", type=int, help="Make the photographs so small first, in pixels of the longer side.")
def main(images: int, model: str, output: str, points: int, source: Path, side: int | None) -> None:
    """Print one row a point as Markdown."""
    encoder = Thumbnail() if model == "thumbnail" else load_encoder(model)
    size = "" if side is None else f" of {side} pixels"
    linked = f"{images:,} links to {len(list(walk(source)))} photographs{size}"
    click.echo(f"encoder {encoder.card.name}, {linked}, to {'a data set' if output == 'dataset' else f'.{output}'}\n")
    click.echo("| images begun | resident memory (MB) | seconds |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "photographs"
        folder.mkdir()
        photographs.links(folder, source if side is None else _small(Path(name) / "small", source, side), images)
        started = time.perf_counter()
        every = max(1, images // points)
        if output == "dataset":
            place = Path(name) / "rows"
            dataset = embed_dataset(place, encoder, walk(folder), engine=_Watched(encoder, every, started), views=1)
            count, failed = dataset.facts.images, (dataset.finished or {})["failed"]
        else:
            place = Path(name) / f"rows.{output}"
            count, failed = write_embeddings(place, encoder, _watched(walk(folder), every, started))
        click.echo(f"| all {count:,}, {failed} failed | {resident():.0f} | {time.perf_counter() - started:.0f} |")
        read = sum(len(rows) for rows in FeatureChunks(KnownRows(read_embeddings(place).features)).read())
        click.echo(f"| {read:,} rows read | {resident():.0f} | {time.perf_counter() - started:.0f} |")


def _small(folder: Path, source: Path, side: int) -> Path:
    """A folder of the photographs of another, made small."""
    folder.mkdir()
    for path in find(source):
        image = open_image(path)
        image.thumbnail((side, side))
        image.save(folder / f"{path.stem}.jpg")
    return folder


def _watched(paths: Iterator[Path], every: int, started: float) -> Iterator[Path]:
    """The paths, with a row of the table at regular points."""
    for number, path in enumerate(paths):
        if number % every == 0:
            click.echo(f"| {number:,} | {resident():.0f} | {time.perf_counter() - started:.0f} |")
        yield path


class _Watched:
    """The engine of this machine, with a row of the table at regular points; the list of images is written then."""

    def __init__(self, encoder: Encoder, every: int, started: float) -> None:
        self.engine, self.every, self.started = LocalEngine(encoder), every, started

    def __call__(self, dataset: DatasetFolder, parts: Sequence[int], tell: Callable[[float], None]) -> None:
        done, rows = 0.0, 0

        def watched(more: float) -> None:
            nonlocal done, rows
            done += more
            while rows * self.every < done:
                click.echo(f"| {rows * self.every:,} | {resident():.0f} | {time.perf_counter() - self.started:.0f} |")
                rows += 1
            tell(more)

        self.engine(dataset, parts, watched)


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

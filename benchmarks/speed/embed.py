"""Rows per second while photographs are embedded into a data set, and who waits for whom: encoder or decoding threads.

    python -m zsderm.benchmarks.speed.embed
    python -m zsderm.benchmarks.speed.embed --images 2000 --device cuda --batch-size 128 --workers 8 --workers 16
    python -m zsderm.benchmarks.speed.embed --encoder-ms 10

The photographs are made from those in examples/: of ten, six have 0.27 megapixels (as in HAM10000), three have 2 and
one has 12, with sensor noise; links make as many as are asked for. They come in series of one size, as in archives. Of
each size there are few different ones, so the disk's cache holds them all: reading from the disk is not timed.

The peer is `embed_images`, with the rows in memory. Both run in turn, round after round, and the fastest round of each
counts, with its shares. --encoder-ms puts a clock in the place of an encoder: it takes so many milliseconds an image
and no processor, as if a GPU did the work; that shows the pipeline alone.

"encoder waits": the share of the time in which the encoder waited for images. "threads wait": the share of their time
in which the decoding threads waited for the encoder; where encoder and threads share processors, waiting for one of
these counts as work. "between": the share in which rows were written.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from zsderm.benchmarks.speed import photographs
from zsderm.benchmarks.speed.folder_memory import EXAMPLES, Thumbnail
from zsderm.embeddings import LocalEngine, embed_dataset, embed_images, image_features, read_embeddings
from zsderm.embeddings.decoding_ahead import WorkTimes
from zsderm.encoders import load_encoder

SIZES = {0.27: 6, 2.0: 3, 12.0: 1}  # megapixels: how many of ten
EACH = 4  # different photographs of each size
GRAIN = 4.0  # grey levels
DATASET, PEER = "zsderm embed -o FOLDER", "embed_images, in memory"


class Elsewhere(Thumbnail):
    """Takes time and no processor, as an encoder on a GPU does."""

    def __init__(self, milliseconds: float) -> None:
        self.seconds = milliseconds / 1000

    def encode_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, D) unit rows."""
        time.sleep(self.seconds * len(pixels))
        return super().encode_pixels(pixels)


def series(folder: Path, source: Path, count: int, length: int) -> list[Path]:
    """Links to photographs of several sizes, in series of one size.

    Args:
        folder: to write into; the photographs themselves go into "made" beside it.
        source: a folder of photographs to make them from.
        count: how many links.
        length: how many tens of photographs come with those of one size together.
    """
    made = {}
    for megapixels in SIZES:
        place = folder.with_name("made") / f"{megapixels:g}"
        place.mkdir(parents=True)
        made[megapixels] = cycle(photographs.large(place, source, EACH, megapixels, GRAIN))
    order = cycle([size for size, share in SIZES.items() for _ in range(share * length)])
    folder.mkdir()
    links = [folder / f"{number:07}.jpg" for number in range(count)]
    for link, size in zip(links, order, strict=False):
        os.symlink(next(made[size]), link)
    return links


@click.command(help=__doc__)
@click.option("--images", default=320, show_default=True)
@click.option("--series", "length", default=8, show_default=True, help="How many tens come in the same order of sizes.")
@click.option("--model", default="zsderm-mini", show_default=True)
@click.option("--device", help="Where the encoder runs.")
@click.option("--encoder-ms", type=float, help="A clock in the place of the encoder: milliseconds an image.")
@click.option("--batch-size", default=64, show_default=True)
@click.option(
    "--workers", multiple=True, type=int, help="Decoding threads. May be repeated.  [default: as zsderm embed]"
)
@click.option("--ahead", multiple=True, type=int, help="Batches decoded ahead. May be repeated.  [default: as zsderm]")
@click.option("--part-rows", default=2048, show_default=True)
@click.option("--repeats", default=3, show_default=True, help="The fastest of so many rounds counts.")
def main(
    images: int,
    length: int,
    model: str,
    device: str | None,
    encoder_ms: float | None,
    batch_size: int,
    workers: Sequence[int],
    ahead: Sequence[int],
    part_rows: int,
    repeats: int,
) -> None:
    """Print a table as Markdown."""
    encoder: Any = load_encoder(model, device) if encoder_ms is None else Elsewhere(encoder_ms)
    named = encoder.card.name if encoder_ms is None else f"a clock of {encoder_ms:g} ms an image"
    where = getattr(encoder, "device", "no processor")
    click.echo(
        f"{os.cpu_count()} processors, torch with {torch.get_num_threads()} threads; encoder {named} on {where}, "
        f"batches of {batch_size}; {images:,} photographs, parts of {part_rows} rows\n"
    )
    with tempfile.TemporaryDirectory() as name:
        paths = series(Path(name) / "photographs", EXAMPLES, images, length)
        embed_images(encoder, paths[: 2 * batch_size], batch_size=batch_size)  # warm
        contenders: dict[tuple[str, int, int], Callable[[], Figures]] = {}
        for threads in workers or (min(image_features.MOST_WORKERS, os.cpu_count() or 1),):
            for batches in ahead or (image_features.BATCHES_AHEAD,):
                how: dict[str, Any] = {"batch_size": batch_size, "workers": threads}
                contenders[DATASET, threads, batches] = partial(_dataset, name, encoder, paths, part_rows, how)
                contenders[PEER, threads, batches] = partial(_peer, encoder, paths, how)
        best: dict[tuple[str, int, int], Figures] = {}
        for _ in range(repeats):
            for key, run in contenders.items():
                image_features.BATCHES_AHEAD = key[2]
                best[key] = min(best.get(key, (float("inf"), None, np.empty(0))), run(), key=lambda found: found[0])
    click.echo("| | threads | batches ahead | rows a second | ratio | encoder waits | threads wait | between |")
    click.echo("|---|---|---|---|---|---|---|---|")
    for (title, threads, batches), (seconds, times, _) in best.items():
        ratio = best[PEER, threads, batches][0] / seconds
        shares = ["", "", ""]
        if times is not None:
            shares = [
                f"{share:.1%}" for share in (times.encoder_waits, times.threads_wait, times.between / times.total)
            ]
        cells = [title, str(threads), str(batches), f"{images / seconds:.1f}", f"{ratio:.2f}", *shares]
        click.echo(f"| {' | '.join(cells)} |")
    rows = [found[2] for found in best.values()]
    most = max(float(np.abs(rows[0] - other).max()) for other in rows)
    click.echo(f"\nlargest difference between the rows of any two: {most:.1e}")


Figures = tuple[float, WorkTimes | None, np.ndarray]


def _dataset(scratch: str, encoder: Any, paths: Sequence[Path], part_rows: int, how: dict[str, Any]) -> Figures:
    with tempfile.TemporaryDirectory(dir=scratch) as place:
        times, begun = WorkTimes(), time.perf_counter()
        engine = LocalEngine(encoder, times=times, **how)
        embed_dataset(place, encoder, paths, engine=engine, part_rows=part_rows, views=1)
        seconds = time.perf_counter() - begun
        return seconds, times, read_embeddings(place).features[:]


def _peer(encoder: Any, paths: Sequence[Path], how: dict[str, Any]) -> Figures:
    begun = time.perf_counter()
    rows = embed_images(encoder, paths, **how).features
    return time.perf_counter() - begun, None, rows


if __name__ == "__main__":
    main()

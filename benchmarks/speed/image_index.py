"""The index of a data set of embeddings: on disk, and flat in memory beside it, in one run.

    python -m zsderm.benchmarks.speed.image_index --images 1000000 --width 384

The rows are synthetic. They lie on the sphere as embeddings of photographs do: in a narrow cone, in clusters of very
different sizes, with most of the variance in few directions (the variance of the n-th falls as 1 / n ** DECAY). The
rows of 4 160 dermoscopic photographs by zsderm-mini lie even closer: their mean has length 0.97, and eight directions
hold 97 % of the variance, which is steeper than --decay 2. The default, 1, is harder on an index, because more
directions tell where a row is. Queries are rows of the same kind that are in no index, and rows apart from all others
that lean to a cluster, as those of texts do.

Both indexes are asked as `zsderm retrieve` asks them: for the ten best photographs by name, which is read from the data
set. Files are out of the memory of the system before an index is opened ("cold"). Peaks are of resident memory beyond
what the process had before, pages of mapped files included.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np

from zsderm.benchmarks.speed import memory
from zsderm.embeddings import DatasetFolder, ImageEmbeddings, StoredEmbeddings, read_embeddings
from zsderm.embeddings.disk_index import DiskIndex, Marks, build
from zsderm.embeddings.nearest_rows import PROBED, Integers, NearestRows, recall_of
from zsderm.embeddings.row_blocks import blocks_of
from zsderm.embeddings.vector_index import VectorIndex
from zsderm.tasks.retrieval.embedded_index import flat, nearest

Result = TypeVar("Result")
CLUSTERS, CONE, SPREAD, GAP = (
    1000,
    0.85,
    0.35,
    0.9,
)  # of rows: lengths of the mean, of what is around it, of texts apart
FINGERPRINT = "0" * 16
ENCODER = {"model": "synthetic", "fingerprint": FINGERPRINT, "licence": "none", "views": 1, "decoding": "none"}
SINGLE = 50  # queries asked one at a time


class World:
    """Where rows come from.

    Args:
        width: D.
        decay: how fast the variance falls from one direction to the next.
    """

    def __init__(self, width: int, decay: float) -> None:
        rng = np.random.default_rng(0)
        self.scale = np.arange(1, width + 1) ** (-decay / 2)
        self.scale *= SPREAD / np.linalg.norm(self.scale)
        self.mean, self.gap = (row / np.linalg.norm(row) for row in rng.normal(size=(2, width)))
        self.centres = rng.normal(size=(CLUSTERS, width)) * self.scale
        shares = np.arange(1, CLUSTERS + 1) ** -0.7
        self.shares = shares / shares.sum()

    def photographs(self, count: int, seed: int) -> np.ndarray:
        """(n, D) float32 unit rows."""
        rng = np.random.default_rng((1, seed))
        own = self.centres[rng.choice(CLUSTERS, count, p=self.shares)]
        return _unit(CONE * self.mean + own + rng.normal(size=own.shape) * self.scale)

    def texts(self, count: int, seed: int) -> np.ndarray:
        """(n, D) float32 unit rows: apart from all photographs, and nearer to some of them."""
        rng = np.random.default_rng((2, seed))
        own = self.centres[rng.integers(CLUSTERS, size=count)]
        return _unit(GAP * self.gap + 0.2 * self.mean + own + rng.normal(size=own.shape) * self.scale)


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@dataclass
class Timed:
    """What was measured of one index."""

    name: str
    build: float = 0.0  # seconds
    build_peak: float = 0.0  # MB
    size: float = 0.0  # MB
    open: float = 0.0  # seconds, cold
    first: float = 0.0  # seconds, cold
    warm: float = 0.0  # seconds
    warm_spread: tuple[float, float] = (0.0, 0.0)
    peak: float = 0.0  # MB, of opening and asking
    recalls: dict[str, float] = field(default_factory=dict)
    note: str = ""


@click.command(help=__doc__)
@click.option("--images", default=1_000_000, show_default=True)
@click.option("--width", default=384, show_default=True)
@click.option("--queries", default=200, show_default=True, help="Of each kind.")
@click.option("--decay", default=1.0, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), help="Where files are put for the time; by default in /tmp.")
@click.option("--without-flat", is_flag=True, help="For more rows than fit into memory.")
def main(images: int, width: int, queries: int, decay: float, folder: Path | None, without_flat: bool) -> None:
    """Print a table as Markdown."""
    world = World(width, decay)
    asked = {"photographs": world.photographs(queries, 10**6), "texts": world.texts(queries, 0)}
    with tempfile.TemporaryDirectory(dir=folder) as name:
        place = Path(name) / "embeddings"
        _write(place, world, images)
        stored = read_embeddings(place)
        true = {kind: _exact(stored, rows) for kind, rows in asked.items()}
        marks = Marks("synthetic", FINGERPRINT, images, width)
        on_disk = Path(name) / "on disk"

        def make() -> DiskIndex:
            return build(on_disk, stored.features, marks, queries={"texts": world.texts(200, 1)})

        measured = [_measured("on disk", make, lambda: DiskIndex.load(on_disk, marks), on_disk, place, asked, true)]
        if not without_flat:
            whole = Path(name) / "flat"
            said: dict[str, Any] = {"checksum": marks.checksum, "fingerprint": marks.fingerprint}
            measured.append(
                _measured(
                    "flat",
                    lambda: flat(stored, whole, marks)[0],
                    lambda: VectorIndex.load(whole, **said),
                    whole,
                    place,
                    asked,
                    true,
                )
            )
    click.echo("\n".join(_table(images, width, decay, measured)))


def _write(place: Path, world: World, count: int) -> None:
    width = len(world.mean)
    names = (f"photos/{number // 1000:05d}/{number:09d}.jpg" for number in range(count))
    dataset = DatasetFolder.begin(place, {**ENCODER, "width": width}, names)
    for part, of_part in enumerate(dataset.images(range(dataset.facts.parts))):
        rows = world.photographs(len(of_part), part)
        dataset.write_part(part, of_part, ImageEmbeddings(rows, np.ones(len(rows), bool), {}))
    dataset.finish(0, {})


def _exact(stored: StoredEmbeddings, queries: np.ndarray) -> Integers:
    near = NearestRows(queries, PROBED)
    for ids, rows in blocks_of(stored.features, range(len(stored.images))):
        near.show(rows, ids)
    return near.ids


def _measured(
    name: str,
    make: Callable[[], object],
    load: Callable[[], VectorIndex | DiskIndex],
    folder: Path,
    place: Path,
    asked: dict[str, np.ndarray],
    true: dict[str, Integers],
) -> Timed:
    found = Timed(name)
    found.build, found.build_peak = _timed(make)
    found.size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    for path in (*folder.iterdir(), *place.iterdir()):
        _forget(path)
    memory.trim()
    before = memory.resident()
    started = time.perf_counter()
    index, stored = load(), read_embeddings(place)
    found.open = time.perf_counter() - started
    seconds = []
    for query in _mixed(asked):
        started = time.perf_counter()
        nearest(stored, index, query, PROBED)
        seconds.append(time.perf_counter() - started)
    found.first, warm = seconds[0], sorted(seconds[1:])
    found.warm, found.warm_spread = statistics.median(warm), (warm[0], warm[-1])
    found.peak = memory.high_water() - before
    numbers = {name: row for row, name in enumerate(stored.images)}
    for kind, queries in asked.items():
        hits = [nearest(stored, index, query[None], PROBED) for query in queries[:SINGLE]]
        rows = np.array([[numbers[hit.path] for hit in of_query] for of_query in hits])
        found.recalls[kind] = recall_of(rows, true[kind][:SINGLE])
    if isinstance(index, DiskIndex):
        card = index.card
        found.note = f"{card.cells} cells, {card.probes} of them looked into"
        found.note += "; its card says: " + ", ".join(
            f"{kind} {share:.3f}" for kind, share in (card.recalls or {}).items()
        )
    return found


def _mixed(asked: dict[str, np.ndarray]) -> Iterator[np.ndarray]:
    for pair in zip(*asked.values(), strict=True):
        yield from (query[None] for query in pair)


def _timed(work: Callable[[], Result]) -> tuple[float, float]:
    """Seconds, and the peak of memory beyond what there was."""
    memory.trim()
    before, started = memory.resident(), time.perf_counter()
    work()
    return time.perf_counter() - started, memory.high_water() - before


def _forget(path: Path) -> None:
    """Let the system forget what it keeps of a file in memory."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
        os.posix_fadvise(number, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(number)


def _table(images: int, width: int, decay: float, measured: list[Timed]) -> Iterator[str]:
    yield f"{images:,} rows of {width} columns, variance falling as 1 / n ** {decay:g}, {os.cpu_count()} processors"
    yield ""
    kinds = list(measured[0].recalls)
    heads = ["index", "build (s)", "peak (MB)", "size (MB)", "open, cold (s)", "first query, cold (ms)"]
    heads += ["query, warm (ms)", "peak of queries (MB)", *(f"recall@{PROBED}, {kind}" for kind in kinds)]
    yield f"| {' | '.join(heads)} |"
    yield "|---" + "|--:" * (len(heads) - 1) + "|"
    for one in measured:
        least, most = (1e3 * seconds for seconds in one.warm_spread)
        cells = [one.name, f"{one.build:.1f}", f"{one.build_peak:,.0f}", f"{one.size:,.0f}", f"{one.open:.2f}"]
        cells += [f"{1e3 * one.first:.0f}", f"{1e3 * one.warm:.1f} ({least:.1f} to {most:.1f})", f"{one.peak:,.0f}"]
        yield f"| {' | '.join([*cells, *(f'{one.recalls[kind]:.3f}' for kind in kinds)])} |"
    yield ""
    yield from (f"{one.name}: {one.note}." for one in measured if one.note)


if __name__ == "__main__":
    main()

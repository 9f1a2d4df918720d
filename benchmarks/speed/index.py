"""Build and query times of the entry index at three sizes, with recall against exact search in the same run.

    python -m zsderm.benchmarks.speed.index

The embeddings are synthetic: unit rows around as many centres as a base has diseases. The peer is FAISS's exact scan
(IndexFlatIP) over the same entries and queries.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import click
import faiss
import numpy as np

from zsderm.embeddings.nearest_rows import recall_of
from zsderm.embeddings.vector_index import VectorIndex

PER_CENTRE = 20  # entries around one centre, as a disease has descriptions
NEIGHBOURS = 10
SINGLE = 50  # queries asked one at a time


def embeddings(count: int, width: int, seed: int = 0) -> np.ndarray:
    """(M, D) float32 unit rows in clusters."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(max(1, count // PER_CENTRE), width)).astype(np.float32)
    rows = centres[rng.integers(len(centres), size=count)]
    rows += rng.normal(size=rows.shape).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@click.command(help=__doc__)
@click.option("--sizes", default="10000,100000,1000000", show_default=True)
@click.option("--width", default=384, show_default=True)
@click.option("--queries", default=1000, show_default=True)
def main(sizes: str, width: int, queries: int) -> None:
    """Print one row a size as Markdown."""
    click.echo(
        "| entries | kind | build (s) | one query, ours / exact (ms) | in batches, ours / exact (ms a query) "
        "| recall@10 | load, mapped (ms) |"
    )
    click.echo("|---|---|---|---|---|---|---|")
    for size in map(int, sizes.split(",")):
        rows = embeddings(size + queries, width)
        entries, asked = rows[:size], rows[size:]
        started = time.perf_counter()
        index = VectorIndex.build(entries)
        built = time.perf_counter() - started
        exact = faiss.IndexFlatIP(width)
        exact.add(entries)
        found, batched = _timed(index, asked)
        true, exact_batched = _timed(exact, asked)
        single, exact_single = (_one_by_one(which, asked[:SINGLE]) for which in (index, exact))
        with tempfile.TemporaryDirectory() as folder:
            index.save(Path(folder))
            started = time.perf_counter()
            VectorIndex.load(Path(folder))
            loaded = time.perf_counter() - started
        click.echo(
            f"| {size:,} | {index.card.kind} | {built:.1f} | {1e3 * single:.2f} / {1e3 * exact_single:.2f} "
            f"| {1e3 * batched:.2f} / {1e3 * exact_batched:.2f} | {recall_of(found, true):.3f} | {1e3 * loaded:.1f} |"
        )


def _timed(index: Any, asked: np.ndarray) -> tuple[np.ndarray, float]:
    """Ids (Q, k) and seconds per query."""
    started = time.perf_counter()
    _, ids = index.search(asked, NEIGHBOURS)
    return ids, (time.perf_counter() - started) / len(asked)


def _one_by_one(index: Any, asked: np.ndarray) -> float:
    """Seconds per query when each is asked alone, as `kb search --image` does."""
    started = time.perf_counter()
    for query in asked:
        index.search(query[None], NEIGHBOURS)
    return (time.perf_counter() - started) / len(asked)


if __name__ == "__main__":
    main()

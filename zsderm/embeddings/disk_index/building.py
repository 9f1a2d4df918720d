"""An index on disk is built: cells from a sample, then all rows shard by shard, then one file of lists, then the card.

Memory does not grow with the number of rows. A build that was stopped goes on: what is in a shard is not done again.

Letters: N rows, C cells, D embedding width, Q queries, K neighbours that recall is measured on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from zsderm.atomic_files import alone, atomic_file
from zsderm.embeddings.disk_index.card import (
    BEGUN_CELLS,
    BEGUN_FILE,
    CARD_FILE,
    CELLS_FILE,
    LISTS_FILE,
    Begun,
    DiskCard,
    Marks,
    clear,
    read_begun,
    read_cells,
    write_cells,
    write_json,
)
from zsderm.embeddings.disk_index.cells import TRAINING_PER_CELL, Cells, cells_for
from zsderm.embeddings.disk_index.disk_index import DiskIndex, recall_by_kind
from zsderm.embeddings.disk_index.shards import SHARD_ROWS, Shard, stretches, write_lists
from zsderm.embeddings.nearest_rows import PROBED, WANTED_RECALL, Floats, Integers, NearestRows
from zsderm.embeddings.row_blocks import StoredRows, rows_at
from zsderm.errors import CheckpointError, InputError
from zsderm.progress import counting
from zsderm.stored_json import file_sha256

SPAN, SPANS = 2048, 256  # the sample is drawn from so many stretches of the list: not every part has to be read for it
ASIDE, ASKED = 0.3, 200  # how far from a row a query of recall is, and how many there are
BESIDE = "beside a row"  # what these queries are called in the card
LOCK_FILE = "lock"


def build(
    folder: Path,
    rows: StoredRows,
    marks: Marks,
    *,
    queries: Mapping[str, Floats] | None = None,
    shard_rows: int = SHARD_ROWS,
    progress: bool = False,
    seed: int = 0,
) -> DiskIndex:
    """Build an index in a folder, or go on where an earlier run stopped; another process that builds it is waited for.

    Recall is measured on rows that are moved aside by 0.3, so that none is in the index, and on what else is asked.
    Half of the queries of each kind choose how many cells are looked into, the others say what recall that gives.

    Args:
        folder: of this index alone; what else is in it is deleted.
        rows: N rows, NaN where there is none.
        marks: whose rows they are.
        queries: more queries to measure recall on, by what they are called: (Q, D) float32 unit rows, at least two.
        shard_rows: how many rows a shard has; one that has been begun keeps its own.
        progress: show a bar on stderr if that is a terminal, else a line a minute.
        seed: of the sample and of the queries.

    Raises:
        InputError: all rows are NaN.
        SettingsError: the folder cannot be written.
        OSError: likewise.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / LOCK_FILE):
        try:
            return DiskIndex.load(folder, marks)  # by another process, in the time that this one waited
        except CheckpointError:
            return _Build(folder, rows, marks, queries or {}, shard_rows, seed).finish(progress)


class _Build:
    """A build that was begun, now or earlier."""

    def __init__(
        self,
        folder: Path,
        rows: StoredRows,
        marks: Marks,
        queries: Mapping[str, Floats],
        shard_rows: int,
        seed: int,
    ) -> None:
        self.folder, self.rows, self.marks = folder, rows, marks
        begun = read_begun(folder, marks)
        try:
            if begun is None:
                raise ValueError("nothing was begun")
            self.cells, _, self.queries, self.kinds = read_cells(folder / BEGUN_CELLS, begun.cells_digest)
        except (OSError, ValueError):
            clear(folder, kept=[LOCK_FILE])
            begun = self._begin(queries, shard_rows, seed)
        self.stretches = stretches(marks.rows, begun.shard_rows)

    def _begin(self, queries: Mapping[str, Floats], shard_rows: int, seed: int) -> Begun:
        rng = np.random.default_rng(seed)
        sample = _sample(self.rows, TRAINING_PER_CELL * cells_for(self.marks.rows), rng)
        if not len(sample):
            raise InputError("expected at least one row that is not NaN, but got none.")
        self.cells = Cells.train(sample, max(1, min(cells_for(self.marks.rows), len(sample) // TRAINING_PER_CELL)))
        asked = {BESIDE: _aside(sample, rng), **queries}
        self.queries = np.concatenate(list(asked.values())).astype(np.float32, copy=False)
        self.kinds = [kind for kind, own in asked.items() for _ in own]
        nothing = np.zeros(len(self.cells.centres), np.int64)
        digest = write_cells(self.folder / BEGUN_CELLS, self.cells, nothing, self.queries, self.kinds)
        begun = Begun(**asdict(self.marks), cells_digest=digest, shard_rows=shard_rows)
        write_json(self.folder / BEGUN_FILE, begun)
        return begun

    def _shard(self, number: int) -> Shard:
        """A shard: that of an earlier run, or made now."""
        path, stretch = self.folder / f"shard-{number:06d}.npz", self.stretches[number]
        try:
            return Shard.read(path, stretch, self.cells, len(self.queries))
        except ValueError:  # not there, or damaged
            shard = Shard.of(self.rows, stretch, self.cells, self.queries)
            shard.write(path)
            return shard

    def finish(self, progress: bool) -> DiskIndex:
        """Make the shards that are missing, and the index of them all."""
        sizes = np.zeros(len(self.cells.centres), np.int64)
        near = NearestRows(self.queries, PROBED)
        with counting("Indexing", self.marks.rows, progress) as tell:
            for number, stretch in enumerate(self.stretches):
                shard = self._shard(number)
                sizes += shard.sizes
                near.add(shard.scores, shard.nearest)
                tell(len(stretch))
        lists = self.folder / LISTS_FILE
        with atomic_file(lists) as draft:
            with draft.open("r+b", buffering=0) as stream:
                write_lists(stream, map(self._shard, range(len(self.stretches))), sizes, self.marks.width)
            digest = file_sha256(draft)
        cells_digest = write_cells(self.folder / CELLS_FILE, self.cells, sizes, self.queries, self.kinds)
        card = DiskCard(
            **asdict(self.marks),
            entries=int(sizes.sum()),
            cells=len(sizes),
            probes=1,
            cells_digest=cells_digest,
            lists_digest=digest,
            changed=lists.stat().st_mtime_ns,
        )
        index = DiskIndex(card, self.cells, sizes, lists)
        write_json(self.folder / CARD_FILE, _probe_until(index, self.queries, near.ids, np.array(self.kinds)))
        clear(self.folder, kept=[LOCK_FILE, LISTS_FILE, CELLS_FILE, CARD_FILE])
        return index


def _sample(rows: StoredRows, wanted: int, rng: np.random.Generator) -> Floats:
    """At most so many rows that are not NaN, drawn from stretches all over the list."""
    count = rows.shape[0]
    spans = np.arange(-(-count // SPAN))
    chosen = rng.permutation(spans)[: max(SPANS, -(-2 * wanted // SPAN))]
    places = (np.sort(chosen)[:, None] * SPAN + np.arange(SPAN)).ravel()
    places = places[places < count]
    if len(places) > wanted:
        places = np.sort(rng.choice(places, wanted, replace=False))
    sample = rows_at(rows, places)
    sample = sample[np.isfinite(sample).all(axis=1)]
    return np.ascontiguousarray(sample)


def _aside(sample: Floats, rng: np.random.Generator) -> Floats:
    """Unit rows at a distance of about 0.3 from some of the sample."""
    chosen = sample[rng.permutation(len(sample))[:ASKED]]
    moved = chosen + rng.normal(0, ASIDE / np.sqrt(sample.shape[1]), chosen.shape).astype(np.float32)
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


def _probe_until(index: DiskIndex, queries: Floats, nearest: Integers, kinds: np.ndarray) -> DiskCard:
    """Look into twice as many cells until the recall is reached for every kind of queries; returns the card of that."""
    own = np.arange(len(queries)) % 2 == 1  # these say what recall the others have chosen
    if set(kinds[own].tolist()) != set(kinds.tolist()):
        own[:] = True

    while True:
        chosen_by = recall_by_kind(index, queries[~own], nearest[~own], kinds[~own])
        measured = recall_by_kind(index, queries[own], nearest[own], kinds[own])
        index.card = replace(index.card, recall=min(measured.values()), recalls=measured)
        least = min([*chosen_by.values(), *measured.values()])
        if least >= WANTED_RECALL or index.card.probes == index.card.cells:
            return index.card
        index.card = replace(index.card, probes=min(2 * index.card.probes, index.card.cells))

"""Which thresholds tell copies from strangers: pairs within a distance, and how many of them are of one lesion.

    python -m zsderm.benchmarks.experiments.look_alikes --data-root DATA --document docs/tasks.md

Prints the table and puts it between "<!-- look-alikes -->" and "<!-- end of look-alikes -->" of a page.

DATA holds ham10000/index.csv with the columns filename and lesion_id. A pair of one lesion is right, others are wrong,
though two photographs of one lesion need not look alike: the share of right pairs is what matters, not how many there
are. Pairs come from each image's nearest five, in any of eight positions for the hashes, as in ``zsderm audit``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from zsderm import load_encoder
from zsderm.benchmarks.options import cache_dir_option, data_root_option, model_option
from zsderm.benchmarks.pages import splice
from zsderm.image_table import ImageTable
from zsderm.images import open_image
from zsderm.tasks.audit.image_sets import ImageSet
from zsderm.tasks.audit.near_duplicates import audit
from zsderm.tasks.audit.perceptual_hash import nearest_hashes, turned_hashes

NEAREST = 5
HASHES = {8: (2, 4, 6, 8), 16: (30, 40, 48, 56, 64)}  # frequencies kept each way: bits that may differ
COSINES = (0.99, 0.998, 0.9995, 0.9999, 0.99995)

Pairs = tuple[NDArray[np.int64], NDArray[np.float64]]  # (P, 2) rows, and (P,) how far apart, smaller is nearer


@click.command(help=__doc__)
@data_root_option
@model_option
@click.option("--document", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Page for the table.")
@cache_dir_option
def main(data_root: Path, model: str, document: Path | None, cache_dir: Path | None) -> None:
    """Measure, then print the table."""
    table = ImageTable.read(data_root / "ham10000" / "index.csv")
    files, lesions = table.files, np.array(table.column("lesion_id"))
    rows = []
    positions = {kept: [turned_hashes(open_image(file), kept) for file in files] for kept in HASHES}
    for kept, limits in HASHES.items():
        pairs = hash_pairs(np.stack(positions[kept]))
        rows += [(f"hash, {kept * kept} bits", f"at most {n} differ", *right(pairs, lesions, n)) for n in limits]
    encoder = load_encoder(model)
    pairs = cosine_pairs(encoder, files, cache_dir)
    rows += [(f"cosine, {model}", f"at least {c}", *right(pairs, lesions, 1 - c)) for c in COSINES]
    part = "\n".join(markdown(len(files), encoder.fingerprint, rows))
    click.echo(part)
    if document:
        splice(document, {"look-alikes": f"\n\n{part}\n\n"}, required="look-alikes")


def hash_pairs(hashes: NDArray[np.uint8]) -> Pairs:
    """Each image's nearest five by hash; hashes (N, 8, bytes)."""
    distances, found = nearest_hashes(hashes[:, 0], hashes, NEAREST + 1)
    return _distinct(np.repeat(np.arange(len(hashes)), found.shape[1]), found.ravel(), distances.ravel())


def cosine_pairs(encoder: Any, files: Sequence[Path], cache_dir: Path | None) -> Pairs:
    """Each image's nearest five by embedding, as far as an audit lists them; distance 1 - cosine."""
    found = audit(ImageSet("", tuple(files)), encoder=encoder, bits=0, cosine=min(COSINES), cache=cache_dir).pairs
    distances = [0.0 if pair.cosine is None else 1 - pair.cosine for pair in found]  # equal pictures
    return np.array([(pair.one, pair.other) for pair in found], dtype=np.int64).reshape(-1, 2), np.array(distances)


def right(pairs: Pairs, lesions: NDArray[np.str_], limit: float) -> tuple[int, int]:
    """How many pairs are within a distance, and how many of them are of one lesion."""
    rows, distances = pairs
    near = rows[distances <= limit + 1e-7]  # float32 cosines
    return len(near), int((lesions[near[:, 0]] == lesions[near[:, 1]]).sum())


def markdown(images: int, fingerprint: str, rows: list[tuple[str, str, int, int]]) -> Iterator[str]:
    """The part of the page."""
    yield (
        f"Written by `python -m zsderm.benchmarks.experiments.look_alikes` on the {images} images of HAM10000 at hand "
        f"(encoder {fingerprint}). A pair of one lesion is right.\n"
    )
    yield "| compared by | threshold | pairs | of one lesion | share |"
    yield "|---|---|--:|--:|--:|"
    for what, limit, count, same in rows:
        yield f"| {what} | {limit} | {count} | {same} | {same / count if count else float('nan'):.2f} |"


def _distinct(one: NDArray[np.int64], other: NDArray[np.int64], distance: NDArray[np.generic]) -> Pairs:
    """Each pair once, with its smallest distance, and no image with itself."""
    order = np.argsort(distance, kind="stable")
    pairs = np.sort(np.stack([one, other], axis=1)[order], axis=1)
    _, first = np.unique(pairs, axis=0, return_index=True)
    kept = first[pairs[first, 0] != pairs[first, 1]]
    return pairs[kept].astype(np.int64), distance[order][kept].astype(np.float64)


if __name__ == "__main__":
    main()

"""Time and memory of `zsderm classify --embeddings` on a .npy file and on a data set of many files.

    python -m zsderm.benchmarks.speed.stored_rows --rows 20000 --rows 200000

The rows are those of the photographs in examples/, each many times over with noise of its own, so that the bundled
encoder is at home with them; one in a thousand is of a photograph that could not be read. Every run is a process of its
own, and writes a data set of answers. Its memory is read from outside twenty times a second: what is really allocated
(RssAnon), and the most that was resident (VmHWM), which counts the pages of a mapped file that the kernel takes back at
need. Linux only.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import numpy as np

from zsderm import KnowledgeBase, load_encoder
from zsderm.csv_files import csv_file
from zsderm.embeddings import DatasetFolder, ImageEmbeddings, embed_images
from zsderm.embeddings.dataset_folder import PART_ROWS
from zsderm.embeddings.embedded_dataset import encoder_facts
from zsderm.encoders import Encoder
from zsderm.images import find

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "images"
NOISE = 0.5  # length of the noise on a row of length 1
EVERY = 1000  # one in so many images could not be read
INPUTS = ("npy", "dataset")


@click.command(help=__doc__)
@click.option("--rows", "sizes", multiple=True, type=int, default=(20_000, 200_000), show_default=True)
@click.option("--input", "inputs", multiple=True, type=click.Choice(INPUTS), default=INPUTS, show_default=True)
@click.option("--classes", default=134, show_default=True)
@click.option("--prior", default="uniform", show_default=True, type=click.Choice(["uniform", "auto"]))
@click.option("--layout", default="wide", show_default=True, type=click.Choice(["wide", "long"]))
def main(sizes: Sequence[int], inputs: Sequence[str], classes: int, prior: str, layout: str) -> None:
    """Print one row a run as Markdown."""
    encoder = load_encoder("zsderm-mini", "cpu")
    base = embed_images(encoder, find(EXAMPLES)).features
    names = list(KnowledgeBase.load("dermatology").diseases)[:classes]
    click.echo(f"{encoder.card.name}, {base.shape[1]} columns, {len(names)} classes, prior {prior}, {layout}\n")
    click.echo("| rows | input | seconds | rows/s | allocated (MB) | resident (MB) | answers (MB) |")
    click.echo("|---:|---|---:|---:|---:|---:|---:|")
    for size in sizes:
        for kind in inputs:
            with tempfile.TemporaryDirectory() as folder:
                place, answers = Path(folder) / "rows", Path(folder) / "answers"
                (Path(folder) / "classes.txt").write_text("\n".join(names), encoding="utf-8")
                place = place.with_suffix(".npy") if kind == "npy" else place
                write_rows(place, encoder, base, size)
                how = ["--embeddings", place, "--classes", Path(folder) / "classes.txt", "--prior", prior]
                seconds, allocated, resident = watched(
                    ["classify", *map(str, how), "--format", layout, "-o", f"{answers}/", "--quiet"]
                )
                written = sum(path.stat().st_size for path in answers.iterdir()) / 1e6
                click.echo(
                    f"| {size:,} | {kind} | {seconds:.0f} | {size / seconds:,.0f} | {allocated:.0f} | {resident:.0f} | "
                    f"{written:.0f} |"
                )


def write_rows(place: Path, encoder: Encoder, base: np.ndarray, count: int) -> None:
    """Write rows as ``zsderm embed`` does, into a .npy file or a data set."""
    if place.suffix != ".npy":
        dataset = DatasetFolder.begin(place, encoder_facts(encoder, 1), (name(row) for row in range(count)))
        parts = range(dataset.facts.parts)
        for part, names in zip(parts, dataset.images(parts), strict=True):
            dataset.write_part(part, names, rows_of(base, part, len(names)))
        dataset.finish(sum(map(dataset.failed_in, parts)), {})
        return
    about = {**encoder_facts(encoder, 1), "images": count, "failed": count // EVERY, "zsderm": ""}
    place.with_suffix(".json").write_text(json.dumps(about), encoding="utf-8")
    with csv_file(place.with_suffix(".csv"), ("image", "error")) as table, place.open("wb") as stream:
        header = {"descr": "<f4", "fortran_order": False, "shape": (count, base.shape[1])}
        np.lib.format.write_array_header_1_0(stream, header)
        for part, start in enumerate(range(0, count, PART_ROWS)):
            found = rows_of(base, part, min(PART_ROWS, count - start))
            stream.write(np.where(found.ok[:, None], found.features, np.float32(np.nan)).tobytes())
            table.write_all([name(start + row), found.errors.get(row, "")] for row in range(len(found.ok)))


def rows_of(base: np.ndarray, part: int, count: int) -> ImageEmbeddings:
    """The rows of one stretch, with a seed of its own."""
    rng = np.random.default_rng(part)
    rows = base[rng.integers(len(base), size=count)]
    rows = rows + NOISE / base.shape[1] ** 0.5 * rng.standard_normal(rows.shape, np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    ok = (np.arange(count) + part * PART_ROWS) % EVERY != EVERY - 1
    errors = {row: "the file is no picture" for row in np.flatnonzero(~ok).tolist()}
    return ImageEmbeddings(np.where(ok[:, None], rows, np.float32(0)), ok, errors)


def name(row: int) -> str:
    """The path of an image, as long as those of archives are."""
    return f"archive/2024/{row // 1000:04d}/photograph-{row:09d}.jpg"


def watched(arguments: Sequence[str]) -> tuple[float, float, float]:
    """Run zsderm: seconds, and the largest RssAnon and VmHWM in MB."""
    started = time.perf_counter()
    allocated = resident = 0.0
    process = subprocess.Popen([sys.executable, "-m", "zsderm", *arguments])
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        found = dict(_fields(status))
        allocated, resident = max(allocated, found.get("RssAnon", 0)), max(resident, found.get("VmHWM", 0))
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(process.returncode)
    return time.perf_counter() - started, allocated, resident


def _fields(status: Path) -> Iterator[tuple[str, float]]:
    """The fields of a status file that are in kB, in MB."""
    try:
        lines = status.read_text(encoding="ascii").splitlines()
    except OSError:  # the process has just ended
        return
    for line in lines:
        if line.endswith(" kB"):
            yield line.split(":")[0], int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    main()

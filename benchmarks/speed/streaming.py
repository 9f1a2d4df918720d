"""Refine text proxies on features that stay in a mapped file: time, passes and memory, and the difference to in memory.

    python -m zsderm.benchmarks.speed.streaming --images 1000000

The features are synthetic and seeded: unit rows around as many class means as there are classes, far from the text
proxies as a contrastive model puts them, written to the file a chunk at a time. Peak memory is read in the same
process: the kernel's high-water mark (ru_maxrss), which counts the pages of the mapped file that happen to be in memory
and that the kernel takes back at need, and the memory that is really allocated (RssAnon of /proc/self/status, sampled
twenty times a second, Linux only).
"""

from __future__ import annotations

import resource
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import click
import numpy as np
import torch

from zsderm.errors import ConvergenceWarning
from zsderm.progress import progress_bar
from zsderm.proxies.chunks import CHUNK_SIZE, FeatureChunks
from zsderm.proxies.cross_entropy import harden
from zsderm.proxies.multimodal import TOLERANCE, learn_proxies, proxy_objective
from zsderm.proxies.refinement import Refinement, refine

BLOCK = 8192  # rows written at a time; each has its own seed
SEPARATION = 0.25  # length of a class mean, in units of the noise's length
TEXT_ERROR = 1.0  # length of the error of a text proxy, in units of its class mean
STATUS = Path("/proc/self/status")


class World:
    """Class means, the gap between images and texts, and text proxies (C, D) float32 unit rows."""

    def __init__(self, classes: int, width: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.seed, self.means = seed, _unit(rng.standard_normal((classes, width), np.float32))
        self.image_gap, text_gap = _unit(rng.standard_normal((2, width), np.float32))
        error = TEXT_ERROR * _unit(rng.standard_normal((classes, width), np.float32))
        self.text_proxies = _unit(1.5 * text_gap + self.means + error)

    def images(self, block: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Unit rows (count, D) float32 of one block, and their classes."""
        rng = np.random.default_rng([self.seed, block])
        classes, width = self.means.shape
        truth = rng.integers(classes, size=count)
        rows = rng.standard_normal((count, width), np.float32) / np.float32(width**0.5)
        return _unit(rows + 1.5 * self.image_gap + SEPARATION * self.means[truth]), truth


def write_features(path: Path, world: World, images: int, kind: str) -> np.ndarray:
    """Write (N, D) features of float type `kind` to a .npy file, a block at a time; returns the classes (N,)."""
    truth = []
    with path.open("wb") as file:
        header = {"descr": np.dtype(kind).str, "fortran_order": False, "shape": (images, world.means.shape[1])}
        np.lib.format.write_array_header_1_0(file, header)
        for block, start in enumerate(range(0, images, BLOCK)):
            rows, classes = world.images(block, min(BLOCK, images - start))
            file.write(rows.astype(kind).tobytes())
            truth.append(classes)
    return np.concatenate(truth)


class AllocatedMemory:
    """The largest RssAnon of this process inside the context, in GB; 0 where the kernel does not tell."""

    def __enter__(self) -> AllocatedMemory:
        self.peak, self._over = _allocated(), threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._watch.join()

    def _look(self) -> None:
        while not self._over.wait(0.05):
            self.peak = max(self.peak, _allocated())


@click.command(help=__doc__)
@click.option("--images", default=50_000, show_default=True)
@click.option("--classes", default=134, show_default=True)
@click.option("--width", default=512, show_default=True)
@click.option("--kind", default="float16", show_default=True, type=click.Choice(["float16", "float32"]))
@click.option("--prior", default="uniform", show_default=True, type=click.Choice(["uniform", "auto"]))
@click.option("--compare", default=50_000, show_default=True, help="Largest N that is also refined in memory.")
@click.option("--sample-size", default=20_000, show_default=True)
@click.option("--tolerance", default=TOLERANCE, show_default=True, help="Of both descents, in nats.")
@click.option(
    "--file", type=click.Path(path_type=Path), help="Where to write the features; a temporary file by default."
)
@click.option("--seed", default=0, show_default=True)
def main(
    images: int, classes: int, width: int, kind: str, prior: str, compare: int, sample_size: int, tolerance: float,
    file: Path | None, seed: int,
) -> None:  # fmt: skip
    """Print one line a figure."""
    warnings.simplefilter("ignore", ConvergenceWarning)  # what stopped at a cap is printed as such
    with tempfile.TemporaryDirectory() as folder:
        path = file or Path(folder) / "features.npy"
        world = World(classes, width, seed)
        truth = write_features(path, world, images, kind)
        click.echo(f"{images:,} x {width} {kind}, {classes} classes, {torch.get_num_threads()} threads: "
                   f"{path.stat().st_size / 1e9:.2f} GB, {_allocated():.2f} GB allocated before")  # fmt: skip
        features = np.load(path, mmap_mode="r")
        started = time.perf_counter(), time.process_time()
        with AllocatedMemory() as memory, progress_bar(images, True) as announce:
            streamed = refine(
                FeatureChunks(features, CHUNK_SIZE, announce),
                world.text_proxies,
                prior,
                sample_size=sample_size,
                tolerance=tolerance,
            )
        passed, worked = time.perf_counter() - started[0], time.process_time() - started[1]
        click.echo(f"streamed: {passed:.1f} s, {worked:.1f} s of processor time; {_story(streamed)}")
        click.echo(f"peak: {memory.peak:.2f} GB allocated (RssAnon), {_high_water():.2f} GB with the file's pages")
        text = replace(streamed, proxies=streamed.text.proxies, centre=torch.zeros_like(streamed.centre))
        accuracies = [_accuracy(which.score_chunks(FeatureChunks(features)), truth) for which in (text, streamed)]
        click.echo("accuracy: text {:.2%}, refined {:.2%}".format(*accuracies))
        if images <= compare:
            _compare(streamed, features, world.text_proxies, prior, tolerance)


def _compare(
    streamed: Refinement, features: np.ndarray, text_proxies: np.ndarray, prior: str, tolerance: float
) -> None:
    rows = torch.from_numpy(np.array(features, np.float32))
    started = time.perf_counter()
    whole = refine(rows, text_proxies, prior)
    click.echo(f"in memory: {time.perf_counter() - started:.1f} s, {whole.iterations} iterations")
    expected, proxies = whole.scores, whole.proxies
    if tolerance < TOLERANCE and whole.accepted:
        proxies = learn_proxies(rows, text_proxies, whole.labels, tolerance=tolerance).proxies
        expected = rows @ proxies.T
    labels, scores = streamed.labels, streamed.scores
    objective = proxy_objective(rows, proxies, harden(whole.labels)).item()
    click.echo(
        f"largest difference of a label: {(labels - whole.labels).abs().max():.1e}; of a score: "
        f"{(scores - expected).abs().max():.1e}; of a proxy: {(streamed.proxies - proxies).abs().max():.1e}; "
        f"of the objective: {(streamed.objective or 0) - objective:+.1e}; "
        f"same answer for {(scores.argmax(1) == expected.argmax(1)).float().mean():.3%} of the images"
    )


def _story(streamed: Refinement) -> str:
    if streamed.objective is None:
        return f"the text proxies stand: {streamed.reason}"
    ending = "converged" if streamed.converged else "stopped at a cap"
    return f"{streamed.iterations} iterations, {streamed.passes} passes, {ending}, objective {streamed.objective:.6f}"


def _accuracy(chunks: Iterable[torch.Tensor], truth: np.ndarray) -> float:
    answers = torch.cat([rows.argmax(dim=1) for rows in chunks])
    return float((answers.numpy() == truth).mean())


def _allocated() -> float:
    if not STATUS.exists():
        return 0.0
    line = next(line for line in STATUS.read_text(encoding="ascii").splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024 / 1e9


def _high_water() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


if __name__ == "__main__":
    main()

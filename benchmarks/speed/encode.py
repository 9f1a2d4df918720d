"""Images per second of zsderm beside open_clip and transformers, on the same weights and the same folder.

    python -m zsderm.benchmarks.speed.encode
    python -m zsderm.benchmarks.speed.encode --model zsderm-mini --images 8

Contenders: the loop of open_clip's README (one image at a time), open_clip behind a DataLoader (batches of 32, one
worker for each processor), transformers' zero-shot pipeline with the same weights (for CLIP), zsderm, and zsderm's
second run over the folder. A model "random:ARCH" has random weights; its speed is that of any checkpoint of the
architecture. Small photographs are those in examples/; large ones are made from them, see photographs.py. Loading is
not timed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import torch

from zsderm.benchmarks.speed import photographs
from zsderm.benchmarks.speed.folder_memory import EXAMPLES
from zsderm.embeddings import embed_images, embed_texts
from zsderm.encoders import load_encoder, mini

CLASSES = ["melanoma", "nevus", "basal cell carcinoma", "actinic keratosis"]
LOOP, LOADER, PIPELINE = "open_clip, one by one", "open_clip, DataLoader", "transformers pipeline"
BATCH = 32


@click.command(help=__doc__)
@click.option("--model", "models", multiple=True, default=["random:ViT-B-16", mini.NAME], show_default=True)
@click.option("--images", default=32, show_default=True, help="In each of the two folders.")
@click.option("--megapixels", default=12.0, show_default=True, help="Of the large photographs.")
@click.option("--grain", default=0.0, show_default=True, help="Sensor noise in the large ones, in grey levels.")
@click.option("--repeats", default=3, show_default=True, help="The fastest of so many runs counts.")
@click.option("--cold-start/--no-cold-start", default=True, show_default=True, help="Time a single `zsderm classify`.")
def main(models: Sequence[str], images: int, megapixels: float, grain: float, repeats: int, cold_start: bool) -> None:
    """Print tables as Markdown."""
    click.echo(f"{os.cpu_count()} processors, torch with {torch.get_num_threads()} threads, {images} images a folder\n")
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        folders = {kind: scratch / kind for kind in ("small", "large")}
        for folder in folders.values():
            folder.mkdir()
        made = {
            "small": photographs.small(folders["small"], EXAMPLES, images),
            f"{megapixels:g} megapixels": photographs.large(folders["large"], EXAMPLES, images, megapixels, grain),
        }
        for model in models:
            weights = _folder(scratch, model)
            for kind, paths in made.items():
                _table(f"{model}, {kind}", _race(weights, paths, scratch, repeats), len(paths))
        if cold_start:
            _cold_start(made["small"][0], repeats)


def _folder(scratch: Path, model: str) -> Path:
    """The checkpoint folder of a model; random weights are made."""
    from zsderm.benchmarks.speed.peers import random_checkpoint

    if model == mini.NAME:
        return mini.folder()
    kind, _, architecture = model.partition(":")
    if kind != "random":
        return Path(model)
    folder = scratch / architecture
    folder.mkdir()
    return random_checkpoint(folder, architecture)


def _race(weights: Path, paths: Sequence[Path], scratch: Path, repeats: int) -> dict[str, tuple[float, str]]:
    """Seconds of each contender, and how near its output is to that of the plain loop."""
    from open_clip.model import CLIP

    from zsderm.benchmarks.speed.peers import OpenClip, Pipeline

    # Plain open_clip would ask the hub for zsderm-mini's text tower: its folder is shown tidied, as zsderm loads it.
    from zsderm.encoders.names import find_checkpoint

    ours, cache = load_encoder(weights), scratch / f"cache-{time.monotonic_ns()}"
    with find_checkpoint(str(weights)).tidy_folder() as folder:
        plain = OpenClip(folder)
        contenders: dict[str, Callable[[], Any]] = {
            LOOP: lambda: plain.loop(paths),
            LOADER: lambda: plain.loader(paths, BATCH, os.cpu_count() or 1),
            "zsderm": lambda: _rows(embed_images(ours, paths, batch_size=BATCH)),
            "zsderm, second run": lambda: _rows(embed_images(ours, paths, batch_size=BATCH, cache=cache)),
        }
        embed_images(ours, paths, batch_size=BATCH, cache=cache)  # the first run
        rows = plain.loop(paths)  # (N, D)
        expected = {name: rows for name in contenders}
        if isinstance(plain.model, CLIP):
            pipe = Pipeline(folder, scratch)
            contenders[PIPELINE] = lambda: pipe.classify(paths, CLASSES)
            expected[PIPELINE] = _probabilities(ours, rows)
        return {name: _timed(run, repeats, expected[name]) for name, run in contenders.items()}


def _rows(embedded: Any) -> torch.Tensor:
    return torch.from_numpy(embedded.features)


def _probabilities(encoder: Any, rows: torch.Tensor) -> torch.Tensor:
    """(N, C) what transformers' pipeline answers, from (N, D) rows."""
    texts = torch.from_numpy(embed_texts(encoder, [f"This is a photo of {name}." for name in CLASSES]))
    return torch.softmax(rows @ texts.T / encoder.temperature, dim=1)


def _timed(run: Callable[[], torch.Tensor], repeats: int, expected: torch.Tensor) -> tuple[float, str]:
    """Seconds of the fastest run, and the smallest cosine with what was expected."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        found = run()
        seconds.append(time.perf_counter() - started)
    cosines = torch.nn.functional.cosine_similarity(found, expected, dim=1)  # (N,)
    return min(seconds), f"{cosines.min():.5f} ({cosines.mean():.5f})"


def _table(title: str, results: dict[str, tuple[float, str]], count: int) -> None:
    """One row a contender, with its ratio to the best of the others."""
    best = min(seconds for name, (seconds, _) in results.items() if not name.startswith("zsderm"))
    click.echo(f"### {title}\n")
    click.echo("| | images a second | ratio to the best peer | cosine with the plain loop, least (mean) |")
    click.echo("|---|---|---|---|")
    for name, (seconds, cosine) in results.items():
        click.echo(f"| {name} | {count / seconds:.2f} | {best / seconds:.2f} | {cosine} |")
    click.echo()


def _cold_start(path: Path, repeats: int) -> None:
    """From nothing to the first answer, beside what importing the two libraries takes alone."""
    classify = "from zsderm.cli import main; main()"
    arguments = ["classify", "--images", str(path), "--classes", ", ".join(CLASSES), "--no-cache"]
    runs = {
        "import torch, open_clip": ["-c", "import torch, open_clip"],
        "zsderm classify": ["-c", classify, *arguments],
    }
    click.echo("### Cold start\n\n| | seconds |\n|---|---|")
    for name, command in runs.items():
        seconds = []
        for _ in range(repeats):
            started = time.perf_counter()
            subprocess.run([sys.executable, *command], check=True, capture_output=True)
            seconds.append(time.perf_counter() - started)
        click.echo(f"| {name} | {min(seconds):.1f} |")


if __name__ == "__main__":
    main()

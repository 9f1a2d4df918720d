"""Images per second of zsderm beside open_clip and transformers, on the same weights and the same folder.

    python -m zsderm.benchmarks.speed.encode
    python -m zsderm.benchmarks.speed.encode --model zsderm-mini --images 8

Contenders: the loop of open_clip's README (one image at a time), open_clip behind a DataLoader (batches of 32, one
worker for each processor), transformers' zero-shot pipeline with the same weights (for CLIP), zsderm, zsderm with each
engine of `zsderm export`, and zsderm's second run over the folder. They run in turn, round after round, and the fastest
round of each counts, so that what else the machine does weighs on all alike. Beside the clock stands the time that
processors worked, children included: on a busy machine it is the fairer one (set OMP_WAIT_POLICY=PASSIVE there, so that
waiting is not counted as work). A model "random:ARCH" has random weights;
its speed is that of any checkpoint of the architecture. Small photographs are those in examples/; large ones are made
from them, see photographs.py. Loading is not timed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click
import torch

from zsderm.benchmarks.speed import photographs
from zsderm.benchmarks.speed.folder_memory import EXAMPLES
from zsderm.embeddings import embed_images, embed_texts
from zsderm.encoders import load_encoder, mini
from zsderm.encoders.colour_constancy import PLAIN
from zsderm.encoders.export import write_unchecked
from zsderm.encoders.resolve import find_checkpoint

CLASSES = ["melanoma", "nevus", "basal cell carcinoma", "actinic keratosis"]
LOOP, LOADER, PIPELINE = "open_clip, one by one", "open_clip, DataLoader", "transformers pipeline"
BATCH = 32
ENGINES = ["torch:bf16", "onnx:fp32", "onnx:int8", "openvino:fp32", "openvino:bf16"]


@click.command(help=__doc__)
@click.option("--model", "models", multiple=True, default=["random:ViT-B-16", mini.NAME], show_default=True)
@click.option("--images", default=32, show_default=True, help="In each of the two folders.")
@click.option("--megapixels", default=12.0, show_default=True, help="Of the large photographs.")
@click.option("--grain", default=0.0, show_default=True, help="Sensor noise in the large ones, in grey levels.")
@click.option("--engine", "engines", multiple=True, default=ENGINES, show_default=True, help="ENGINE:PRECISION.")
@click.option("--repeats", default=3, show_default=True, help="The fastest of so many rounds counts.")
@click.option("--cold-start/--no-cold-start", default=True, show_default=True, help="Time a single `zsderm classify`.")
def main(
    models: Sequence[str],
    images: int,
    megapixels: float,
    grain: float,
    engines: Sequence[str],
    repeats: int,
    cold_start: bool,
) -> None:
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
            exported = {engine: _export(weights, scratch, engine) for engine in engines}
            for kind, paths in made.items():
                _table(f"{model}, {kind}", _race(weights, exported, paths, scratch, repeats), len(paths))
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


def _export(weights: Path, scratch: Path, engine: str) -> Path:
    """A folder whose image tower an engine runs; parity is what the race shows."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    write_unchecked(str(weights), folder, *engine.split(":"))
    return folder


def _race(
    weights: Path, exported: dict[str, Path], paths: Sequence[Path], scratch: Path, repeats: int
) -> dict[str, Timing]:
    """Seconds of each contender, and how near its output is to that of the plain loop."""
    from open_clip.model import CLIP

    from zsderm.benchmarks.speed.peers import OpenClip, Pipeline

    ours, cache = load_encoder(weights), scratch / f"cache-{time.monotonic_ns()}"
    engines = {f"zsderm, {engine}": load_encoder(folder) for engine, folder in exported.items()}
    # Plain open_clip would ask the hub for zsderm-mini's text tower: its folder is shown tidied, as zsderm loads it.
    checkpoint = find_checkpoint(str(weights))
    with checkpoint.tidy_folder() as folder:
        plain = OpenClip(folder, mode=checkpoint.facts().get("mode", PLAIN))
        contenders: dict[str, Callable[[], Any]] = {
            LOOP: lambda: plain.loop(paths),
            LOADER: lambda: plain.loader(paths, BATCH, os.cpu_count() or 1),
            "zsderm": lambda: _embed(ours, paths),
            **{name: partial(_embed, encoder, paths) for name, encoder in engines.items()},
            "zsderm, second run": lambda: _embed(ours, paths, cache),
        }
        _embed(ours, paths, cache)  # the first run
        rows = plain.loop(paths)  # (N, D)
        expected = {name: rows for name in contenders}
        if isinstance(plain.model, CLIP):
            pipe = Pipeline(folder, scratch)
            contenders[PIPELINE] = lambda: pipe.classify(paths, CLASSES)
            expected[PIPELINE] = _probabilities(ours, rows)
        return _timed(contenders, repeats, expected)


def _embed(encoder: Any, paths: Sequence[Path], cache: Path | None = None) -> torch.Tensor:
    return torch.from_numpy(embed_images(encoder, paths, batch_size=BATCH, cache=cache).features)


def _probabilities(encoder: Any, rows: torch.Tensor) -> torch.Tensor:
    """(N, C) what transformers' pipeline answers, from (N, D) rows."""
    texts = torch.from_numpy(embed_texts(encoder, [f"This is a photo of {name}." for name in CLASSES]))
    return torch.softmax(rows @ texts.T / encoder.temperature, dim=1)


class Timing(NamedTuple):
    """The best of a contender's runs."""

    seconds: float  # by the clock
    work: float  # processor seconds
    cosine: str  # with what was expected: least (mean)


def _timed(
    contenders: dict[str, Callable[[], torch.Tensor]], repeats: int, expected: dict[str, torch.Tensor]
) -> dict[str, Timing]:
    """Run all contenders in turn, several times over."""
    clocks: dict[str, list[float]] = {name: [] for name in contenders}
    works: dict[str, list[float]] = {name: [] for name in contenders}
    cosines = {}
    for _ in range(repeats):
        for name, run in contenders.items():
            clock, work = time.perf_counter(), _work()
            found = run()
            clocks[name].append(time.perf_counter() - clock)
            works[name].append(_work() - work)
            cosines[name] = torch.nn.functional.cosine_similarity(found, expected[name], dim=1)  # (N,)
    return {
        name: Timing(min(clocks[name]), min(works[name]), f"{cosine.min():.5f} ({cosine.mean():.5f})")
        for name, cosine in cosines.items()
    }


def _work() -> float:
    """Processor seconds of this process and of its children that have ended."""
    children = os.times()
    return time.process_time() + children.children_user + children.children_system


def _table(title: str, results: dict[str, Timing], count: int) -> None:
    """One row a contender, with its ratios to the best of the others."""
    peers = [timing for name, timing in results.items() if not name.startswith("zsderm")]
    seconds, work = min(peer.seconds for peer in peers), min(peer.work for peer in peers)
    click.echo(f"### {title}\n")
    columns = ["", "images a second", "ratio to the best peer", "processor ms an image", "ratio"]
    click.echo(f"| {' | '.join(columns)} | cosine with the plain loop, least (mean) |\n|" + "---|" * 6)
    for name, run in results.items():
        clock = f"{count / run.seconds:.2f} | {seconds / run.seconds:.2f}"
        click.echo(f"| {name} | {clock} | {run.work / count * 1e3:.1f} | {work / run.work:.2f} | {run.cosine} |")
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

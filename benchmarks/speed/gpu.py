"""What a card does with embedding, a training step and refinement, each beside a peer measured in the same run.

    python -m zsderm.benchmarks.speed.gpu --output gpu.json
    python -m zsderm.benchmarks.speed.gpu --toy

It needs no network and no file beyond the repository: weights are random, photographs are made from those in examples/.
Every line is printed when it is measured; what fails, or comes after the time of its section, is a line that says so.
--toy runs everything on the processor at a size that takes seconds and says nothing about speed.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import open_clip
import torch

import zsderm
from zsderm.benchmarks.speed.gpu_embedding import Embedding, EmbeddingSize
from zsderm.benchmarks.speed.gpu_make import MakeSize, MakeStep
from zsderm.benchmarks.speed.gpu_refinement import RefinementOnCard, RefinementSize
from zsderm.benchmarks.speed.stopwatch import COLUMNS, Figure, Stopwatch, forget

Jobs = Iterator[tuple[str, Callable[[], Figure]]]
SECTIONS = ("embed", "make", "kpl")
TOY_TOWERS = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 20, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
SIZES: dict[bool, tuple[EmbeddingSize, MakeSize, RefinementSize]] = {
    False: (EmbeddingSize(), MakeSize(), RefinementSize()),
    True: (
        EmbeddingSize(TOY_TOWERS, images=4, distinct=2, batch=2),
        MakeSize(TOY_TOWERS, batch=4, captions=5, micro_batch=2),
        RefinementSize(images=400, width=32, classes=4, chunk=150, sample=200, steps=20),
    ),
}


@click.command(help=__doc__)
@click.option("--only", "wanted", multiple=True, type=click.Choice(SECTIONS), help="A section; by default all.")
@click.option("--seconds", default=60.0, show_default=True, help="For each section; a line that has begun is finished.")
@click.option("--repeats", default=3, show_default=True, help="The median of at most so many counts.")
@click.option("--toy", is_flag=True, help="Small sizes, on the processor.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the table here as JSON too.")
def main(wanted: Sequence[str], seconds: float, repeats: int, toy: bool, output: Path | None) -> None:
    """Print a table as Markdown."""
    if not toy and not torch.cuda.is_available():
        raise click.UsageError("There is no GPU that torch can use here. --toy runs on the processor.")
    device = torch.device("cpu" if toy else "cuda")
    machine, rows = machine_of(device), []
    click.echo(", ".join(f"{name} {value}" for name, value in machine.items()) + "\n")
    click.echo(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    started = time.perf_counter()
    for name in wanted or SECTIONS:
        watch = Stopwatch(device, seconds, repeats)
        for what, figure in measured(name, watch, toy):
            click.echo(f"| {' | '.join([what, *figure.cells()])} |")
            rows.append({"section": name, "what": what, **asdict(figure)})
    took = time.perf_counter() - started
    click.echo(f"\n{took:.0f} seconds in all")
    if output:
        output.write_text(json.dumps({"machine": machine, "seconds": took, "rows": rows}, indent=2) + "\n", "utf-8")


def machine_of(device: torch.device) -> dict[str, str]:
    """What the figures depend on, for people."""
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "device": card,
        "processors": str(os.cpu_count()),
        "torch": torch.__version__,
        "open_clip": open_clip.__version__,
        "zsderm": zsderm.__version__,
        "python": platform.python_version(),
        "float32 products": torch.get_float32_matmul_precision(),
    }


def measured(section: str, watch: Stopwatch, toy: bool) -> Iterator[tuple[str, Figure]]:
    """The lines of a section, one after the other; one that fails says why, and the others go on.

    Args:
        section: one of SECTIONS.
        watch: with the time of the section.
        toy: whether sizes are small.
    """
    with jobs_of(section, watch, toy) as jobs:
        for what, run in jobs:
            yield what, Figure(note="left out: the time was used up") if watch.is_over else _attempt(run)


@contextmanager
def jobs_of(section: str, watch: Stopwatch, toy: bool) -> Iterator[Jobs]:
    """What a section measures; its files are gone afterwards."""
    embedding, make, refinement = SIZES[toy]
    forget(watch.device)  # what the section before has left
    with tempfile.TemporaryDirectory() as folder:
        parts: dict[str, Callable[[], Any]] = {
            "embed": lambda: Embedding(embedding, Path(folder), watch),
            "make": lambda: MakeStep(make, watch),
            "kpl": lambda: RefinementOnCard(refinement, watch),
        }
        yield parts[section]().jobs()


def _attempt(run: Callable[[], Figure]) -> Figure:
    """A figure, or the reason why there is none."""
    try:
        return run()
    except Exception as error:  # noqa: BLE001 - whatever stops one line, the others still come out
        reason = " ".join(str(error).split()).replace("|", "/")[:200]
        return Figure(note=f"failed: {type(error).__name__}: {reason}")


if __name__ == "__main__":
    main()

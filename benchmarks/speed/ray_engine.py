"""Embedding on Ray beside embedding in one process: rows a second on the same cores, start-up, nodes, and memory.

    python -m zsderm.benchmarks.speed.ray_engine
    python -m zsderm.benchmarks.speed.ray_engine --images 200 --repeats 1
    python -m zsderm.benchmarks.speed.ray_engine --memory 20000 --memory 200000

Both engines make the same data set from the same folder, in turn; the table has the median of the repeats. The local
engine's time is that of the parts alone: its encoder is loaded before. Ray's rows a second count from the moment at
which the first part is begun; until then processes start, and each loads the encoder, which is the start-up beside it.
The same is measured on a cluster of one node with two processors, and on one of two nodes with one each.

With --memory, as many small photographs are embedded by the real command with an encoder that costs next to nothing,
and the largest memory of its process and of the actors is read; nothing else is measured then.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import click
import numpy as np
from PIL import Image

from zsderm.benchmarks.speed import photographs
from zsderm.benchmarks.speed.folder_memory import EXAMPLES
from zsderm.embeddings import DatasetFolder, Engine, LocalEngine, embed_dataset
from zsderm.embeddings.ray_engine import RayEngine
from zsderm.encoders import Encoder, load_encoder
from zsderm.images import find

STORE = 128 << 20  # bytes of the object store of a node
EVERY = 0.1  # seconds between two looks at memory
ACTOR = b"ray::MapWorker"  # what Ray calls the process of an actor
TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16, "head_width": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


@click.command(help=__doc__)
@click.option("--images", default=600, show_default=True)
@click.option("--repeats", default=3, show_default=True)
@click.option("--part-rows", default=64, show_default=True)
@click.option("--model", default="zsderm-mini", show_default=True)
@click.option("--nodes/--no-nodes", default=True, show_default=True, help="Whether clusters of nodes are measured.")
@click.option("--memory", multiple=True, type=int, help="So many photographs, for memory. May be repeated.")
@click.option("--source", default=EXAMPLES, type=click.Path(path_type=Path), help="Photographs to make others from.")
def main(
    images: int, repeats: int, part_rows: int, model: str, nodes: bool, memory: tuple[int, ...], source: Path
) -> None:
    """Print tables as Markdown."""
    # Sockets lie in Ray's folder, and a name of theirs may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="zr") as name:
        os.environ |= {"RAY_TMPDIR": name, "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
        os.environ.pop("RAY_ADDRESS", None)
        place = Path(name)
        if memory:
            _print_memory(place, memory)
            return
        (place / "photos").mkdir()
        photographs.small(place / "photos", source, images)
        _print_rates(place, model, part_rows, repeats, nodes)


def _print_rates(place: Path, model: str, part_rows: int, repeats: int, nodes: bool) -> None:
    encoder = load_encoder(model, "cpu")
    files = find(place / "photos")
    runs: list[tuple[str, Callable[[], tuple[float, float]]]] = [
        ("one process", lambda: _local(place, encoder, files, part_rows)),
        ("Ray, started for it", lambda: _ray(place, encoder, files, part_rows, "local")),
    ]
    if nodes:
        runs += [
            ("Ray, one node of 2 processors", lambda: _on_nodes(place, encoder, files, part_rows, [2])),
            ("Ray, two nodes of 1 processor", lambda: _on_nodes(place, encoder, files, part_rows, [1, 1])),
        ]
    found: dict[str, list[tuple[float, float]]] = {title: [] for title, _ in runs}
    for _ in range(repeats):
        for title, run in runs:
            found[title].append(run())
    click.echo(f"{len(files):,} photographs, {model}, parts of {part_rows} rows, {repeats} repeats: medians\n")
    click.echo("| engine | rows/s | share of one process | start-up (s) |\n|---|---|---|---|")
    rates = {title: statistics.median(rate for rate, _ in rows) for title, rows in found.items()}
    for title, rows in found.items():
        start = statistics.median(seconds for _, seconds in rows)
        click.echo(f"| {title} | {rates[title]:.1f} | {rates[title] / rates[runs[0][0]]:.2f} | {start:.1f} |")


def _local(place: Path, encoder: Encoder, files: Sequence[Path], part_rows: int) -> tuple[float, float]:
    """Rows a second, and no start-up."""
    seconds = _embedded(place, encoder, files, part_rows, LocalEngine(encoder))
    return len(files) / seconds, 0.0


def _ray(place: Path, encoder: Encoder, files: Sequence[Path], part_rows: int, address: str) -> tuple[float, float]:
    """Rows a second once actors are ready, and the seconds until then."""
    begun = time.perf_counter()
    with RayEngine(encoder.card.name, "cpu", address=address) as engine:
        connected = time.perf_counter() - begun
        seconds = _embedded(place, encoder, files, part_rows, engine)
        ready = engine.ready_after or 0.0
    return len(files) / (seconds - ready), connected + ready


def _on_nodes(
    place: Path, encoder: Encoder, files: Sequence[Path], part_rows: int, processors: Sequence[int]
) -> tuple[float, float]:
    with _cluster(processors) as address:
        return _ray(place, encoder, files, part_rows, address)


def _embedded(place: Path, encoder: Encoder, files: Sequence[Path], part_rows: int, engine: Engine) -> float:
    """Seconds that an engine takes for all parts of a new data set."""
    took = 0.0

    def timed(dataset: DatasetFolder, parts: Sequence[int], tell: Callable[[float], None]) -> None:
        nonlocal took
        begun = time.perf_counter()
        engine(dataset, parts, tell)
        took = time.perf_counter() - begun

    with tempfile.TemporaryDirectory(dir=place) as rows:
        embed_dataset(Path(rows) / "rows", encoder, files, engine=timed, part_rows=part_rows)
    return took


@contextmanager
def _cluster(processors: Sequence[int]) -> Iterator[str]:
    """The address of a cluster of nodes on this machine, with so many processors each."""
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    try:
        for number in processors:
            cluster.add_node(num_cpus=number, include_dashboard=False, object_store_memory=STORE)
        yield cluster.address
    finally:
        cluster.shutdown()


def _print_memory(place: Path, memory: Sequence[int]) -> None:
    write_tiny(place / "tiny")
    (place / "made").mkdir()
    random = np.random.default_rng(0)
    for number in range(100):
        coarse = Image.fromarray(random.integers(0, 255, (8, 8, 3), np.uint8))
        coarse.resize((64, 64), Image.Resampling.BICUBIC).save(place / "made" / f"{number}.jpg")
    click.echo("| photographs | seconds | largest memory of the run (MB) | of an actor (MB) |\n|---|---|---|---|")
    for count in memory:
        folder = place / f"photos {count}"
        folder.mkdir()
        photographs.links(folder, place / "made", count)
        begun = time.perf_counter()
        run, actor = _largest(
            *(sys.executable, "-m", "zsderm", "embed", str(folder), "-o", f"{place / str(count)}/", "--no-cache", "-q"),
            *("--model", f"local-dir:{place / 'tiny'}", "--device", "cpu", "--engine", "ray", "--ray-address", "local"),
        )
        click.echo(f"| {count:,} | {time.perf_counter() - begun:.0f} | {run:.0f} | {actor:.0f} |")


def _largest(*command: str) -> tuple[float, float]:
    """The largest memory of a command and of any actor that works for it, in megabytes."""
    run = actor = 0.0
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            run = max(run, _high_water(process.pid))
            actor = max([actor, *map(_high_water, _actors())])
            time.sleep(EVERY)
    if process.returncode:
        raise click.ClickException(f"the command ended with exit code {process.returncode}")
    return run, actor


def _actors() -> Iterator[int]:
    for place in Path("/proc").iterdir():
        with suppress(OSError):
            if place.name.isdigit() and (place / "cmdline").read_bytes().startswith(ACTOR):
                yield int(place.name)


def _high_water(pid: int) -> float:
    """VmHWM of a process, in megabytes; 0 once it has ended."""
    with suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024 / 1e6
    return 0.0


def write_tiny(folder: Path) -> None:
    """A checkpoint of random weights that costs next to nothing: what is measured is what is around it."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    folder.mkdir()
    save_file(open_clip.CLIP(**TINY).state_dict(), folder / "open_clip_model.safetensors")
    config = {"model_cfg": TINY, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}}
    (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")


if __name__ == "__main__":
    main()

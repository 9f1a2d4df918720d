"""`zsderm serve` under load beside `zsderm classify` on the same photographs, in the same run on the same machine.

    python -m zsderm.benchmarks.speed.serve
    python -m zsderm.benchmarks.speed.serve --seconds 20 --images 128 --memory-images 500

Photographs are those in examples/, turned to make more of them. Both sides answer by the same model, classes and
method, in processes of their own. The command runs before and after the service, and the faster run counts; what it
needs to start is taken off by a run over one photograph. Clients send photographs as fast as they are answered, in
requests of several. Meanwhile one more client sends single photographs and waits for each: that is the latency under
load. Memory is that of the server and its decoders together, resident (VmRSS, Linux only): pages that they share count
more than once, in all rows alike.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count, cycle
from pathlib import Path

import click

from zsderm.benchmarks.speed import photographs
from zsderm.benchmarks.speed.folder_memory import EXAMPLES
from zsderm.service.client import ServiceClient

CLASSES = "melanoma, nevus, basal cell carcinoma, actinic keratosis"
IDLE = 60  # single photographs that are timed while nobody else asks
STARTING = 180.0  # seconds that a server may take to say its address
PROCESSES = Path("/proc")


class Load:
    """Clients that send photographs until they are told to stop.

    Args:
        address: of the service.
        files: what they send, each from another place on.
        clients: how many.
        at_once: photographs in a request.
        method: of the classification.
    """

    def __init__(self, address: str, files: Sequence[Path], clients: int, at_once: int, method: str) -> None:
        self._address, self._files, self._at_once, self._method = address, files, at_once, method
        self._over, self._lock = threading.Event(), threading.Lock()
        self.answered, self.failed, self.reason = 0, 0, ""
        places = (number * len(files) // clients for number in range(clients))
        self._threads = [threading.Thread(target=self._send, args=(place,)) for place in places]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def wait(self, seconds: float = float("inf"), images: float = float("inf")) -> tuple[int, float]:
        """Wait for a time or a number of answers: how many there were meanwhile, and in how many seconds."""
        before, started = self.answered, time.perf_counter()
        while time.perf_counter() - started < seconds and self.answered - before < images and not self.reason:
            time.sleep(0.05)
        return self.answered - before, time.perf_counter() - started

    def _send(self, place: int) -> None:
        with ServiceClient(self._address) as service:
            for start in count(place, self._at_once):
                if self._over.is_set():
                    return
                files = [self._files[(start + step) % len(self._files)] for step in range(self._at_once)]
                try:
                    found = service.classify(files, CLASSES, method=self._method)
                except Exception as error:  # noqa: BLE001  # said by the main thread, with the figures
                    self.reason = f"{type(error).__name__}: {error}"
                    return
                with self._lock:
                    self.answered += len(found.answers)
                    self.failed += sum(not answer.ok for answer in found.answers)


@click.command(help=__doc__)
@click.option("--model", default="zsderm-mini", show_default=True)
@click.option("--method", default="knowledge", show_default=True, help="One that looks at each photograph by itself.")
@click.option("--clients", default=8, show_default=True)
@click.option("--at-once", default=16, show_default=True, help="Photographs in a request of a client.")
@click.option("--seconds", default=120.0, show_default=True, help="Of load.")
@click.option("--images", default=512, show_default=True, help="Photographs; zsderm classify answers all of them.")
@click.option("--memory-images", default=5000, show_default=True, help="After so many memory is read again.")
def main(model: str, method: str, clients: int, at_once: int, seconds: float, images: int, memory_images: int) -> None:
    """Print a table of figures as Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        sources, table = Path(folder) / "photographs", Path(folder) / "predictions.csv"
        sources.mkdir()
        files = photographs.small(sources, EXAMPLES, images)
        starting = _command_seconds(files[:1], table, model, method)
        before = _command_seconds([sources], table, model, method)
        with serving(Path(folder) / "served", model) as (address, process), ServiceClient(address) as service:
            service.classify(files[:at_once], CLASSES, method=method)  # sentences are read once
            memory = [("one request", resident(process))]
            idle = _latencies(service, files[:IDLE], method)
            with Load(address, files, clients, at_once, method) as load:
                answered, took, busy = _loaded(address, files, method, load, seconds)
                memory.append(("the load", resident(process)))
                load.wait(images=memory_images - load.answered)
            if load.reason or load.failed:
                raise click.ClickException(load.reason or f"{load.failed} photographs were not answered")
            memory.append((f"{load.answered:,} photographs", resident(process)))
            started = time.perf_counter()
            job = service.wait(service.create_job(files, CLASSES, method=method).id, every=0.1)
            of_job = images / (time.perf_counter() - started)
            memory.append((f"a job of {images:,}", resident(process)))
            service.delete_job(job.id)
        after = _command_seconds([sources], table, model, method)
    by_command, by_service = (images - 1) / (min(before, after) - starting), (answered + len(busy)) / took
    ran = f"{before:.1f} and {after:.1f} s, of which {starting:.1f} to start"
    rows = [
        ("zsderm classify, photographs a second", f"{by_command:.1f}", ran),
        (f"{clients} clients, photographs a second", f"{by_service:.1f}", f"{by_service / by_command:.2f} of it"),
        ("one job, photographs a second", f"{of_job:.1f}", f"{of_job / by_command:.2f} of it; sent and written, too"),
        ("one photograph, idle", _milliseconds(idle), f"{len(idle)} requests"),
        ("one photograph, under load", _milliseconds(busy), f"{len(busy)} requests"),
        *((f"memory after {what}", f"{now:.0f} MB", f"{now - memory[0][1]:+.0f} MB") for what, now in memory),
    ]
    click.echo(f"{model}, {method}, {os.cpu_count()} processors, {images} photographs, {at_once} in a request, "
               f"{answered + len(busy)} answered in {took:.0f} s\n")  # fmt: skip
    click.echo("| what | figure | note |\n|---|---|---|")
    for row in rows:
        click.echo(f"| {' | '.join(row)} |")


@contextmanager
def serving(folder: Path, model: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server at a free port of this machine: its address and its process."""
    command = [sys.executable, "-m", "zsderm", "serve", "--port", "0", "--data-dir", str(folder), "--model", model]
    said = folder.with_suffix(".log")
    with said.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        until = time.monotonic() + STARTING
        while (found := re.search(r"http://\S+:\d+/", said.read_text("utf-8"))) is None:
            if process.poll() is not None or time.monotonic() > until:
                raise click.ClickException(f"the service did not start: {said.read_text('utf-8')}")
            time.sleep(0.05)
        yield found[0], process
    finally:
        process.terminate()
        process.wait(60)


def resident(process: subprocess.Popen[bytes]) -> float:
    """Resident memory of a process and of those that it has started, in megabytes."""
    numbers = [process.pid]
    for task in (PROCESSES / str(process.pid) / "task").iterdir():
        numbers += map(int, (task / "children").read_text("ascii").split())
    return sum(_resident_of(number) for number in numbers)


def _resident_of(number: int) -> float:
    lines = (PROCESSES / str(number) / "status").read_text("ascii", errors="replace").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024 / 1e6


def _command_seconds(paths: Sequence[Path], table: Path, model: str, method: str) -> float:
    """Wall-clock seconds of `zsderm classify`, its start included."""
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "zsderm", "-q", "classify", *map(str, paths), "--classes", CLASSES, "--model", model,
         "--method", method, "--no-cache", "--output", str(table)], check=True,
    )  # fmt: skip
    return time.perf_counter() - started


def _latencies(service: ServiceClient, files: Sequence[Path], method: str) -> list[float]:
    """Seconds of requests of one photograph each, one after another."""
    found = []
    for file in files:
        started = time.perf_counter()
        service.classify([file], CLASSES, method=method)
        found.append(time.perf_counter() - started)
    return found


def _loaded(
    address: str, files: Sequence[Path], method: str, load: Load, seconds: float
) -> tuple[int, float, list[float]]:
    """Answers to the others within a time, that time, and the seconds of single photographs that were asked in it."""
    load.wait(seconds=2)  # until all are at work
    over = threading.Event()
    found: list[float] = []

    def ask() -> None:
        with ServiceClient(address) as service:
            for file in cycle(files):
                if over.is_set() or load.reason:
                    return
                found.extend(_latencies(service, [file], method))

    asking = threading.Thread(target=ask)
    asking.start()
    answered, took = load.wait(seconds=seconds)
    busy = list(found)
    over.set()
    asking.join()
    return answered, took, busy


def _milliseconds(seconds: Sequence[float]) -> str:
    if len(seconds) < 2:
        return "too few"
    parts = statistics.quantiles(seconds, n=20, method="inclusive")
    return f"p50 {1e3 * statistics.median(seconds):.0f} ms, p95 {1e3 * parts[-1]:.0f} ms"


if __name__ == "__main__":
    main()

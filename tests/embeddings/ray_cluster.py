"""A real cluster of two nodes on this machine, each with one processor, and ways to kill its parts."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
from PIL import Image

_NODE = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80 << 20}
ACTOR = b"ray::MapWorker"  # what Ray calls the process of an actor


class TwoNodes:
    """A head and a second node.

    Attributes:
        address: of the cluster.
    """

    def __init__(self, folder: Path) -> None:
        from ray.cluster_utils import Cluster

        self._folder = folder
        self._cluster = Cluster(initialize_head=True, head_node_args=_NODE)
        self.address: str = self._cluster.address
        self._second: Any = None
        self.mend()

    def mend(self) -> None:
        """Start the second node, if it is not there."""
        if self._second is None:
            self._second = self._cluster.add_node(**_NODE)

    def kill_node(self) -> None:
        """Kill all processes of the second node."""
        second, self._second = self._second, None
        self._cluster.remove_node(second, allow_graceful=False)

    def actors(self) -> list[int]:
        """The processes of actors that make parts."""
        return [pid for pid, words in _processes() if words.startswith(ACTOR) and self._is_ours(pid)]

    def _is_ours(self, pid: int) -> bool:
        with suppress(OSError):
            return os.fsencode(self._folder) in Path(f"/proc/{pid}/environ").read_bytes()
        return False

    def end(self) -> None:
        """End all of it."""
        self._cluster.shutdown()


def _processes() -> Iterator[tuple[int, bytes]]:
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            with suppress(OSError):
                yield int(place.name), (place / "cmdline").read_bytes()


@contextmanager
def two_nodes() -> Iterator[TwoNodes]:
    """A cluster as long as it is needed; its files go with it."""
    folder = Path(tempfile.mkdtemp(prefix="zr"))  # short: sockets lie in it, whose names may have 107 characters
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", str(folder))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")  # whatever token the user has
        patch.delenv("RAY_ADDRESS", raising=False)
        cluster = TwoNodes(folder)
        try:
            yield cluster
        finally:
            cluster.end()
            shutil.rmtree(folder, ignore_errors=True)


def write_photographs(folder: Path, number: int) -> Path:
    """So many small pictures, of which the last is no picture."""
    folder.mkdir()
    random = np.random.default_rng(5)
    for index in range(number - 1):
        coarse = Image.fromarray(random.integers(0, 255, (4, 4, 3), np.uint8))
        coarse.resize((240, 180), Image.Resampling.BICUBIC).save(folder / f"{index:03d}.jpg")
    (folder / f"{number - 1:03d}.jpg").write_bytes(b"\xff\xd8\xff no picture")
    return folder


def parts_in(folder: Path) -> list[Path]:
    """The parts that are there."""
    return sorted(folder.glob("part-*.parquet"))


@contextmanager
def when(moment: Callable[[], bool], act: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Within, do something as soon as something is so; gives a function that says whether it was done."""
    end, done = Event(), Event()

    def watch() -> None:
        while not end.is_set():
            if moment():
                act()
                done.set()
                return
            time.sleep(0.005)

    thread = Thread(target=watch)
    thread.start()
    try:
        yield done.is_set
    finally:
        end.set()
        thread.join()


def kill(pid: int) -> None:
    """End a process at once, as the system does when memory is used up."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)

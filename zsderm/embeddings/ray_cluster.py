"""A cluster of Ray: how it is reached or started, and how many actors its nodes have room for."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from shutil import disk_usage
from tempfile import gettempdir
from typing import Any

from zsderm.errors import SettingsError

CPUS = 4  # processors of an actor where nobody says how many: more of them are put to better use by more actors
MOST_CPUS = 16  # of an actor with a GPU: for what is decoded ahead
_STORE = 128 << 20  # bytes of the object store of a local start: numbers of parts are all that is in it
_REACH = 10  # seconds that an address may take to answer
_LEVEL = "RAY_BACKEND_LOG_LEVEL"
_LEAST_FREE = 100 << 20  # bytes on the disk of Ray's own files: sockets, logs, objects where memory is short
_SWITCH = "_worker_logs_enabled"


@dataclass(frozen=True)
class Actors:
    """How many actors work, and what each of them has.

    Attributes:
        least, most: of them.
        cpus: processors of each.
        gpus: of each; 0 for none, 0.5 for two actors on one.
    """

    least: int
    most: int
    cpus: int
    gpus: float

    @classmethod
    def planned(
        cls,
        nodes: Sequence[Mapping[str, float]],
        number: tuple[int, int] | None = None,
        cpus: int | None = None,
        gpus: float | None = None,
    ) -> Actors:
        """Actors for the nodes that there are; what is given stays as it is.

        Args:
            nodes: what each has, as Ray says it: CPU, GPU.
            number: least and most; None for as many as there is room for.
            cpus: processors of each; None for what the nodes have to share out.
            gpus: of each; None for one where any node has one.
        """
        if gpus is None:
            gpus = 1.0 if any(node.get("GPU", 0) >= 1 for node in nodes) else 0.0
        if cpus is None:
            cpus = _share(nodes, gpus, None if number is None else number[0])
        if number is None:
            room = max(1, _room(nodes, cpus, gpus))
            number = room, room
        return cls(*number, cpus, gpus)


def _room(nodes: Sequence[Mapping[str, float]], cpus: int, gpus: float) -> int:
    """How many actors the nodes have room for."""
    return sum(
        int(min(node.get("CPU", 0) // cpus, node.get("GPU", 0) / gpus + 1e-9 if gpus else node.get("CPU", 0) // cpus))
        for node in nodes
    )


def _share(nodes: Sequence[Mapping[str, float]], gpus: float, number: int | None) -> int:
    """The processors of an actor: as many as leave room for so many actors, or for one on each GPU or every 4."""
    if number is not None:
        largest = int(max((node.get("CPU", 0) for node in nodes), default=1))
        return next((cpus for cpus in range(largest, 1, -1) if _room(nodes, cpus, gpus) >= number), 1)
    if gpus:
        shares = [node["CPU"] // max(1, node["GPU"] // gpus) for node in nodes if node.get("GPU", 0) >= gpus]
        return int(max(1, min([*shares, MOST_CPUS])))
    return int(max(1, min([CPUS, *(node["CPU"] for node in nodes if node.get("CPU", 0) >= 1)])))


def nodes() -> list[Mapping[str, float]]:
    """What each node that is alive has."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def connect(address: str | None, verbose: bool) -> None:
    """Connect to a cluster, or start Ray on this machine."""
    import ray

    wanted = address or os.environ.get("RAY_ADDRESS") or None
    quiet: dict[str, Any] = {} if verbose else {"log_to_driver": False, "logging_level": logging.CRITICAL}
    with nullcontext() if verbose else _silenced():
        if wanted != "local":
            try:
                _reach(wanted)
                ray.init(address=wanted or "auto", **quiet)
                return
            except (ConnectionError, OSError, RuntimeError) as error:
                if wanted is not None:
                    raise SettingsError(_not_connected(wanted, error)) from error
        _refuse_full_disk()
        processors = os.cpu_count() or 1
        allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else processors
        ray.init(
            address="local",
            num_cpus=allowed if allowed < processors else None,
            include_dashboard=False,
            object_store_memory=_STORE,
            **quiet,
        )


def _refuse_full_disk() -> None:
    """Refuse to start Ray where there is no room for its files: it would wait for minutes, and not say for what."""
    place = os.environ.get("RAY_TMPDIR") or gettempdir()
    with suppress(OSError):
        free = disk_usage(place).free
        if free < _LEAST_FREE:
            raise SettingsError(
                f"Ray keeps its files in '{place}', and only {free >> 20} MB are free there. Make room, or set "
                "RAY_TMPDIR to another folder"
            )


def show_messages(shown: bool) -> None:
    """Whether Ray prints on stdout what happens in the cluster, such as the end of an actor; it has no setting for it.

    What its own debugger does while it is open; a version without that switch goes on printing.
    """
    import ray._private.worker as of_ray

    if hasattr(of_ray, _SWITCH):
        setattr(of_ray, _SWITCH, shown)


def _reach(address: str | None) -> None:
    """Raise where nobody listens at HOST:PORT: Ray itself tries for a minute."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH).close()


def _not_connected(address: str, error: Exception) -> str:
    reason = " ".join(str(error).split()).rstrip(".")[:300]
    if address == "auto" and "Could not find any running Ray instance" in reason:
        reason = "none runs on this machine, and RAY_ADDRESS names none"
    if "ersion" in reason:
        hint = "Install the same versions of Ray and Python on all nodes and here"
    elif isinstance(error, OSError) and error.errno is not None:  # nobody listens
        hint = "Start a cluster with: ray start --head; or use --ray-address local"
    elif address == "auto":
        hint = "Start one with: ray start --head; or name it, as in --ray-address 10.0.0.1:6379"
    else:
        hint = (
            "If it asks for a token, as those of newer versions do, set RAY_AUTH_MODE=token, with the file "
            "~/.ray/auth_token as it is on the head"
        )
    return f"no Ray cluster can be used at '{address}': {reason}. {hint}"


@contextmanager
def signals_kept() -> Iterator[None]:
    """Within, what is done at SIGTERM may be changed: it is put back. Ray exits at once, past every clean-up."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        with suppress(ValueError):  # not the main thread, where Ray leaves signals alone
            signal.signal(signal.SIGTERM, before)


@contextmanager
def _silenced() -> Iterator[None]:
    """Within, Ray starts without a word: what its core says goes past Python to the stream of errors itself."""
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    said = os.environ.get(_LEVEL)
    os.environ[_LEVEL] = "fatal"
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
        if said is None:
            del os.environ[_LEVEL]
        else:
            os.environ[_LEVEL] = said

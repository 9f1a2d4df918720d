"""Parts of a data set made in a cluster: Ray Data hands their numbers to actors, each of which makes whole parts.

What an actor was working on when it or its node went away is not lost and not doubled: a part appears whole or not at
all, so what is missing after a round is what the next round makes.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from zsderm.embeddings.dataset_folder import DatasetFolder
from zsderm.embeddings.ray_actor import AT_ONCE, PartMaker, Work, seen_images
from zsderm.embeddings.ray_cluster import Actors, connect, nodes, show_messages, signals_kept
from zsderm.errors import InputError, SettingsError
from zsderm.optional_packages import requires
from zsderm.wording import counted

log = logging.getLogger(__name__)

FRUITLESS = 3  # rounds in which not one part was made, after which a run ends
_ABSENT = "No module named 'zsderm"  # on a node; goes on with .embeddings... where an older one is installed
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class RayEngine:
    """Makes parts in actors of a cluster, or of this machine: see `zsderm.embeddings.embedded_dataset.Engine`.

    It works within ``with RayEngine(...) as engine:``, which connects to the cluster and leaves it again.

    Attributes:
        model: name of the encoder, which every actor loads; its fingerprint has to be that of the data set.
        device: where it runs; None for a GPU where actors have one.
        batch_size, cache: see `zsderm.embeddings.embed_images`.
        address: "local" to start Ray on this machine, "auto" for a cluster that runs on it or that RAY_ADDRESS names,
            HOST:PORT or ray://HOST:PORT for another; None for "auto", and "local" where that finds none.
        actors: least and most; None for as many as there is room for.
        cpus: processors of each actor; None for a share of what the nodes have.
        gpus: of each actor; None for one where there are any.
        late: connect only when there are parts to be made; else at once, so that a wrong address is said before any
            work.
        verbose: show what Ray itself says.
        ready_after: seconds that the last call took until the first part was begun: processes that start, and each
            loads the encoder; None where no part was made.
    """

    model: str
    device: str | None = None
    batch_size: int = 64
    cache: str | os.PathLike[str] | None = None
    address: str | None = None
    actors: tuple[int, int] | None = None
    cpus: int | None = None
    gpus: float | None = None
    late: bool = False
    verbose: bool = False
    ready_after: float | None = field(default=None, init=False)
    _connected: bool = field(default=False, init=False, repr=False)
    _called: float = field(default=0.0, init=False, repr=False)

    def __enter__(self) -> RayEngine:
        """Connect to the cluster, unless that is for later.

        Raises:
            MissingDependencyError: Ray is not installed.
            SettingsError: there is no cluster at the address, or it has another version of Ray or Python.
        """
        if not self.late:
            self._connect()
        return self

    def _connect(self) -> None:
        with requires("zsderm[ray]", "--engine ray"):
            import ray
            import ray.data
        if not ray.is_initialized():
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to its makers
            # The device is said; else Ray warns that it may see to that in another way one day.
            os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
            with signals_kept():
                connect(self.address, self.verbose)
            show_messages(self.verbose)
            self._connected = True

    def __exit__(self, *_: object) -> None:
        if self._connected:
            import ray

            self._connected = False
            ray.shutdown()
            show_messages(True)

    def __call__(self, dataset: DatasetFolder, parts: Sequence[int], tell: Callable[[float], None]) -> None:
        """See `Engine`.

        Raises:
            MissingDependencyError: Ray is not installed.
            InputError: a node does not see the data set or the photographs, or has another encoder or zsderm.
            SettingsError: a part could not be made although it was tried several times.
        """
        self._connect()
        plan = Actors.planned(nodes(), self.actors, self.cpus, self._gpus())
        work = Work(
            dataset.folder,
            dataset.facts,
            self.model,
            self.device or ("cuda" if plan.gpus else "cpu"),
            self.batch_size,
            None if self.cache is None else os.path.abspath(self.cache),
            plan.cpus,
            os.getcwd(),
            seen_images(next(dataset.images(parts[:1]))),
        )
        left, fruitless = list(parts), 0
        self._called, self.ready_after = time.monotonic(), None
        while left:
            told, error = self._round(work, plan, left, dataset, tell)
            still = set(dataset.missing())
            tell(sum(len(dataset.facts.rows(part)) for part in left if part not in still and part not in told))
            fruitless = fruitless + 1 if len(still.intersection(left)) == len(left) else 0
            left = [part for part in left if part in still]
            if error is not None:
                log.debug("Ray stopped with %s to be made: %s", counted(len(left), "part"), error)
            if fruitless == FRUITLESS:
                raise _ended_early(dataset, left, error)

    def _gpus(self) -> float | None:
        return 0.0 if self.gpus is None and self.device is not None and self.device.startswith("cpu") else self.gpus

    def _round(
        self, work: Work, plan: Actors, parts: Sequence[int], dataset: DatasetFolder, tell: Callable[[float], None]
    ) -> tuple[set[int], Exception | None]:
        """Have each part made, and tell; returns those that were told of, and what stopped Ray before the end."""
        import ray
        import ray.util.client

        told: set[int] = set()
        most = min(plan.most, len(parts))
        plan = Actors(min(plan.least, most), most, plan.cpus, plan.gpus)
        log.debug("%s for %s", plan, counted(len(parts), "part"))
        try:
            rows_of = _rows_by_client if ray.util.client.ray.is_connected() else _rows
            with closing(rows_of(work, plan, parts, self.verbose)) as rows:
                for row in rows:
                    if row["refusal"]:
                        raise InputError(row["refusal"])
                    if row["defect"]:
                        raise RuntimeError(f"part {row['part']} could not be made:\n{row['defect']}")
                    if self.ready_after is None:
                        self.ready_after = time.monotonic() - self._called - row["seconds"]
                        log.debug("the first part was begun after %.1f s", self.ready_after)
                    told.add(row["part"])
                    tell(len(dataset.facts.rows(row["part"])))
        except ray.exceptions.RayError as error:
            if _ABSENT in str(error):
                raise InputError(
                    "zsderm is not installed on a node of the cluster, or is older there. Install the same version on "
                    "all nodes"
                ) from error
            return told, error
        return told, None


def _rows(work: Work, plan: Actors, parts: Sequence[int], verbose: bool) -> Generator[dict[str, Any], None, None]:
    """What the actors answer, a row for each part, in the order in which they are ready; none for those that ended."""
    import ray

    attempts = _new_attempts()
    # One block a part, and none of it a task: those would wait for processors that actors have.
    work_list = ray.data.from_items([{"part": part} for part in parts], override_num_blocks=len(parts))
    made = work_list.map_batches(
        PartMaker,
        fn_constructor_args=(replace(work, attempts=attempts),),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(
            min_size=plan.least,
            max_size=plan.most,
            max_tasks_in_flight_per_actor=AT_ONCE,
            max_concurrent_calls_per_actor=AT_ONCE,
            enable_true_multi_threading=True,
        ),
        num_cpus=plan.cpus,
        num_gpus=plan.gpus,
        # An actor that ended begins again, on another node if need be, and so does what it was making: that is Ray's.
    )
    how = made.context
    how.execution_no_progress_timeout_s = -1  # a part may take longer than any limit, and so may waiting for nodes
    how.autoscaling_config.actor_pool_util_upscaling_threshold = 1.0  # more than AT_ONCE parts are never with an actor
    how.enable_progress_bars = how.print_on_execution_start = verbose
    yield from made.iter_rows()


def _rows_by_client(
    work: Work, plan: Actors, parts: Sequence[int], verbose: bool
) -> Generator[dict[str, Any], None, None]:
    """The same for a client, as ray:// makes one: Ray Data runs in the cluster only, so an actor there asks it."""
    import ray

    class Runner:
        def __init__(self) -> None:
            self._rows = _rows(work, plan, parts, verbose)

        def next(self) -> dict[str, Any] | None:
            return next(self._rows, None)

    remote: Any = ray.remote(num_cpus=0)
    runner = remote(Runner).remote()
    while (row := ray.get(runner.next.remote())) is not None:
        yield row


def _ended_early(dataset: DatasetFolder, left: Sequence[int], error: Exception | None) -> SettingsError:
    reason = f": {' '.join(_COLOUR.sub('', str(error)).split())[:300]}" if error else ""
    parts = f"{counted(len(left), 'part')} of '{dataset.folder}'"
    return SettingsError(f"Ray stopped {FRUITLESS} times without making any of {parts}{reason}")


def _new_attempts() -> Any:
    """An actor beside the run that counts how often each part was begun."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    class Attempts:  # in here, so that it travels as it is: its process need not import torch
        def __init__(self) -> None:
            self._begun: dict[int, int] = {}

        def begin(self, part: int) -> int:
            self._begun[part] = self._begun.get(part, 0) + 1
            return self._begun[part]

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    how: dict[str, Any] = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1, "scheduling_strategy": here}
    remote: Any = ray.remote(**how)
    return remote(Attempts).remote()

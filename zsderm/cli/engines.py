"""Who embeds the photographs: this process, or actors in a cluster of Ray; the options that say so."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from zsderm.cli.help import SPEED, option

if TYPE_CHECKING:
    from zsderm.embeddings import Engine

Command = TypeVar("Command", bound=Callable[..., object])

ENGINES = ("local", "ray")
_ADDRESS = re.compile(r"(ray://)?([^\s/@:\[\]]+|\[[0-9a-fA-F:]+\]):\d{1,5}")
_OF_RAY = ("ray_address", "actors", "num_cpus_per_actor", "num_gpus_per_actor")


class ActorNumber(click.ParamType):
    """How many actors: ``4``, or ``2:8`` for at least 2 and at most 8, as work and nodes come and go."""

    name = "n|min:max"

    def convert(
        self, value: str | tuple[int, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Least and most, or a usage error."""
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"(\d{1,6})(?::(\d{1,6}))?", value, re.ASCII)
        least, most = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 1 <= least <= most:
            self.fail(f"expected a number from 1 on, as in 4, or two with a colon, as in 2:8, but got {value!r}.")
        return least, most


class RayAddress(click.ParamType):
    """Where Ray is: ``local``, ``auto``, ``HOST:PORT`` or ``ray://HOST:PORT``."""

    name = "auto|local|host:port"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The address, or a usage error."""
        if value in {"auto", "local"} or _ADDRESS.fullmatch(value):
            return value
        self.fail(f"expected local, auto, HOST:PORT or ray://HOST:PORT, but got {value!r}.", param, ctx)


@dataclass(frozen=True)
class EngineChoice:
    """Which engine was asked for, and how.

    Attributes:
        name: one of `ENGINES`.
        ray_address, actors, num_cpus_per_actor, num_gpus_per_actor: see `zsderm.embeddings.ray_engine.RayEngine`.
    """

    name: str
    ray_address: str | None = None
    actors: tuple[int, int] | None = None
    num_cpus_per_actor: int | None = None
    num_gpus_per_actor: float | None = None

    @property
    def is_ray(self) -> bool:
        """Whether actors embed."""
        return self.name == "ray"

    def check(self) -> None:
        """Refuse options of Ray where Ray does nothing.

        Raises:
            UsageError: there is one.
        """
        given = [name for name in _OF_RAY if getattr(self, name) is not None]
        if given and not self.is_ray:
            raise click.UsageError(f"--{given[0].replace('_', '-')} is for --engine ray.")

    def running(
        self, output: Path | str, model: str, device: str | None, batch_size: int, cache: Path | None
    ) -> AbstractContextManager[Engine | None]:
        """The engine as long as it runs; None for the local one, which needs the encoder first.

        Args:
            output: where it is to work; a data set in which no part is missing needs no cluster.
            model: see `zsderm.embeddings.ray_engine.RayEngine`, also for what follows.
            device: where the encoder runs.
            batch_size: images encoded at a time.
            cache: keeps rows between runs.
        """
        if not self.is_ray:
            return nullcontext()
        from zsderm.embeddings import DatasetFolder
        from zsderm.embeddings.ray_engine import RayEngine

        return RayEngine(
            model,
            device,
            batch_size,
            cache,
            self.ray_address,
            self.actors,
            self.num_cpus_per_actor,
            self.num_gpus_per_actor,
            late=DatasetFolder.exists(output) and not DatasetFolder.open(output).missing(),
            verbose=logging.getLogger("zsderm").isEnabledFor(logging.DEBUG),
        )


def engine_options(command: Command) -> Command:
    """Add --engine and the options of Ray; the command gets ``engine``, an `EngineChoice`."""

    @wraps(command)
    def wrapped(*arguments: Any, engine: str, **options: Any) -> object:
        choice = EngineChoice(engine, **{name: options.pop(name) for name in _OF_RAY})
        choice.check()
        return command(*arguments, engine=choice, **options)

    options = (
        option(
            "--engine",
            type=click.Choice(ENGINES),
            default="local",
            show_default=True,
            heading=SPEED,
            help="Embed in this process, or in actors of Ray on many machines: docs/ray.md.",
        ),
        option(
            "--ray-address",
            type=RayAddress(),
            heading=SPEED,
            help="Where Ray runs: HOST:PORT, ray://HOST:PORT, auto for the cluster of this machine or of RAY_ADDRESS; "
            "local starts it here.  [default: auto, and local if there is none]",
        ),
        option(
            "--actors",
            type=ActorNumber(),
            heading=SPEED,
            help="How many actors of Ray embed, each with an encoder of its own.  [default: as many as have room]",
        ),
        option(
            "--num-cpus-per-actor",
            type=click.IntRange(min=1),
            heading=SPEED,
            help="The processors of each actor.  [default: shared out, 4 at most without a GPU]",
        ),
        option(
            "--num-gpus-per-actor",
            type=click.FloatRange(min=0),
            heading=SPEED,
            help="The GPUs of each actor; 0.5 lets two actors share one.  [default: 1 where there are any]",
        ),
    )
    decorated: Any = wrapped
    for add in reversed(options):
        decorated = add(decorated)
    return cast("Command", decorated)

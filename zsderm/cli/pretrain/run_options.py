"""The options of a training run, each of them once, and what such a run says on stderr."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from zsderm.cli.options import FILE, all_of, data_root_option
from zsderm.cli.parameters import Setting
from zsderm.cli.talk import is_quiet

Command = TypeVar("Command", bound=Callable[..., object])

# They say a line for each request to the hub, and name a folder that is gone when the run is done.
TALKATIVE = ("httpx", "httpx2", "sentence_transformers")


def run_options(*, required: bool = True) -> Callable[[Command], Command]:
    """--config, --data-root, --output and --set.

    The command gets ``config``, ``output`` (where it was not said: runs/, named after the configuration; None without
    one), ``data_root`` and ``overrides``, a mapping.

    Args:
        required: whether click demands --config.
    """
    options = all_of(
        click.option("--config", type=FILE, required=required, help="The configuration of a run (YAML)."),
        data_root_option(),
        click.option(
            "--output",
            "-o",
            type=click.Path(file_okay=False, path_type=Path),
            show_default="runs/NAME-OF-CONFIG",
            help="The folder of the run. A run that was stopped continues where it was.",
        ),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            type=Setting(),
            help="Change one setting of the configuration; a.b=value for one inside another. May be repeated.",
        ),
    )

    def decorated(command: Command) -> Command:
        @wraps(command)
        def wrapped(
            *arguments: Any,
            config: Path | None,
            output: Path | None,
            overrides: tuple[tuple[str, object], ...],
            **others: Any,
        ) -> object:
            folder = output or (Path("runs") / config.stem if config else None)
            return command(*arguments, config=config, output=folder, overrides=dict(overrides), **others)

        return options(cast("Command", wrapped))

    return decorated


def log_the_run(*, first: bool = True) -> None:
    """Log on stderr what a run logs: a line for each epoch; with --quiet, only warnings.

    Args:
        first: whether this process is the first of those that train together; the others log errors alone.
    """
    level = (logging.WARNING if is_quiet() else logging.INFO) if first else logging.ERROR
    logging.basicConfig(level=level, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)

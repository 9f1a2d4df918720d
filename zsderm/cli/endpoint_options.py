"""The options of commands that ask a language model at an endpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from zsderm.cli.help import SPEED, option
from zsderm.cli.options import all_of

Command = TypeVar("Command", bound=Callable[..., object])

LANGUAGE_MODEL = "Language model"

api_key_option = option(
    "--api-key",
    envvar="ZSDERM_LLM_API_KEY",
    show_envvar=True,
    heading=LANGUAGE_MODEL,
    help="The key for the endpoint, if it needs one.",
)
answers_option = option(
    "--answers",
    type=click.Path(file_okay=False, path_type=Path),
    heading=LANGUAGE_MODEL,
    help="The folder that keeps every answer of the language model.  [default: OUTPUT-answers]",
)


_workers_option = option(
    "--workers",
    default=4,
    show_default=True,
    type=click.IntRange(1),
    heading=SPEED,
    help="How many requests are sent at the same time.",
)
_timeout_option = option(
    "--timeout",
    default=120.0,
    show_default=True,
    type=click.FloatRange(min=0.1),
    heading=SPEED,
    help="How many seconds to wait for an answer.",
)


def requests_options(command: Command) -> Command:
    """How an endpoint is asked: --workers and --timeout."""
    return all_of(_workers_option, _timeout_option)(command)


def endpoint_option(*, required: bool = False) -> Callable[[Command], Command]:
    """The server of a language model."""
    return option(
        "--endpoint",
        required=required,
        envvar="ZSDERM_LLM_ENDPOINT",
        show_envvar=True,
        heading=LANGUAGE_MODEL,
        help="The address of a server that speaks the protocol of OpenAI.",
    )


def language_model_option(
    *, required: bool = False, old_names: tuple[str, ...] = ("--model",)
) -> Callable[[Command], Command]:
    """The language model to ask.

    Args:
        required: whether the command cannot do without.
        old_names: none where the command has a --model too, which is another thing.
    """
    return option(
        "--language-model",
        "model" if old_names else "language_model",
        required=required,
        old_names=old_names,
        heading=LANGUAGE_MODEL,
        help="The name of the language model at the endpoint.",
    )

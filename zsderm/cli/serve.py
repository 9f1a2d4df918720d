"""``zsderm serve``: a page and an HTTP interface on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from zsderm.cli.help import CLASSES, SPEED, Command, option
from zsderm.cli.options import FILE, device_option, knowledge_option, model_option
from zsderm.cli.talk import say
from zsderm.config import DEFAULT_MODEL
from zsderm.errors import SettingsError

LISTENING, KEEPING = "Where it listens", "What it keeps"


@click.command(cls=Command)
@option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    heading=LISTENING,
    help="The address to listen at. Beyond this machine a key is needed.",
)
@option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65535),
    heading=LISTENING,
    help="The port to listen at; 0 takes a free one.",
)
@option(
    "--host-name",
    "host_names",
    multiple=True,
    heading=LISTENING,
    help="Another name that the service goes by, as behind a proxy. May be repeated.",
)
@option(
    "--api-key-env",
    metavar="NAME",
    heading=LISTENING,
    help="The environment variable that holds the key, which every request then needs.",
)
@model_option
@knowledge_option
@option(
    "--calibration",
    type=FILE,
    heading=CLASSES,
    help="A file that zsderm calibrate wrote; answers for its classes are corrected with it.",
)
@option(
    "--fitted",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    heading=CLASSES,
    help="A classifier that --fit has saved. It brings its classes and settings.",
)
@option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="ZSDERM_SERVE",
    show_envvar=True,
    heading=KEEPING,
    help="The folder for jobs and their photographs, of one server at a time.  [default: the user's data folder]",
)
@option(
    "--keep",
    "keep_hours",
    metavar="HOURS",
    default=72.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    heading=KEEPING,
    help="Delete a job and its photographs so long after it has ended.",
)
@device_option
@option(
    "--batch-size",
    default=16,
    show_default=True,
    type=click.IntRange(min=1),
    heading=SPEED,
    help="How many images are encoded at once.",
)
@click.pass_context
def serve(
    context: click.Context,
    *,
    host: str,
    port: int,
    host_names: tuple[str, ...],
    api_key_env: str | None,
    model: str,
    knowledge: str,
    calibration: Path | None,
    fitted: Path | None,
    data_dir: Path | None,
    keep_hours: float,
    device: str | None,
    batch_size: int,
) -> None:
    """Answer on this machine, with a page for people and HTTP for programs.

    What can be asked stands at /openapi.json, and with examples in docs/service.md. Nothing is sent anywhere else.
    Ctrl-C ends it; a job that was not done goes on at the next start.

    Only this machine reaches the service, unless another --host is given; then --api-key-env is needed.

    \b
    zsderm serve
    zsderm serve --port 8080 --data-dir /srv/zsderm --keep 24
    zsderm serve --fitted fitted/ --calibration calibration.json
    ZSDERM_KEY=$(cat key.txt) zsderm serve --host 0.0.0.0 --api-key-env ZSDERM_KEY
    """
    from zsderm.optional_packages import requires

    with requires("zsderm[serve]", "zsderm serve"):
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn  # noqa: F401
    from zsderm.service.server import run
    from zsderm.service.settings import ServiceSettings

    if fitted is not None and model != DEFAULT_MODEL:
        raise click.UsageError("--model cannot be given with --fitted: a fitted classifier brings its own.")
    given: dict[str, Any] = {} if data_dir is None else {"data_dir": data_dir}
    settings = ServiceSettings(
        host=host,
        port=port,
        host_names=host_names,
        api_key=_key(api_key_env),
        model=model,
        knowledge=None if knowledge == "none" else knowledge,
        calibration=calibration,
        fitted=fitted,
        keep_hours=keep_hours,
        device=device,
        batch_size=batch_size,
        **given,
    )
    run(settings, say)


def _key(variable: str | None) -> str | None:
    """The key in an environment variable; None where none was named.

    Raises:
        SettingsError: the variable is empty or not set.
    """
    if variable is None:
        return None
    if not (key := os.environ.get(variable, "").strip()):
        raise SettingsError(f"the environment variable {variable} is empty or not set. Put the key into it.")
    return key

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

LISTENING, KEEPING = "Network", "Stored data"


@click.command(cls=Command)
@option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    heading=LISTENING,
    help="The address to listen on. One that other machines can reach needs --api-key-env.",
)
@option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65535),
    heading=LISTENING,
    help="The port to listen on; 0 chooses a free port.",
)
@option(
    "--host-name",
    "host_names",
    multiple=True,
    heading=LISTENING,
    help="Another host name of the service, such as behind a proxy. May be repeated.",
)
@option(
    "--api-key-env",
    metavar="NAME",
    heading=LISTENING,
    help="The environment variable that holds the key. Requests must then send this key.",
)
@model_option
@knowledge_option
@option(
    "--calibration",
    type=FILE,
    heading=CLASSES,
    help="A file that zsderm calibrate wrote. Answers for its classes are calibrated with it.",
)
@option(
    "--fitted",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    heading=CLASSES,
    help="A classifier saved by zsderm classify --fit. It sets the classes and the settings.",
)
@option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="ZSDERM_SERVE",
    show_envvar=True,
    heading=KEEPING,
    help="The folder for jobs and photographs, used by one server at a time.  [default: the user's data folder]",
)
@option(
    "--keep",
    "keep_hours",
    metavar="HOURS",
    default=72.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    heading=KEEPING,
    help="Delete a job and its photographs this many hours after the job has ended.",
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
    """Run a service on this machine, with a web page and an HTTP interface.

    /openapi.json describes all requests, and docs/service.md has examples. Photographs are sent to no other machine.
    Ctrl-C stops the service; waiting and running jobs continue at the next start.

    By default, only this machine can reach the service. A --host that other machines can reach needs --api-key-env.

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
        raise click.UsageError("--model cannot be used with --fitted, which has its own model. Leave out one of them.")
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
        raise SettingsError(
            f"the environment variable {variable} is empty or not set. Set it to the key of the service."
        )
    return key

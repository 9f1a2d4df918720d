"""Runs the application on a port until Ctrl-C."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn

from zsderm.errors import SettingsError
from zsderm.service.app import make_app
from zsderm.service.settings import ServiceSettings

ENDING_SECONDS = 5  # that requests which run have to end after Ctrl-C


def run(settings: ServiceSettings, say: Callable[[str], None]) -> None:
    """Run the service until Ctrl-C or SIGTERM.

    Args:
        settings: host, port and all other settings.
        say: prints messages, such as the address once the service is ready.

    Raises:
        SettingsError: the port is in use or not permitted.
        ZsdermError: model, knowledge base or folder cannot be used.
    """
    listening = _listening(settings)
    port = listening.getsockname()[1]
    app = make_app(settings)
    config = uvicorn.Config(
        app,
        log_config=None,  # addresses have no names of files in them, and bodies are never logged
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=ENDING_SECONDS,
        lifespan="on",
        ws="none",
        proxy_headers=False,
    )
    uvicorns = logging.getLogger("uvicorn.error")
    uvicorns.setLevel(logging.WARNING)
    # A failure to start is raised below, as one sentence; and requests that are cut off at the end are no defect.
    uvicorns.addFilter(lambda record: app.state.failure is None and not _is_cut_off(record))
    server = _Server(
        config,
        lambda: app.state.service.end(),  # noqa: PLW0108  # there is none before it starts
        lambda: say(f"zsderm serve is running at {_address(settings.host, port)}  (stop it with Ctrl-C)"),
    )
    say(f"Loading {settings.model if settings.fitted is None else settings.fitted}")
    try:
        server.run(sockets=[listening])
    except SystemExit:  # of uvicorn, where the application did not start
        if app.state.failure is None:
            raise
    finally:
        listening.close()
    if (failure := app.state.failure) is not None:
        raise failure
    say("Stopped.")


class _Server(uvicorn.Server):
    """Says when it answers, and that it is about to end."""

    def __init__(self, config: uvicorn.Config, ending: Callable[[], None], ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ending, self._ready = ending, ready

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Ctrl-C and SIGTERM are the usual end of a server, and not raised again; a second one does not wait."""
        self.force_exit = self.should_exit
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Wait for requests that are nearly done, and for none of those that would take long."""
        self._ending()
        await super().shutdown(sockets)


def _is_cut_off(record: logging.LogRecord) -> bool:
    return record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)


def _listening(settings: ServiceSettings) -> socket.socket:
    """A socket at the address, taken before the model is loaded, so that a mistake shows at once."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    found = socket.socket(family)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((settings.host, settings.port))
        found.listen(128)
    except OSError as error:
        found.close()
        hint = "Choose another --port" if error.errno == errno.EADDRINUSE else "Choose another --host or --port"
        reason = error.strerror or str(error)
        raise SettingsError(f"cannot listen on {settings.host}:{settings.port}: {reason}. {hint}.") from error
    return found


def _address(host: str, port: int) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/"

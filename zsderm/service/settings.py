"""The settings of the service, with their meaning and their range."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from platformdirs import user_data_path

from zsderm.config import DEFAULT_KNOWLEDGE, DEFAULT_MODEL
from zsderm.errors import SettingsError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
MOST_HOURS = 876_000  # that a job is kept; the end of much longer ones is no date


@dataclass(frozen=True)
class ServiceSettings:
    """Where the service listens, which model it uses, its limits, and how long it stores jobs."""

    host: str = "127.0.0.1"
    port: int = 8000  # 0 takes a free one
    model: str = DEFAULT_MODEL
    knowledge: str | None = DEFAULT_KNOWLEDGE  # None: classes are read in templates only
    calibration: Path | None = None  # a file of `zsderm calibrate`, for requests of its classes
    fitted: Path | None = None  # a folder of `zsderm classify --fit`; then classes and method are its own
    device: str | None = None
    data_dir: Path = field(default_factory=lambda: user_data_path("zsderm") / "serve")  # one server a folder
    api_key: str | None = field(default=None, repr=False)  # None: whoever reaches the port may ask
    keep_hours: float = 72  # after so many hours a job that ended is deleted, with its photographs
    host_names: tuple[str, ...] = ()  # by which the service may be called besides its own, as behind a proxy
    batch_size: int = 16  # photographs that the model sees at once; small, so that nobody waits long
    queue: int = 512  # photographs that may wait for the model; beyond it the answer is 503
    decoders: int = 2  # processes that decode photographs
    decoder_memory: int = 4 * 2**30  # bytes of address space of each of them
    decoder_seconds: float = 60  # for one photograph; after it the process is ended
    waiting_jobs: int = 100  # jobs that may wait; beyond it the answer is 503
    max_request_bytes: int = 2**29
    max_file_bytes: int = 2**26
    max_unpacked_bytes: int = 2**31  # that the ZIP archives of one request may hold, unpacked
    max_files: int = 1000  # in one form
    max_classify_files: int = 64  # in one request that waits for the answer; more are a job
    max_job_files: int = 50_000
    max_pixels: int = 100_000_000  # of one photograph

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            SettingsError: a number is out of range, or other machines could reach the service without a key.
        """
        if not 0 <= self.port <= 65535:
            raise SettingsError(f"Expected a port from 0 to 65535, but got {self.port}.")
        if not 0 < self.keep_hours <= MOST_HOURS:
            raise SettingsError(
                f"Expected to keep jobs for more than 0 hours and at most {MOST_HOURS} (a hundred years), "
                f"but got {self.keep_hours:g}."
            )
        for name in ("batch_size", "queue", "decoders", "max_files", "max_classify_files", "max_job_files"):
            if getattr(self, name) < 1:
                raise SettingsError(f"Expected setting `{name}` to be at least 1, but got {getattr(self, name)}.")
        if self.api_key is not None and len(self.api_key) < 16:
            raise SettingsError(
                "the key has fewer than 16 characters and could be guessed. Create a longer one: "
                'python -c "import secrets; print(secrets.token_urlsafe(32))"'
            )
        if self.api_key is None and not is_loopback(self.host):
            raise SettingsError(
                f"other machines could reach the photographs at {self.host} without a key. Name the environment "
                "variable that holds a key with --api-key-env NAME, or leave out --host."
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

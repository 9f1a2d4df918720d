"""A service with a small real encoder, asked in this process; photographs are made from seeds."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from tests.conftest import TinyEncoder
from zsderm.service.app import make_app
from zsderm.service.settings import ServiceSettings

ADDRESS = "http://127.0.0.1:8000"
CLASSES = "melanoma, nevus, basal cell carcinoma"


def photo_bytes(seed: int, kind: str = "JPEG", side: int = 48, **how: Any) -> bytes:
    """A small picture as a file."""
    pixels = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).resize((side, side)).save(file, kind, **how)
    return file.getvalue()


def form(*contents: bytes, names: list[str] | None = None) -> list[tuple[str, tuple[str, bytes]]]:
    """Files as a client sends them."""
    return [("files", (names[place] if names else f"{place}.jpg", content)) for place, content in enumerate(contents)]


def ended(client: TestClient, job: str, seconds: float = 60) -> dict[str, Any]:
    """A job when it does not run any more."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = client.get(f"/v1/jobs/{job}").json()
        if found["state"] not in ("queued", "running"):
            return found
        time.sleep(0.02)
    raise AssertionError(f"the job did not end: {found}")


Start = Callable[..., TestClient]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts a service; settings may be given."""
    with ExitStack() as open_, pytest.MonkeyPatch.context() as patch:
        patch.setattr("zsderm.service.running.load_encoder", lambda name, device=None: TinyEncoder())

        def started(**settings: Any) -> TestClient:
            settings.setdefault("data_dir", tmp_path_factory.mktemp("served"))
            settings.setdefault("decoders", 1)
            app = make_app(ServiceSettings(**settings))
            return open_.enter_context(TestClient(app, base_url=ADDRESS))

        yield started


@pytest.fixture(scope="module")
def client(start: Start) -> TestClient:
    """One service for the tests of a file."""
    return start()


@pytest.fixture
def folder_of(client: TestClient) -> Path:
    """Where the service keeps things."""
    return client.app.state.settings.data_dir

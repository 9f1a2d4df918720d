from __future__ import annotations

from collections.abc import Iterator

import pytest

from zsderm.benchmarks.experiments.protocol_server import ProtocolServer, serving
from zsderm.language_model import client


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ProtocolServer]:
    """A server on this machine that is asked again without a long wait."""
    monkeypatch.setattr(client, "FIRST_WAIT", 0.01)
    with serving(lambda request, number: f"answer to {request}") as running:
        yield running

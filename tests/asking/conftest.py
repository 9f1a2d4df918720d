from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.asking.tiny_vlm import write_vlm
from zsderm.benchmarks.experiments.protocol_server import ProtocolServer, serving
from zsderm.language_model import client

PLACE = b"Lat 47.3769 Lon 8.5417"


@pytest.fixture(scope="session")
def vlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model of the LLaVA family."""
    return write_vlm(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photographs that say where they were taken, and a file that is none."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for number in range(3):
        exif = Image.Exif()
        exif[0x010E] = PLACE.decode()
        image = Image.fromarray(rng.integers(0, 255, (40, 60, 3), dtype=np.uint8))
        image.save(folder / f"patient-Meier-{number}.jpg", exif=exif, comment=PLACE)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 no photograph")
    return folder


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ProtocolServer]:
    """A server on this machine that is asked again without a long wait."""
    monkeypatch.setattr(client, "FIRST_WAIT", 0.01)
    with serving(lambda content, number: "a round brown spot") as running:
        yield running

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from zsderm.cli import main


@pytest.fixture
def make_photos(tmp_path: Path) -> Callable[[int], Path]:
    """Makes a folder with so many photographs, 0.png, 1.png and so on, and torn.jpg, which is none."""

    def make(count: int) -> Path:
        folder = tmp_path / "photos"
        folder.mkdir()
        rng = np.random.default_rng(0)
        for index in range(count):
            Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(folder / f"{index}.png")
        (folder / "torn.jpg").write_bytes(b"not a picture")
        return folder

    return make


@pytest.fixture
def photos(make_photos: Callable[[int], Path]) -> Path:
    """Four photographs in a folder, and a file that is none."""
    return make_photos(4)


@pytest.fixture
def run_beside_photos(tiny_encoder: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Runs ``zsderm`` with the small encoder in place of the bundled one, in a folder with photos/a.jpg, b and c."""
    for place in ("zsderm.load_encoder", "zsderm.classifier.load_encoder"):
        monkeypatch.setattr(place, lambda name, device=None: tiny_encoder)
    monkeypatch.setenv("ZSDERM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "photos").mkdir()
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(tmp_path / "photos" / f"{name}.jpg")
    monkeypatch.chdir(tmp_path)
    return lambda *arguments, **more: CliRunner().invoke(main, [str(argument) for argument in arguments], **more)

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Seven distinct readable pictures."""
    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(3)
    for index in range(7):
        coarse = Image.fromarray(random.integers(0, 255, (4, 4, 3), np.uint8))
        coarse.resize((48, 32), Image.Resampling.NEAREST).save(folder / f"{index}.png")
    return sorted(folder.iterdir())

"""What the measurement of Ray's memory is made of."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zsderm.benchmarks.speed.ray_engine import TINY, _high_water, write_tiny
from zsderm.encoders import load_encoder


@pytest.mark.slow
def test_the_encoder_that_costs_nothing_is_a_checkpoint_like_others(tmp_path: Path, photo: Image.Image) -> None:
    write_tiny(tmp_path / "tiny")
    encoder = load_encoder(f"local-dir:{tmp_path / 'tiny'}", "cpu")
    rows = encoder.encode_images([photo, photo.rotate(90)]).numpy()
    assert rows.shape == (2, TINY["embed_dim"])
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="only Linux says how much memory a process had")
def test_memory_is_that_of_the_process_and_nothing_once_it_has_ended() -> None:
    assert 10 < _high_water(os.getpid()) < 100_000
    assert _high_water(2**22 + 1) == 0  # no process has such a number

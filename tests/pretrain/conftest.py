from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zsderm.pretrain import checkpoint

COLOURS = {"melanoma": (60, 30, 20), "vascular lesion": (200, 20, 40), "vitiligo": (240, 225, 210)}


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three diagnoses that a colour tells apart, as a labelled table."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["filename", "label", "split"])
        for n in range(18):
            label = list(COLOURS)[n % 3]
            noise = rng.normal(0, 12, (48, 48, 3))
            pixels = np.clip(np.array(COLOURS[label]) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{n}.png")
            writer.writerow([f"{n}.png", label, "train"])
    return folder


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """These models are so small that threads only wait for each other; one gives the same sums everywhere."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def stopped_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], AbstractContextManager[None]]:
    """Within, a run is stopped as by Ctrl-C once it has written so many checkpoints; it has to be."""

    @contextmanager
    def stopping(saves: int) -> Iterator[None]:
        save, done = checkpoint.save, []

        def save_and_stop(*arguments: object, **parts: object) -> None:
            save(*arguments, **parts)
            done.append(1)
            if len(done) == saves:
                raise KeyboardInterrupt

        with monkeypatch.context() as changed, pytest.raises(KeyboardInterrupt):
            changed.setattr(checkpoint, "save", save_and_stop)
            yield

    return stopping

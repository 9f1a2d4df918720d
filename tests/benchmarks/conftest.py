from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from zsderm.benchmarks.datasets import load
from zsderm.benchmarks.experiments.knowledge_variants import Subject, unit
from zsderm.benchmarks.grid import grid
from zsderm.benchmarks.runner import run_grid

PAD_CLASSES = ("nevus", "basal cell carcinoma", "actinic keratosis")
COLOURS = {"nevus": (90, 60, 40), "basal cell carcinoma": (220, 150, 150), "actinic keratosis": (190, 120, 90)}


@pytest.fixture(scope="session")
def make_photos() -> Callable[..., None]:
    """Writes small photographs of one colour with noise, named as told."""

    def make(folder: Path, names: Sequence[str], colours: Sequence[tuple[int, int, int]] | None = None) -> None:
        rng = np.random.default_rng(0)
        for number, name in enumerate(names):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            base = colours[number] if colours else (120, 90, 80)
            pixels = np.clip(np.array(base) + rng.integers(-40, 40, (32, 32, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name)

    return make


@pytest.fixture(scope="session")
def photo_root(tmp_path_factory: pytest.TempPathFactory, make_photos: Callable[..., None]) -> Path:
    """A data root with 18 photographs as the development layout of PAD has them: 16 in dev, of 8 patients."""
    root = tmp_path_factory.mktemp("data")
    labels = [PAD_CLASSES[number % 3] for number in range(18)]
    names = [f"images/{number}.png" for number in range(18)]
    make_photos(root / "pad", names, [COLOURS[label] for label in labels])
    table = pd.DataFrame({"filename": names, "label": labels, "split": ["train"] * 2 + ["dev"] * 16})
    table["patient_id"] = [f"PAT_{number // 2}" for number in range(18)]
    table["fitspatrick"] = [1.0, 2.0, None] * 6
    table["age"] = list(range(20, 74, 3))
    table["gender"] = ["MALE", "FEMALE"] * 9
    table.to_csv(root / "pad" / "index.csv", index=False)
    return root


@pytest.fixture(scope="session")
def results(photo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of three methods on these photographs, with the bundled encoder."""
    output = tmp_path_factory.mktemp("results")
    runs = grid(["zsderm-mini"], ["class-name", "knowledge", "kpl"])
    run_grid([load("pad", photo_root)], runs, output, cache=output / "features")
    return output


@pytest.fixture
def subject() -> Subject:
    """24 images of 3 classes with 30 descriptions, all rows at random."""
    rng = np.random.default_rng(0)

    def rows(*shape: int) -> NDArray[np.float32]:
        return unit(rng.standard_normal(shape).astype(np.float32))

    return Subject(
        images=rows(24, 8),
        labels=np.arange(24) % 3,
        plain=rows(3, 8),
        names=rows(3, 8),
        texts=rows(30, 8),
        bare=rows(30, 8),
        owner=np.arange(30) % 3,
        aspects=np.array(["colour", "look-alikes"] * 15),
        modalities=np.array(["clinical", "dermoscopic", "either"] * 10),
        modality="clinical",
    )

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from zsderm.calibration import Calibration, fit_calibration

CLASSES = ("melanoma", "nevus", "vascular lesion")
Arrays = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@pytest.fixture
def folder() -> Callable[..., Arrays]:
    """Makes cosines (N, 3), overconfident log probabilities (N, 3) and labels (N,) of so many images."""
    return _folder


def _folder(images: int = 300, seed: int = 0) -> Arrays:
    rng = np.random.default_rng(seed)
    labels = torch.from_numpy(rng.integers(0, 3, images))
    noise = torch.from_numpy(rng.standard_normal((images, 3)))
    cosines = 0.25 + 0.03 * (noise + 1.5 * torch.eye(3, dtype=torch.float64)[labels])
    return cosines, torch.log_softmax(cosines / 0.01, dim=1).float(), labels


@pytest.fixture
def record() -> Calibration:
    cosines, logs, labels = _folder()
    return fit_calibration(
        logs,
        labels,
        abstain_rate=0.1,
        scores=cosines,
        energy_temperature=0.01,
        classes=CLASSES,
        source="labels.csv, tiny 0123, knowledge",
    )

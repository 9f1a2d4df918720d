from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

Sample = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="session")
def sample() -> Callable[..., Sample]:
    """Labels of a long-tailed set and probabilities that lean towards them; the last class never occurs."""

    def draw(seed: int, images: int = 60, classes: int = 4) -> Sample:
        rng = np.random.default_rng(seed)
        tail = np.array([8, 3, 1, 1, 1][: classes - 1])
        labels = rng.choice(classes - 1, size=images, p=tail / tail.sum())
        logits = rng.normal(size=(images, classes)) + 1.5 * np.eye(classes)[labels]
        return labels, np.exp(logits) / np.exp(logits).sum(1, keepdims=True)

    return draw

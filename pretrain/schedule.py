"""The learning rate over a run."""

from __future__ import annotations

import math


def cosine_with_warm_up(step: int, steps: int, warm_up: int) -> float:
    """Factor on the learning rate: linear from 0 to 1 over the warm-up, then half a cosine down to 0.

    Args:
        step: optimiser steps already taken, 0 at the first one.
        steps: optimiser steps of the whole run.
        warm_up: optimiser steps of the warm-up.

    Returns:
        A factor in [0, 1].

    >>> [round(cosine_with_warm_up(s, steps=10, warm_up=2), 2) for s in (0, 1, 2, 6, 9)]
    [0.5, 1.0, 1.0, 0.5, 0.04]
    """
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1.0 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))

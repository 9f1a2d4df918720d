"""What a weights file holds, told without building anything: names and shapes. Pickled files run no code here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open

Shape = tuple[int, ...]


def stored_shapes(weights: Path) -> dict[str, Shape]:
    """Names and shapes of the tensors in a file, in open_clip's names: without what its training puts around them.

    Of a .safetensors the header is read; of a pickled file the pickle, under `weights_only`, without its numbers.

    Args:
        weights: .safetensors, or a file of torch.save.

    Raises:
        BUILD_ERRORS of zsderm.encoders.checkpoint: the file is none of these, or holds what is no weights.
    """
    if weights.suffix == ".safetensors":
        with safe_open(weights, framework="pt") as stored:
            names = stored.keys()
            return {key: tuple(stored.get_slice(key).get_shape()) for key in names}
    content = _without_numbers(weights)
    state = content.get("state_dict", content) if isinstance(content, dict) else content
    if not isinstance(state, Mapping) or not state:
        raise ValueError("it holds no tensors by name")
    wrapped = str(next(iter(state))).startswith("module")  # of a parallel training, as open_clip tells it
    return {
        str(key)[7:] if wrapped else str(key): tuple(value.shape)
        for key, value in state.items()
        if isinstance(value, torch.Tensor)
    }


def count_numbers(shapes: Mapping[str, Shape]) -> int:
    """How many numbers tensors of these shapes hold."""
    return sum(math.prod(shape) for shape in shapes.values())


@contextmanager
def numpy_scalars_allowed() -> Iterator[None]:
    """Let `weights_only` take numpy's numbers: training files of open_clip have a learning rate that is one.

    They are data. What else a pickle may ask for stays refused.
    """
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 6):  # it knew no names of older numpy
        yield
        return
    with torch.serialization.safe_globals(_numpy_scalars()):
        yield


def _numpy_scalars() -> list[Any]:
    core: Any = getattr(np, "_core", None) or np.core
    scalar = core.multiarray.scalar
    kinds = [type(np.dtype(kind)) for kind in ("?", "b", "B", "h", "H", "i", "I", "l", "L", "q", "Q", "e", "f", "d")]
    # numpy 2 has renamed the module, and a file has the name of the numpy that wrote it.
    return [*((scalar, f"numpy.{name}.multiarray.scalar") for name in ("core", "_core")), np.dtype, *kinds]


def _without_numbers(weights: Path) -> Any:
    """The content of a file of torch.save, in which each tensor has a shape and no numbers."""
    options: dict[str, Any] = {"map_location": "meta", "weights_only": True}
    with numpy_scalars_allowed():
        try:
            return torch.load(weights, mmap=True, **options)
        except RuntimeError:  # the older kind of file has no numbers to leave aside
            return torch.load(weights, **options)

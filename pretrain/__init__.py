"""The pretraining room: captions in, a checkpoint folder out; imported as ``zsderm.pretrain``, never by the library."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zsderm.pretrain.answers.training import run_answers
    from zsderm.pretrain.data.captions import held_out
    from zsderm.pretrain.losses.make import make_loss
    from zsderm.pretrain.narratives.training import run_narratives
    from zsderm.pretrain.supervised.train import run_supervised
    from zsderm.pretrain.train import run

__all__ = ["held_out", "make_loss", "run", "run_answers", "run_narratives", "run_supervised"]

_HOMES = {
    "held_out": ".data.captions",
    "make_loss": ".losses.make",
    "run": ".train",
    "run_answers": ".answers.training",
    "run_narratives": ".narratives.training",
    "run_supervised": ".supervised.train",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for, so that one needs only the packages that it uses itself."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)

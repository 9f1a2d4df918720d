"""Activations of a model of transformers, computed twice instead of kept."""

from __future__ import annotations

from typing import Any

from zsderm.errors import SettingsError


def compute_twice(model: Any) -> None:
    """Compute activations again on the way back: slower, in less memory.

    Args:
        model: a model of transformers; it is changed.

    Raises:
        SettingsError: it cannot.
    """
    # transformers 5.24 deprecates the second name, and earlier versions may have no other.
    switch = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    try:
        switch({"use_reentrant": False})
    except ValueError as error:
        raise SettingsError(
            f"Expected a model that can compute its activations twice, but {type(model).__name__} cannot. Set "
            "`gradient_checkpointing: false`."
        ) from error

"""An encoder that a user gives in the place of a name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

from zsderm.errors import WrongTypeError

if TYPE_CHECKING:
    from zsderm.encoders import Encoder

# What a classifier asks of an encoder. Looked for by name: to ask for a property could mean to read all weights.
_NEEDED = ("card", "preprocess", "encode_pixels", "encode_texts")


def checked_encoder(model: object) -> Encoder:
    """An encoder that is loaded already.

    Raises:
        WrongTypeError: it is none.
    """
    if isinstance(model, str | os.PathLike):
        raise WrongTypeError(
            f"Expected a loaded encoder, but got the name {str(model)!r}. Names are taken by "
            f"ZeroShotClassifier.from_pretrained({str(model)!r}, classes=[...]); load_encoder loads one by itself."
        )
    if isinstance(model, type) or not all(hasattr(model, name) for name in _NEEDED):
        raise WrongTypeError(
            "Expected the model to be a name such as 'zsderm-mini', a folder, or a loaded encoder, but got "
            f"{'None' if model is None else type(model).__name__}. See: zsderm models list"
        )
    return cast("Encoder", model)

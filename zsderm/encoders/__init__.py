"""Encoders: from a name to something that turns images and texts into unit rows of one space.

    encoder = load_encoder("zsderm-mini")
    encoder.encode_images(["mole.jpg"]) @ encoder.encode_texts(["melanoma", "nevus"]).T   # (1, 2) cosines

base         what an encoder is, and its card
catalogue    encoders worth knowing by name
mini         the bundled one
names        from a name to a checkpoint
checkpoint   the parts of a checkpoint in open_clip's format; text_tower and hub find what lies elsewhere
model        builds them with open_clip and checks that they belong together
two_towers   what encoders do alike
open_clip    the encoder itself
engines      the image tower run by something else; parity and export make such a folder
transformers the other one, for CLIP and SigLIP as transformers saves them; transformers_checkpoint finds its parts
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zsderm.encoders.base import Encoder, EncoderCard
from zsderm.encoders.catalogue import BUNDLED
from zsderm.errors import SettingsError

if TYPE_CHECKING:
    import torch

    from zsderm.encoders.open_clip_format.checkpoint import Checkpoint
    from zsderm.encoders.torch_encoder import TorchEncoder
    from zsderm.encoders.transformers_format.checkpoint import TransformersCheckpoint

__all__ = ["BUNDLED", "Encoder", "EncoderCard", "load_encoder"]


def load_encoder(name: str | Path, device: str | torch.device | None = None, *, compile: bool = False) -> Encoder:
    """Load an encoder by name, ready to encode.

    Args:
        name: "zsderm-mini" (bundled), "hf-hub:org/name", "local-dir:/folder" or a plain folder, an open_clip
            architecture with a tag, as "ViT-B-32/openai", or with a weights file, as "ViT-B-16@epoch_15.pt".
        device: a torch device; None takes a GPU where there is one, else the processor.
        compile: let torch.compile make the image tower faster. It needs a C++ compiler and takes up to minutes at the
            first batch, so it pays for long runs only; rows change by rounding.

    Returns:
        An encoder with its card, fingerprint and temperature.

    Raises:
        UnknownModelError: the name leads nowhere.
        CheckpointError: the checkpoint is incomplete, does not fit together, or cannot be fetched from here.
        MissingDependencyError: the checkpoint's tokenizer or engine needs a package that is not installed.
        SettingsError: there is no such device, or the encoder was exported for an engine that knows neither devices
            nor compilation.
    """
    # torch and open_clip take seconds to import: here, so that the catalogue can be listed without them.
    from zsderm.encoders.engines import EngineEncoder, ExportedCheckpoint
    from zsderm.encoders.resolve import find_checkpoint

    checkpoint = find_checkpoint(str(name))
    if not isinstance(checkpoint, ExportedCheckpoint):
        encoder = _by_torch(checkpoint, device)
        if compile:
            encoder.compile()
        return encoder
    if compile or str(device or "cpu") != "cpu":
        raise SettingsError(
            f"'{name}' was exported for {checkpoint.engine}, which runs on the processor as it is: leave out `compile` "
            f"and `device`, or name the original checkpoint"
        )
    return EngineEncoder(_by_torch(checkpoint.original, "cpu"), checkpoint)


def _by_torch(checkpoint: Checkpoint | TransformersCheckpoint, device: str | torch.device | None) -> TorchEncoder:
    """The encoder of a checkpoint as its own library runs it."""
    from zsderm.encoders.transformers_format.checkpoint import TransformersCheckpoint

    if isinstance(checkpoint, TransformersCheckpoint):
        from zsderm.encoders.transformers_format.encoder import TransformersEncoder

        return TransformersEncoder(checkpoint, device)
    from zsderm.encoders.open_clip_format.encoder import OpenClipEncoder

    return OpenClipEncoder(checkpoint, device)

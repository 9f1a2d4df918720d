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
transformers the other one, for CLIP and SigLIP as transformers saves them; transformers_checkpoint finds its parts
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zsderm.encoders.base import Encoder, EncoderCard
from zsderm.encoders.catalogue import BUNDLED

if TYPE_CHECKING:
    import torch

__all__ = ["BUNDLED", "Encoder", "EncoderCard", "load_encoder"]


def load_encoder(name: str | Path, device: str | torch.device | None = None) -> Encoder:
    """Load an encoder by name, ready to encode.

    Args:
        name: "zsderm-mini" (bundled), "hf-hub:org/name", "local-dir:/folder" or a plain folder, an open_clip
            architecture with a tag, as "ViT-B-32/openai", or with a weights file, as "ViT-B-16@epoch_15.pt".
        device: a torch device; None takes a GPU where there is one, else the processor.

    Returns:
        An encoder with its card, fingerprint and temperature.

    Raises:
        UnknownModelError: the name leads nowhere.
        CheckpointError: the checkpoint is incomplete, does not fit together, or cannot be fetched from here.
        MissingDependencyError: the checkpoint's tokenizer needs a package that is not installed.
        SettingsError: there is no such device.
    """
    # torch and open_clip take seconds to import: here, so that the catalogue can be listed without them.
    from zsderm.encoders.names import find_checkpoint
    from zsderm.encoders.open_clip import OpenClipEncoder
    from zsderm.encoders.transformers_checkpoint import TransformersCheckpoint

    checkpoint = find_checkpoint(str(name))
    if isinstance(checkpoint, TransformersCheckpoint):
        from zsderm.encoders.transformers import TransformersEncoder

        return TransformersEncoder(checkpoint, device)
    return OpenClipEncoder(checkpoint, device)

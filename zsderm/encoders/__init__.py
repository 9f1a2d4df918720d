"""Encoders: from a name to something that turns images and texts into unit rows of one space.

    encoder = load_encoder("zsderm-mini")
    encoder.encode_images(["mole.jpg"]) @ encoder.encode_texts(["melanoma", "nevus"]).T   # (1, 2) cosines

base                what an encoder is, and its card
catalogue, mini     encoders worth knowing by name, and the bundled one
resolve             from a name to a checkpoint; the list of formats
checkpoint          what every checkpoint can do, and what a format has to say
open_clip_format    checkpoints of open_clip: their parts, the model built from them, the encoder
transformers_format the same for CLIP and SigLIP as transformers saves them
hub                 files from the Hugging Face hub
tokenizer_files     tokenizer and configuration of a text tower
fingerprint         files of a checkpoint: fingerprint, links, number of parameters
torch_encoder       what all encoders do alike
mini_encoder        the bundled encoder without open_clip; lite_tower and bert_tower are its towers
pixels              what an image tower takes
views               several views of one image, averaged
engines             the image tower run by something else; export makes such a folder, parity measures it
patches             features of the places of an image
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from zsderm.encoders import mini
from zsderm.encoders.base import Encoder, EncoderCard
from zsderm.encoders.catalogue import BUNDLED
from zsderm.errors import WrongTypeError

if TYPE_CHECKING:
    import torch

    from zsderm.encoders.torch_encoder import TorchEncoder

log = logging.getLogger(__name__)

__all__ = ["BUNDLED", "Encoder", "EncoderCard", "load_encoder"]


def load_encoder(
    name: str | Path, device: str | torch.device | None = None, *, compile: bool = False, download: bool = True
) -> Encoder:
    """Load an encoder by name, ready to encode.

    Args:
        name: "zsderm-mini" (bundled), "hf-hub:org/name", "local-dir:/folder" or a plain folder, an open_clip
            architecture with a tag, as "ViT-B-32/openai", or with a weights file, as
            "ViT-B-16-quickgelu@epoch_15.pt".
        device: a torch device; None takes a GPU where there is one, else the processor.
        compile: let torch.compile make the image tower faster. It needs a C++ compiler and takes up to minutes at the
            first batch, so it pays for long runs only; rows change by rounding.
        download: fetch from the Hugging Face hub what is not in its cache; False never asks it.

    Returns:
        An encoder with its card, fingerprint and temperature.

    Raises:
        UnknownModelError: the name leads nowhere.
        CheckpointError: the checkpoint is incomplete, does not fit together, or cannot be fetched from here.
        MissingDependencyError: the checkpoint's tokenizer or engine needs a package that is not installed.
        WrongTypeError: the name is no name.
        SettingsError: there is no such device, or the encoder was exported for an engine that knows neither devices
            nor compilation.
    """
    if not isinstance(name, str | Path):
        raise WrongTypeError(f"Expected the name of an encoder, such as 'zsderm-mini', but got {name!r:.40}.")
    # torch and open_clip take seconds to import: here, so that the catalogue can be listed without them.
    encoder: TorchEncoder
    if str(name) == mini.NAME:
        from zsderm.encoders.mini_encoder import MiniEncoder

        encoder = MiniEncoder(device)
    else:
        from zsderm.encoders.resolve import find_checkpoint

        encoder = find_checkpoint(str(name), download=download).encoder(device)
    if compile:
        encoder.compile()
    if log.isEnabledFor(logging.DEBUG):  # the fingerprint of large weights takes seconds
        log.debug("encoder %s on %s, fingerprint %s", encoder.card.name, encoder.device, encoder.fingerprint)
    return encoder

"""Encoders worth knowing by name. Anything else that open_clip can read loads too; these come with a card."""

from __future__ import annotations

from zsderm.encoders import mini
from zsderm.encoders.base import EncoderCard

BUNDLED: tuple[str, ...] = (mini.NAME,)  # loadable without a network

HUB = "https://huggingface.co"
OPENAI = "https://github.com/openai/CLIP"


def _vit_base(name: str, licence: str, source: str, description: str) -> EncoderCard:
    """Card of a CLIP with a base-sized vision transformer."""
    return EncoderCard(name, 512, 224, 77, licence, source, description)


# Licences as stated on the model's own page at the time of writing; "see source" where none was found.
FETCHED: tuple[EncoderCard, ...] = (
    _vit_base(
        name="hf-hub:xieji-x/MAKE",
        licence="see source",
        source=f"{HUB}/xieji-x/MAKE, arXiv 2505.09372",
        description="ViT-B/16, trained with the MAKE losses on 403 563 pairs of Derm1M",
    ),
    _vit_base(
        name="hf-hub:redlessone/DermLIP_ViT-B-16",
        licence="see source",
        source=f"{HUB}/redlessone/DermLIP_ViT-B-16, arXiv 2503.14911",
        description="ViT-B/16, contrastive on 403 563 pairs of Derm1M",
    ),
    EncoderCard(
        name="hf-hub:microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224",
        width=512,
        image_size=224,
        context_length=256,
        licence="MIT",
        source=f"{HUB}/microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224, arXiv 2303.00915",
        description="ViT-B/16 with PubMedBERT, on 15 million figures of biomedical papers",
    ),
    _vit_base("ViT-B-32/openai", "MIT", OPENAI, "OpenAI's CLIP; not a skin model"),
    _vit_base("ViT-B-16/openai", "MIT", OPENAI, "OpenAI's CLIP; not a skin model"),
    EncoderCard("ViT-L-14/openai", 768, 224, 77, "MIT", OPENAI, "OpenAI's CLIP, the large one; not a skin model"),
)


def cards() -> list[EncoderCard]:
    """Cards of the bundled encoder, where this installation carries it, and of those fetched on first use."""
    return ([mini.card()] if mini.available() else []) + list(FETCHED)


def known(name: str) -> EncoderCard | None:
    """Card of a fetched encoder by its name, or None."""
    return next((card for card in FETCHED if card.name == name), None)

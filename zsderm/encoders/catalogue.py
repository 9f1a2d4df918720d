"""Encoders listed by name, each with a card. Any other checkpoint in a known format can be loaded too."""

from __future__ import annotations

from zsderm.encoders import mini
from zsderm.encoders.base import EncoderCard, Figure

BUNDLED: tuple[str, ...] = (mini.NAME,)  # loadable without a network

HUB = "https://huggingface.co"
OPENAI = "https://github.com/openai/CLIP"

# Where the figures below are published; compared with one of your own, they show whether preprocessing is right.
_DERMFM = "DermFM-Zero, README, arXiv 2602.10624"
_OMAKE = "O-MAKE, README, arXiv 2512.03445"
_MAKE = "MAKE, arXiv 2505.09372"
_DERM1M = "Derm1M, README, arXiv 2503.14911"

_WEB = ("400 million pairs of the web (WIT)",)
_PAIRS = ("Derm1M: 403 563 images of skin with captions",)


def _accuracy(source: str, **values: float) -> tuple[Figure, ...]:
    """Published zero-shot accuracies, by data set."""
    return tuple(Figure(name.replace("_", "-"), "accuracy", value, source) for name, value in values.items())


def _openai(name: str, width: int, parameters: int, figures: tuple[Figure, ...] = ()) -> EncoderCard:
    """Card of one of OpenAI's own models."""
    return EncoderCard(
        name=name,
        width=width,
        image_size=224,
        context_length=77,
        licence="MIT",
        source=f"{OPENAI}, arXiv 2103.00020",
        description="OpenAI's CLIP; not a skin model",
        parameters=parameters,
        training_data=_WEB,
        gated=False,
        figures=figures,
    )


# Licences as stated on the model's own page at the time of writing; "see source" where none was found. Whether terms
# have to be accepted is stated only where it is known.
FETCHED: tuple[EncoderCard, ...] = (
    EncoderCard(
        name="hf-hub:xieji-x/MAKE",
        width=512,
        image_size=224,
        context_length=77,
        licence="see source",
        source=f"{HUB}/xieji-x/MAKE, arXiv 2505.09372",
        description="ViT-B/16, trained with the MAKE losses on 403 563 pairs of Derm1M",
        parameters=149_620_737,
        training_data=_PAIRS,
        figures=(
            *_accuracy(_DERMFM, PAD=0.586, HAM10000=0.455, SNU_134=0.326),
            *_accuracy(_MAKE, F17K_113=0.324, SD_128=0.391),
            Figure("SkinCon", "mean AUROC of concepts", 0.787, _MAKE),
            Figure("SkinCAP", "recall@10, image to text", 0.210, _MAKE),
        ),
    ),
    EncoderCard(
        name="hf-hub:redlessone/DermLIP_ViT-B-16",
        width=512,
        image_size=224,
        context_length=77,
        licence="see source",
        source=f"{HUB}/redlessone/DermLIP_ViT-B-16, arXiv 2503.14911",
        description="ViT-B/16, contrastive on 403 563 pairs of Derm1M",
        parameters=149_620_737,
        training_data=_PAIRS,
        figures=(
            *_accuracy(_DERMFM, PAD=0.607, HAM10000=0.681, SNU_134=0.253, SD_128=0.278),
            *_accuracy(_OMAKE, F17K_113=0.229),
        ),
    ),
    EncoderCard(
        name="hf-hub:microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224",
        width=512,
        image_size=224,
        context_length=256,
        licence="MIT",
        source=f"{HUB}/microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224, arXiv 2303.00915",
        description="ViT-B/16 with PubMedBERT, on 15 million figures of biomedical papers",
        parameters=195_900_000,
        training_data=("PMC-15M: 15 million figures of biomedical papers with captions",),
        gated=False,
        figures=(
            *_accuracy(_DERMFM, PAD=0.451, SNU_134=0.097, SD_128=0.115),
            *_accuracy(_OMAKE, F17K_113=0.089),
        ),
    ),
    EncoderCard(
        name="hf-hub:suinleelab/monet",
        width=768,
        image_size=224,
        context_length=77,
        licence="see source",
        source=f"{HUB}/suinleelab/monet, doi 10.1038/s41591-024-02887-x",
        description="ViT-L/14 in transformers' format, on 105 550 dermatological images of medical literature",
        parameters=427_616_513,
        training_data=("105 550 dermatological images with descriptions from medical literature",),
        figures=(
            *_accuracy(_DERMFM, PAD=0.473, SNU_134=0.141, SD_128=0.203),
            *_accuracy(_OMAKE, F17K_113=0.150),
            Figure("SkinCAP", "recall@10, image to text", 0.142, _DERM1M),
        ),
    ),
    _openai("ViT-B-32/openai", 512, 151_277_313),
    _openai("ViT-B-16/openai", 512, 149_620_737),
    _openai("ViT-L-14/openai", 768, 427_616_513, _accuracy(f"{_DERMFM}, as CLIP-L", PAD=0.384)),
)


def cards() -> list[EncoderCard]:
    """Cards of the bundled encoder, where this installation carries it, and of those fetched on first use."""
    return ([mini.card()] if mini.available() else []) + list(FETCHED)


def known(name: str) -> EncoderCard | None:
    """Card of a fetched encoder by its name, or None."""
    return next((card for card in FETCHED if card.name == name), None)

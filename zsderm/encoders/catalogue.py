"""Encoders listed by name, each with a card. Any other checkpoint in a known format can be loaded too.

Of the listed ones only the bundled encoder was ever loaded by us: the others were not within reach, and what their
cards say was read on the pages named there. A shape that was not stated there is 0.
"""

from __future__ import annotations

from collections.abc import Mapping

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
_PAIRS = ("Derm1M: 403 563 images of skin with captions (CC BY-NC 4.0)",)
_AUGMENTED = (
    "Derm1M-AgentAug: 413 369 images of Derm1M, part of the captions rewritten by language models (CC BY-NC-ND 4.0; "
    "terms to be accepted)",
)

# Near copies: SSCD cosine of at least 0.75 (Pizzi et al. 2022). docs/benchmarks.md and published.csv say the same.
_NEAR_COPIES = {
    "contamination": "83.6 % of SkinCAP has a near copy in Derm1M (SSCD cosine at least 0.75, DermFM-Zero's audit), so "
    "its figures on SkinCAP are not on unseen images"
}

NEVER_LOADED = "never loaded by us"


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
        metadata=_NEAR_COPIES,
        figures=(
            *_accuracy(_DERMFM, PAD=0.586, HAM10000=0.455, SNU_134=0.326),
            *_accuracy(_MAKE, F17K_113=0.324, SD_128=0.391),
            Figure("SkinCon", "mean AUROC of concepts", 0.787, _MAKE),
            Figure("SkinCAP", "recall@10, image to text", 0.210, _MAKE),
        ),
    ),
    EncoderCard(
        name="hf-hub:Xieji-Li/MAGEN-O-MAKE",
        width=512,
        image_size=224,
        context_length=77,
        licence="CC BY-NC-ND 4.0",
        source=f"{HUB}/Xieji-Li/MAGEN-O-MAKE, arXiv 2512.03445",
        description="ViT-B/16, MAKE with an ontology (O-MAKE), on Derm1M with captions rewritten by language models",
        parameters=149_620_737,
        training_data=_AUGMENTED,
        metadata=_NEAR_COPIES,
        figures=_accuracy(_OMAKE, PAD=0.667, F17K_113=0.371, SNU_134=0.390, SD_128=0.460),
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
        metadata=_NEAR_COPIES,
        figures=(
            *_accuracy(_DERMFM, PAD=0.607, HAM10000=0.681, SNU_134=0.253, SD_128=0.278),
            *_accuracy(_OMAKE, F17K_113=0.229),
        ),
    ),
    EncoderCard(
        name="hf-hub:redlessone/DermLIP_PanDerm-base-w-PubMed-256",
        width=0,
        image_size=0,
        context_length=256,
        licence="see source",
        source=f"{HUB}/redlessone/DermLIP_PanDerm-base-w-PubMed-256, arXiv 2503.14911",
        description="PanDerm (base) with PubMedBERT, contrastive on 403 563 pairs of Derm1M; open_clip has no "
        "architecture of that name, so it may need the code of its authors",
        training_data=_PAIRS,
        metadata=_NEAR_COPIES,
        figures=(
            *_accuracy(_DERMFM, PAD=0.625, SNU_134=0.333, SD_128=0.382),
            *_accuracy(_OMAKE, F17K_113=0.319),
            Figure("SkinCAP", "recall@10, image to text", 0.202, _DERM1M),
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


def _panderm(name: str, width: int, architecture: str) -> EncoderCard:
    """Card of one size of PanDerm."""
    return EncoderCard(
        name=name,
        width=width,
        image_size=0,
        context_length=0,
        licence="CC BY-NC-ND 4.0",
        source="https://github.com/SiyuanYan1/PanDerm, arXiv 2410.15038",
        description=f"{architecture}, an image tower alone, self-supervised; the weights are behind links on that page",
        training_data=("more than 2 million skin images: clinical, dermoscopic, total body, pathological",),
    )


def _skinvl(part: str, data: str, figures: tuple[Figure, ...] = ()) -> EncoderCard:
    """Card of one of the three sets of weights of SkinVL."""
    return EncoderCard(
        name=f"hf-hub:zwq803/SkinVL-{part}",
        width=0,
        image_size=336,
        context_length=2048,
        licence="see source",
        source=f"{HUB}/zwq803/SkinVL-{part}, arXiv 2505.06152",
        description="LLaVA-Med v1.5 (Mistral 7B, CLIP ViT-L/14) fine-tuned with LoRA on questions about skin images",
        training_data=(data,),
        figures=figures,
    )


_TEXTBOOKS = "MM-Skin: 11 039 images of textbooks with captions, 27 thousand questions"
_PUBLIC = "public sets of skin images, named in arXiv 2505.06152"

# Public models of the field that users ask for, but which give no embeddings of images and texts in one space.
NO_ENCODERS: tuple[EncoderCard, ...] = (
    _panderm("PanDerm", 1024, "ViT-L/16"),
    _panderm("PanDerm_Base", 768, "ViT-B/16"),
    _skinvl("MM", _TEXTBOOKS),
    _skinvl("Pub", _PUBLIC),
    _skinvl("PubMM", f"{_TEXTBOOKS}; {_PUBLIC}", _accuracy("arXiv 2605.14403", HAM10000=0.452, SNU_134=0.034)),
)

_WHY_NOT: Mapping[str, str] = {
    "PanDerm": "it has no text tower, so it cannot compare images with class names",
    "SkinVL": "it answers questions in words and gives no embeddings of texts",
}


def cards() -> list[EncoderCard]:
    """All cards: the bundled encoder, where it is installed, those fetched on first use, and what is no encoder."""
    return [*([mini.card()] if mini.available() else []), *FETCHED, *NO_ENCODERS]


def known(name: str) -> EncoderCard | None:
    """Card of a model that is not bundled, by its name, or None."""
    return next((card for card in (*FETCHED, *NO_ENCODERS) if card.name == name), None)


def why_not(name: str) -> str:
    """Why a listed model cannot be an encoder; an empty string for any other name."""
    if all(card.name != name for card in NO_ENCODERS):
        return ""
    return next(reason for family, reason in _WHY_NOT.items() if family in name)


def tried(name: str) -> str:
    """Whether a listed model was ever loaded by us: what `models list` says about it."""
    if name in BUNDLED:
        return "yes, in every test"
    return f"{NEVER_LOADED}; no encoder" if why_not(name) else NEVER_LOADED

"""A model of the LLaVA family with random weights (CLIP and Llama of two layers, a tokenizer of words, 28 pixels), and
photographs that say where they were taken.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    MistralConfig,
    PreTrainedTokenizerFast,
)

WORDS = (
    "yes no red brown round flat scale nevus melanoma is there what colour the lesion which one of these options and "
    "nothing else Answer with or a shown in this photograph name classes USER ASSISTANT . : ? , A B"
)
SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
PLACE = b"Lat 47.3769 Lon 8.5417"
SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Knows a few words."""
    words = dict.fromkeys([*SPECIAL, *WORDS.split(), "<image>"])
    model = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    model.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=model,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        additional_special_tokens=["<image>"],
    )


def write_vlm(folder: Path, text: type[LlamaConfig | MistralConfig] = LlamaConfig) -> Path:
    """The folder of such a model, as `save_pretrained` writes it.

    Args:
        folder: is made.
        text: its language model; that of LLaVA-Med 1.5 is Mistral.
    """
    tokenizer = tiny_tokenizer()
    torch.manual_seed(0)
    vision = CLIPVisionConfig(**SIZE, image_size=28, patch_size=14, projection_dim=32)
    language = text(
        **SIZE,
        num_key_value_heads=2,
        vocab_size=len(tokenizer),
        initializer_range=0.3,  # else what stays of it is too small to let adapters be sure of a word
        max_position_embeddings=512,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=language,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
    )
    model = LlavaForConditionalGeneration(config)
    model.save_pretrained(folder)
    shape = {"size": {"shortest_edge": 28}, "crop_size": {"height": 28, "width": 28}}
    LlavaProcessor(
        CLIPImageProcessor(**shape),
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    ).save_pretrained(folder)
    return folder


def write_photos(folder: Path) -> Path:
    """Three photographs that say where they were taken, and a file that is none."""
    rng = np.random.default_rng(0)
    for number in range(3):
        exif = Image.Exif()
        exif[0x010E] = PLACE.decode()
        image = Image.fromarray(rng.integers(0, 255, (40, 60, 3), dtype=np.uint8))
        image.save(folder / f"patient-Meier-{number}.jpg", exif=exif, comment=PLACE)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 no photograph")
    return folder

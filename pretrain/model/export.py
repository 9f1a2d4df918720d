"""A trained model as a folder that `zsderm.load_encoder("local-dir:FOLDER")` reads.

The folder is open_clip's format (open_clip_config.json, model.safetensors), so where both towers are open_clip's own,
open_clip reads it too. A transformers text tower brings what open_clip would fetch from a hub: its configuration and
its tokenizer. zsderm.json is the card of the encoder.
"""

from __future__ import annotations

import json
import logging
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from open_clip.hf_model import HFTextEncoder
from safetensors.torch import save_file

from zsderm.atomic_files import atomic_folder
from zsderm.pretrain.config import TrainConfig
from zsderm.pretrain.model.towers import OpenClipModel

log = logging.getLogger(__name__)


def export_folder(
    model: OpenClipModel,
    tokenizer: Any,
    config: TrainConfig,
    manifest: Mapping[str, Any],
    folder: Path,
    diagnoses: Sequence[str] | None = None,
) -> None:
    """Write a model, its tokenizer, its preprocessing and its card into one folder, whole or not at all.

    Weights are float16. An existing folder is replaced only once the new one is complete. `answer_temperature`, where
    it is set, stands in the place of the learned temperature, which the model itself keeps; the card says both.

    Args:
        model: the trained open_clip model.
        tokenizer: open_clip's HFTokenizer, or CLIP's own, which open_clip brings along and the folder does not.
        config: the settings of the run; `model_cfg` and `preprocess_cfg` travel with the weights.
        manifest: what zsderm.json records of the run beside the card.
        folder: where the encoder will be.
        diagnoses: what the training images showed, by name; None where that is not known.

    Raises:
        SettingsError: the place is a file, or cannot be written.
    """
    with atomic_folder(folder, must_be_new=False) as draft:
        learned = math.exp(-model.logit_scale.item())
        answers = config.answer_temperature or learned
        scale = torch.tensor(-math.log(answers)) if config.answer_temperature else model.logit_scale.detach()
        weights = {name: compact(tensor) for name, tensor in (model.state_dict() | {"logit_scale": scale}).items()}
        save_file(weights, str(draft / "model.safetensors"), metadata={"format": "pt"})
        text_tower = getattr(model, "text", None)
        if isinstance(text_tower, HFTextEncoder):
            text_tower.config.save_pretrained(draft)
            tokenizer.tokenizer.save_pretrained(draft)
        write_json(
            draft / "open_clip_config.json",
            {
                "model_cfg": dict(config.model_cfg),
                "preprocess_cfg": {**config.preprocess_cfg, "size": config.image_size},
            },
        )
        card = {**config.card, "sigma": config.sigma, "lambda_m": config.lambda_m, "lambda_s": config.lambda_s}
        card |= {} if diagnoses is None else {"diagnoses": list(diagnoses)}
        temperatures = {"learned_temperature": round(learned, 5), "answer_temperature": round(answers, 5)}
        write_json(draft / "zsderm.json", {**card, "pretraining": {**manifest, **temperatures}})
        for file in draft.iterdir():
            file.chmod(0o644)  # safetensors writes for the owner only; an installed package is read by others
        for kept in folder.glob("*.md"):
            shutil.copy2(kept, draft / kept.name)  # a card written by hand is kept when new weights replace the old
    log.info("temperature: %.5f learned, %.5f exported", learned, answers)


def compact(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor as it is written: numbers with a point as float16, on the CPU, without sharing memory."""
    return (tensor.half() if tensor.is_floating_point() else tensor).cpu().contiguous().clone()


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write an object as JSON that people can read."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

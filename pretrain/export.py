"""A trained model as a folder that `zsderm.load_encoder("local-dir:FOLDER")` reads.

The folder is open_clip's format (open_clip_config.json, model.safetensors) plus what open_clip would fetch from a hub
(the configuration and tokenizer of the text tower) plus zsderm.json, the card of the encoder.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file

from .config import TrainConfig


def export_folder(
    model: open_clip.CustomTextCLIP,
    tokenizer: open_clip.tokenizer.HFTokenizer,
    config: TrainConfig,
    manifest: Mapping[str, Any],
    folder: Path,
) -> None:
    """Write a model, its tokenizer, its preprocessing and its card into one folder, all or nothing.

    Weights are float16. An existing folder is replaced only once the new one is complete.

    Args:
        model: the trained open_clip model.
        tokenizer: open_clip's HFTokenizer.
        config: the settings of the run; `model_cfg` and `preprocess_cfg` travel with the weights.
        manifest: what zsderm.json records of the run beside the card.
        folder: where the encoder will be.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    fresh.chmod(0o755)
    weights = {name: _compact(tensor) for name, tensor in model.state_dict().items()}
    save_file(weights, str(fresh / "model.safetensors"), metadata={"format": "pt"})
    model.text.config.save_pretrained(fresh)
    tokenizer.tokenizer.save_pretrained(fresh)
    _write_json(
        fresh / "open_clip_config.json",
        {"model_cfg": dict(config.model_cfg), "preprocess_cfg": dict(config.preprocess_cfg)},
    )
    card = {**config.card, "sigma": config.sigma, "lambda_m": config.lambda_m, "lambda_s": config.lambda_s}
    _write_json(fresh / "zsderm.json", {**card, "pretraining": dict(manifest)})
    for file in fresh.iterdir():
        file.chmod(0o644)  # safetensors writes for the owner only; an installed package is read by others
    if folder.exists():
        for kept in folder.glob("*.md"):
            shutil.copy2(kept, fresh / kept.name)  # a card written by hand outlives the weights it was written beside
        shutil.rmtree(folder)
    os.replace(fresh, folder)


def _compact(tensor: torch.Tensor) -> torch.Tensor:
    return (tensor.half() if tensor.is_floating_point() else tensor).contiguous().clone()


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

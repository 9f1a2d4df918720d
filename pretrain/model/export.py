"""A trained model as a folder that `zsderm.load_encoder("local-dir:FOLDER")` reads.

The folder is open_clip's format (open_clip_config.json, model.safetensors), so where both towers are open_clip's own,
open_clip reads it too. A transformers text tower brings what open_clip would fetch from a hub: its configuration and
its tokenizer. zsderm.json is the card of the encoder.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from open_clip.hf_model import HFTextEncoder
from safetensors.torch import save_file

from zsderm.pretrain.config import TrainConfig
from zsderm.pretrain.model.towers import OpenClipModel


def export_folder(
    model: OpenClipModel,
    tokenizer: Any,
    config: TrainConfig,
    manifest: Mapping[str, Any],
    folder: Path,
) -> None:
    """Write a model, its tokenizer, its preprocessing and its card into one folder, all or nothing.

    Weights are float16. An existing folder is replaced only once the new one is complete.

    Args:
        model: the trained open_clip model.
        tokenizer: open_clip's HFTokenizer, or CLIP's own, which open_clip brings along and the folder does not.
        config: the settings of the run; `model_cfg` and `preprocess_cfg` travel with the weights.
        manifest: what zsderm.json records of the run beside the card.
        folder: where the encoder will be.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left_over in folder.parent.glob(f".{folder.name}-*"):
        shutil.rmtree(left_over)  # of a run that was killed while it wrote
    fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    fresh.chmod(0o755)
    weights = {name: _compact(tensor) for name, tensor in model.state_dict().items()}
    save_file(weights, str(fresh / "model.safetensors"), metadata={"format": "pt"})
    text_tower = getattr(model, "text", None)
    if isinstance(text_tower, HFTextEncoder):
        text_tower.config.save_pretrained(fresh)
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
    return (tensor.half() if tensor.is_floating_point() else tensor).cpu().contiguous().clone()


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

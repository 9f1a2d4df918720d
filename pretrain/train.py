"""One pretraining run, from a YAML file to a folder that `load_encoder` reads. One process, one flat loop."""

from __future__ import annotations

import csv
import json
import logging
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import open_clip
import torch
from torch import nn
from torch.utils.data import DataLoader

import zsderm
from zsderm.errors import SettingsError

from .captions import CaptionWriter
from .config import TrainConfig, read_config
from .data import CaptionedImages, Draws, collate, read_records, train_transform
from .export import export_folder
from .losses import make_loss
from .model import create_model, image_and_patch_features
from .schedule import cosine_with_warm_up
from .text_bank import TextBank

log = logging.getLogger(__name__)
LARGEST_LOGIT_SCALE = 100.0  # as CLIP (arXiv 2103.00020, section 2.5): keeps training stable


def run(
    config_path: Path, output: Path, data_root: Path | None = None, overrides: Mapping[str, Any] | None = None
) -> Path:
    """Train an encoder as a configuration says, resuming where an earlier run of the same output stopped.

    Args:
        config_path: a YAML file of `TrainConfig` settings.
        output: run folder: log.csv, checkpoint.pt, manifest.json and, at the end of each epoch, encoder/.
        data_root: folder that the tables of the configuration are relative to; default: the environment variable
            ZSDERM_DATA.
        overrides: top-level settings that replace those of the file.

    Returns:
        The folder of the exported encoder, `output/encoder`.

    Raises:
        SettingsError: if a setting is unknown or out of range, or no data folder is named.
        PretrainingDataError: if a table cannot be read.
    """
    config = read_config(config_path, overrides)
    named = data_root or os.environ.get("ZSDERM_DATA")
    if not named:
        raise SettingsError("No data folder is named. Use --data-root, or set ZSDERM_DATA.")
    root = Path(named)
    output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)

    knowledge = zsderm.KnowledgeBase.load(config.knowledge)
    records = read_records(config, root)
    dataset = CaptionedImages(records, CaptionWriter(knowledge, config.named_share), train_transform(config))
    model, tokenizer = create_model(config.model_cfg, config.image_start, config.text_start, config.temperature)
    model.visual.to(memory_format=torch.channels_last)
    text_bank = TextBank(model.text, tokenizer, trainable=config.train_text)
    optimiser = _optimiser(model, config)
    steps_per_epoch = len(Draws(records, config, epoch=0))
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: cosine_with_warm_up(step, config.epochs * steps_per_epoch, config.warm_up_steps)
    )
    first_epoch = _resume(output / "checkpoint.pt", model, optimiser, scheduler)
    manifest = _manifest(config_path, overrides or {}, knowledge, len(records))
    _write(output / "manifest.json", json.dumps(manifest, indent=2))

    for epoch in range(first_epoch, config.epochs):
        loader = DataLoader(
            dataset,
            batch_sampler=Draws(records, config, epoch),
            num_workers=config.workers,
            collate_fn=collate,
        )
        model.train()
        model.text.train(config.train_text)
        waited, started, skipped, sums = 0.0, time.monotonic(), 0, torch.zeros(3, dtype=torch.float64)
        asked = time.monotonic()
        for batch in loader:
            waited += time.monotonic() - asked
            skipped += batch.skipped
            if len(batch.captions) >= 2:
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=config.precision == "bfloat16"):
                    pixels = batch.pixels.contiguous(memory_format=torch.channels_last)
                    image, patches = image_and_patch_features(model, pixels)  # (B, D), (B, P, D)
                    text = text_bank(batch.captions)  # (B, T, D)
                loss = make_loss(
                    image,
                    patches,
                    text,
                    batch.mask,
                    model.logit_scale.exp(),
                    lambda_m=config.lambda_m,
                    lambda_s=config.lambda_s,
                    sigma=config.sigma,
                )
                optimiser.zero_grad(set_to_none=True)
                loss.total.backward()
                nn.utils.clip_grad_norm_(model.parameters(), config.gradient_clip)
                optimiser.step()
                with torch.no_grad():
                    model.logit_scale.clamp_(max=torch.tensor(LARGEST_LOGIT_SCALE).log())
                sums += torch.stack([loss.total, loss.contrastive, loss.local]).detach().double()
            scheduler.step()
            asked = time.monotonic()
        total, contrastive, local = (sums / len(loader)).tolist()
        row = {
            "epoch": epoch + 1,
            "loss": round(total, 4),
            "contrastive": round(contrastive, 4),
            "local": round(local, 4),
            "temperature": round(1 / model.logit_scale.exp().item(), 4),
            "skipped": skipped,
            "seconds": round(time.monotonic() - started, 1),
            "waited_for_data": round(waited, 1),
        }
        log.info("%s", row)
        _append(output / "log.csv", row)
        export_folder(model, tokenizer, config, {**manifest, "epochs_done": epoch + 1}, output / "encoder")
        _save(output / "checkpoint.pt", epoch + 1, model, optimiser, scheduler)
    return output / "encoder"


def _optimiser(model: open_clip.CustomTextCLIP, config: TrainConfig) -> torch.optim.AdamW:
    rates = {"visual.trunk": config.learning_rate, "text.transformer": config.text_learning_rate}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if name.startswith("text.transformer") and not config.train_text:
            parameter.requires_grad_(False)
            continue
        rate = next((rate for part, rate in rates.items() if name.startswith(part)), config.head_learning_rate)
        decay = config.weight_decay if parameter.ndim >= 2 else 0.0  # biases, norms and the temperature are not decayed
        groups.setdefault((rate, decay), []).append(parameter)
    return torch.optim.AdamW([{"params": p, "lr": rate, "weight_decay": decay} for (rate, decay), p in groups.items()])


def _save(path: Path, epochs_done: int, model: nn.Module, optimiser: Any, scheduler: Any) -> None:
    state = {
        "epochs_done": epochs_done,
        "model": model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "scheduler": scheduler.state_dict(),
        "torch_rng": torch.get_rng_state(),
    }
    fresh = path.with_suffix(".tmp")
    torch.save(state, fresh)
    os.replace(fresh, path)


def _resume(path: Path, model: nn.Module, optimiser: Any, scheduler: Any) -> int:
    if not path.is_file():
        return 0
    state = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    scheduler.load_state_dict(state["scheduler"])
    torch.set_rng_state(state["torch_rng"])
    log.info("resuming after epoch %d", state["epochs_done"])
    return int(state["epochs_done"])


def _manifest(
    config_path: Path, overrides: Mapping[str, Any], knowledge: zsderm.KnowledgeBase, images: int
) -> dict[str, Any]:
    return {
        "config": config_path.read_text(encoding="utf-8"),
        "overrides": dict(overrides),
        "images": images,
        "knowledge": {"name": knowledge.name, "version": knowledge.version, "checksum": knowledge.checksum},
        "versions": {
            "zsderm": zsderm.__version__,
            "torch": torch.__version__,
            "open_clip": open_clip.__version__,
            "python": platform.python_version(),
        },
    }


def _append(path: Path, row: Mapping[str, Any]) -> None:
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


def _write(path: Path, text: str) -> None:
    fresh = path.with_suffix(path.suffix + ".tmp")
    fresh.write_text(text + "\n", encoding="utf-8")
    os.replace(fresh, path)

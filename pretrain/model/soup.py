"""One encoder out of several runs: the mean of their weights.

Runs that began with the same weights and were trained in a like way end so near each other that the mean of them
answers too, as a rule better than each on images of another source: what one run has taken for a sign by chance, the
others have not.

Source: model soups, Wortsman et al. 2022 (arXiv 2203.05482); the uniform one.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from zsderm.atomic_files import atomic_folder
from zsderm.encoders.base import CARD_FILE, CONFIG_FILE, HOME_FILE, read_json
from zsderm.errors import CheckpointError, SettingsError
from zsderm.pretrain.model.shown import union

WEIGHTS = "model.safetensors"
TEMPERATURE = "logit_scale"  # the logarithm of the inverse temperature


def average_encoders(folders: Sequence[Path], output: Path, answer_temperature: float = 0.0) -> None:
    """Write the mean of exported encoders as a new encoder.

    Weights are averaged in float32 and written in the precision of the first. Card, tokenizer and configuration are
    those of the first; the manifests of all runs are kept in its card, under "mean_of". The mean was shown whatever one
    of them was. Where it is at home is not the mean of theirs: see zsderm.pretrain.model.home.

    Args:
        folders: at least two, as `zsderm pretrain` exports them, of one architecture and one preprocessing.
        output: the new folder.
        answer_temperature: softmax temperature that it answers with; 0 for the geometric mean of those of the encoders.

    Raises:
        SettingsError: fewer than two folders, one of them twice, a temperature below 0, or a place that is taken.
        CheckpointError: a folder is no exported encoder, or another one than the first.
    """
    if len(folders) < 2:
        raise SettingsError(f"Expected at least two encoders to average, but got {len(folders)}.")
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise SettingsError("Expected encoders of different runs, but one folder comes twice.")
    if not 0 <= answer_temperature < math.inf:
        raise SettingsError(
            f"Expected a temperature above 0, or 0 for the mean of theirs, but got {answer_temperature}."
        )
    configurations = [read_json(folder / CONFIG_FILE) for folder in folders]
    for folder, configuration in zip(folders[1:], configurations[1:], strict=True):
        if configuration != configurations[0]:
            raise CheckpointError(
                f"{folder / CONFIG_FILE} differs from that of {folders[0]}: only encoders of one architecture and one "
                "preprocessing can be averaged."
            )
    weights = _mean(folders)
    if answer_temperature:
        weights[TEMPERATURE] = torch.full_like(weights[TEMPERATURE], -math.log(answer_temperature))
    card = read_json(folders[0] / CARD_FILE)
    runs = [read_json(folder / CARD_FILE).get("pretraining", {}) for folder in folders]
    card = {key: value for key, value in card.items() if key not in ("pretraining", "diagnoses")}
    if shown := union(read_json(folder / CARD_FILE).get("diagnoses") for folder in folders):
        card["diagnoses"] = list(shown)
    if answer_temperature:
        card["answer_temperature"] = answer_temperature
    with atomic_folder(output) as draft:
        for file in folders[0].iterdir():
            if file.is_file() and file.name not in (WEIGHTS, CARD_FILE, HOME_FILE) and file.suffix != ".md":
                shutil.copyfile(file, draft / file.name)
        save_file(weights, str(draft / WEIGHTS), metadata={"format": "pt"})
        (draft / CARD_FILE).write_text(
            json.dumps({**card, "pretraining": {"mean_of": runs}}, indent=2, ensure_ascii=False) + "\n",
            encoding="utf-8",
        )
        for file in draft.iterdir():
            file.chmod(0o644)  # safetensors writes for the owner only


def _mean(folders: Sequence[Path]) -> dict[str, Tensor]:
    first = _weights(folders[0])
    total = {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in first.items()}
    shapes = {name: tensor.shape for name, tensor in first.items()}
    for folder in folders[1:]:
        other = _weights(folder)
        if {name: tensor.shape for name, tensor in other.items()} != shapes:
            raise CheckpointError(f"{folder / WEIGHTS} has other tensors than that of {folders[0]}.")
        for name, tensor in other.items():
            if tensor.is_floating_point():
                total[name] += tensor.double()
    return {
        name: (total[name] / len(folders)).to(tensor.dtype).contiguous() if tensor.is_floating_point() else tensor
        for name, tensor in first.items()
    }


def _weights(folder: Path) -> dict[str, Tensor]:
    try:
        return load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{folder / WEIGHTS} cannot be read: {error}. Expected an exported encoder.") from error

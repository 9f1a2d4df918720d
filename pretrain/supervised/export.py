"""A trained network as a folder that `zsderm.supervised.SupervisedClassifier` reads, with its card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import nn

from zsderm.atomic_files import atomic_folder
from zsderm.pretrain.model.export import compact, write_json
from zsderm.pretrain.supervised.config import SupervisedConfig
from zsderm.pretrain.supervised.start import told_start
from zsderm.supervised.checkpoint import CARD, WEIGHTS

TRAINED_WITH = (
    "class_balance", "mixup", "label_smoothing", "epochs", "samples_per_epoch", "batch_size", "learning_rate",
    "head_learning_rate", "weight_decay", "average", "seed",
)  # fmt: skip


def export_classifier(
    network: nn.Module,
    config: SupervisedConfig,
    classes: Sequence[str],
    labels: Sequence[int],
    manifest: Mapping[str, Any],
    folder: Path,
) -> None:
    """Write a network and its card into one folder, whole or not at all. Weights are float16, under timm's names.

    Args:
        network: the trained network.
        config: the settings of the run.
        classes: K names in the order of the head.
        labels: N places of the classes of its training images.
        manifest: what the card records of the run.
        folder: where the classifier will be; an existing one is replaced once the new one is complete.

    Raises:
        SettingsError: the place is a file, or cannot be written.
    """
    counts = Counter(labels)
    card = {
        **config.card,
        "tower": config.tower,
        "classes": list(classes),
        "images_of_class": [counts[place] for place in range(len(classes))],
        "preprocess_cfg": {**config.preprocess_cfg, "size": config.image_size},
        "views": config.views,
        "starting_weights": told_start(config.weights),
        "training": {**manifest, **{name: getattr(config, name) for name in TRAINED_WITH}},
    }
    with atomic_folder(folder, must_be_new=False) as draft:
        weights = {name: compact(tensor) for name, tensor in network.state_dict().items()}
        save_file(weights, str(draft / WEIGHTS), metadata={"format": "pt"})
        write_json(draft / CARD, card)
        (draft / "CARD.md").write_text(card_page(card), encoding="utf-8")
        for file in draft.iterdir():
            file.chmod(0o644)  # safetensors writes for the owner only


def card_page(card: Mapping[str, Any]) -> str:
    """The card as a page that people read.

    Args:
        card: what supervised.json holds.
    """
    training, how = card["training"], card["preprocess_cfg"]
    rows = "\n".join(
        f"| {name} | {count} |" for name, count in zip(card["classes"], card["images_of_class"], strict=True)
    )
    settings = ", ".join(f"{name} {training[name]}" for name in TRAINED_WITH)
    data = card.get("training_data", ())
    return f"""# {card.get("name", "a supervised classifier")}

{card.get("description", "An image tower fine-tuned on labelled images.")}

It answers the classes below and no others: a photograph of anything else gets one of them too. Research software, not a
medical device.

| class | training images |
|---|--:|
{rows}

- Licence: {card.get("licence", "unknown")}
- Training data: {"; ".join([data] if isinstance(data, str) else data) or "not stated"}
- Network: {card["tower"]} of timm; started from {card["starting_weights"]}
- Images: {how["size"]} pixels, {how.get("mode", "RGB")}, mean {how["mean"]}, deviation {how["std"]}; {card["views"]}
  view(s) averaged
- Training: {settings}; {training.get("epochs_done", 0)} epochs done, data {training.get("data")}, zsderm
  {training.get("versions", {}).get("zsderm")}
"""

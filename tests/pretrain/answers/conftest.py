from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

COLOURS = {"red": (220, 20, 20), "brown": (110, 60, 20)}
SETTINGS = {
    "card": {"name": "tiny"},
    "conversations": "conversations.json",
    "images": "images",
    "lora_rank": 8,
    "lora_alpha": 16,
    "lora_dropout": 0.1,
    "learning_rate": 1e-2,
    "projector_learning_rate": 1e-2,
    "epochs": 6,
    "batch_size": 4,
    "precision": "float32",
    "tensorboard": False,
    "log_every": 1,
}


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder: two questions on each of twelve photographs, and two entries without a photograph."""
    root = tmp_path_factory.mktemp("conversations")
    (root / "images").mkdir()
    entries = []
    for number in range(12):
        name = "red" if number % 2 else "brown"
        Image.new("RGB", (30 + number, 40), COLOURS[name]).save(root / "images" / f"{number}.png")
        turns = [("human", "<image>\nwhat colour is the lesion ?"), ("gpt", name)]
        turns += [("human", "is there scale ?"), ("gpt", "yes" if number % 2 else "no")]
        said = [{"from": speaker, "value": text} for speaker, text in turns]
        entries.append({"id": str(number), "image": f"{number}.png", "conversations": said})
    (root / "images" / "broken.png").write_bytes(b"no picture")
    entries.append({**entries[0], "id": "broken", "image": "broken.png"})
    entries.append({**entries[0], "id": "gone", "image": "gone.png"})
    (root / "conversations.json").write_text(json.dumps(entries))
    return root

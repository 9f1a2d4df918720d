"""What zsderm saves, one of each kind, how it is used again, and how a file of it comes to harm."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from open_clip.model import CLIP
from PIL import Image
from safetensors.torch import save_file

from tests.conftest import WIDTH, TinyEncoder
from tests.reliability.damage import damaged
from zsderm import ZeroShotClassifier
from zsderm.calibration import Calibration
from zsderm.calibration.abstention import AbstentionThreshold
from zsderm.embeddings.disk_index import DiskIndex, Marks, build
from zsderm.embeddings.feature_files import read_embeddings, write_embeddings
from zsderm.embeddings.vector_index import VectorIndex
from zsderm.encoders import load_encoder
from zsderm.knowledge.base import KnowledgeBase
from zsderm.knowledge.library import locate

DISK_MARKS = Marks("a", "b", 300, WIDTH)
CLASSES = ("melanoma", "nevus", "psoriasis")
CHECKPOINT = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1},
}


@dataclass(frozen=True)
class Kind:
    """A kind of saved thing.

    Attributes:
        write: puts one into an empty folder.
        use: reads it and answers something; what it gives can be compared.
        exact: whether harm to the numbers is found, so that an answer is the old one or none. Files that people may
            edit (records in JSON, knowledge bases) carry no checksum, and gigabytes of embeddings are not read twice.
    """

    write: Callable[[Path], None]
    use: Callable[[Path], Any]
    exact: bool


def _photographs(count: int = 12) -> list[Image.Image]:
    rng = np.random.default_rng(3)
    return [Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)) for _ in range(count)]


def _unit_rows(count: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _write_classifier(folder: Path) -> None:
    classifier = ZeroShotClassifier(TinyEncoder(), CLASSES, KnowledgeBase.load("dermatology"))
    classifier.fit(_photographs()).save(folder / "fitted")


def _use_classifier(folder: Path) -> np.ndarray:
    return ZeroShotClassifier.load(folder / "fitted", TinyEncoder()).predict(_photographs()).probabilities.numpy()


def _write_calibration(folder: Path) -> None:
    threshold = AbstentionThreshold("max-probability", 0.4, 0.1, 40)
    Calibration(1.5, abstention=threshold, n=40, source="a test", classes=CLASSES).save(folder / "calibration.json")


def _use_calibration(folder: Path) -> float:
    return Calibration.load(folder / "calibration.json").temperature


def _write_index(folder: Path) -> None:
    VectorIndex.build(_unit_rows(30, 0), checksum="a", fingerprint="b").save(folder)


def _use_index(folder: Path) -> np.ndarray:
    return VectorIndex.load(folder, checksum="a", fingerprint="b").search(_unit_rows(4, 1), 5)[1]


def _write_disk_index(folder: Path) -> None:
    build(folder, _unit_rows(300, 0), DISK_MARKS)
    (folder / "lock").unlink()  # which is empty, and says nothing


def _use_disk_index(folder: Path) -> np.ndarray:
    return DiskIndex.load(folder, DISK_MARKS).search(_unit_rows(4, 1), 5)[1]


def _write_pictures(folder: Path) -> list[Path]:
    paths = [folder / f"{number}.png" for number in range(3)]
    for path, image in zip(paths, _photographs(), strict=False):
        image.save(path)
    return paths


def _write_rows(suffix: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        write_embeddings(folder / f"rows{suffix}", TinyEncoder(), _write_pictures(folder))

    return write


def _use_rows(suffix: str) -> Callable[[Path], np.ndarray]:
    return lambda folder: np.asarray(read_embeddings(folder / f"rows{suffix}", TinyEncoder()).features)


def _write_base(folder: Path) -> None:
    shutil.copytree(locate("dermatology"), folder / "base")


def _use_base(folder: Path) -> list[str]:
    return KnowledgeBase.load(folder / "base").find("melanoma").name.split()


def _write_checkpoint(folder: Path) -> None:
    torch.manual_seed(1)
    preprocessing = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.3], "interpolation": "bicubic"}
    content = {"model_cfg": CHECKPOINT, "preprocess_cfg": {**preprocessing, "resize_mode": "shortest"}}
    (folder / "open_clip_config.json").write_text(json.dumps(content), encoding="utf-8")
    save_file(CLIP(**CHECKPOINT).state_dict(), folder / "open_clip_model.safetensors")


def _use_checkpoint(folder: Path) -> np.ndarray:
    return load_encoder(folder, "cpu").encode_images(_photographs(2)).numpy()


KINDS = {
    "classifier": Kind(_write_classifier, _use_classifier, exact=True),
    "calibration": Kind(_write_calibration, _use_calibration, exact=False),
    "index": Kind(_write_index, _use_index, exact=True),
    "index on disk": Kind(_write_disk_index, _use_disk_index, exact=True),
    "npy": Kind(_write_rows(".npy"), _use_rows(".npy"), exact=False),
    "parquet": Kind(_write_rows(".parquet"), _use_rows(".parquet"), exact=False),
    "base": Kind(_write_base, _use_base, exact=False),
    "checkpoint": Kind(_write_checkpoint, _use_checkpoint, exact=False),
}


def harmed(rng: random.Random, folder: Path) -> str:
    """Harm one file of a folder: its bytes, its JSON, another file under its name, or it is gone; says what."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".png")
    path = rng.choice(files)
    what = rng.choice(["bytes", "bytes", "json", "gone", "swapped", "pickle"])
    if what == "json" and path.suffix in (".json", ".jsonl"):
        path.write_text(_other_json(rng, path.read_text(encoding="utf-8")), encoding="utf-8")
    elif what == "gone":
        path.unlink()
    elif what == "swapped":
        path.write_bytes(rng.choice(files).read_bytes())
    elif what == "pickle":
        path.write_bytes(b"\x80\x04cbuiltins\nexec\n(Vraise SystemExit('it ran')\ntR.")
    else:
        what, data = damaged(rng, path.read_bytes())
        path.write_bytes(data)
    return f"{path.name}: {what}"


def _other_json(rng: random.Random, text: str) -> str:
    """One value of a JSON file becomes another, of another kind or size, or the whole becomes very deep."""
    if rng.random() < 0.1:
        return "[" * 100_000
    try:
        content = json.loads(text)
    except ValueError:  # JSON Lines
        return text.replace(":", rng.choice([': null, "x":', ": [", ': 1e400 ,"x":']), rng.randrange(1, 5))
    holders = _holders(content)
    holder, key = rng.choice(holders)
    holder[key] = rng.choice([None, -1, 0, 1e400, float("nan"), 10**30, "big", "", [], {}, True, [[1]], "x" * 10_000])
    return json.dumps(content)


def _holders(content: Any) -> list[tuple[Any, Any]]:
    """Every place of a JSON value that can be set to another."""
    keys = (
        list(content) if isinstance(content, dict) else list(range(len(content))) if isinstance(content, list) else []
    )
    found = [(content, key) for key in keys]
    return found + [place for key in keys for place in _holders(content[key])]

from __future__ import annotations

import json
from pathlib import Path

import open_clip
import pytest
import torch
from PIL import Image

from zsderm.benchmarks.speed import photographs
from zsderm.benchmarks.speed.peers import OpenClip, Pipeline, random_checkpoint
from zsderm.encoders import load_encoder
from zsderm.encoders.resolve import find_checkpoint

CLASSES = ["melanoma", "nevus of skin"]
TINY = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 224, "layers": 2, "width": 64, "head_width": 32, "patch_size": 112},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Tiny-112.json").write_text(json.dumps(TINY))
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIG_PATHS", [tmp_path])
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIGS", {})
    open_clip.add_model_config(tmp_path / "Tiny-112.json")
    (tmp_path / "weights").mkdir()
    return random_checkpoint(tmp_path / "weights", "Tiny-112")


@pytest.fixture
def paths(tmp_path: Path, photo: Image.Image) -> list[Path]:
    (tmp_path / "source").mkdir()
    photo.resize((300, 300)).save(tmp_path / "source" / "1.png")
    (tmp_path / "photos").mkdir()
    return photographs.small(tmp_path / "photos", tmp_path / "source", 5)


@pytest.mark.filterwarnings("ignore")  # the peers' own affair
def test_all_contenders_give_the_same(tiny: Path, paths: list[Path], tmp_path: Path) -> None:
    ours, plain = load_encoder(tiny), OpenClip(tiny)
    rows = ours.encode_images(paths)
    torch.testing.assert_close(plain.loop(paths), rows, atol=1e-5, rtol=0)
    torch.testing.assert_close(plain.loader(paths, batch_size=2, workers=0), rows, atol=1e-5, rtol=0)
    texts = ours.encode_texts([f"This is a photo of {name}." for name in CLASSES])
    expected = torch.softmax(rows @ texts.T / ours.temperature, dim=1)
    torch.testing.assert_close(Pipeline(tiny, tmp_path).classify(paths, CLASSES), expected, atol=1e-3, rtol=0)


@pytest.mark.filterwarnings("ignore")
def test_open_clip_is_shown_the_colours_that_the_encoder_expects(tiny: Path, paths: list[Path]) -> None:
    config, mode = json.loads((tiny / "open_clip_config.json").read_text()), "RGB, shades of grey 6"
    config["preprocess_cfg"]["mode"] = mode
    (tiny / "open_clip_config.json").write_text(json.dumps(config))
    with find_checkpoint(str(tiny)).tidy_folder() as folder:
        plain, other = OpenClip(folder), OpenClip(folder, mode=mode)
    rows = load_encoder(tiny).encode_images(paths)
    torch.testing.assert_close(other.loop(paths), rows, atol=1e-5, rtol=0)
    assert not torch.allclose(plain.loop(paths), rows, atol=1e-4)

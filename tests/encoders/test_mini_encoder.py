from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zsderm import CheckpointError, load_encoder
from zsderm.encoders import mini
from zsderm.encoders.mini_encoder import MiniEncoder
from zsderm.encoders.resolve import find_checkpoint

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "images" / "PAT_1071_312_841.jpg"
SIZES = [(192, 192), (192, 193), (60, 50), (400, 191), (191, 400), (777, 640), (5, 1), (2, 3)]

TEXTS = ["a brown macule", "two  colours, &amp; <b>é</b>\n“quoted”", "日本語 schÃ¶n", "", "!"]


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    noise = [Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)) for width, height in SIZES]
    return [Image.open(EXAMPLE).convert("RGB"), *noise]


@pytest.mark.slow
def test_rows_temperature_and_fingerprint_are_those_that_open_clip_gives(pictures) -> None:
    quick, whole = load_encoder(mini.NAME, "cpu"), find_checkpoint(mini.NAME).encoder("cpu")
    assert isinstance(quick, MiniEncoder)
    assert (quick.card, quick.fingerprint, quick.temperature) == (whole.card, whole.fingerprint, whole.temperature)
    pixels = [torch.stack([encoder.preprocess(picture) for picture in pictures]) for encoder in (quick, whole)]
    assert torch.equal(*pixels)
    for batch in (pixels[0], pixels[0][:1]):
        assert torch.equal(quick.encode_pixels(batch), whole.encode_pixels(batch))
        torch.testing.assert_close(quick.image_tower()(batch), whole.image_tower()(batch), rtol=0, atol=0)
    for texts in (TEXTS, TEXTS[:1], TEXTS[:2]):
        assert torch.equal(quick.encode_texts(texts), whole.encode_texts(texts))
    rows = []
    for encoder in (quick, whole):
        with pytest.warns(UserWarning, match="1 of 3 texts is longer"):
            rows.append(encoder.encode_texts(["a mole", "mole " * 75, "mole " * 76]))  # 77 tokens, and one too many
    assert torch.equal(*rows)


@pytest.mark.slow
def test_images_and_texts_are_embedded_without_open_clip_timm_and_torchvision() -> None:
    program = (
        "import sys; from zsderm import load_encoder; "
        f"encoder = load_encoder('{mini.NAME}'); "
        f"encoder.encode_images([{str(EXAMPLE)!r}]); encoder.encode_texts(['mole']); "
        "print({'open_clip', 'timm', 'torchvision', 'transformers', 'huggingface_hub', 'sympy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "set()"


def changed(content: bytes) -> bytes:
    """Settings that would still be read, and give other rows in open_clip."""
    settings = [(b'"bicubic"', b'"bilinear"'), (b'"gelu"', b'"relu"'), (b'"##ing"', b'"##ung"')]
    for before, after in settings:
        content = content.replace(before, after)
    return content


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "config.json", "open_clip_config.json"])
@pytest.mark.parametrize("how", ["torn", "missing", "changed"])
def test_files_that_are_damaged_or_changed_are_one_sentence(tmp_path, monkeypatch, file, how) -> None:
    for path in mini.FOLDER.iterdir():
        (tmp_path / path.name).symlink_to(path)
    content = (mini.FOLDER / file).read_bytes()
    (tmp_path / file).unlink()
    if how == "torn":
        (tmp_path / file).write_bytes(content[: len(content) // 2])
    elif how == "changed":
        other = content[:-1] + b"?" if file == "model.safetensors" else changed(content)
        assert other != content
        (tmp_path / file).write_bytes(other)
    monkeypatch.setattr(mini, "FOLDER", tmp_path)
    with pytest.raises(CheckpointError, match=r"^[^\n]*'zsderm-mini'[^\n]*Install the package again[^\n]*$"):
        load_encoder(mini.NAME)

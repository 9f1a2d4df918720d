"""What `zsderm export` writes, with every engine that is installed, from every kind of checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from zsderm.encoders import export, load_encoder
from zsderm.encoders.engines import PRECISIONS, TOWER_FILES
from zsderm.encoders.export import export_encoder
from zsderm.encoders.parity import Parity
from zsderm.errors import CheckpointError, InputError, MissingDependencyError, SettingsError

TEXTS = ["melanoma", "nevus of skin", "a brown macule"]
EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples" / "images").iterdir())[:20]
PACKAGES = {"onnx": ("onnxscript", "onnxruntime"), "openvino": ("onnxscript", "openvino")}
ALL = [(engine, precision) for engine, kinds in PRECISIONS.items() for precision in kinds]


def need(engine: str) -> None:
    for package in PACKAGES.get(engine, ()):
        pytest.importorskip(package)


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "precision"), ALL)
def test_every_engine_says_what_torch_says(engine, precision, clip_folder, tmp_path, capfd):
    need(engine)
    parity = export_encoder(str(clip_folder), tmp_path / "out", engine, precision, EXAMPLES, TEXTS)
    assert parity.passes(precision) and (parity.images, parity.classes) == (20, 3)
    assert capfd.readouterr() == ("", "")
    encoder, original = load_encoder(tmp_path / "out"), load_encoder(clip_folder)
    for images in (EXAMPLES[:1], EXAMPLES[:3]):  # batches of any size
        cosines = (encoder.encode_images(images) * original.encode_images(images)).sum(dim=1)
        assert cosines.min() >= {"fp32": 0.99999, "bf16": 0.999, "int8": 0.99}[precision]
    assert all((tmp_path / "out" / name).is_file() for name in TOWER_FILES[engine])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bert_folder", "coca_folder", "siglip_folder", "hf_clip_folder", "hf_siglip2_folder"])
def test_every_kind_of_checkpoint_can_be_exported(kind, request, tmp_path):
    need("onnx")
    folder = request.getfixturevalue(kind)
    export_encoder(str(folder), tmp_path / "out", "onnx", "fp32", EXAMPLES, TEXTS)
    encoder, original = load_encoder(tmp_path / "out"), load_encoder(folder)
    torch.testing.assert_close(
        encoder.encode_images(EXAMPLES[:3]), original.encode_images(EXAMPLES[:3]), atol=1e-5, rtol=0
    )
    assert torch.equal(encoder.encode_texts(TEXTS), original.encode_texts(TEXTS))
    assert encoder.card.licence == original.card.licence
    assert encoder.card.metadata == original.card.metadata


@pytest.mark.slow
def test_what_strays_too_far_is_refused_and_nothing_is_left(clip_folder, tmp_path, monkeypatch):
    far = Parity(20, 3, 0.99, 0.9999, 1.0, 2.0)
    monkeypatch.setattr(export, "compare", lambda *_: far)
    with pytest.raises(CheckpointError, match=r"torch at bf16 strays too far .* cosine of 0\.999 .* cosine 0\.99000"):
        export_encoder(str(clip_folder), tmp_path / "out", "torch", "bf16", EXAMPLES, TEXTS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_folder_that_is_there_and_a_second_export_are_refused(clip_folder, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(SettingsError, match="is there already"):
        export_encoder(str(clip_folder), tmp_path / "out", "torch", "fp32", EXAMPLES, TEXTS)
    export_encoder(str(clip_folder), tmp_path / "one", "torch", "fp32", EXAMPLES, TEXTS)
    with pytest.raises(SettingsError, match="is exported already"):
        export_encoder(str(tmp_path / "one"), tmp_path / "two", "torch", "fp32", EXAMPLES, TEXTS)


def test_too_few_photographs_are_refused(clip_folder, tmp_path):
    with pytest.raises(InputError, match="at least 20 photographs"):
        export_encoder(str(clip_folder), tmp_path / "out", "torch", "fp32", EXAMPLES[:3], TEXTS)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_exporter_is_named_with_its_command(clip_folder, tmp_path, monkeypatch):
    need("onnx")

    def refuse(*_: object) -> None:
        raise ImportError("no module", name="onnxscript")

    monkeypatch.setattr(export, "_to_onnx", refuse)
    with pytest.raises(MissingDependencyError, match=r"needs onnxscript\. .* pip install .*'onnxscript>="):
        export_encoder(str(clip_folder), tmp_path / "out", "onnx", "fp32", EXAMPLES, TEXTS)


def test_a_tower_without_a_form_in_the_engine_is_an_error(clip_folder, tmp_path, monkeypatch):
    need("onnx")

    def refuse(*_: object) -> None:
        raise RuntimeError("no such operator")

    monkeypatch.setattr(export, "_to_onnx", refuse)
    with pytest.raises(CheckpointError, match="has no form in onnx: no such operator"):
        export_encoder(str(clip_folder), tmp_path / "out", "onnx", "fp32", EXAMPLES, TEXTS)

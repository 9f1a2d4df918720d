"""Exported folders as they are found and run; tests/encoders/test_export.py makes them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from zsderm.encoders import load_encoder
from zsderm.encoders.engines import ENGINE_FILE, PRECISIONS, TOWER_FILES, check_offered, open_tower
from zsderm.encoders.export import export_encoder
from zsderm.encoders.patches import encode_patches
from zsderm.encoders.resolve import find_checkpoint
from zsderm.errors import CheckpointError, MissingDependencyError, SettingsError

TEXTS = ["melanoma", "nevus of skin"]
EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples" / "images").iterdir())


@pytest.fixture(scope="session")
def exported(clip_folder, tmp_path_factory) -> Path:
    """The vision transformer, run by torch at half precision: no other package is needed."""
    folder = tmp_path_factory.mktemp("exported") / "half"
    export_encoder(str(clip_folder), folder, "torch", "bf16", EXAMPLES[:20], TEXTS)
    return folder


@pytest.fixture
def spoilt(exported, tmp_path) -> Path:
    return shutil.copytree(exported, tmp_path / "copy")


def change(folder: Path, **changes: object) -> None:
    path = folder / ENGINE_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_texts_and_preprocessing_are_the_originals_and_images_are_near(exported, clip_folder, photo):
    encoder, original = load_encoder(f"local-dir:{exported}"), load_encoder(clip_folder)
    assert torch.equal(encoder.encode_texts(TEXTS), original.encode_texts(TEXTS))
    assert torch.equal(encoder.preprocess(photo), original.preprocess(photo))
    assert (encoder.temperature, encoder.logit_bias) == (original.temperature, original.logit_bias)
    rows, expected = encoder.encode_images([photo]), original.encode_images([photo])
    assert rows.dtype == torch.float32 and not torch.equal(rows, expected)
    assert float((rows * expected).sum()) > 0.999


def test_another_engine_gives_another_fingerprint(exported, clip_folder):
    sealed, plain = find_checkpoint(str(exported)), find_checkpoint(str(clip_folder))
    assert sealed.original.fingerprint == plain.fingerprint != sealed.fingerprint
    assert load_encoder(exported).fingerprint == sealed.fingerprint


def test_its_facts_name_the_engine_and_what_was_measured(exported):
    facts = find_checkpoint(str(exported)).facts()
    assert facts["engine"] == "torch, bf16"
    assert float(facts["parity.least_cosine"]) >= 0.999
    assert facts["tokenizer"] == "CLIP's own"


def test_an_engine_that_there_is_none_of_is_refused(spoilt):
    change(spoilt, precision="int8")
    with pytest.raises(CheckpointError, match=r"a precision of torch \(fp32, bf16\); onnx .*, but got 'torch', 'int8'"):
        load_encoder(spoilt)
    with pytest.raises(SettingsError, match="but got openvino, int8"):
        check_offered("openvino", "int8")


def test_a_tower_that_is_missing_is_named(spoilt):
    change(spoilt, engine="onnx", precision="fp32")
    with pytest.raises(CheckpointError, match=r"lacks image_tower\.onnx\. Make it again with: zsderm export"):
        load_encoder(spoilt)


def test_weights_that_were_changed_after_the_export_are_refused(spoilt):
    config = json.loads((spoilt / "open_clip_config.json").read_text())
    config["preprocess_cfg"]["mean"] = [0.1, 0.2, 0.3]
    (spoilt / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="was changed after it was exported"):
        load_encoder(spoilt)


def test_a_tower_that_the_engine_cannot_read_is_refused(spoilt):
    pytest.importorskip("onnxruntime")
    (spoilt / TOWER_FILES["onnx"][0]).write_bytes(b"not a tower")
    change(spoilt, engine="onnx", precision="fp32")
    with pytest.raises(CheckpointError, match="was changed after it was exported") as caught:
        load_encoder(spoilt)
    change(spoilt, fingerprint=str(caught.value).split("fingerprint ")[1].split(",")[0])
    with pytest.raises(CheckpointError, match=r"onnx cannot read .*image_tower\.onnx"):
        load_encoder(spoilt)


@pytest.mark.parametrize(("engine", "package"), [("onnx", "onnxruntime"), ("openvino", "openvino")])
def test_an_engine_that_is_not_installed_is_named_with_its_command(engine, package, monkeypatch):
    def refuse(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("zsderm.encoders.engines.import_module", refuse)
    with pytest.raises(MissingDependencyError, match=rf"needs {package}\. .* pip install .*'{package}>="):
        check_offered(engine, PRECISIONS[engine][0])


def test_compilation_is_for_originals(exported):
    with pytest.raises(SettingsError, match=r"was exported for torch, which runs it as it is: leave out `compile`, or"):
        load_encoder(exported, compile=True)


def test_devices_are_for_torch(exported):
    sealed = find_checkpoint(str(exported))
    other = type(sealed).of(sealed.original, "onnx", "fp32", (), {})
    with pytest.raises(SettingsError, match=r"was exported for onnx, .* leave out `compile` and `device`, or name"):
        other.encoder("cuda")


def test_half_precision_runs_where_the_tower_is():
    run = open_tower("torch", "bf16", (), torch.nn.Conv2d(3, 4, 3).to("meta"))  # no storage, but a device of its own
    rows = run(torch.zeros(2, 3, 8, 8))
    assert (rows.dtype, rows.device.type) == (torch.bfloat16, "meta")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("which", ["exported", "clip_folder"])
def test_a_gpu_gives_the_rows_of_the_processor(which, request, photo):
    folder = request.getfixturevalue(which)
    there, here = (load_encoder(folder, device) for device in ("cuda", "cpu"))
    assert there.device.type == "cuda"
    images = (there.encode_images([photo]), here.encode_images([photo]))
    for rows, expected in (images, (there.encode_texts(TEXTS), here.encode_texts(TEXTS))):
        assert rows.device.type == "cpu"
        assert float((rows * expected).sum(dim=1).min()) > 0.999


def test_patches_are_for_originals(exported, photo):
    encoder = load_encoder(exported)
    with pytest.raises(CheckpointError, match="Use the encoder's original open_clip checkpoint"):
        encode_patches(encoder, encoder.preprocess(photo)[None])


def test_an_encoder_is_compiled_where_its_images_go(clip_folder, hf_clip_folder, monkeypatch):
    for folder, towers in ((clip_folder, ["VisionTransformer"]), (hf_clip_folder, ["CLIPVisionModel", "Linear"])):
        compiled: list[str] = []
        monkeypatch.setattr(
            torch.nn.Module, "compile", lambda self, seen=compiled, **_: seen.append(type(self).__name__)
        )
        load_encoder(folder, compile=True)
        assert [name.replace("Transformer", "Model") for name in compiled] == [
            name.replace("Transformer", "Model") for name in towers
        ]

from __future__ import annotations

import json
import shutil
import warnings

import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file

from zsderm.encoders import load_encoder
from zsderm.encoders.transformers_format.encoder import pillow_only
from zsderm.errors import CheckpointError, FallbackWarning, MissingDependencyError

TEXTS = ["melanoma", "nevus of skin", "a brown macule"]


@pytest.fixture
def images(photo):
    return [photo, photo.rotate(90, expand=True), Image.new("RGB", (50, 70), "red")]


@pytest.fixture
def spoilt(tmp_path):
    """A copy of a folder to spoil."""
    return lambda folder: shutil.copytree(folder, tmp_path / "copy")


def plain_transformers(folder, kind, images, texts, **padding):
    """What the documentation of transformers does, one image and one text at a time."""
    model = kind.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    processor = transformers.AutoImageProcessor.from_pretrained(folder, **pillow_only())
    image_rows, text_rows = [], []
    with torch.no_grad():
        for image in images:
            found = model.get_image_features(**processor(images=image, return_tensors="pt"))
            image_rows.append(getattr(found, "pooler_output", found))  # newer versions wrap what older ones return
        for text in texts:
            tokens = tokenizer([text], return_tensors="pt", truncation=True, max_length=16, **padding)
            found = model.get_text_features(input_ids=tokens["input_ids"])
            text_rows.append(getattr(found, "pooler_output", found))
    unit = torch.nn.functional.normalize
    return unit(torch.cat(image_rows)), unit(torch.cat(text_rows))


@pytest.mark.parametrize(
    ("name", "kind", "padding"),
    [
        ("hf_clip_folder", transformers.CLIPModel, {}),
        ("hf_siglip_folder", transformers.SiglipModel, {"padding": "max_length"}),
        ("hf_siglip2_folder", transformers.SiglipModel, {"padding": "max_length"}),
    ],
)
def test_embeddings_are_those_of_a_plain_transformers_loop(name, kind, padding, request, images):
    folder = request.getfixturevalue(name)
    image_rows, text_rows = plain_transformers(folder, kind, images, TEXTS, **padding)
    encoder = load_encoder(folder)
    torch.testing.assert_close(encoder.encode_images(images), image_rows, atol=1e-6, rtol=0)
    torch.testing.assert_close(encoder.encode_texts(TEXTS), text_rows, atol=1e-6, rtol=0)


def test_a_sigmoid_head_is_told_apart_and_its_bias_leaves_probabilities_alone(hf_siglip_folder, hf_clip_folder, photo):
    encoder = load_encoder(hf_siglip_folder)
    assert (encoder.temperature, encoder.logit_bias) == pytest.approx((torch.exp(torch.tensor(-4.0)).item(), -12.0))
    assert encoder.card.metadata["head"].startswith("sigmoid")
    scores = encoder.encode_images([photo]) @ encoder.encode_texts(TEXTS).T  # (1, 3)
    with_bias = torch.softmax(scores / encoder.temperature + encoder.logit_bias, dim=1)
    torch.testing.assert_close(torch.softmax(scores / encoder.temperature, dim=1), with_bias)
    plain = load_encoder(hf_clip_folder)
    assert plain.logit_bias is None and "head" not in plain.card.metadata


def test_siglip_reads_lower_case_whatever_its_tokenizer_does(hf_siglip2_folder):
    encoder = load_encoder(hf_siglip2_folder)
    assert encoder._tokenizer("Nevus")["input_ids"] != encoder._tokenizer("nevus")["input_ids"]
    rows = encoder.encode_texts(["Nevus Of Skin", "nevus of skin"])
    torch.testing.assert_close(rows[0], rows[1])


def test_a_text_that_just_fits_is_not_counted(hf_siglip2_folder):
    encoder, fits = load_encoder(hf_siglip2_folder), "abcdefghijklmn"  # a space before it and the end after it: 16
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.encode_texts([fits])
    with pytest.warns(FallbackWarning, match="1 of 2 texts"):
        encoder.encode_texts([fits + "o", fits])


def test_half_precision_weights_are_read_as_float32(hf_clip_folder, spoilt):
    folder = spoilt(hf_clip_folder)
    state = {name: tensor.half() for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "dtype": "float16"}))
    encoder = load_encoder(folder)
    assert {parameter.dtype for parameter in encoder._model.parameters()} == {torch.float32}
    torch.testing.assert_close(
        encoder.encode_texts(TEXTS), load_encoder(hf_clip_folder).encode_texts(TEXTS), atol=1e-3, rtol=0
    )


def test_tensors_that_transformers_would_make_up_are_refused(hf_clip_folder, spoilt):
    folder = spoilt(hf_clip_folder)
    state = load_file(folder / "model.safetensors")
    state.pop("visual_projection.weight")
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"lacks 1 tensors, visual_projection.weight first"):
        load_encoder(folder)


def test_weights_of_another_shape_are_refused(hf_clip_folder, spoilt):
    folder = spoilt(hf_clip_folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "projection_dim": 12}))
    with pytest.raises(CheckpointError, match="cannot be built from"):
        load_encoder(folder)


def test_the_tokenizer_of_another_model_is_refused(hf_clip_folder, spoilt):
    folder = spoilt(hf_clip_folder)
    vocabulary = json.loads((folder / "vocab.json").read_text())
    more = {f"word{row}</w>": row for row in range(len(vocabulary), 600)}
    (folder / "vocab.json").write_text(json.dumps({**vocabulary, **more}))
    with pytest.raises(CheckpointError, match="knows 600 tokens, but its text tower only 515"):
        load_encoder(folder)


def test_preprocessing_of_another_size_is_refused(hf_clip_folder, spoilt):
    folder = spoilt(hf_clip_folder)
    path = folder / "preprocessor_config.json"
    path.write_text(path.read_text().replace("32", "48"))
    with pytest.raises(
        CheckpointError, match=r"makes images of 48 x 48 pixels, but its image tower was trained with 32"
    ):
        load_encoder(folder)


def test_a_missing_package_is_named_with_its_command(hf_siglip_folder, monkeypatch):
    monkeypatch.setattr(
        "zsderm.encoders.transformers_format.encoder._installed", lambda module: module != "sentencepiece"
    )
    with pytest.raises(MissingDependencyError, match=r"pip install 'sentencepiece>=.*' 'protobuf>="):
        load_encoder(hf_siglip_folder)


def test_code_that_comes_with_a_checkpoint_does_not_run(hf_clip_folder, spoilt, tmp_path):
    folder = spoilt(hf_clip_folder)
    (folder / "burglar.py").write_text(f"import os; os.mkdir({str(tmp_path / 'loot')!r})")
    for name in ("config.json", "tokenizer_config.json", "preprocessor_config.json"):
        content = json.loads((folder / name).read_text())
        auto = {"AutoModel": "burglar.Model", "AutoTokenizer": ["burglar.T", None], "AutoImageProcessor": "burglar.P"}
        (folder / name).write_text(json.dumps({**content, "auto_map": auto}))
    load_encoder(folder)
    assert not (tmp_path / "loot").exists()

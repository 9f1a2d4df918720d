from __future__ import annotations

import logging
import warnings

import open_clip
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from zsderm.encoders import Encoder, load_encoder
from zsderm.encoders.open_clip_format.encoder import on_one_thread
from zsderm.errors import FallbackWarning, ImageError, InputError, SettingsError

TEXTS = ["melanoma", "nevus of skin", ""]
LONG = "skin of nevus of " * 10


@pytest.fixture(params=["clip_folder", "bert_folder", "coca_folder", "siglip_folder"])
def folder(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def encoder(folder):
    return load_encoder(folder)


@pytest.fixture
def images(photo):
    return [photo, photo.rotate(90, expand=True), Image.new("RGB", (7, 5), "red")]


def plain_open_clip(folder, images, texts):
    """The loop of open_clip's README, one image and one text at a time, on a folder that needs no repair."""
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    model.eval()
    with torch.no_grad():
        image_rows = [model.encode_image(preprocess(image)[None], normalize=True) for image in images]
        text_rows = [model.encode_text(tokenizer([text]), normalize=True) for text in texts]
    return torch.cat(image_rows), torch.cat(text_rows)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["clip_folder", "coca_folder"])
def test_embeddings_are_those_of_a_plain_open_clip_loop(name, request, images):
    folder = request.getfixturevalue(name)
    encoder = load_encoder(folder)
    image_rows, text_rows = plain_open_clip(folder, images, TEXTS)
    torch.testing.assert_close(encoder.encode_images(images), image_rows, atol=1e-6, rtol=0)
    torch.testing.assert_close(encoder.encode_texts(TEXTS), text_rows, atol=1e-6, rtol=0)


def test_a_bert_tower_gives_what_open_clip_gives_when_told_where_its_files_are(bert_folder, copy_of, tmp_path, images):
    told = copy_of(bert_folder, text_cfg={"hf_model_name": str(tmp_path / "copy")})
    tower = told / "config.json"
    tower.write_text(tower.read_text().replace('"float16"', '"float32"'))
    image_rows, text_rows = plain_open_clip(told, images, TEXTS)
    encoder = load_encoder(bert_folder)
    torch.testing.assert_close(encoder.encode_images(images), image_rows, atol=1e-6, rtol=0)
    torch.testing.assert_close(encoder.encode_texts(TEXTS), text_rows, atol=1e-6, rtol=0)


def test_each_row_is_a_float32_unit_row_on_the_cpu(encoder, images):
    for rows, count in ((encoder.encode_images(images), len(images)), (encoder.encode_texts(TEXTS), len(TEXTS))):
        assert rows.shape == (count, encoder.card.width)
        assert rows.dtype == torch.float32
        assert rows.device.type == "cpu"
        torch.testing.assert_close(rows.norm(dim=1), torch.ones(count))


def test_it_is_an_encoder(encoder):
    assert isinstance(encoder, Encoder)
    assert len(encoder.fingerprint) == 16
    int(encoder.fingerprint, 16)
    assert encoder.temperature == pytest.approx(0.07, rel=1e-3)  # open_clip starts from a logit scale of 1 / 0.07


def test_the_whole_model_is_float32_and_in_evaluation_mode(encoder):
    assert {parameter.dtype for parameter in encoder._model.parameters()} == {torch.float32}
    assert not any(module.training for module in encoder._model.modules())
    assert not any(parameter.requires_grad for parameter in encoder._model.parameters())


def test_a_row_does_not_depend_on_its_batch(encoder, images):
    texts = [*TEXTS, "skin of nevus of skin"]
    alone = torch.cat([encoder.encode_texts([text]) for text in texts])
    torch.testing.assert_close(encoder.encode_texts(texts), alone, atol=1e-6, rtol=0)
    alone = torch.cat([encoder.encode_images([image]) for image in images])
    torch.testing.assert_close(encoder.encode_images(images), alone, atol=1e-6, rtol=0)


def test_many_texts_and_images_go_through_in_order(clip_folder, photo, monkeypatch):
    encoder = load_encoder(clip_folder)
    images, texts = [photo, photo.rotate(90), photo.rotate(180)], ["one", "two", "three"]
    whole_images, whole_texts = encoder.encode_images(images), encoder.encode_texts(texts)
    monkeypatch.setattr("zsderm.encoders.torch_encoder.IMAGE_BATCH", 2)
    monkeypatch.setattr("zsderm.encoders.torch_encoder.TEXT_BATCH", 2)
    torch.testing.assert_close(encoder.encode_images(images), whole_images, atol=1e-6, rtol=0)
    torch.testing.assert_close(encoder.encode_texts(texts), whole_texts, atol=1e-6, rtol=0)


def test_paths_are_decoded_like_images(clip_folder, photo, tmp_path):
    encoder = load_encoder(clip_folder)
    photo.save(tmp_path / "photo.png")
    expected = encoder.encode_images([photo])
    assert torch.equal(encoder.encode_images([tmp_path / "photo.png"]), expected)
    assert torch.equal(encoder.encode_images([str(tmp_path / "photo.png")]), expected)
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(ImageError):
        encoder.encode_images([tmp_path / "empty.png"])


def test_no_input_gives_no_rows(encoder):
    assert encoder.encode_images([]).shape == (0, encoder.card.width)
    assert encoder.encode_texts([]).shape == (0, encoder.card.width)


def test_rows_may_take_part_in_a_loss(encoder, photo):
    for rows in (encoder.encode_images([photo]), encoder.encode_texts(["melanoma"])):
        weights = torch.ones_like(rows, requires_grad=True)
        (weights * rows).sum().backward()
        torch.testing.assert_close(weights.grad, rows)


def test_preprocessing_is_the_checkpoints_own(clip_folder, copy_of):
    white = Image.new("RGB", (32, 32), "white")
    pixels = load_encoder(clip_folder).preprocess(white)
    assert pixels.shape == (3, 32, 32)
    torch.testing.assert_close(pixels[:, 0, 0], torch.tensor([(1 - 0.5) / 0.2, (1 - 0.4) / 0.25, (1 - 0.3) / 0.3]))
    other = load_encoder(copy_of(clip_folder, preprocess_cfg={"mean": [0, 0, 0], "std": [1, 1, 1]}))
    torch.testing.assert_close(other.preprocess(white), torch.ones(3, 32, 32))


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
def test_preprocessing_on_one_thread_gives_the_same_numbers(mode, images):
    settings = PreprocessCfg(size=32, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3), resize_mode=mode)
    plain = image_transform_v2(settings, is_train=False)
    for image in images:
        assert torch.equal(on_one_thread(plain)(image), plain(image))
    assert on_one_thread(len) is len  # something else is left alone


def test_a_text_longer_than_the_context_is_cut_with_one_warning_that_counts(encoder):
    limit = encoder.card.context_length
    with pytest.warns(FallbackWarning, match=f"2 of 100 texts are longer than the {limit} tokens") as caught:
        rows = encoder.encode_texts([LONG, *["melanoma"] * 98, LONG + "skin"])
    assert len(caught) == 1
    torch.testing.assert_close(rows[0], rows[-1], atol=1e-6, rtol=0)  # they differ only after the cut


def test_a_long_text_full_of_exclamation_marks_is_counted(encoder):
    with pytest.warns(FallbackWarning, match="1 of 2 texts"):
        encoder.encode_texts(["of ! " * 4 + LONG, "of ! skin"])


def test_a_text_that_just_fits_is_not_counted(encoder):
    special = 1 if encoder.logit_bias else 2  # SigLIP has no token for the beginning
    fits = " ".join(["of"] * (encoder.card.context_length - special))  # one token a word
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.encode_texts([fits])
    with pytest.warns(FallbackWarning, match="1 of 1 text"):
        encoder.encode_texts([fits + " of"])


def test_a_sigmoid_head_is_told_apart(siglip_folder, clip_folder):
    encoder = load_encoder(siglip_folder)
    assert encoder.logit_bias == -10
    assert encoder.card.metadata["head"].startswith("sigmoid")
    assert load_encoder(clip_folder).logit_bias is None


def test_loading_prints_nothing_and_leaves_the_root_logger_alone(folder, capfd):
    handlers = logging.getLogger().handlers[:]
    load_encoder(folder).encode_texts(["melanoma"])
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger().handlers == handlers


def test_one_thing_instead_of_a_list_is_refused(clip_folder, photo):
    encoder = load_encoder(clip_folder)
    with pytest.raises(InputError, match="expected `texts` to be a list"):
        encoder.encode_texts("melanoma")
    for one in (photo, "photo.jpg"):
        with pytest.raises(InputError, match="expected `images` to be a list"):
            encoder.encode_images(one)
    with pytest.raises(InputError, match=r"shape \(B, 3, H, W\), but got \(3, 32, 32\)"):
        encoder.encode_pixels(torch.zeros(3, 32, 32))


def test_a_device_that_is_not_there_is_a_settings_error(clip_folder):
    with pytest.raises(SettingsError, match="device 'meta' cannot be used here"):  # where tensors hold nothing
        load_encoder("zsderm-mini", device="meta")
    with pytest.raises(SettingsError, match="device 'abacus' cannot be used here"):
        load_encoder(clip_folder, device="abacus")
    if not torch.cuda.is_available():
        with pytest.raises(SettingsError, match="device 'cuda' cannot be used here"):
            load_encoder(clip_folder, device="cuda")

from __future__ import annotations

import json

import pytest

from zsderm.encoders.base import Encoder, EncoderCard, Figure, card_facts
from zsderm.errors import CheckpointError

MODEL = {"embed_dim": 8, "vision_cfg": {"image_size": 32}, "text_cfg": {"context_length": 16}}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": MODEL}))
    return tmp_path


def test_the_encoder_of_the_other_tests_fulfils_the_protocol(tiny_encoder):
    assert isinstance(tiny_encoder, Encoder)
    assert not isinstance(object(), Encoder)


def test_shapes_come_from_the_configuration(folder):
    assert EncoderCard.read(folder, "local-dir:mine") == EncoderCard("local-dir:mine", 8, 32, 16)


def test_what_a_configuration_does_not_say_is_open_clips_default():
    card = EncoderCard.describe("x", {"embed_dim": 8, "vision_cfg": {}, "text_cfg": {}}, {})
    assert (card.image_size, card.context_length) == (224, 77)


def test_the_image_size_is_the_longer_side():
    card = EncoderCard.describe("x", {**MODEL, "vision_cfg": {"image_size": [192, 256]}}, {})
    assert card.image_size == 256


def test_words_come_from_zsderm_json_and_the_rest_of_it_is_metadata(folder):
    words = {"name": "other", "licence": "MIT", "source": "s", "description": "d", "epochs": 3, "metadata": {"seed": 1}}
    (folder / "zsderm.json").write_text(json.dumps(words))
    card = EncoderCard.read(folder, "mine")
    assert card == EncoderCard("mine", 8, 32, 16, "MIT", "s", "d", {"epochs": 3, "seed": 1})


def test_training_keys_of_a_make_checkpoint_are_kept_as_metadata(folder):
    vision = {**MODEL["vision_cfg"], "sigma": 0.3, "patch_embeddings": True}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": {**MODEL, "vision_cfg": vision}}))
    assert EncoderCard.read(folder, "x").metadata == {"sigma": 0.3, "patch_embeddings": True}


@pytest.mark.parametrize(
    ("readme", "licence"),
    [
        ("---\nlicense: cc-by-nc-4.0\ntags: [clip]\n---\n# Model", "cc-by-nc-4.0"),
        ("---\ntags: [clip]\n---\nlicense: not in the front matter", "unknown"),
        ("# Model\n", "unknown"),
        ("", "unknown"),
    ],
)
def test_the_licence_may_come_from_the_front_matter_of_the_readme(folder, readme, licence):
    (folder / "README.md").write_text(readme)
    assert EncoderCard.read(folder, "x").licence == licence


def test_what_the_folder_says_comes_before_what_is_known_otherwise(folder):
    known = {"licence": "see source", "source": "a page", "description": "words"}
    assert EncoderCard.read(folder, "x", otherwise=known).licence == "see source"
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    card = EncoderCard.read(folder, "x", otherwise=known)
    assert (card.licence, card.source) == ("mit", "a page")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot read"),
        ("[]", "expected .* to hold a JSON object, but got a list"),
        ("{}", "model_cfg with embed_dim, vision_cfg, text_cfg"),
        (json.dumps({"model_cfg": {"embed_dim": 8, "vision_cfg": {}}}), "model_cfg with embed_dim"),
        (json.dumps({"model_cfg": {**MODEL, "text_cfg": "bert"}}), "model_cfg with embed_dim"),
    ],
)
def test_a_configuration_that_is_not_one_is_a_checkpoint_error(folder, content, message):
    (folder / "open_clip_config.json").write_text(content)
    with pytest.raises(CheckpointError, match=message):
        EncoderCard.read(folder, "x")


def test_a_folder_of_another_format_says_so(tmp_path):
    with pytest.raises(CheckpointError, match=r"has no open_clip_config.json.* Expected an open_clip folder"):
        EncoderCard.read(tmp_path, "x")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}))
    with pytest.raises(CheckpointError, match=r"Its config.json alone belongs to another format"):
        EncoderCard.read(tmp_path, "x")


def test_the_facts_of_a_card_make_the_same_card_again():
    figure = Figure("PAD", "accuracy", 0.5, "a paper")
    card = EncoderCard("x", 8, 32, 16, "MIT", "s", "d", {"sigma": 0.3}, 100, ("pairs",), False, (figure,), 4, ("acne",))
    facts = json.loads(json.dumps(card_facts(card)))
    assert EncoderCard.describe("x", MODEL, facts) == card
    unknown = EncoderCard("x", 8, 32, 16)
    assert {"parameters", "gated", "diagnoses"}.isdisjoint(card_facts(unknown)) and card_facts(unknown)["views"] == 1
    assert EncoderCard.describe("x", MODEL, card_facts(unknown)) == unknown


@pytest.mark.parametrize("views", [1, 4, 8])
def test_a_card_says_how_many_views_are_recommended_and_one_where_it_says_nothing(folder, views):
    assert EncoderCard.read(folder, "x").views == 1
    (folder / "zsderm.json").write_text(json.dumps({"views": views}))
    card = EncoderCard.read(folder, "x")
    assert (card.views, card.metadata) == (views, {})


@pytest.mark.parametrize("diagnoses", ["acne", 3, [], [1], ["acne", " "]])
def test_diagnoses_that_are_no_list_of_names_are_a_checkpoint_error(folder, diagnoses):
    (folder / "zsderm.json").write_text(json.dumps({"diagnoses": diagnoses}))
    with pytest.raises(CheckpointError, match=r"expected diagnoses in zsderm.json to be"):
        EncoderCard.read(folder, "x")


@pytest.mark.parametrize("views", [0, 2, 3, 16, -4, 4.0, "4", True, None, [4]])
def test_a_number_of_views_that_there_is_no_set_of_is_a_checkpoint_error(folder, views):
    (folder / "zsderm.json").write_text(json.dumps({"views": views}))
    with pytest.raises(CheckpointError, match=r"views in zsderm.json to be one of 1, 4, 8, but got"):
        EncoderCard.read(folder, "x")

from __future__ import annotations

import open_clip
import pytest
import torch
from open_clip.model import CLIP

from zsderm.encoders import BUNDLED, catalogue, mini
from zsderm.encoders.base import EncoderCard


def test_the_bundled_encoder_comes_first_where_it_is():
    names = [card.name for card in catalogue.cards()]
    assert BUNDLED == (mini.NAME,)
    assert names == ([mini.NAME] if mini.available() else []) + [card.name for card in catalogue.FETCHED]
    assert len(set(names)) == len(names)


def test_every_card_says_what_it_is_where_it_is_from_and_on_what_terms():
    for card in catalogue.FETCHED:
        assert card.description and card.source.startswith("https://") and card.licence


@pytest.mark.parametrize(
    "card", [card for card in catalogue.FETCHED if ":" not in card.name], ids=lambda card: card.name
)
def test_the_cards_of_open_clips_own_models_agree_with_open_clip(card):
    architecture, tag = card.name.split("/")
    assert tag in open_clip.list_pretrained_tags_by_model(architecture)
    measured = EncoderCard.describe(card.name, open_clip.get_model_config(architecture), {})
    assert (card.width, card.image_size, card.context_length) == (
        measured.width,
        measured.image_size,
        measured.context_length,
    )


@pytest.mark.parametrize(
    "card", [card for card in catalogue.FETCHED if ":" not in card.name], ids=lambda card: card.name
)
def test_the_parameters_on_a_card_are_those_of_the_architecture(card):
    with torch.device("meta"):
        model = CLIP(**open_clip.get_model_config(card.name.split("/")[0]))
    assert sum(tensor.numel() for tensor in model.parameters()) == card.parameters


def test_every_published_figure_says_where_it_is_published():
    figures = [figure for card in catalogue.FETCHED for figure in card.figures]
    assert figures and all(0 < figure.value < 1 and "arXiv" in figure.source for figure in figures)


def test_a_card_is_known_by_its_name():
    assert catalogue.known("hf-hub:xieji-x/MAKE") in catalogue.FETCHED
    assert catalogue.known("hf-hub:someone/skin") is None

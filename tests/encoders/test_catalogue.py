from __future__ import annotations

import open_clip
import pytest
import torch
from open_clip.model import CLIP

from zsderm.benchmarks.published import published
from zsderm.encoders import BUNDLED, catalogue, mini
from zsderm.encoders.base import EncoderCard


def test_the_bundled_encoder_comes_first_where_it_is():
    names = [card.name for card in catalogue.cards()]
    assert BUNDLED == (mini.NAME,)
    assert names == ([mini.NAME] if mini.available() else []) + [
        card.name for card in (*catalogue.FETCHED, *catalogue.NO_ENCODERS)
    ]
    assert len(set(names)) == len(names)


def test_every_card_says_what_it_is_where_it_is_from_and_on_what_terms():
    for card in (*catalogue.FETCHED, *catalogue.NO_ENCODERS):
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
    figures = [figure for card in (*catalogue.FETCHED, *catalogue.NO_ENCODERS) for figure in card.figures]
    assert figures and all(0 < figure.value < 1 and "arXiv" in figure.source for figure in figures)


def test_a_card_is_known_by_its_name():
    assert catalogue.known("hf-hub:xieji-x/MAKE") in catalogue.FETCHED
    assert catalogue.known("hf-hub:someone/skin") is None


@pytest.mark.parametrize(
    ("name", "licence", "paper"),
    [
        ("hf-hub:Xieji-Li/MAGEN-O-MAKE", "CC BY-NC-ND 4.0", "arXiv 2512.03445"),
        ("hf-hub:redlessone/DermLIP_PanDerm-base-w-PubMed-256", "see source", "arXiv 2503.14911"),
        ("hf-hub:suinleelab/monet", "see source", "10.1038/s41591-024-02887-x"),
        ("PanDerm", "CC BY-NC-ND 4.0", "arXiv 2410.15038"),
        ("hf-hub:zwq803/SkinVL-PubMM", "see source", "arXiv 2505.06152"),
    ],
)
def test_the_skin_models_of_others_have_cards(name: str, licence: str, paper: str) -> None:
    card = catalogue.known(name)
    assert card is not None and card.licence == licence and paper in card.source


def test_only_the_bundled_encoder_was_ever_loaded_by_us() -> None:
    assert catalogue.tried(mini.NAME).startswith("yes")
    for card in (*catalogue.FETCHED, *catalogue.NO_ENCODERS):
        assert catalogue.tried(card.name).startswith("never loaded by us")


def test_what_is_no_encoder_says_why() -> None:
    assert all(catalogue.why_not(card.name) for card in catalogue.NO_ENCODERS)
    assert not any(catalogue.why_not(card.name) for card in catalogue.FETCHED)
    assert not catalogue.why_not("hf-hub:someone/PanDerm-of-mine")


def test_models_trained_on_derm1m_say_that_skincap_is_not_new_to_them() -> None:
    for card in catalogue.FETCHED:
        trained = any("Derm1M" in data for data in card.training_data)
        assert ("83.6 % of SkinCAP" in card.metadata.get("contamination", "")) is trained


def test_figures_on_cards_are_those_of_the_table_of_published_figures() -> None:
    table = {(row.dataset, row.value) for row in published(task=None)}
    for card in catalogue.FETCHED:
        assert all((figure.dataset, figure.value) in table for figure in card.figures), card.name

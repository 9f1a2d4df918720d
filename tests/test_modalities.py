"""There is one list of modalities, and everything that names one takes it from there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zsderm import config, evidence, modalities
from zsderm.benchmarks.datasets import cards
from zsderm.knowledge.authoring import vocabulary
from zsderm.modalities import MODALITIES, modality_of, shown_in
from zsderm.pretrain.data.captions import CAPTION_PHRASINGS

ROOT = Path(__file__).resolve().parents[1]


def test_every_place_that_lists_modalities_has_the_same() -> None:
    assert MODALITIES == ("clinical", "dermoscopic", "pathological")
    assert ("auto", *MODALITIES) == config.MODALITIES
    assert (*MODALITIES, "either") == vocabulary.MODALITIES
    assert set(CAPTION_PHRASINGS) == set(MODALITIES)
    assert set(evidence._MODALITIES) == {*MODALITIES, evidence.UNSURE}
    schema = json.loads((ROOT / "knowledge_bases" / "schema.json").read_text(encoding="utf-8"))
    assert schema["$defs"]["description"]["properties"]["modality"]["enum"] == [*MODALITIES, "either"]


def test_every_data_set_is_of_a_modality() -> None:
    assert {modality_of(card.modality) for card in cards().values()} == set(MODALITIES)


@pytest.mark.parametrize(
    ("word", "modality"),
    [
        ("Clinical", "clinical"),
        ("clinical smartphone", "clinical"),
        ("dermatoscopy", "dermoscopic"),
        ("Histo-pathology", ""),
        ("HISTOPATHOLOGY", "pathological"),
        (" pathology ", "pathological"),
        ("x-ray", ""),
        ("", ""),
    ],
)
def test_words_of_tables_mean_modalities(word: str, modality: str) -> None:
    assert modality_of(word) == modality


def test_what_shows_on_skin_does_not_show_in_a_tissue_section() -> None:
    assert shown_in("clinical") == ("clinical", "either") and shown_in("pathological") == ("pathological",)
    assert modalities.PATHOLOGICAL in MODALITIES

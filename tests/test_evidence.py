from __future__ import annotations

import pytest
import torch

from zsderm.class_texts import ClassTexts
from zsderm.evidence import CLINICAL, DERMOSCOPIC, UNSURE, PictureKinds, fitting
from zsderm.knowledge import Description, Disease, KnowledgeBase, KnowledgeCard

SAID = {
    "brown": ("lesion", "clinical"),
    "round": ("lesion", "either"),
    "network": ("lesion", "dermoscopic"),
    "on the nose": ("place", "clinical"),
    "on the shins": ("place", "clinical"),
    "on dark skin": ("skin", "clinical"),
    "several": ("number", "clinical"),
    "old and new": ("course", "clinical"),
    "not scaly": ("differs", "either"),
}
LESION = {"brown", "round"}


def said(*texts: str) -> list[Description]:
    return [Description(text, "wart", "colour", SAID[text][1], "test", SAID[text][0]) for text in texts]


@pytest.mark.parametrize(
    ("texts", "kind", "region", "expected", "stands_in"),
    [
        (SAID, CLINICAL, "", LESION, False),
        (SAID, UNSURE, "", LESION, False),
        (SAID, DERMOSCOPIC, "", {"round", "network"}, False),
        (SAID, CLINICAL, "FACE", {*LESION, "on the nose"}, False),
        (SAID, CLINICAL, "lower extremity", {*LESION, "on the shins"}, False),
        (SAID, CLINICAL, "somewhere", LESION, False),
        (("network", "on the nose", "on dark skin"), CLINICAL, "somewhere", {"on the nose"}, True),
        (("brown", "network"), DERMOSCOPIC, "", {"network"}, False),
        (("brown", "several"), DERMOSCOPIC, "", {"brown"}, True),
        (
            ("network", "several", "old and new", "on dark skin", "not scaly"),
            CLINICAL,
            "",
            {"several", "old and new"},
            True,
        ),
        (("network", "on the nose", "on dark skin"), CLINICAL, "BACK", {"on dark skin"}, True),
        (("network", "not scaly"), CLINICAL, "", {"network"}, True),
        (("not scaly", "on the nose"), CLINICAL, "BACK", set(), False),
        ((), CLINICAL, "", set(), False),
    ],
)
def test_what_may_stand_beside_a_picture(texts, kind, region, expected, stands_in) -> None:
    descriptions = said(*texts)
    places, found = fitting(descriptions, kind, region)
    assert ({descriptions[place].text for place in places}, found) == (expected, stands_in)


def test_a_sentence_that_holds_only_a_name_always_fits() -> None:
    assert fitting([None, None], DERMOSCOPIC, "FACE") == ([0, 1], False)


def test_a_word_that_is_not_in_the_vocabulary_stands_beside_nothing() -> None:
    odd = Description("odd", "wart", "colour", "clinical", "test", "feathers")
    assert fitting([odd], CLINICAL) == ([], False)
    other = Description("odd", "wart", "colour", "histology", "test", "lesion")
    assert fitting([other, *said("several")], CLINICAL) == ([1], True)


def test_an_encoder_is_believed_only_where_it_is_sure() -> None:
    kinds = PictureKinds(torch.eye(2), temperature=0.1)
    rows = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.6, 0.8]]), dim=1)
    assert kinds.of(rows) == [CLINICAL, DERMOSCOPIC, UNSURE, UNSURE]
    assert kinds.of(rows[:0]) == []


@pytest.fixture
def texts(tiny_encoder) -> ClassTexts:
    diseases = [
        Disease("wart", descriptions=tuple(said(*SAID))),
        Disease("corn", descriptions=tuple(said("network", "several"))),
    ]
    base = KnowledgeBase(KnowledgeCard("mine"), diseases)
    return ClassTexts.build(tiny_encoder, ("wart", "corn"), "descriptions", base)


def test_each_image_gets_what_fits_it_best_first(texts: ClassTexts, tiny_encoder) -> None:
    features = tiny_encoder.encode_texts(["a photo of wart: on the nose", "a photo of wart: network", "corn"])
    winners = torch.tensor([0, 0, 1])
    first, second, third = texts.evidence_for(features, winners, None, 9, CLINICAL, ["NOSE", "", ""])
    assert first[0].text == "on the nose" and {e.text for e in first} == {*LESION, "on the nose"}
    assert {e.text for e in second} == LESION and not any(e.stands_in for e in (*first, *second))
    assert [(e.text, e.stands_in, e.shows, e.modality) for e in third] == [("several", True, "number", "clinical")]
    seen = next(texts.evidence_for(features[1:2], winners[1:2], None, 1, DERMOSCOPIC))
    assert [(e.text, e.shows) for e in seen] == [("network", "lesion")]


def test_auto_asks_the_encoder_of_each_image(texts: ClassTexts) -> None:
    assert texts.kinds is not None
    dermoscopic = texts.kinds.rows[1:] - texts.kinds.rows[:1]
    features = torch.nn.functional.normalize(torch.cat([dermoscopic, -dermoscopic]), dim=1)
    found = texts.evidence_for(features, torch.tensor([0, 0]), None, 9)
    assert [{e.text for e in told} for told in found] == [{"round", "network"}, LESION]


def test_names_alone_ask_nothing_of_the_encoder(tiny_encoder) -> None:
    names = ClassTexts.build(tiny_encoder, ("wart", "corn"), "class-name", None)
    assert names.kinds is None and tiny_encoder.texts_encoded == 2
    assert [e.text for e in next(names.evidence_for(names.features[:1], torch.tensor([0]), None, 3))] == ["wart"]

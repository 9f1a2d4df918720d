from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from zsderm.class_texts import ClassTexts
from zsderm.errors import InputError
from zsderm.evidence import CLINICAL, COMPANY, DERMOSCOPIC, UNSURE, Company, PictureKinds, check_regions, fitting
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
    ("texts", "kind", "region", "expected"),
    [
        (SAID, CLINICAL, "", LESION),
        (SAID, UNSURE, "", LESION),
        (SAID, DERMOSCOPIC, "", {"round", "network"}),
        (SAID, CLINICAL, "FACE", {*LESION, "on the nose"}),
        (SAID, CLINICAL, "lower extremity", {*LESION, "on the shins"}),
        (SAID, CLINICAL, "somewhere", LESION),
        (("brown", "several", "on dark skin", "old and new", "not scaly"), DERMOSCOPIC, "BACK", set()),
        (("network", "several", "old and new", "on the nose", "on dark skin", "not scaly"), CLINICAL, "", set()),
        ((), CLINICAL, "", set()),
    ],
)
def test_what_may_stand_beside_a_picture(texts, kind, region, expected) -> None:
    descriptions = said(*texts)
    assert {descriptions[place].text for place in fitting(descriptions, kind, region)} == expected


def test_a_sentence_that_holds_only_a_name_says_nothing_of_a_picture() -> None:
    assert fitting([None, *said("round"), None], DERMOSCOPIC, "FACE") == [1]


@pytest.mark.parametrize(("region", "fits"), [("", True), ("HAND", True), ("BACK", False)])
def test_a_sign_that_names_another_place_than_the_one_given_stands_beside_nothing(region: str, fits: bool) -> None:
    sign = Description("Pits in a nail.", "wart", "colour", "clinical", "test", "lesion")
    assert fitting([sign], CLINICAL, region) == [0] * fits


def test_a_word_that_is_not_in_the_vocabulary_stands_beside_nothing() -> None:
    odd = Description("odd", "wart", "colour", "clinical", "test", "feathers")
    other = Description("odd", "wart", "colour", "histology", "test", "lesion")
    assert fitting([odd, other, *said("brown")], CLINICAL) == [2]


def test_a_photograph_is_held_against_those_with_its_answer_if_there_are_enough() -> None:
    rows = torch.nn.functional.normalize(torch.randn(COMPANY + 3, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    winners = torch.tensor([0] * COMPANY + [1] * 3)
    found = list(Company.of(rows, winners, 3).apart(rows, winners))
    torch.testing.assert_close(found[0], rows[0] - rows[:COMPANY].mean(dim=0))
    assert found[COMPANY:] == [None] * 3
    copies = rows[:1].repeat(COMPANY, 1)
    assert list(Company.of(copies, winners[:COMPANY], 1).apart(copies, winners[:COMPANY])) == [None] * COMPANY


@pytest.mark.parametrize(("regions", "got"), [(["NOSE"], "but got 1"), ("NOSE", "but got the text 'NOSE'")])
def test_each_image_needs_a_region(regions, got: str) -> None:
    check_regions(None, ["a", "b"])
    check_regions(["NOSE", ""], ["a", "b"])
    with pytest.raises(InputError, match=f"`regions` to have one entry for each of 2 images, {got}"):
        check_regions(regions, ["a", "b"])


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
    assert {e.text for e in second} == LESION and third == ()
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
    assert next(names.evidence_for(names.features[:1], torch.tensor([0]), None, 3)) == ()


def test_photographs_with_one_answer_get_what_sets_them_apart_and_the_runner_up_speaks_too(tiny_encoder) -> None:
    base = KnowledgeBase.load("dermatology")
    texts = ClassTexts.build(tiny_encoder, ("melanoma", "nevus", "psoriasis"), "descriptions", base)
    first = next(n for n, s in enumerate(texts.sentences) if s.description.shows == "lesion")
    noise = torch.randn(24, texts.features.shape[1], generator=torch.Generator().manual_seed(2))
    features = torch.nn.functional.normalize(10 * texts.features[first] + noise / 10, dim=1)  # all like one sentence
    probabilities = torch.tensor([[0.6, 0.3, 0.1]]).repeat(24, 1)
    alone, together = (
        list(texts.evidence_beside(features, probabilities, 3, CLINICAL, alone=alone)) for alone in (True, False)
    )
    assert {told[0].text for told, _ in alone} == {texts.sentences[first].description.text}
    assert len({told[0].text for told, _ in together}) >= 4
    own = [{d.text for d in base.find(name).descriptions} for name in ("melanoma", "nevus")]
    for told, others in (*alone, *together):
        assert len(told) == len(others) == 3
        assert {e.text for e in told} <= own[0] and {e.text for e in others} <= own[1]


def test_what_the_runner_up_says_as_well_comes_later(tiny_encoder) -> None:
    diseases = [Disease(name, descriptions=tuple(said("network", "round"))) for name in ("wart", "corn")]
    base = KnowledgeBase(KnowledgeCard("mine"), diseases)
    texts = ClassTexts.build(tiny_encoder, ("wart", "corn"), "descriptions", base)
    axes = torch.eye(texts.features.shape[1])
    texts = replace(texts, features=torch.stack([axes[0], axes[1], axes[0], 0.1 * axes[1] + axes[2]]))
    image = (axes[0] + 0.8 * axes[1])[None]
    orders = [
        [e.text for e in next(texts.evidence_for(image, torch.tensor([0]), None, 2, DERMOSCOPIC, None, *given))]
        for given in ((), (torch.tensor([1]), None), (torch.tensor([1]), [image[0]]))
    ]
    assert orders == [["network", "round"], ["network", "round"], ["round", "network"]]

from __future__ import annotations

import dataclasses
import random

import pytest

from zsderm import KnowledgeBase, UnknownClassError
from zsderm.pretrain.data.captions import CAPTIONS_PER_IMAGE, CaptionWriter, Case, held_out

CASE = Case("BCC", "clinical", site="nose", age=63, sex="woman", signs=("bleeds", "has grown"))


@pytest.fixture(scope="module")
def knowledge() -> KnowledgeBase:
    return KnowledgeBase.load("dermatology")


def draws(knowledge: KnowledgeBase, case: Case, count: int = 60) -> list[list[str]]:
    writer = CaptionWriter(knowledge)
    return [list(writer.write(case, random.Random(seed)).texts) for seed in range(count)]


def test_held_out_descriptions_are_never_used(knowledge: KnowledgeBase) -> None:
    unseen = [d.text for d in knowledge.find("BCC").descriptions if held_out(d.text)]
    seen = [d.text for d in knowledge.find("BCC").descriptions if not held_out(d.text)]
    written = " ".join(caption for captions in draws(knowledge, CASE) for caption in captions)
    assert unseen and not any(text in written for text in unseen)
    assert any(text in written for text in seen)


def test_every_disease_that_is_trained_on_keeps_descriptions_on_both_sides(knowledge: KnowledgeBase) -> None:
    labels = ["melanoma", "nevus", "basal cell carcinoma", "actinic keratosis", "seborrheic keratosis"]
    labels += ["squamous cell carcinoma", "dermatofibroma", "vascular lesion", "benign keratosis-like lesion"]
    for label in labels:
        texts = [held_out(d.text) for d in knowledge.find(label).descriptions]
        assert 4 <= sum(texts) <= len(texts) / 2, label


def test_equal_states_give_equal_captions_and_others_differ(knowledge: KnowledgeBase) -> None:
    once, again = draws(knowledge, CASE, 8), draws(knowledge, CASE, 8)
    assert once == again
    assert len({tuple(captions) for captions in once}) == 8


def test_captions_come_in_the_order_that_the_losses_expect(knowledge: KnowledgeBase) -> None:
    disease = knowledge.find("BCC")
    for caption, ontology, visual, *subs in draws(knowledge, CASE):
        assert len(subs) == CAPTIONS_PER_IMAGE - 3
        assert any(name in caption for name in (disease.name, *disease.aliases))
        assert " ".join(disease.ontology) in ontology
        assert any(concept in visual for concept in disease.concepts)
        empty = [text == "" for text in subs]
        assert empty == sorted(empty), "missing sub-captions stand last"


def test_a_clinical_photograph_is_never_described_as_dermoscopic(knowledge: KnowledgeBase) -> None:
    dermoscopic = {d.text for d in knowledge.find("BCC").descriptions if d.modality == "dermoscopic"}
    for captions in draws(knowledge, CASE):
        assert not any(text in caption for caption in captions for text in dermoscopic)


def test_a_caption_holds_for_the_disease_unless_it_says_something_of_this_image(knowledge: KnowledgeBase) -> None:
    disease = knowledge.find("BCC")
    case = dataclasses.replace(CASE, site="left elbow")  # no description says so
    of_the_image = ("left elbow", "63-year-old", "bleeds and has grown")
    seen = set()
    for seed in range(60):
        captions = CaptionWriter(knowledge).write(case, random.Random(seed))
        for place, (text, about) in enumerate(zip(captions.texts, captions.about, strict=True)):
            alone = not text or any(words in text for words in of_the_image)
            assert about == ("" if alone else disease.name), text
            seen.add((min(place, 3), bool(text), alone))
    assert {(0, True, True), (0, True, False), (3, True, True), (3, True, False), (3, False, True)} <= seen


def test_unknown_facts_leave_no_trace(knowledge: KnowledgeBase) -> None:
    for captions in draws(knowledge, Case("nevus", "dermoscopic")):
        assert not any("{" in text or "0-year-old" in text or "located on" in text for text in captions)


def test_a_label_that_the_base_does_not_hold_is_an_error(knowledge: KnowledgeBase) -> None:
    with pytest.raises(UnknownClassError, match="melanoma"):
        CaptionWriter(knowledge).write(Case("melanma", "clinical"), random.Random(0))

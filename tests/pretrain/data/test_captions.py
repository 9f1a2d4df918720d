from __future__ import annotations

import dataclasses
import random
from collections import Counter

import pytest

from zsderm import KnowledgeBase, UnknownClassError
from zsderm.pretrain.data.captions import CAPTIONS_PER_IMAGE, Captions, CaptionWriter, Case, held_out, plural
from zsderm.pretrain.data.diagnoses import Diagnoses

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


POOL = "benign keratosis-like lesion"
MEMBERS = ("seborrheic keratosis", "solar lentigo", "lichen planus-like keratosis")


def written(knowledge: KnowledgeBase, label: str, count: int = 200) -> list[Captions]:
    """Captions of a label, whose pools are known."""
    writer = CaptionWriter(knowledge, members=Diagnoses(knowledge, [label, "melanoma"]).members)
    return [writer.write(Case(label, "dermoscopic"), random.Random(seed)) for seed in range(count)]


def test_a_pooled_label_is_captioned_for_one_of_its_members_or_under_its_own_name(knowledge: KnowledgeBase) -> None:
    drawn = [{name for name in captions.about if name} for captions in written(knowledge, POOL)]
    assert all(len(names) == 1 for names in drawn), "all captions of an image are about one disease"
    counts = Counter(name for names in drawn for name in names)
    assert set(counts) == {"benign keratosis", *MEMBERS}
    assert 0.3 < counts["benign keratosis"] / 200 < 0.5, "0.4 under the name of the pool"
    assert all(0.1 < counts[member] / 200 < 0.3 for member in MEMBERS), "the rest is shared alike"


def test_captions_of_a_member_are_worded_from_the_member(knowledge: KnowledgeBase) -> None:
    for captions in written(knowledge, POOL, 60):
        disease = knowledge.find(captions.about[1])
        names = {form for name in (disease.name, *disease.aliases) for form in (name, plural(name))}
        assert any(name in captions.texts[0] for name in names), captions.texts[0]
        assert " ".join(disease.ontology) in captions.texts[1]
        told = {d.text for d in disease.descriptions}
        assert any(text in sub for sub in captions.texts[3:] for text in told)


def test_a_label_of_one_disease_is_itself_and_without_pools_so_is_a_pool(knowledge: KnowledgeBase) -> None:
    assert {name for captions in written(knowledge, "NV", 20) for name in captions.about} <= {"melanocytic nevus", ""}
    writer = CaptionWriter(knowledge)
    names = {n for seed in range(20) for n in writer.write(Case(POOL, "clinical"), random.Random(seed)).about}
    assert names <= {"benign keratosis", ""}


def test_names_are_the_canonical_one_often_and_every_other_one_too_also_in_the_plural(knowledge: KnowledgeBase) -> None:
    disease = knowledge.find("nevus")
    writer = CaptionWriter(knowledge)
    captions = [writer.write(Case("nevus", "clinical"), random.Random(seed)).texts[0] for seed in range(600)]
    bare = Counter(
        text for text in captions if text in {f(n) for n in (disease.name, *disease.aliases) for f in (str, plural)}
    )
    total = sum(bare.values())
    assert 0.25 < bare[disease.name] / total < 0.6
    assert len(set(bare) & {disease.name, *disease.aliases}) > len(disease.aliases) / 2, "codes and synonyms"
    assert (
        0.03 < sum(count for name, count in bare.items() if name not in {disease.name, *disease.aliases}) / total < 0.2
    )


@pytest.mark.parametrize(
    ("name", "many"),
    [
        ("actinic keratosis", "actinic keratoses"),
        ("blue nevus", "blue nevi"),
        ("melanocytic naevus", "melanocytic naevi"),
        ("melanoma", "melanomas"),
        ("dermatomyositis", "dermatomyositis"),
        ("basal cell carcinoma", "basal cell carcinomas"),
        ("telangiectasy", "telangiectasies"),
        ("moles", "moles"),
        ("BCC", "BCCs"),
    ],
)
def test_the_plural_follows_the_ending(name: str, many: str) -> None:
    assert plural(name) == many


def test_unknown_facts_leave_no_trace(knowledge: KnowledgeBase) -> None:
    for captions in draws(knowledge, Case("nevus", "dermoscopic")):
        assert not any("{" in text or "0-year-old" in text or "located on" in text for text in captions)


def test_a_label_that_the_base_does_not_hold_is_an_error(knowledge: KnowledgeBase) -> None:
    with pytest.raises(UnknownClassError, match="melanoma"):
        CaptionWriter(knowledge).write(Case("melanma", "clinical"), random.Random(0))

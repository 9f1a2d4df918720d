from __future__ import annotations

import pytest

from zsderm import AmbiguousClassError, FallbackWarning, KnowledgeBase
from zsderm.knowledge.base import Disease
from zsderm.knowledge.card import KnowledgeCard
from zsderm.knowledge.class_names import ClassNames
from zsderm.knowledge.prompts import TEMPLATES, described
from zsderm.knowledge.sentences import Sentence, class_sentences, name_sentences


@pytest.fixture(scope="module")
def base() -> KnowledgeBase:
    return KnowledgeBase.load("dermatology")


def sentences_of(classes: list[str], method: str, base: KnowledgeBase, which: str = "known") -> list[Sentence]:
    return class_sentences(ClassNames.read(classes, base), method, base, which)


def test_every_class_has_at_least_one_sentence_class_by_class(base: KnowledgeBase) -> None:
    for method in ("class-name", "templates", "knowledge"):
        owners = [s.class_index for s in sentences_of(["BCC", "vitiligo"], method, base)]
        assert owners == sorted(owners) and set(owners) == {0, 1}


def test_a_description_stands_in_a_sentence_with_the_canonical_name(base: KnowledgeBase) -> None:
    disease = base.find("BCC")
    sentences = sentences_of(["BCC"], "knowledge", base)
    assert [s.text for s in sentences] == [described("basal cell carcinoma", d.text) for d in disease.descriptions]
    assert [s.description for s in sentences] == list(disease.descriptions)


def test_class_name_and_templates_speak_the_name_as_given_when_told_so(base: KnowledgeBase) -> None:
    assert [s.text for s in sentences_of(["BCC"], "class-name", base, "typed")] == ["BCC"]
    prompts = [s.text for s in sentences_of(["BCC"], "templates", base, "typed")]
    assert prompts == [t.format(name="BCC") for t in TEMPLATES]


def test_class_name_and_templates_speak_every_name_that_the_base_knows(base: KnowledgeBase) -> None:
    first, *others = ClassNames.read(["BCC"], base).spoken[0]
    assert len(others) > 5 and [s.text for s in sentences_of(["BCC"], "class-name", base)] == [first, *others]
    prompts = [s.text for s in sentences_of(["BCC"], "templates", base)]
    assert prompts[:12] == [t.format(name=first) for t in TEMPLATES]
    assert prompts[12:] == [TEMPLATES[n % 12].format(name=name) for n, name in enumerate(others)]


@pytest.mark.parametrize("bare", [False, True])
def test_the_first_name_counts_as_much_as_all_others_together(bare: bool) -> None:
    names = ["nevus", *(f"alias {n}" for n in range(14))]  # more aliases than templates
    listed = name_sentences([names, ["melanoma"]], bare)
    own = [s for s in listed if s.class_index == 0]
    assert sum(s.weight for s in own if "nevus" in s.text) == pytest.approx(14)
    assert [s.weight for s in own if "alias" in s.text] == [1] * 14
    assert {s.weight for s in listed if s.class_index == 1} == {1 / sum(s.class_index for s in listed)}


def test_a_code_has_the_descriptions_of_what_it_means_beside_its_set(base: KnowledgeBase) -> None:
    listed = sentences_of(["DF", "NV"], "descriptions", base)
    assert {s.description.disease for s in listed if s.description} == {"dermatofibroma", "melanocytic nevus"}


def test_a_code_that_nothing_makes_plain_is_asked_back(base: KnowledgeBase) -> None:
    with pytest.raises(AmbiguousClassError, match="pyoderma gangrenosum' or 'pyogenic granuloma"):
        sentences_of(["PG", "acne"], "descriptions", base)


def test_a_class_that_the_base_does_not_describe_gets_templates_with_a_warning(base: KnowledgeBase) -> None:
    with pytest.warns(FallbackWarning, match="zebra"):
        sentences = sentences_of(["melanoma", "zebra"], "knowledge", base)
    assert [s.text for s in sentences if s.class_index == 1] == [t.format(name="zebra") for t in TEMPLATES]


def test_a_disease_that_is_only_named_is_read_under_all_its_names_each_sentence_counting_the_same() -> None:
    own = KnowledgeBase(KnowledgeCard("own"), [Disease("melanoma", ("black mole",))])
    with pytest.warns(FallbackWarning, match="does not describe 'melanoma'"):
        sentences = sentences_of(["melanoma"], "knowledge", own)
    assert len(sentences) == 13 and "black mole" in sentences[-1].text
    assert {s.weight for s in sentences} == {1.0}


def test_classes_that_mean_the_same_disease_are_warned_of(base: KnowledgeBase) -> None:
    with pytest.warns(FallbackWarning, match="'mole', 'nevus' are all 'melanocytic nevus'.*only their names tell them"):
        spoken = {s.text.split(":")[0] for s in sentences_of(["mole", "BCC", "nevus"], "knowledge", base)}
    assert spoken == {"a photo of mole", "a photo of basal cell carcinoma", "a photo of nevus"}


def test_the_sentences_of_a_pooled_class_name_the_disease_that_each_describes(base: KnowledgeBase) -> None:
    sentences = sentences_of(["angioma", "melanoma"], "knowledge", base)
    spoken = {s.text.split(":")[0] for s in sentences if s.class_index == 0}
    assert spoken == {"a photo of hemangioma", "a photo of cherry angioma"}

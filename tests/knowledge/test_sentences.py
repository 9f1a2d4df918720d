from __future__ import annotations

import pytest

from zsderm import FallbackWarning, KnowledgeBase
from zsderm.knowledge.prompts import TEMPLATES, described
from zsderm.knowledge.sentences import class_sentences, spoken_names


@pytest.fixture(scope="module")
def base() -> KnowledgeBase:
    return KnowledgeBase.load("dermatology")


def test_every_class_has_at_least_one_sentence_class_by_class(base: KnowledgeBase) -> None:
    for method in ("class-name", "templates", "knowledge"):
        owners = [s.class_index for s in class_sentences(["BCC", "vitiligo"], method, base)]
        assert owners == sorted(owners) and set(owners) == {0, 1}


def test_a_description_stands_in_a_sentence_with_the_canonical_name(base: KnowledgeBase) -> None:
    disease = base.find("BCC")
    sentences = class_sentences(["BCC"], "knowledge", base)
    assert [s.text for s in sentences] == [described("basal cell carcinoma", d.text) for d in disease.descriptions]
    assert [s.description for s in sentences] == list(disease.descriptions)


def test_class_name_and_templates_speak_the_name_as_given(base: KnowledgeBase) -> None:
    assert [s.text for s in class_sentences(["BCC"], "class-name", base)] == ["BCC"]
    assert [s.text for s in class_sentences(["BCC"], "templates", base)] == [t.format(name="BCC") for t in TEMPLATES]


def test_a_class_that_the_base_does_not_describe_gets_templates_with_a_warning(base: KnowledgeBase) -> None:
    with pytest.warns(FallbackWarning, match="zebra"):
        sentences = class_sentences(["melanoma", "zebra"], "knowledge", base)
    assert [s.text for s in sentences if s.class_index == 1] == [t.format(name="zebra") for t in TEMPLATES]


def test_classes_that_mean_the_same_disease_keep_the_names_they_were_given(base: KnowledgeBase) -> None:
    with pytest.warns(FallbackWarning, match="only their names tell them apart"):
        assert spoken_names(["mole", "BCC", "nevus"], base) == ["mole", "basal cell carcinoma", "nevus"]


def test_the_sentences_of_a_pooled_class_name_the_disease_that_each_describes(base: KnowledgeBase) -> None:
    sentences = class_sentences(["acne and rosacea", "melanoma"], "knowledge", base)
    spoken = {s.text.split(":")[0] for s in sentences if s.class_index == 0}
    assert spoken == {"a photo of acne vulgaris", "a photo of rosacea"}

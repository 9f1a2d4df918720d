from __future__ import annotations

import json
from pathlib import Path

import pytest

from zsderm import InputError, NotFoundError
from zsderm.knowledge.names import spelling
from zsderm.tasks.concepts.concept_list import TERM, Concept, ConceptVocabulary, PromptPair, bundled

PAIR = PromptPair("skin with {term}", "skin")


@pytest.mark.parametrize(("name", "count"), [("skincon", 48), ("derm7pt", 7)])
def test_a_bundled_vocabulary_names_every_concept_of_its_label_set_once(name: str, count: int) -> None:
    vocabulary = ConceptVocabulary.load(name)
    assert len({spelling(concept) for concept in vocabulary.names}) == len(vocabulary.names) == count
    assert vocabulary.source


@pytest.mark.parametrize("name", bundled())
def test_every_concept_has_at_least_three_terms_and_no_term_stands_for_two_concepts(name: str) -> None:
    concepts = ConceptVocabulary.load(name).concepts
    terms = [term.casefold() for concept in concepts for term in concept.terms]
    assert len(set(terms)) == len(terms) and min(len(concept.terms) for concept in concepts) >= 3
    assert all(pair.target.count(TERM) == 1 for pair in ConceptVocabulary.load(name).prompts)


def test_a_vocabulary_is_no_knowledge_base_of_diseases() -> None:
    from zsderm.knowledge import library

    assert "concepts" not in library.bundled()


def test_targets_are_every_prompt_with_every_term() -> None:
    scale = Concept("scale", ("scales", "flakes"))
    vocabulary = ConceptVocabulary("mine", (scale,), (PAIR, PromptPair("{term}!", "!")))
    assert vocabulary.targets(scale) == [
        "skin with scales",
        "skin with flakes",
        "scales!",
        "flakes!",
    ]
    assert vocabulary.references(vocabulary.concepts[0]) == ["skin", "!"]


def test_a_text_file_has_one_concept_a_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("# my concepts\nscale: scaly skin; silvery flakes\n\nblue  # a colour\n", encoding="utf-8")
    vocabulary = ConceptVocabulary.load(file)
    assert vocabulary.concepts == (Concept("scale", ("scaly skin", "silvery flakes")), Concept("blue", ("blue",)))
    assert vocabulary.prompts == ConceptVocabulary.load("skincon").prompts and vocabulary.name == "mine"


def test_a_json_file_may_bring_its_own_prompts(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    prompts = [{"target": "a {term}", "reference": "a thing"}]
    file.write_text(json.dumps({"concepts": [{"name": "blue"}], "prompts": prompts}), encoding="utf-8")
    assert ConceptVocabulary.load(file).prompts == (PromptPair("a {term}", "a thing"),)


def test_an_unknown_vocabulary_is_met_with_the_nearest_name() -> None:
    with pytest.raises(NotFoundError, match="Did you mean 'skincon'"):
        ConceptVocabulary.load("skincom")


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"concepts": 3}', '{"concepts": [{"terms": ["a"]}]}', '{"concepts": [{"name": "a", "terms": "ab"}]}'],
)
def test_a_file_that_is_no_vocabulary_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "mine.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="expected concepts in"):
        ConceptVocabulary.load(file)


@pytest.mark.parametrize(
    ("concepts", "prompts", "words"),
    [
        ((), (PAIR,), "empty"),
        ((Concept("a", ("a",)),), (), "empty"),
        ((Concept("a", ()),), (PAIR,), "terms"),
        ((Concept("colour", ("a",)), Concept("Color", ("b",))), (PAIR,), "same name"),
        ((Concept("a", ("a",)),), (PromptPair("skin", "skin"),), "{term}"),
        ((Concept("a", ("a",)),), (PromptPair("{term}", "{term}"),), "{term}"),
    ],
)
def test_what_cannot_be_asked_is_refused(concepts: tuple, prompts: tuple, words: str) -> None:
    with pytest.raises(InputError, match=words):
        ConceptVocabulary("mine", concepts, prompts)


def test_irregular_signs_of_the_checklist_are_held_against_the_regular_ones() -> None:
    contrasts = {concept.name: concept.contrast for concept in ConceptVocabulary.load("derm7pt").concepts}
    irregular = {"pigment network", "streaks", "pigmentation", "dots and globules", "vascular structures"}
    assert {name for name, contrast in contrasts.items() if contrast} == irregular
    assert all("regular" in contrasts[name][0] and "irregular" not in contrasts[name][0] for name in irregular)


@pytest.mark.parametrize("name", ["image", "Error", "IMAGE"])
def test_a_concept_is_not_called_as_a_column_of_the_table(name: str) -> None:
    with pytest.raises(InputError, match=f"a concept cannot be called {name!r}.*Give it another name"):
        ConceptVocabulary("mine", (Concept("scale", ("scales",)), Concept(name, ("something red",))), (PAIR,))

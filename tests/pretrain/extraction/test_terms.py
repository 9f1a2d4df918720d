from __future__ import annotations

from collections import defaultdict

from zsderm.pretrain.extraction.mentions import tokens_of
from zsderm.pretrain.extraction.terms import CaptionTerms
from zsderm.tasks.concepts.concept_list import ConceptVocabulary

TERMS = CaptionTerms.load()


def test_the_concepts_are_those_of_the_bundled_vocabularies_each_once() -> None:
    known = [name for file in ("skincon", "derm7pt") for name in ConceptVocabulary.load(file).names]
    assert sorted(TERMS.names) == sorted(known) and len(set(TERMS.names)) == len(TERMS.names) == 55


def test_no_word_stands_for_two_concepts_unless_it_says_both() -> None:
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for phrase, concept in TERMS.phrases:
        owners[" ".join(token.word for token in tokens_of(phrase))].add(concept)
    shared = {phrase: names for phrase, names in owners.items() if len(names) > 1}
    either = {"vesicle", "bulla"}  # whose size a caption leaves open
    assert shared == {"maculopapular": {"macule", "papule"}, "blister": either, "blistering": either}


def test_every_concept_is_in_a_group() -> None:
    assert set(TERMS.groups) == {"type", "secondary feature", "texture", "colour", "dermoscopic structure"}

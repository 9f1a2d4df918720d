from __future__ import annotations

import pytest

from zsderm.pretrain.extraction.reading import CaptionReader
from zsderm.pretrain.extraction.scope import Status


def test_words_inside_the_name_of_a_disease_are_no_signs(reader: CaptionReader) -> None:
    assert not reader.read("a rodent ulcer").concepts
    assert not reader.read("blue nevus").concepts
    assert reader.read("a rodent ulcer with an ulcer").affirmed_concepts() == {"ulcer"}


def test_adjectives_plurals_and_british_spelling_are_the_same_concept(reader: CaptionReader) -> None:
    for word in ("scale", "scales", "Scaly", "scaling", "desquamation"):
        assert reader.read(f"skin with {word}").affirmed_concepts() == {"scale"}, word
    assert reader.read("RED, grey and tan").affirmed_concepts() == {"erythema", "gray", "brown(hyperpigmentation)"}
    assert reader.read("maculopapular").affirmed_concepts() == {"macule", "papule"}


def test_a_misspelt_word_is_read_and_marked(reader: CaptionReader) -> None:
    (finding,) = reader.read("melanmoa of the back").diseases
    assert finding.names == ("melanoma",) and finding.corrected and finding.status is Status.AFFIRMED
    (concept,) = reader.read("erythamatous skin").concepts
    assert concept.names == ("erythema",) and concept.corrected


@pytest.mark.parametrize("word", ["module", "follicular", "facial", "psoriasiform", "pigment"])
def test_ordinary_words_are_not_taken_for_misspelt_ones(reader: CaptionReader, word: str) -> None:
    reading = reader.read(f"a {word} lesion")
    assert not any(finding.corrected for finding in (*reading.diseases, *reading.concepts))


def test_an_abbreviation_may_mean_several_diseases(reader: CaptionReader) -> None:
    (finding,) = reader.read("PG on the scalp").diseases
    assert set(finding.names) == {"pyoderma gangrenosum", "pyogenic granuloma"}
    assert not reader.read("pg on the scalp").diseases


def test_a_disease_has_its_place_in_the_ontology(reader: CaptionReader) -> None:
    path = reader.path("basal cell carcinoma")
    assert path == ("neoplasm", "malignant neoplasm", "malignant keratinocytic neoplasm")

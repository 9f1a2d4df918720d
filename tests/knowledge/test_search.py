from __future__ import annotations

import pytest

from zsderm.knowledge import KnowledgeBase
from zsderm.knowledge.search import search, search_names


@pytest.fixture
def base(write_base, disease) -> KnowledgeBase:
    return KnowledgeBase.load(
        write_base(
            disease("basal cell carcinoma", "a pearly bump with a rolled border", aliases=["BCC", "rodent ulcer"]),
            disease(
                "seborrheic keratosis", "a waxy grey plaque, as if stuck on", "tiny white pearls in a brown plaque"
            ),
            disease("wart", "a rough grey dome"),
        )
    )


def test_a_name_or_alias_comes_first(base):
    assert [(hit.disease, hit.where, hit.score) for hit in search(base, "rodent ulcer")] == [
        ("basal cell carcinoma", "alias", 1.0)
    ]
    assert search(base, "Wart")[0].where == "name"


def test_names_alone_are_those_of_the_whole_search(base):
    for asked in ("rodent ulcer", "wart", "seborheic keratosys", "rolled border", ""):
        whole = [hit for hit in search(base, asked) if hit.where in ("name", "alias")]
        assert search_names(base, asked) == whole
    assert len(search_names(base, "wart", 1)) == 1


def test_descriptions_are_found_by_their_words_in_any_order(base):
    best = search(base, "border rolled pearly")[0]
    assert (best.disease, best.where, best.score) == ("basal cell carcinoma", "colour", 1.0)


def test_slips_of_the_pen_plurals_and_american_spelling_are_found(base):
    assert search(base, "seborheic keratoses")[0].disease == "seborrheic keratosis"
    assert {hit.disease for hit in search(base, "gray")} == {"seborrheic keratosis", "wart"}


def test_a_text_with_more_of_the_words_scores_higher(base):
    first, second = search(base, "grey plaque")[:2]
    assert first.text == "a waxy grey plaque, as if stuck on"
    assert first.score == 1 > second.score


def test_scores_fall_and_the_limit_holds(base):
    hits = search(base, "a grey plaque", limit=2)
    assert len(hits) == 2
    assert hits[0].score >= hits[1].score


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "disease", "where"),
    [
        ("culebrilla", "herpes zoster", "name in Spanish"),
        ("verruga", "wart", "name in Spanish, Portuguese"),
        ("带状疱疹", "herpes zoster", "name in Chinese (simplified)"),
        ("melanoma", "melanoma", "name"),  # Spanish too
    ],
)
def test_names_in_other_languages_are_found_after_the_bases_own(query, disease, where):
    hits = search(KnowledgeBase.load("dermatology"), query)
    assert (hits[0].disease, hits[0].where) == (disease, where)
    assert len({(hit.disease, hit.text) for hit in hits}) == len(hits)


@pytest.mark.parametrize("query", ["", "?!", "xylophone"])
def test_nothing_is_found_for_nothing(base, query):
    assert search(base, query) == []


@pytest.mark.slow
def test_the_bundled_base_knows_the_textbook_sign_of_a_basal_cell_carcinoma():
    assert search(KnowledgeBase.load("dermatology"), "pearly rolled border")[0].disease == "basal cell carcinoma"

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from open_clip.tokenizer import SimpleTokenizer

from zsderm import InputError, KnowledgeBase
from zsderm.knowledge import Description, Disease, KnowledgeCard
from zsderm.knowledge.prompts import described
from zsderm.tasks.knowledge_quality.measure import (
    long_texts,
    loosest,
    near_duplicates,
    quality,
    readability,
    specificities,
)


def unit_rows(seed: int, count: int, width: int = 6) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def make_base(**texts: list[str]) -> KnowledgeBase:
    diseases = [
        Disease(name, descriptions=tuple(Description(text, name, "colour", "clinical", "me") for text in of_it))
        for name, of_it in texts.items()
    ]
    return KnowledgeBase(KnowledgeCard("mine", "1.0"), diseases)


@pytest.fixture(scope="module")
def bundled() -> KnowledgeBase:
    chosen = list(KnowledgeBase.load("dermatology").diseases.values())[:12]
    return KnowledgeBase(KnowledgeCard("twelve"), chosen)


@pytest.mark.slow
def test_counts_add_up_to_the_length_of_the_base(tiny_encoder, bundled: KnowledgeBase) -> None:
    report = quality(tiny_encoder, bundled)
    counts = sorted(len(disease.descriptions) for disease in bundled.diseases.values())
    assert sum(report.aspects.values()) == sum(report.modalities.values()) == len(bundled) == sum(counts)
    assert list(report.aspects.values()) == sorted(report.aspects.values(), reverse=True)
    assert report.per_disease == (counts[0], np.median(counts), counts[-1])
    assert (report.checksum, report.version) == (bundled.checksum, bundled.version)
    assert tiny_encoder.fingerprint in report.encoder


def test_a_disease_without_descriptions_counts_as_zero_and_its_name_still_competes(tiny_encoder) -> None:
    report = quality(tiny_encoder, make_base(wart=["grey dome"], dome=[]))
    assert report.per_disease == (0, 0.5, 1)
    # The tiny encoder sums its words, so the text is nearer to the name that stands in it.
    assert [(item.disease, item.share, item.rank) for item in report.specificities] == [("wart", 0.0, 2)]


def test_a_base_without_descriptions_is_refused(tiny_encoder) -> None:
    with pytest.raises(InputError, match="no descriptions to measure"):
        quality(tiny_encoder, make_base(wart=[]))


def test_near_duplicates_are_measured_on_the_bare_texts(tiny_encoder) -> None:
    base = make_base(wart=["a rough grey dome", "black dots"], corn=["yellow core", "grey dome a rough"])
    (pair,) = quality(tiny_encoder, base).near_duplicates  # the tiny encoder does not see the order of words
    assert (pair.one.text, pair.other.text) == ("a rough grey dome", "grey dome a rough")
    assert pair.cosine == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("block", [1, 7, 40, 1000])
def test_near_duplicates_equal_comparing_every_pair(block: int) -> None:
    rows, owners = unit_rows(0, 40), np.arange(40) % 5
    expected = {
        (one, other): float(rows[one] @ rows[other])
        for one, other in combinations(range(40), 2)
        if owners[one] != owners[other] and rows[one] @ rows[other] > 0.5
    }
    found = near_duplicates(rows, owners, threshold=0.5, block=block)
    assert len(expected) > 10
    assert {(one, other) for _, one, other in found} == set(expected)
    assert [cosine for cosine, *_ in found] == pytest.approx(sorted(expected.values(), reverse=True), abs=1e-6)


def test_texts_of_one_disease_are_no_near_duplicates() -> None:
    assert near_duplicates(np.ones((3, 1), np.float32), np.zeros(3, int)) == []


def test_specificities_equal_sorting_every_name_for_every_text() -> None:
    rows, names, owners = unit_rows(1, 30), unit_rows(2, 6), np.arange(30) % 5  # the sixth name has no text
    found = {item.disease: item for item in specificities(rows, owners, names, list("abcdef"))}
    assert set(found) == set("abcde")
    for index, name in enumerate("abcde"):
        own = rows[owners == index]
        nearest = [max(range(6), key=lambda other, row=row: float(row @ names[other])) for row in own]
        mean = sum(own) / len(own)
        order = sorted(range(6), key=lambda other, mean=mean: -float(mean @ names[other]))
        assert found[name].share == pytest.approx(nearest.count(index) / len(own))
        assert found[name].rank == order.index(index) + 1


def test_the_worst_has_the_smallest_share_and_among_equals_the_latest_rank() -> None:
    found = specificities(unit_rows(3, 60), np.arange(60) % 20, unit_rows(4, 20), [f"{n:02}" for n in range(20)])
    keys = [(item.share, -item.rank) for item in found]
    assert keys == sorted(keys)
    assert keys[0] < keys[-1]


def test_texts_that_are_their_name_have_share_one_and_rank_one() -> None:
    names = unit_rows(5, 4)
    assert {(item.share, item.rank) for item in specificities(names, np.arange(4), names, list("abcd"))} == {(1.0, 1)}


def test_reading_ease_by_hand() -> None:
    found = readability(["The red dome is smooth. It has a pearly edge!", "grey scales"])
    # 12 words in 3 sentences; pearly has two syllables, the others one
    assert (found.words_per_sentence, found.syllables_per_word) == (4, pytest.approx(13 / 12))
    assert found.reading_ease == pytest.approx(206.835 - 1.015 * 4 - 84.6 * 13 / 12)
    assert found.long_words == 0


@pytest.mark.parametrize(
    ("word", "count"),
    [
        *(("scales", 1), ("plaque", 1), ("plaques", 1), ("raised", 1), ("the", 1), ("naïve", 1)),
        *(("edges", 2), ("purple", 2), ("crusted", 2), ("pearly", 2), ("melanoma", 4)),
    ],
)
def test_syllables_are_groups_of_vowels_without_a_silent_e(word: str, count: int) -> None:
    assert readability([word]).syllables_per_word == count


def test_decimals_end_no_sentence_and_long_words_count_by_letters() -> None:
    found = readability(["spots of 0.5 mm with telangiectasias"])
    assert (found.words_per_sentence, found.long_words) == (5, pytest.approx(1 / 5))
    with pytest.raises(InputError, match="at least one word"):
        readability(["7"])


def test_long_texts_are_counted_in_their_sentence_with_start_and_end() -> None:
    # "a photo of wart:" has 5 tokens, every "red" one, start and end two more
    assert len(SimpleTokenizer().encode(described("wart", "red"))) == 6
    fits, over, longest = (Description(" ".join(["red"] * n), "wart", "colour", "either", "me") for n in (70, 71, 90))
    found = long_texts([fits, over, longest])
    assert [(item.tokens, item.description) for item in found] == [(97, longest), (78, over)]


@pytest.mark.slow
def test_no_bundled_text_is_beyond_77_tokens() -> None:
    assert long_texts(KnowledgeBase.load("dermatology").descriptions) == ()


def test_the_loosest_sentence_is_that_which_is_more_like_another_disease() -> None:
    base = make_base(wart=["grey dome", "rough dome", "yellow core"], corn=["a core", "pale core"], mole=["brown"])
    axes = {"grey dome": 0, "rough dome": 0, "yellow core": 1, "a core": 1, "pale core": 1, "brown": 2}
    rows = np.eye(3, dtype=np.float32)[[axes[text.text] for text in base.descriptions]]
    names = list(base.diseases)
    owners = np.array([names.index(text.disease) for text in base.descriptions])
    (first,) = loosest(rows, owners, base.descriptions, names, share=0.2)
    assert (first.description.text, first.nearest) == ("yellow core", "corn")
    everything = loosest(rows, owners, base.descriptions, names, share=1.0)
    assert "brown" not in [item.description.text for item in everything]  # its disease has no other sentence
    assert [item.standing for item in everything] == sorted(item.standing for item in everything)


def test_what_the_sentence_model_finds_is_a_warning_beside_the_others(tiny_encoder) -> None:
    base = make_base(wart=["a rough grey dome", "black dots"], corn=["yellow core", "grey dome a rough"])
    found = list(quality(tiny_encoder, base).problems())
    assert [(p.severity, p.check, p.disease, p.text) for p in found] == [
        ("warning", "near copy", "wart", "a rough grey dome")
    ]

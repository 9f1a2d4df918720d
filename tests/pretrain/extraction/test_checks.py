"""Nothing may be taken from a caption that it does not say."""

from __future__ import annotations

import pytest

from zsderm.pretrain.extraction.checks import Checks
from zsderm.pretrain.extraction.reading import CaptionReader

CAPTION = (
    "Scaly red plaque of psoriasis vulgaris on the elbow, without crust or ulceration. Melanoma was ruled out. "
    "Possible eczema of the hand. PG on the nose."
)


@pytest.fixture(scope="module")
def checks(reader: CaptionReader) -> Checks:
    return Checks(reader)


@pytest.mark.parametrize("name", ["psoriasis", "Psoriasis Vulgaris", "plaque psoriasis"])
def test_a_disease_may_have_any_name_it_goes_by(checks: Checks, reader: CaptionReader, name: str) -> None:
    disease, rejected = checks.disease(name, reader.read("psoriasis, plaque psoriasis, psoriasis vulgaris"))
    assert disease == reader.knowledge.find(name).name and not rejected


@pytest.mark.parametrize("name", ["", " ", "no definitive diagnosis", "No definitive diagnosis"])
def test_no_disease_is_an_answer_and_no_rejection(checks: Checks, reader: CaptionReader, name: str) -> None:
    assert checks.disease(name, reader.read(CAPTION)) == ("", [])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("vitiligo", "the caption does not say it"),
        ("melanoma", "the caption denies it"),
        ("hand eczema", "the caption only suspects it"),
        ("zebra disease", "the knowledge base has no such disease"),
        ("PG", "it may mean several diseases"),
    ],
)
def test_a_disease_that_the_caption_does_not_affirm_is_rejected(
    checks: Checks, reader: CaptionReader, name: str, reason: str
) -> None:
    disease, (rejection,) = checks.disease(name, reader.read(CAPTION))
    assert not disease and (rejection.kind, rejection.term, rejection.reason) == ("disease", name, reason)


def test_concepts_are_kept_by_name_or_word_in_the_order_of_the_vocabulary(
    checks: Checks, reader: CaptionReader
) -> None:
    kept, rejected = checks.concepts(["redness", "scaly", "plaques", "scale"], reader.read(CAPTION))
    assert kept == ("plaque", "scale", "erythema") and not rejected


@pytest.mark.parametrize(
    ("term", "reason"),
    [
        ("nodule", "the caption does not say it"),
        ("crust", "the caption denies it"),
        ("ulceration", "the caption denies it"),
        ("itching", "it is not in the vocabulary"),
        ("scaly red plaque", "it is not in the vocabulary"),
        ("", "it is not in the vocabulary"),
    ],
)
def test_a_concept_that_the_caption_does_not_affirm_is_rejected(
    checks: Checks, reader: CaptionReader, term: str, reason: str
) -> None:
    kept, (rejection,) = checks.concepts([term], reader.read(CAPTION))
    assert not kept and (rejection.kind, rejection.term, rejection.reason) == ("concept", term, reason)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Scaly red plaque on the knee", "the caption does not say it"),
        ("crust or ulceration", "it affirms what the caption does not"),
        ("Melanoma near the elbow", "the caption does not say it"),
        ("Melanoma on the elbow", "it affirms what the caption does not"),
        ("Melanoma was ruled out", "it only says what is not there"),
        ("plaque", "it has fewer than 2 words"),
        ("", "it has fewer than 2 words"),
    ],
)
def test_a_sub_caption_that_says_more_than_the_caption_is_rejected(
    checks: Checks, reader: CaptionReader, text: str, reason: str
) -> None:
    kept, (rejection,) = checks.sub_captions([text], reader.read(CAPTION))
    assert not kept and (rejection.kind, rejection.reason) == ("sub-caption", reason)


def test_of_sub_captions_eight_are_kept_and_each_once(checks: Checks, reader: CaptionReader) -> None:
    words = ["scaly red", "red plaque", "scaly plaque", "red scaly", "plaque of psoriasis", "plaque on the elbow"]
    texts = [*words, "Scaly red", "red elbow", "scaly elbow", "the red elbow"]
    kept, rejected = checks.sub_captions(texts, reader.read(CAPTION))
    assert list(kept) == [*words, "red elbow", "scaly elbow"]
    assert [r.reason for r in rejected] == ["it stands there twice", "there are more than 8"]

"""What a caption says of a sign: the word between * * is the one that is asked about."""

from __future__ import annotations

import re

import pytest

from zsderm.pretrain.extraction.mentions import tokens_of
from zsderm.pretrain.extraction.scope import Status, status_of

DENIED = [
    "No *scaling*.",
    "no evidence of *scaling*",
    "without *ulceration*",
    "A plaque without crust or *ulceration*",
    "no scale, crust or *ulceration*",
    "no scale, *crust*, or ulceration",
    "no *scale*, crust or ulceration",
    "neither scale nor *crust*",
    "patient denies *blistering*",
    "it lacks *scale*",
    "absence of *scale*",
    "free of *scale*",
    "negative for *ulceration*",
    "not *ulcerated*",
    "the lesion is not *ulcerated*",
    "non-*ulcerated* nodule",
    "not associated with *scale*",
    "*ulcer*-free",
    "*ulceration* was not seen",
    "*ulceration* is absent",
    "*scale* or crust were not observed",
    "*ulceration*: none",
    "*ulceration*: absent.",
    "*melanoma* was ruled out",
    "*melanoma* is unlikely",
    "eczema rather than *psoriasis*",
    "No itching, pain or *redness* of the arm",
    "lesion with crust; no *scale*",
    "not only scaly but without *crust*",
    "free of pustules, broken hairs and *scaly* rings",
    "without scale, crust and *ulceration*",
    "lacking tan or *grey* tones",
    "it does not show *red* lagoons",
    "dark, unlike a moist button with a pale collar or a soft *blue* lake",
    "in contrast to facial *redness* with bumps",
    "a cord rather than a ring with *scaly* edge",
    "scale and *crust* absent",
]
AFFIRMED = [
    "*scale*",
    "No itching. *Scale* on the arm",
    "no itching, *red* plaque",
    "no scale but *crust*",
    "no scale and a *red* patch",
    "without ulceration and with *erythema*",
    "no scale; *crust*",
    "no scale is seen and *erythema* is marked",
    "not only *scaly* but red",
    "not only scaly but also *red*",
    "no doubt *psoriasis*",
    "no change of the *nodule*",
    "1.5 cm *nodule* without scale",
    "the nodule, not ulcerated, is *red*",
    "*plaque* with crust, ulceration not seen",
    "there is no itch (chronic) in this *plaque*",
    "*red* plaque which is not scaly",
    "possible melanoma, *red*",
    "no scale, now and then a *crust* or blister",
    "without ulceration, a *red* plaque and scale",
    "no scale or crust, *red* or brown plaque",
    "like blood rather than pigment, *reddish* when lit, and lacking tan or grey",
    "*vessels* and absent papillae",
    "unlike melanoma but *red*",
    "a plaque rather than a ring, *red* and thick",
    "history of melanoma, now a *nevus*",
    "the differential was long. *Melanoma*",
]
DOUBTED = [
    "possible *melanoma*",
    "suspicious for *melanoma*",
    "suspected *melanoma* of the back",
    "rule out *melanoma*",
    "*melanoma* vs nevus",
    "nevus versus *melanoma*",
    "differential includes *melanoma*",
    "*melanoma*?",
    "*melanoma* cannot be excluded",
    "*melanoma* not excluded",
    "*melanoma* is suspected",
    "mimicking *melanoma*",
    "looks like *melanoma*",
    "possible nevus, *melanoma* or lentigo",
    "Differential diagnosis: nevus, lentigo; *melanoma*",
]
PAST = ["history of *melanoma*", "previous *melanoma* of the leg", "her mother had *melanoma*"]


def asked(marked: str) -> Status:
    caption = marked.replace("*", "")
    word = re.search(r"\*(.+?)\*", marked)
    assert word
    tokens = tokens_of(caption)
    first = next(n for n, token in enumerate(tokens) if token.start == word.start())
    return status_of(caption, tokens, first, first + 1)[0]


@pytest.mark.parametrize("marked", DENIED)
def test_it_is_denied(marked: str) -> None:
    assert asked(marked) is Status.DENIED


@pytest.mark.parametrize("marked", AFFIRMED)
def test_it_is_affirmed(marked: str) -> None:
    assert asked(marked) is Status.AFFIRMED


@pytest.mark.parametrize("marked", DOUBTED)
def test_it_is_doubted(marked: str) -> None:
    assert asked(marked) is Status.DOUBTED


@pytest.mark.parametrize("marked", PAST)
def test_it_is_past(marked: str) -> None:
    assert asked(marked) is Status.PAST


def test_the_word_that_decides_is_named() -> None:
    caption = "no evidence of scale"
    assert status_of(caption, tokens_of(caption), 3, 4) == (Status.DENIED, "no")

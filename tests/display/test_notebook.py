"""What a notebook shows: short, escaped, and the photographs beside their answers."""

from __future__ import annotations

import re
from base64 import b64decode
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from zsderm import ImageError, InputError, KnowledgeBase, Predictions, SettingsError, ZeroShotClassifier
from zsderm.display.answers import answers_line
from zsderm.display.gallery import SIDE, Shot
from zsderm.encoders.mini import card
from zsderm.knowledge.base import Description, Disease
from zsderm.knowledge.card import KnowledgeCard
from zsderm.predictions import Evidence

EVIL = "<script>alert('x')</script>\x1b[31m\u202e"


def answered(names: list[str], classes: tuple[str, ...] = ("acne", "wart"), **changes: object) -> Predictions:
    """Predictions that say the first class with 3 of 4; the last image failed."""
    table = torch.tensor([[0.75, 0.25]]).repeat(len(names), 1)
    table[-1] = torch.nan
    evidence = (*((Evidence(EVIL, 0.5, "colour", "me"),) for _ in names[1:]), ())
    return Predictions(
        images=tuple(names),
        classes=classes,
        probabilities=table,
        method="knowledge",
        prior="none",
        requested_method="kpl",
        evidence=evidence,
        errors={names[-1]: f"damaged {EVIL}"},
        **changes,
    )


def test_predictions_are_one_line_however_many_there_are() -> None:
    many = answered([f"{n}.jpg" for n in range(5000)])
    assert repr(many) == ("Predictions(5000 images, 2 classes, method knowledge: acne 4999; 1 without an answer)")
    few = ["a", "a", "b", "c", "d", "e"]
    assert answers_line(few, few, "kpl").endswith("a 2, b 1, c 1 and 2 more classes")
    assert answers_line([""], ["a", "b"], "none") == "1 image, 2 classes, method none: no answer"


def test_the_table_shows_some_rows_and_counts_the_others() -> None:
    page = answered([f"{n}.jpg" for n in range(27)])._repr_html_()
    assert page.count("<tr>") == 21 and "and 7 more images" in page and "acne 75%" in page and "wart 25%" in page
    assert "damaged" in answered(["a.jpg", "b.jpg"])._repr_html_()


@pytest.mark.parametrize(
    "page",
    [
        lambda: answered([EVIL, "b.jpg"], (EVIL, "wart"))._repr_html_(),
        lambda: Shot(EVIL, EVIL, [(EVIL, 0.5)], EVIL, EVIL).to_html(),
        lambda: KnowledgeBase(
            KnowledgeCard(EVIL), [Disease(EVIL, descriptions=(Description(EVIL, EVIL, "colour", "either", "me"),))]
        )._repr_html_(),
        lambda: type(card())(EVIL, 1, 1, 1, licence=EVIL, metadata={EVIL: EVIL})._repr_html_(),
    ],
    ids=["predictions", "shot", "base", "card"],
)
def test_nothing_that_is_shown_is_more_than_text(page) -> None:
    shown = page()
    assert "<script" not in shown and "\x1b" not in shown and "\u202e" not in shown and "&lt;script&gt;" in shown


def test_a_base_and_a_card_say_what_they_are() -> None:
    page = KnowledgeBase.load("dermatology")._repr_html_()
    assert "334 diseases" in page and "and 324 more diseases" in page and "CC BY 4.0" in page
    assert repr(card()).startswith("EncoderCard('zsderm-mini', width") and len(repr(card())) < 150
    assert "embedding width" in card()._repr_html_() and len(card()._repr_html_()) < 20_000


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    """Three pictures, wider than high, and a file that is none."""
    for n in range(3):
        Image.new("RGB", (400, 300), (80 * n, 40, 40)).save(tmp_path / f"{n}.png")
    (tmp_path / "3.png").write_bytes(b"no picture")
    return [str(tmp_path / f"{n}.png") for n in range(4)]


def test_notes_stand_wherever_answers_are_shown(photos, tmp_path) -> None:
    found = answered(photos, manifest={"notes": ["Two of them are guesses.", EVIL]})
    assert found.notes == ("Two of them are guesses.", EVIL)
    assert repr(found).endswith("1 without an answer; 2 notes, see notes)")
    found.plot().save(tmp_path / "gallery.html")
    for page in (found._repr_html_(), (tmp_path / "gallery.html").read_text(encoding="utf-8")):
        assert page.count("Note: ") == 2 and "Note: Two of them are guesses.<" in page and "<script" not in page
    assert "Note: " not in answered(photos)._repr_html_() + answered(photos).plot()._repr_html_()


def test_a_page_is_not_written_under_the_suffix_of_a_picture(photos, tmp_path) -> None:
    with pytest.raises(SettingsError, match=r"ending in \.html or \.htm"):
        answered(photos).plot().save(tmp_path / "gallery.png")
    assert not (tmp_path / "gallery.png").exists()


@pytest.mark.parametrize("unknown", ["", None, float("nan")])
def test_a_gallery_has_each_photograph_small_with_its_answer(photos, tmp_path, unknown) -> None:
    gallery = answered(photos, abstained=torch.tensor([True, False, False, True])).plot(
        true=["acne", "wart", unknown, "acne"], top_k=2
    )
    gallery.save(tmp_path / "gallery.html")
    page = (tmp_path / "gallery.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg") == 3 and "damaged" in page and "not a medical device" in page
    assert page.count(">right<") == 1 and page.count("wrong: wart") == page.count("wrong:") == 1
    assert page.count("may be none of these") == 1, "an image without an answer has its reason alone"
    assert len(page) < 4 * 20_000 and not re.search(r"(src|href)=.(?!data:)", page)
    assert repr(gallery) == "Gallery(4 of 4 photographs; a notebook shows it, save writes it)"


@pytest.mark.parametrize(
    "true",
    [
        ["mole"] * 4,
        ["Nevus", "naevus", "NEVUS", ""],
        [1] * 4,
        np.ones(4, int),
        torch.ones(4),
        pd.Series([1, 1, None, 1]),
    ],
    ids=["another name", "spellings", "indices", "an array", "a tensor", "a column with a gap"],
)
@pytest.mark.filterwarnings("ignore:.*read as other names")
def test_a_true_class_is_right_under_any_of_its_names(photos, true) -> None:
    page = answered(photos, ("nevus", "melanoma")).plot(true=true)._repr_html_()
    wanted = "right" if isinstance(true, list) and isinstance(true[0], str) else "wrong: melanoma"
    assert page.count(f">{wanted}<") >= 2 and page.count("right<") + page.count("wrong:") == page.count(f">{wanted}<")


def test_a_square_jpeg_file_is_as_large_in_a_gallery_as_any_other(tmp_path) -> None:
    Image.new("RGB", (1024, 1024), "brown").save(tmp_path / "square.jpg")
    page = answered([str(tmp_path / "square.jpg")] * 4).plot(most=1)._repr_html_()
    (data,) = re.findall(r"base64,([^\"]+)", page)
    assert Image.open(BytesIO(b64decode(data))).size == (176, 176)


def test_a_gallery_of_pictures_in_memory_is_given_them_again(tiny_encoder, photos) -> None:
    pixels = [np.asarray(Image.open(path)) for path in photos[:3]]
    found = ZeroShotClassifier.from_pretrained(
        tiny_encoder, classes=["acne", "wart"], knowledge=None, method="templates"
    ).predict(pixels)
    with pytest.raises(ImageError, match=r"predictions\.plot\(images\)"):
        found.plot()
    assert found.plot(pixels, most=2)._repr_html_().count("data:image/jpeg") == 2
    assert "and 1 more photograph" in found.plot(pixels, most=2)._repr_html_()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"most": 0}, SettingsError),
        ({"top_k": 0}, SettingsError),
        ({"true": ["acne"]}, InputError),
        ({"true": ["zzz"] * 4}, InputError),
        ({"true": [["acne"]] * 4}, TypeError),
        ({"true": {"0.png": "acne", "1.png": "acne", "2.png": "wart", "3.png": ""}}, TypeError),
        ({"true": "acne"}, TypeError),
        ({"images": [Image.new("RGB", (SIDE, SIDE))]}, InputError),
        ({"images": 5}, TypeError),
    ],
    ids=[
        "none of them",
        "no class",
        "one label",
        "a strange label",
        "a list of lists",
        "a mapping",
        "a word",
        "one picture",
        "a number",
    ],
)
def test_what_does_not_fit_the_rows_is_refused(photos, changes, error) -> None:
    with pytest.raises(error, match=r"Expected|is none of the 2 classes"):
        answered(photos).plot(**changes)

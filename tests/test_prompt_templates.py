"""Templates of one's own: read, refused, used, kept and written down."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from zsderm import KnowledgeBase, SettingsError, ZeroShotClassifier
from zsderm.cli import main
from zsderm.config import Settings
from zsderm.prompt_templates import LONGEST, MOST, filled, given_templates

OWN = ("{name} on an arm", "an old print of {name}, {name} again")
CLASSES = ["zebra stripes", "unicorn {spots}"]  # which no base knows: their names are all there is


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    place = tmp_path / "photos"
    place.mkdir()
    for n, colour in enumerate([(70, 40, 30), (200, 120, 110), (150, 100, 80)]):
        Image.fromarray(np.full((16, 16, 3), colour, np.uint8)).save(place / f"{n}.png")
    return place


def test_own_templates_equal_the_slow_twin_and_braces_of_a_class_stay(tiny_encoder, photos) -> None:
    answer = ZeroShotClassifier.from_pretrained(
        tiny_encoder, classes=CLASSES, knowledge=None, method="templates", templates=list(OWN)
    ).predict(photos)
    images = tiny_encoder.encode_images(sorted(photos.iterdir()))
    means = [tiny_encoder.encode_texts([t.replace("{name}", name) for t in OWN]).mean(dim=0) for name in CLASSES]
    cosines = images @ torch.stack([mean / mean.norm() for mean in means]).T
    expected = (cosines / tiny_encoder.temperature).softmax(dim=1)
    torch.testing.assert_close(answer.probabilities, expected, rtol=1e-4, atol=1e-5)
    assert answer.manifest["settings"]["templates"] == list(OWN)
    assert "unicorn {spots}" in filled(OWN[0], CLASSES[1])


def test_a_file_and_a_list_are_the_same_templates(tmp_path) -> None:
    file = tmp_path / "own.txt"
    file.write_text(f"# mine\r\n{OWN[0]}\r\n\r\n  an old   print of {{name}}, {{name}} again\r\n", encoding="utf-16")
    assert given_templates(file) == given_templates(str(file)) == given_templates(OWN) == OWN
    assert given_templates(None) is None and Settings(templates=list(OWN)).templates == OWN


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a photo of {name}\na photo\n", r"template 2 of .* to hold \{name\}.*'a photo'"),
        ("a photo of {}\n", r"to hold \{name\}"),
        ("{name} at {site}\n", "no braces .* but those of"),
        ("{name} and {{name}}\n", "no braces"),
        ("", "but got none"),
        ("# only a comment\n\n", "but got none"),
        ("x" * LONGEST + "{name}\n", f"at most {LONGEST} characters"),
        ("".join(f"{{name}} {n}\n" for n in range(MOST + 1)), "1 to 1,000 templates .* but got 1,001"),
        ("{name}  here\n{name} here\n", "'{name} here' twice"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"{name}\x00", "UTF-8"),
    ],
    ids=lambda value: f"{value!s:.20}",
)
def test_a_file_that_holds_no_templates_is_one_sentence_before_the_work(tmp_path, content, said) -> None:
    file = tmp_path / "own.txt"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SettingsError, match=said):
        ZeroShotClassifier.from_pretrained("no such model", classes=CLASSES, knowledge=None, templates=file)


@pytest.mark.parametrize("given", ["a photo of {name}", [5], [], {"{name}": 1}, 5, [["{name}"]]], ids=repr)
def test_what_is_no_list_of_templates_is_refused(given) -> None:
    with pytest.raises(SettingsError, match="templates"):
        ZeroShotClassifier.from_pretrained("no such model", classes=CLASSES, knowledge=None, templates=given)


def test_bare_names_have_no_templates(tiny_encoder) -> None:
    with pytest.raises(SettingsError, match="class-name reads bare names"):
        ZeroShotClassifier.from_pretrained(tiny_encoder, classes=CLASSES, method="class-name", templates=OWN)


def test_a_fitted_classifier_keeps_its_templates(tiny_encoder, photos, tmp_path) -> None:
    made = ZeroShotClassifier.from_pretrained(
        tiny_encoder, classes=["melanoma", "acne"], knowledge="dermatology", method="knowledge", templates=OWN
    ).fit(photos)
    made.save(tmp_path / "fitted")
    again = ZeroShotClassifier.load(tmp_path / "fitted", tiny_encoder)
    assert again.settings == made.settings and again.settings.templates == OWN
    torch.testing.assert_close(again.predict(photos).probabilities, made.predict(photos).probabilities)


def test_templates_count_among_the_texts_also_where_only_names_are_blended_in(tiny_encoder) -> None:
    base = KnowledgeBase.load("dermatology")
    digests = {
        ZeroShotClassifier.from_pretrained(
            tiny_encoder, classes=["melanoma", "acne"], knowledge=base, templates=given
        ).texts.digest
        for given in (None, OWN, OWN[:1])
    }
    assert len(digests) == 3


def test_sentences_that_were_read_before_come_from_the_cache(tiny_encoder, photos, tmp_path) -> None:
    for read in (4, 0, 2):  # two classes in two templates; nothing new; one template that is new
        before = tiny_encoder.texts_encoded
        templates = OWN if read != 2 else [OWN[1], "{name} at dusk"]
        ZeroShotClassifier.from_pretrained(
            tiny_encoder, classes=CLASSES, knowledge=None, method="templates", templates=templates, cache=tmp_path / "c"
        ).predict(photos)
        assert tiny_encoder.texts_encoded - before == read


@pytest.mark.slow
def test_the_command_takes_a_file_and_its_table_says_which_templates(photos, tmp_path) -> None:
    (tmp_path / "own.txt").write_text("\n".join(OWN), encoding="utf-8")
    out, fitted = tmp_path / "out.jsonl", tmp_path / "fitted"
    common = ["classify", "--images", str(photos), "--no-cache", "--output", str(out)]
    own = ["--templates", str(tmp_path / "own.txt")]
    done = CliRunner().invoke(
        main, [*common, "--classes", "acne, wart", "--method", "templates", "--fit", str(fitted), *own]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(out.read_text().splitlines()[0])["manifest"]["settings"]["templates"] == list(OWN)
    done = CliRunner().invoke(main, [*common, "--fitted", str(fitted), *own])
    assert done.exit_code == 2 and "--templates cannot be given with --fitted" in done.stderr

"""The prior "home": what each class scores on the encoder's average training image is taken off."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from zsderm import CheckpointError, FallbackWarning, InputError, SettingsError, ZeroShotClassifier, load_encoder
from zsderm.calibration import apply_calibration, calibrate_on
from zsderm.cli import main
from zsderm.encoders import Encoder, mini
from zsderm.encoders.base import HOME_FILE
from zsderm.encoders.home import EncoderHome
from zsderm.fitted import Fitted
from zsderm.images import find

EXAMPLES = Path(__file__).parents[1] / "examples"
CLASSES = (EXAMPLES / "classes.txt").read_text().split("\n")[:6]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder("zsderm-mini")


@pytest.fixture(scope="module")
def photographs() -> list[Path]:
    return find(EXAMPLES / "images")[:12]


def with_home(folder: Path, home: EncoderHome | None) -> Encoder:
    """The bundled encoder with another home, or none: it has the same weights, and so the same fingerprint."""
    shutil.copytree(mini.FOLDER, folder)
    (folder / HOME_FILE).unlink()
    if home is not None:
        home.save(folder / HOME_FILE)
    return load_encoder(folder)


# The training diagnoses of the bundled encoder that each class may be, written down by hand.
SHOWN = {
    "nevus": ["melanocytic nevus"],
    "basal cell carcinoma": ["basal cell carcinoma"],
    "actinic keratosis": ["actinic keratosis"],
    "seborrheic keratosis": ["benign keratosis", "seborrheic keratosis"],
    "squamous cell carcinoma": ["squamous cell carcinoma"],
    "melanoma": ["melanoma"],
}


def mean_of_home(encoder: Encoder, classes: list[str]) -> torch.Tensor:
    """(D,) float64: class after class, diagnosis after diagnosis."""
    home = encoder.home
    assert home is not None
    total = torch.zeros(len(home.mean), dtype=torch.float64)
    for name in classes:
        rows = [home.class_means[list(home.diagnoses).index(one)].double() for one in SHOWN[name]]
        total += sum(rows, torch.zeros_like(total)) / len(rows)
    return total / len(classes)


def test_scores_are_those_of_the_text_less_what_home_scores(encoder: Encoder, photographs: list[Path]) -> None:
    plain, home = (
        ZeroShotClassifier.from_pretrained(encoder, classes=CLASSES, prior=prior) for prior in ("auto", "home")
    )
    found, mean = home.predict(photographs), mean_of_home(encoder, CLASSES)
    rows = encoder.encode_images(photographs).double()
    texts = plain.predict(photographs).proxies
    assert texts is not None
    for image, own in enumerate(found.probabilities.double()):
        scores = []
        for text in texts.double():  # one class after the other, in plain sums
            score = sum(float(a) * float(b) for a, b in zip(rows[image], text, strict=True))
            bias = sum(float(a) * float(b) for a, b in zip(mean, text, strict=True))
            scores.append(score - bias)
        expected = np.exp(np.array(scores) / encoder.temperature)
        np.testing.assert_allclose(own.numpy(), expected / expected.sum(), atol=2e-4)
    assert (found.prior, found.method) == ("home", "kpl")


def test_fitted_a_photograph_alone_has_the_answer_that_it_has_in_a_folder(
    encoder: Encoder, photographs: list[Path]
) -> None:
    made = ZeroShotClassifier.from_pretrained(encoder, classes=CLASSES, prior="home").fit(photographs)
    few, one = made.predict(photographs[:8]), made.predict(photographs[3:4])
    torch.testing.assert_close(few.probabilities[3], one.probabilities[0], rtol=0, atol=1e-5)
    assert few.unrefined_labels is not None and len(few.unrefined_labels) == 8


def test_the_result_says_what_was_taken_off(encoder: Encoder, photographs: list[Path]) -> None:
    found = ZeroShotClassifier.from_pretrained(encoder, classes=CLASSES, prior="home").predict(photographs)
    assert found.refinement.startswith(
        "Prior home: each score was corrected by what its class scores on the encoder's average"
    )
    assert f"of {len(photographs)} answers changed." in found.refinement and "others" not in found.refinement
    refinement = found.manifest["refinement"]
    assert found.proxies is not None
    expected = dict(zip(CLASSES, (found.proxies.double() @ mean_of_home(encoder, CLASSES)).tolist(), strict=True))
    assert refinement["taken off"] == pytest.approx(expected, abs=1e-4)
    assert "prior" not in refinement, "no class mix was learned"
    assert len(refinement["home"]) == 16


@pytest.mark.parametrize(
    ("others", "words"),
    [
        (
            ["psoriasis"],
            "of the 6 classes that it was shown, as some classes .*; at least as much was taken off the other class",
        ),
        (
            ["psoriasis", "acne"],
            "of the 6 classes that it was shown, as some classes .*; at least as much was taken off the 2 others",
        ),
    ],
)
def test_the_result_says_that_some_classes_were_never_shown(
    encoder: Encoder, photographs: list[Path], others: list[str], words: str
) -> None:
    found = ZeroShotClassifier.from_pretrained(encoder, classes=[*CLASSES, *others], prior="home").predict(photographs)
    assert re.search(words, found.refinement)


def test_auto_names_home_where_most_classes_were_never_shown(encoder: Encoder, photographs: list[Path]) -> None:
    others = ["psoriasis", "vitiligo", "acne", "scabies", "rosacea"]
    told = {}
    kinds = ["seborrheic keratosis", *others]  # one class, of two training diagnoses
    for count, classes in (
        (5, [CLASSES[0], *others]),
        (1, kinds),
        (2, [*CLASSES[:2], *others[:2]]),
        (3, [*CLASSES[:2], *others]),
    ):
        notes = ZeroShotClassifier.from_pretrained(encoder, classes=classes).predict(photographs).notes
        (told[count],) = (note for note in notes if note.startswith("Not refined"))
    assert "never shown most of these classes" in told[3] and "prior 'home' may make that rarer." in told[3]
    for note in (told[5], told[1], told[2]):  # not possible with one class that was shown; and where only half were not
        assert "'home'" not in note and "Nothing is wrong" in note


def test_other_methods_use_no_prior_and_say_so(encoder: Encoder, photographs: list[Path]) -> None:
    how: dict[str, Any] = {"classes": CLASSES, "method": "templates"}
    made = [ZeroShotClassifier.from_pretrained(encoder, prior=prior, **how) for prior in ("home", "auto")]
    found, plain = (one.predict(photographs) for one in made)
    assert torch.equal(found.probabilities, plain.probabilities) and found.prior == "none"
    assert any(note.startswith("The prior 'home' was not used") for note in found.manifest["notes"])


def test_a_calibration_and_a_data_set_know_what_was_taken_off(
    encoder: Encoder, photographs: list[Path], tmp_path: Path
) -> None:
    home = encoder.home
    assert home is not None
    other = with_home(tmp_path / "other", replace(home, class_means=home.class_means.flip(0)))
    made, changed = (ZeroShotClassifier.from_pretrained(one, classes=CLASSES, prior="home") for one in (encoder, other))
    found = made.predict(photographs)
    calibration = calibrate_on(found, found.probabilities.argmax(dim=1).numpy())
    apply_calibration(found, calibration)
    with pytest.raises(
        SettingsError,
        match=r"with training images [0-9a-f]{16} of prior home, but these were made with training images",
    ):
        apply_calibration(changed.predict(photographs), calibration)
    for model, done in ((str(mini.FOLDER), True), (str(tmp_path / "other"), False)):
        asked = ["classify", "--images", str(EXAMPLES / "images"), "--classes", ", ".join(CLASSES), "--prior", "home"]
        result = CliRunner().invoke(main, [*asked, "--model", f"local-dir:{model}", "-o", f"{tmp_path / 'answers'}/"])
        assert (result.exit_code == 0) is done, result.output
    assert "what prior home takes off was" in result.output


def test_a_home_that_no_unit_rows_have_is_refused(encoder: Encoder, tmp_path: Path) -> None:
    home = encoder.home
    assert home is not None
    for name in ("mean", "class_means"):
        replace(home, **{name: 100 * getattr(home, name)}).save(tmp_path / HOME_FILE)
        with pytest.raises(CheckpointError, match="means of unit rows that are longer than 1"):
            EncoderHome.read(tmp_path / HOME_FILE)


def test_a_fit_answers_where_the_home_of_the_encoder_is_gone(
    encoder: Encoder, photographs: list[Path], tmp_path: Path
) -> None:
    made = ZeroShotClassifier.from_pretrained(encoder, classes=CLASSES, prior="home").fit(photographs)
    made.save(tmp_path / "fitted")
    other = with_home(tmp_path / "other", None)
    again = ZeroShotClassifier.load(tmp_path / "fitted", other)
    torch.testing.assert_close(again.predict(photographs).probabilities, made.predict(photographs).probabilities)
    facts = json.loads((tmp_path / "fitted" / "classifier.json").read_text())
    facts = {name: value for name, value in facts.items() if name not in ("files", "checksum")} | {"prior": "auto"}
    (tmp_path / "fitted" / "classifier.json").write_text(json.dumps(facts))
    with pytest.raises(InputError, match="it says prior 'auto' and prior 'home'"):
        ZeroShotClassifier.load(tmp_path / "fitted", encoder)


def test_classes_that_were_never_shown_are_not_raised(encoder: Encoder, photographs: list[Path]) -> None:
    others = ["psoriasis", "vitiligo", "acne", "scabies", "rosacea"]
    made = ZeroShotClassifier.from_pretrained(encoder, classes=[*CLASSES, *others], prior="home")
    found, mean = made.predict(photographs), mean_of_home(encoder, CLASSES)
    assert found.proxies is not None
    at_home = [float(text @ mean) for text in found.proxies.double()]
    highest = max(at_home[: len(CLASSES)])
    taken = at_home[: len(CLASSES)] + [max(own, highest) for own in at_home[len(CLASSES) :]]
    assert min(at_home[len(CLASSES) :]) < highest, "or the rule has nothing to do"
    said = list(found.manifest["refinement"]["taken off"].values())
    assert said == pytest.approx(taken, abs=1e-4)
    rows = encoder.encode_images(photographs).double()
    expected = ((rows @ found.proxies.double().T - torch.tensor(taken)) / encoder.temperature).softmax(dim=1)
    torch.testing.assert_close(found.probabilities.double(), expected, rtol=0, atol=2e-4)


def test_a_fit_with_classes_that_were_never_shown_is_kept(
    encoder: Encoder, photographs: list[Path], tmp_path: Path
) -> None:
    made = ZeroShotClassifier.from_pretrained(encoder, classes=[*CLASSES, "psoriasis", "acne"], prior="home")
    made.fit(photographs).save(tmp_path / "fitted")
    again = ZeroShotClassifier.load(tmp_path / "fitted", encoder)
    one, other = made.predict(photographs), again.predict(photographs)
    assert torch.equal(one.probabilities, other.probabilities)
    assert one.manifest["refinement"] == other.manifest["refinement"] and made.fitted is not None
    with pytest.raises(ValueError, match="never shown is below 0"):
        Fitted.from_parts(made.fitted.tensors() | {"held_back": -torch.ones(8)}, made.fitted.facts())


def test_smoothed_answers_are_counted_as_they_are_listed(encoder: Encoder) -> None:
    images = find(EXAMPLES / "images")
    made = ZeroShotClassifier.from_pretrained(encoder, classes=CLASSES, prior="home", smooth=20.0)
    found = made.predict(images)
    assert found.manifest["refinement"]["changed"] == int(found.changed.sum()) > 0


def test_it_is_kept_with_a_fitted_classifier(encoder: Encoder, photographs: list[Path], tmp_path: Path) -> None:
    made = ZeroShotClassifier.from_pretrained(encoder, classes=CLASSES, prior="home")
    made.fit(photographs)
    made.save(tmp_path / "fitted")
    again = ZeroShotClassifier.load(tmp_path / "fitted", encoder)
    one, other = made.predict(photographs[:3]), again.predict(photographs[:3])
    torch.testing.assert_close(one.probabilities, other.probabilities)
    assert other.prior == "home" and other.refinement == one.refinement
    assert "of the fit" not in other.refinement, "the fit taught nothing about the answers but their sentences"


def test_a_damaged_home_stops_no_other_prior(encoder: Encoder, photographs: list[Path], tmp_path: Path) -> None:
    other = with_home(tmp_path / "other", None)
    (tmp_path / "other" / HOME_FILE).write_bytes(b"no tensors")
    with pytest.warns(FallbackWarning, match="prior 'home' is not possible; other answers stay the same"):
        made = ZeroShotClassifier.from_pretrained(other, classes=CLASSES).predict(photographs[:3])
    same = ZeroShotClassifier.from_pretrained(encoder, classes=CLASSES).predict(photographs[:3])
    torch.testing.assert_close(made.probabilities, same.probabilities)
    with pytest.raises(SettingsError, match="has none that can be used"):
        ZeroShotClassifier.from_pretrained(other, classes=CLASSES, prior="home")


def test_an_older_home_is_refused_with_what_it_lacks(encoder: Encoder, tmp_path: Path) -> None:
    assert encoder.home is not None
    older = with_home(tmp_path / "older", replace(encoder.home, diagnoses=(), class_means=torch.empty(0, 0)))
    with pytest.raises(SettingsError, match="does not say what they show"):
        ZeroShotClassifier.from_pretrained(older, classes=CLASSES, prior="home")


def test_a_calibration_under_another_prior_is_refused_by_name(encoder: Encoder, photographs: list[Path]) -> None:
    home, auto = (ZeroShotClassifier.from_pretrained(encoder, classes=CLASSES, prior=name) for name in ("home", "auto"))
    found = home.predict(photographs)
    calibration = calibrate_on(found, found.probabilities.argmax(dim=1).numpy())
    with pytest.raises(SettingsError, match=r"method kpl and prior home, but .* with method knowledge and no prior\."):
        apply_calibration(auto.predict(photographs), calibration)


def test_it_is_refused_where_it_cannot_be_used(encoder: Encoder, tiny_encoder: Encoder) -> None:
    with pytest.raises(SettingsError, match=r"but tiny has none that can be used. Use prior 'auto'"):
        ZeroShotClassifier(tiny_encoder, CLASSES, prior="home")
    with pytest.raises(SettingsError, match=r"but it was shown melanoma \(as melanoma\)\. Use"):
        ZeroShotClassifier.from_pretrained(encoder, classes=["melanoma", "psoriasis"], prior="home")
    with pytest.raises(SettingsError, match=r"apart .* hemangioma \(as (.+)\); pyogenic granuloma \(as \1\)\. Use"):
        ZeroShotClassifier.from_pretrained(encoder, classes=["hemangioma", "pyogenic granuloma"], prior="home")
    with pytest.raises(SettingsError, match="but it was shown none of them"):
        ZeroShotClassifier.from_pretrained(encoder, classes=["psoriasis", "vitiligo"], prior="home")
    with pytest.raises(SettingsError, match="does not know melannoma, nevuss: check the spelling"):
        ZeroShotClassifier.from_pretrained(encoder, classes=["melannoma", "nevuss", "psoriasis"], prior="home")
    with pytest.raises(SettingsError, match="Expected retrieval 'batch' beside prior 'home'"):
        ZeroShotClassifier.from_pretrained(encoder, classes=CLASSES, prior="home", retrieval="image")
    with pytest.raises(SettingsError, match="Expected `centre` to be off beside prior 'home'"):
        ZeroShotClassifier.from_pretrained(encoder, classes=CLASSES, prior="home", centre=True)
    with pytest.raises(SettingsError, match=r"'auto', 'uniform', 'home' or 6 weights, but got 'hom'. Did you mean"):
        ZeroShotClassifier.from_pretrained(encoder, classes=CLASSES, prior="hom")


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., str]:
    def classify(*arguments: str) -> str:
        asked = ["classify", "--images", str(EXAMPLES / "images"), "--classes", str(EXAMPLES / "classes.txt")]
        result = CliRunner().invoke(main, [*asked, *arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    return classify


def test_the_command_says_it_and_answers_the_same_from_stored_rows(run: Callable[..., str], tmp_path: Path) -> None:
    told = run("--prior", "home", "--output", str(tmp_path / "p.csv"))
    assert "prior home" in told and "Prior home: each score was corrected" in told
    manifest = json.loads((tmp_path / "p.csv.manifest.json").read_text())["manifest"]
    assert manifest["settings"]["prior"] == "home"
    embed = ["embed", str(EXAMPLES / "images"), "--output", str(tmp_path / "rows.npy")]
    assert CliRunner().invoke(main, embed, catch_exceptions=False).exit_code == 0
    stored = ["classify", "--embeddings", str(tmp_path / "rows.npy"), "--classes", str(EXAMPLES / "classes.txt")]
    stored += ["--prior", "home", "--output", str(tmp_path / "q.csv")]
    result = CliRunner().invoke(main, stored, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    one, other = (pd.read_csv(tmp_path / name) for name in ("p.csv", "q.csv"))
    assert one["label"].tolist() == other["label"].tolist()
    np.testing.assert_allclose(one["probability"], other["probability"], atol=1e-4)

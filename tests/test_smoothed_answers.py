"""Smoothing of a folder's answers: what the classifier does with it, says of it, and asks of a calibration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zsderm import KnowledgeBase, SettingsError, ZeroShotClassifier
from zsderm.calibration import Calibration, apply_calibration, calibrate_on
from zsderm.calibration.record import prediction_settings
from zsderm.config import Settings
from zsderm.proxies import NEIGHBOURS, smooth_labels
from zsderm.smoothed_answers import SmoothedAnswers

CLASSES = ["melanoma", "psoriasis", "mole"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 photographs in three colours, and one file that is no photograph."""
    place = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for n in range(40):
        colour = np.array([(70, 40, 30), (200, 120, 110), (150, 100, 80)][n % 3])
        pixels = np.clip(colour + rng.normal(0, 60, (8, 8, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).resize((32, 32)).save(place / f"{n:02d}.png")
    (place / "99.png").write_bytes(b"not an image")
    return place


def classifier(encoder: object, **changes: object) -> ZeroShotClassifier:
    base = KnowledgeBase.load("dermatology")
    return ZeroShotClassifier.from_pretrained(encoder, classes=CLASSES, knowledge=base, method="knowledge", **changes)


def test_predictions_are_those_of_the_formula_and_the_manifest_says_so(tiny_encoder, folder) -> None:
    plain = classifier(tiny_encoder).predict(folder)
    found = classifier(tiny_encoder, smooth=0.5).predict(folder)
    features = tiny_encoder.encode_images([str(path) for path in sorted(folder.iterdir())[:40]])
    expected = smooth_labels(features, plain.probabilities[:40], 0.5)
    torch.testing.assert_close(found.probabilities[:40], expected, atol=1e-5, rtol=0)
    assert found.probabilities[40].isnan().all()
    assert (found.probabilities[:40] - plain.probabilities[:40]).abs().max() > 0.01
    changed = sum(one != other for one, other in zip(plain.labels, found.labels, strict=True))
    facts = {"gamma": 0.5, "neighbours": NEIGHBOURS, "images": 40, "changed": changed}
    assert found.manifest["smoothing"] == facts and found.manifest["settings"]["smooth"] == 0.5
    assert f"{changed} of 40 answers changed." in found.notes[-1] and found.notes[-1].startswith("Smoothed: ")
    assert found.notes[:-1] == plain.notes and "smoothing" not in plain.manifest


def test_descriptions_stand_beside_the_smoothed_answer(tiny_encoder, folder) -> None:
    found = classifier(tiny_encoder, smooth=5.0).predict(folder)
    plain = classifier(tiny_encoder).predict(folder)
    moved = [n for n in range(40) if found.labels[n] != plain.labels[n]]
    assert moved, "at gamma 5 some label changes"
    for n in moved:
        assert found.evidence[n] and found.evidence[n] != plain.evidence[n]


def test_few_photographs_are_not_smoothed_and_the_note_says_why(tiny_encoder, folder) -> None:
    paths = [str(folder / f"{n:02d}.png") for n in range(15)]
    found = classifier(tiny_encoder, smooth=0.5).predict(paths)
    torch.testing.assert_close(found.probabilities, classifier(tiny_encoder).predict(paths).probabilities)
    assert found.notes[-1] == "Not smoothed: there are only 15 photographs, and at least 16 are needed."
    assert found.manifest["smoothing"] is None
    one = classifier(tiny_encoder, smooth=0.5).predict(paths[0])
    assert one.notes[-1] == "Not smoothed: there is only 1 photograph, and at least 16 are needed."


def test_without_an_image_nothing_is_said(tiny_encoder, folder) -> None:
    found = classifier(tiny_encoder, smooth=0.5).predict(str(folder / "99.png"))
    assert found.notes == ("No image could be read.",)


def test_nothing_asked_for_is_nothing_done() -> None:
    alone = torch.tensor([[0.7, 0.3]]).repeat(20, 1)
    found = SmoothedAnswers.of(torch.eye(20), alone, Settings())
    assert found.probabilities is alone and found.facts is None and found.note == ""


def test_groups_are_refused_before_any_image_is_read(tiny_encoder, folder) -> None:
    with pytest.raises(SettingsError, match="answers for groups cannot be smoothed"):
        classifier(tiny_encoder, smooth=0.3).predict_groups(folder / "missing", [])


def test_smoothing_is_not_saved_and_is_asked_for_again(tiny_encoder, folder, tmp_path) -> None:
    classifier(tiny_encoder, smooth=0.5).fit(folder).save(tmp_path / "fitted")
    plain = ZeroShotClassifier.load(tmp_path / "fitted", tiny_encoder)
    assert plain.settings.smooth == 0
    again = ZeroShotClassifier.load(tmp_path / "fitted", tiny_encoder, smooth=0.2)
    assert again.settings == replace(plain.settings, smooth=0.2)
    assert again.predict(folder).manifest["smoothing"]["gamma"] == 0.2


def labels_of(count: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 3, count)


def test_a_calibration_holds_for_the_smoothing_that_it_was_made_with(tiny_encoder, folder, tmp_path) -> None:
    smoothed, plain = (classifier(tiny_encoder, smooth=gamma).predict(folder) for gamma in (0.3, 0.0))
    calibrate_on(smoothed, labels_of(41)).save(tmp_path / "smoothed.json")
    record = Calibration.load(tmp_path / "smoothed.json")
    assert (record.made_with["smooth"], record.made_with["smooth_neighbours"]) == (0.3, NEIGHBOURS)
    answers = apply_calibration(smoothed, record)
    assert answers.labels == smoothed.labels and answers.manifest["smoothing"]["gamma"] == 0.3
    assert answers.sets is not None
    with pytest.raises(SettingsError, match=r"with smoothing \(gamma 0.3\), but these were made with no smoothing"):
        apply_calibration(plain, record)
    other = classifier(tiny_encoder, smooth=0.1).predict(folder)
    with pytest.raises(SettingsError, match=r"but these were made with smoothing \(gamma 0.1\)"):
        apply_calibration(other, record)
    more = replace(record, made_with={**record.made_with, "smooth_neighbours": NEIGHBOURS + 1})
    with pytest.raises(SettingsError, match="smoothing over 6 neighbours, but these were made with smoothing over 5"):
        apply_calibration(smoothed, more)


def test_a_calibration_of_plain_answers_refuses_smoothed_ones_also_an_old_one(tiny_encoder, folder) -> None:
    smoothed, plain = (classifier(tiny_encoder, smooth=gamma).predict(folder) for gamma in (0.3, 0.0))
    record = calibrate_on(plain, labels_of(41))
    older = replace(record, made_with={name: of for name, of in record.made_with.items() if name != "smooth"})
    for one in (record, older):
        assert apply_calibration(plain, one).sets is not None
        with pytest.raises(SettingsError, match=r"with no smoothing, but these were made with smoothing \(gamma 0.3\)"):
            apply_calibration(smoothed, one)


def test_a_folder_too_small_to_be_smoothed_is_refused_with_what_to_do(tiny_encoder, folder) -> None:
    subject = classifier(tiny_encoder, smooth=0.3)
    record = calibrate_on(subject.predict(folder), labels_of(41))
    few = subject.predict([str(folder / f"{n:02d}.png") for n in range(5)])
    assert prediction_settings(few)["smooth"] == 0
    with pytest.raises(SettingsError, match="but 5 photographs are too few to smooth"):
        apply_calibration(few, record)

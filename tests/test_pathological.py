"""Tissue sections: no sentence about skin is read for them, names are, in prompts for histology; and that is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from zsderm import KnowledgeBase, ZeroShotClassifier, load_encoder
from zsderm.cli import main
from zsderm.errors import FallbackWarning, SettingsError
from zsderm.knowledge.prompts import PATHOLOGY_TEMPLATES, template_prompts

CLASSES = ["melanoma", "basal cell carcinoma"]


@pytest.fixture(scope="module")
def encoder() -> object:
    return load_encoder("zsderm-mini")


def _classifier(encoder: object, base: object = "dermatology", **how: object) -> ZeroShotClassifier:
    return ZeroShotClassifier.from_pretrained(encoder, classes=CLASSES, knowledge=base, modality="pathological", **how)  # type: ignore[arg-type]


def test_there_are_as_many_templates_as_for_skin_and_each_names_the_class_once() -> None:
    assert 10 <= len(PATHOLOGY_TEMPLATES) <= 14 and len(set(PATHOLOGY_TEMPLATES)) == len(PATHOLOGY_TEMPLATES)
    assert all(template.count("{name}") == 1 for template in PATHOLOGY_TEMPLATES)
    assert template_prompts("bcc", PATHOLOGY_TEMPLATES)[0] == "a histopathology image of bcc"


@pytest.mark.slow
def test_the_bundled_base_says_nothing_of_sections_so_names_are_read_in_prompts_for_them(encoder: object) -> None:
    with pytest.warns(FallbackWarning, match="does not say how tissue sections look"):
        texts = _classifier(encoder, method="knowledge").texts
    assert not any(sentence.description for sentence in texts.sentences)
    assert {s.text for s in texts.sentences} >= {"a histopathology image of melanoma"}
    assert not any("dermatoscope" in s.text or "smartphone" in s.text for s in texts.sentences)
    assert any("prompts for histopathology images" in note for note in texts.notes)
    assert texts.templates == tuple(PATHOLOGY_TEMPLATES)


@pytest.mark.slow
def test_methods_without_descriptions_take_the_prompts_and_warn_of_nothing(encoder: object) -> None:
    texts = _classifier(encoder, method="templates").texts
    assert texts.notes == () and "a histopathology image of melanoma" in {s.text for s in texts.sentences}
    own = _classifier(encoder, method="templates", templates=["slide: {name}"]).texts
    assert "slide: melanoma" in {s.text for s in own.sentences} and own.templates == ("slide: {name}",)


def _base(folder: Path) -> KnowledgeBase:
    told = {
        "aspect": "colour",
        "modality": "pathological",
        "text": "Nests of dark atypical cells climb through the epidermis.",
    }
    seen = {"aspect": "colour", "modality": "clinical", "text": "Several shades of brown and black lie side by side."}
    rows = [
        {"name": "melanoma", "aliases": [], "ontology": ["neoplasm"], "concepts": [], "descriptions": [told, seen]},
        {
            "name": "basal cell carcinoma",
            "aliases": [],
            "ontology": ["neoplasm"],
            "concepts": [],
            "descriptions": [seen],
        },
    ]
    (folder / "own.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return KnowledgeBase.load(folder / "own.jsonl")


@pytest.mark.slow
def test_a_base_of_ones_own_may_describe_sections_and_they_are_read_for_sections_alone(
    encoder: object, tmp_path: Path
) -> None:
    base = _base(tmp_path)
    with pytest.warns(FallbackWarning, match="does not describe 'basal cell carcinoma'"):
        sections = _classifier(encoder, base, method="descriptions").texts
    assert [s.description.modality for s in sections.sentences if s.description] == ["pathological"]
    skin = ZeroShotClassifier.from_pretrained(encoder, classes=CLASSES, knowledge=base, method="descriptions").texts  # type: ignore[arg-type]
    assert [s.description.modality for s in skin.sentences if s.description] == ["clinical"] * 2


@pytest.mark.slow
def test_the_command_says_so_and_lists_no_sentence_about_skin(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (48, 48, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    how = ["--images", tmp_path, "--classes", ", ".join(CLASSES), "--modality", "pathological", "--no-cache"]
    done = CliRunner().invoke(main, ["classify", *map(str, how), "--output", str(tmp_path / "out.csv")])
    assert done.exit_code == 0, done.output
    assert "prompts for histopathology images" in done.stderr
    rows = (tmp_path / "out.csv").read_text().splitlines()
    header, row = (line.split(",") for line in rows[:2])
    assert dict(zip(header, row, strict=False))["evidence"] == ""


@pytest.mark.slow
def test_a_fit_on_one_kind_of_picture_does_not_answer_for_sections(encoder: object, tmp_path: Path) -> None:
    found = ZeroShotClassifier.from_pretrained(encoder, classes=CLASSES, method="templates")  # type: ignore[arg-type]
    rows = np.eye(4, encoder.card.width, dtype=np.float32)  # type: ignore[attr-defined]
    found.fit(rows).save(tmp_path / "fit")
    with pytest.raises(SettingsError, match="fitted for auto images and not for pathological ones"):
        ZeroShotClassifier.load(tmp_path / "fit", encoder, modality="pathological")  # type: ignore[arg-type]

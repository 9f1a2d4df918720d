from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from zsderm.benchmarks.experiments.evidence_signs import CLAIMS, agreement, claims, measured, signs

SIGNS = list(CLAIMS)


def disc(colour: tuple[int, int, int], star: bool = False) -> Image.Image:
    picture = Image.new("RGB", (120, 120), (220, 180, 160))
    draw = ImageDraw.Draw(picture)
    if star:
        turns = np.linspace(0, 2 * np.pi, 25)[:-1]
        radii = np.where(np.arange(24) % 2, 12, 40)
        draw.polygon([(60 + r * np.cos(t), 60 + r * np.sin(t)) for r, t in zip(radii, turns, strict=True)], fill=colour)
    else:
        draw.ellipse((30, 30, 90, 90), fill=colour)
    return picture


def test_sentences_claim_signs_or_their_opposite() -> None:
    found = claims(["A black nodule with a jagged outline.", "A pale flat macule.", "Nothing of the kind."])
    assert found.shape == (3, len(SIGNS))
    assert dict(zip(SIGNS, found[0], strict=True)).items() >= {"dark": 1, "ragged": 1, "raised": 1, "bled": 0}.items()
    assert dict(zip(SIGNS, found[1], strict=True)).items() >= {"dark": -1, "raised": -1}.items()
    assert not found[2].any()


def test_pixels_tell_dark_red_and_ragged_lesions() -> None:
    black, red, pale, star = (
        measured(disc(colour, star))
        for colour, star in (
            ((30, 20, 20), False),
            ((210, 40, 40), False),
            ((200, 160, 140), False),
            ((30, 20, 20), True),
        )
    )
    assert black["dark"] > red["dark"] > pale["dark"] > 0
    assert red["red"] > 10 + max(black["red"], pale["red"])
    assert star["ragged"] > 1.5 * black["ragged"]


def test_what_the_table_notes_counts_and_what_is_unknown_is_a_gap(tmp_path) -> None:
    disc((30, 20, 20)).save(tmp_path / "a.png")
    found = signs([tmp_path / "a.png"] * 2, {"elevation": ["True", ""], "bleed": ["False", "False"]})
    raised, bled = SIGNS.index("raised"), SIGNS.index("bled")
    assert found[0, raised] == 1 and np.isnan(found[1, raised]) and found[:, bled].tolist() == [0, 0]


@pytest.mark.parametrize(("said", "agree"), [(1, 1.0), (-1, 0.0)])
def test_claims_that_follow_the_photograph_are_far_from_chance_and_others_are_not(said: int, agree: float) -> None:
    shown = np.tile(np.arange(40.0)[:, None], (1, len(SIGNS)))
    answers = np.arange(40) % 2
    following = np.sign(shown - 19.5) * said
    found = agreement(following, shown, answers)
    assert found["agree"] == agree and abs(found["chance"] - 0.5) < 0.05 and found["z"] * said > 5
    random = np.sign(np.random.default_rng(1).normal(size=shown.shape))
    assert abs(agreement(random, shown, answers)["z"]) < 3

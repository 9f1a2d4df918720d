"""The table of judges: thresholds never see the source or the encoder that they are tried on, and the command."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from zsderm.benchmarks.experiments import refinement_folders, refinement_judges
from zsderm.benchmarks.experiments.refinement_candidates import CANDIDATES
from zsderm.benchmarks.experiments.refinement_evidence import EVIDENCE
from zsderm.benchmarks.experiments.refinement_judges import (
    best_of,
    each_candidate,
    families,
    fixed_outcomes,
    groups,
    judged,
    let_loose,
    main,
    synthetic,
)
from zsderm.benchmarks.experiments.refinement_rules import Condition, Rule
from zsderm.benchmarks.experiments.refinement_tables import summary

SUBJECTS = (("mini", "pad", False), ("mini", "ham10000", False), ("first", "pad", False), ("first", "isic2017", True))


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Two candidates: "good" gains where the neighbours say so, "bad" always loses; and what "auto" did."""
    rng, made, folder = np.random.default_rng(0), [], 0
    for part in ("tuning", "reserved"):
        for encoder, source, away in (*SUBJECTS, ("synthetic", "synthetic", False)):
            for _ in range(40):
                facts = {"part": part, "encoder": encoder, "source": source, "away": away, "folder": folder}
                facts |= {"kind": "synthetic" if source == "synthetic" else "real", "bound": 1.0, "guard": False}
                for candidate in ("good", "bad", *(["auto"] if part == "reserved" else [])):
                    evidence = {name: rng.normal() for name in EVIDENCE}
                    gain = {"good": 4 * evidence["neighbours"], "bad": -5.0, "auto": 0.0}[candidate]
                    made.append(
                        facts | evidence | {"candidate": candidate, "gain": gain, "balanced gain": gain, "size": 99}
                    )
                folder += 1
    return pd.DataFrame(made)


def test_thresholds_see_neither_the_source_nor_the_encoder_that_they_are_tried_on(rows: pd.DataFrame) -> None:
    seen = []
    for tuning, own in groups(rows):
        (encoder,), (source,) = own["encoder"].unique(), own["source"].unique()
        seen.append((encoder, source))
        assert set(own["part"]) == {"reserved"} and set(tuning["part"]) == {"tuning"}
        assert "synthetic" in set(tuning["kind"])
        real = tuning[tuning["kind"] == "real"]
        assert len(real) and (source == "synthetic" or encoder not in set(real["encoder"]))
        assert source == "synthetic" or source not in set(real["source"])
    assert sorted(seen) == sorted([*((one, other) for one, other, _ in SUBJECTS), ("synthetic", "synthetic")])


@pytest.mark.parametrize("name", ["one evidence", "two evidences", "regression"])
def test_judges_find_the_candidate_that_gains_and_when(rows: pd.DataFrame, name: str) -> None:
    tried = rows[rows["candidate"] != "auto"]
    outcome = judged(tried, families(nothing=False)[name])
    assert sorted(outcome["folder"]) == sorted(rows.loc[rows["part"] == "reserved", "folder"].unique())
    assert set(outcome.loc[outcome["refined"], "candidate"]) == {"good"}
    assert (outcome.loc[~outcome["refined"], "gain"] == 0).all()
    found, could = summary(outcome), summary(fixed_outcomes(rows)["oracle: the best candidate of each folder"])
    assert could["gain"] / 2 < found["gain"] <= could["gain"] and could["worst"] == 0


def test_without_a_judge_the_best_candidate_is_let_loose(rows: pd.DataFrame) -> None:
    tried = rows[rows["candidate"] != "auto"]
    outcome = judged(tried, let_loose)
    assert outcome["refined"].all() and set(outcome["candidate"]) == {"good"}
    assert summary(outcome)["lose more than the bound"] > 0


def test_a_judge_that_finds_nothing_leaves_every_folder_alone(rows: pd.DataFrame) -> None:
    tried = rows[rows["candidate"] != "auto"].assign(candidate=next(iter(CANDIDATES)))
    outcome = judged(tried.drop_duplicates("folder"), lambda _: None)
    assert not outcome["refined"].any() and (outcome["gain"] == 0).all()


def test_the_best_of_several_judges_is_the_one_that_gains_most() -> None:
    made = [Rule("a", (Condition("moved", 1, 0.0),), gained) for gained in (1.0, 3.0, 2.0)]
    fits = [lambda _, one=one: one for one in made]
    assert best_of([*fits, lambda _: None])(pd.DataFrame()) is made[1]
    both = pd.DataFrame({"candidate": ["a", "b"], "gain": [1.0, 2.0]})
    picked = each_candidate(lambda part: Rule(part["candidate"].iloc[0], (), float(part["gain"].iloc[0])))(both)
    assert picked is not None and picked.candidate == "b"


def test_today_s_guard_takes_the_densest_of_what_it_accepts(rows: pd.DataFrame) -> None:
    accepted = rows.assign(guard=(rows["candidate"] == "bad") & (rows["changed"] > 0))
    outcome = fixed_outcomes(accepted)["today's guard, all candidates"]
    assert not outcome["folder"].duplicated().any() and outcome["refined"].any()
    assert (outcome["gain"] == np.where(outcome["refined"], -5.0, 0.0)).all()


def test_reserved_synthetic_folders_are_not_those_of_tuning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refinement_judges, "SYNTHETIC_POOLS", {"tuning": 1, "reserved": 1})
    assert not set(refinement_judges.SEEDS["tuning"]) & set(refinement_judges.SEEDS["reserved"])
    tuning, reserved = (list(synthetic(part)) for part in ("tuning", "reserved"))
    assert tuning and reserved and not np.array_equal(tuning[0].features, reserved[0].features)


def test_an_encoder_away_needs_a_name_a_folder_and_tables(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["--data-root", str(tmp_path), "--away", "first=nowhere"])
    assert done.exit_code == 2 and "NAME=FOLDER:TABLE" in done.stderr


@pytest.mark.slow
def test_the_command_writes_tables_figures_and_rows_that_can_be_judged_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refinement_judges, "SYNTHETIC_POOLS", {"tuning": 2, "reserved": 1})
    monkeypatch.setattr(refinement_judges, "SEEDS", {"tuning": (0,), "reserved": (1000,)})
    monkeypatch.setattr(refinement_folders, "REGIMES", ("natural", "one class"))
    rng, labels = np.random.default_rng(0), ("nevus", "melanoma", "basal cell carcinoma") * 16
    for source in ("pad", "isic2017"):
        (tmp_path / source).mkdir()
        with (tmp_path / source / "index.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["filename", "label", "split"])
            for n, label in enumerate(labels):
                Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(tmp_path / source / f"{n}.png")
                writer.writerow([f"{n}.png", label, "train" if n % 2 else "dev"])
    page, figures, kept = (tmp_path / name for name in ("page.md", "figures.json", "rows.csv"))
    page.write_text(
        "Before\n"
        + "".join(f"<!-- {one} -->\n<!-- end of {one.split(':')[0]} -->\n" for one in refinement_judges.PARTS)
    )
    away = ["--away", "other=zsderm-mini:isic2017/index.csv"]
    where = ["--data-root", tmp_path, "--cache-dir", tmp_path / "cache", "--output", figures, "--document", page]
    done = CliRunner().invoke(main, [*map(str, where), *away, "--keep", str(kept)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    text, first = page.read_text(), json.loads(figures.read_text())
    assert text.startswith("Before") and "| auto as it is |" in text and "ways to decide" in text
    assert {"away", "home", "synthetic"} == set(first["reserved"]["auto as it is"])
    again = CliRunner().invoke(main, [*map(str, where), "--rows", str(kept)], catch_exceptions=False)
    assert again.exit_code == 0 and json.loads(figures.read_text())["rules"] == first["rules"]

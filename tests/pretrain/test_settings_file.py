"""Mistakes in a YAML file, as they show at ``zsderm pretrain --dry-run``: one sentence, soon."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from zsderm.cli import main

RECIPES = runpy.run_path(str(Path(__file__).with_name("recipes.py")))
SMALL = {**RECIPES["settings"](**RECIPES["TINY"]), "card": {"name": "small"}}


def dry_run(folder: Path, content: str | bytes) -> Result:
    path = folder / "c.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return CliRunner().invoke(main, ["pretrain", "--config", str(path), "--dry-run"])


def changed(**settings: object) -> str:
    return yaml.safe_dump({**SMALL, **settings})


def architecture(part: str, **settings: object) -> str:
    cfg = SMALL["model_cfg"]
    return changed(model_cfg={**cfg, part: {**cfg[part], **settings}})


BOMB = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a: [1, 2\nb: }\n", "to be YAML, but"),
        ("\ta: 1\n", "to be YAML, but"),
        ("a: \0\n", "to be YAML, but"),
        (b"a: caf\xe9\n", "UTF-8"),
        ("a: !!python/object/apply:os.system [ls]\n", "to be YAML, but"),
        ("a: 1\n---\nb: 2\n", "single document"),
        ("", "to hold settings"),
        ("[1]\n", "to hold settings"),
        ("epochs: 3\nepochs: 5\n", "'epochs' stands twice"),
        ("card: {name: a, name: b}\n", "'name' stands twice"),
        ("card: {name: a, date: 2024-01-01}\n", "2024-01-01 is a date. Put it in quotes"),
        ("leave_out: !!set {a}\n", "is a set"),
        ("1: 2\n", "names of settings"),
        ("? [a]\n: b\n", "to be YAML, but"),
        ("a: &a [*a]\n", "too many settings"),
        (BOMB, "too many settings"),
        ("a: " + "[" * 500 + "]" * 500, "cannot read it"),
        ("epochs: " + "9" * 5000, "cannot read it"),
        ("#" * 1_000_001, "1,000,001 bytes"),
        ("train:\ncard: {}\n", "`train` to be a list"),
        (changed(preprocess_cfg={}), "`preprocess_cfg.mean`"),
        (changed(knowledge="nix"), "`knowledge`: knowledge base 'nix'"),
        (changed(image_start="efficientnet-lite0"), "vision_cfg.timm_model_name to tf_efficientnet_lite0"),
        (changed(image_start="randon"), "Did you mean 'random'"),
        (changed(image_start="timm"), "has no timm_model_name"),
        (changed(text_start="hub"), "`text_start`"),
        (changed(evaluate=[{"task": "concepts", "table": "a", "vocabulary": "nix"}]), "`evaluate.0.vocabulary`"),
        (changed(evaluate=[{"task": "retrieval", "table": "a", "knowledge": "nix"}]), "`evaluate.0.knowledge`"),
        (architecture("vision_cfg", width=33), "`model_cfg` makes no model"),
        (architecture("vision_cfg", colour=1), "`model_cfg` makes no model"),
        (architecture("vision_cfg", timm_model_name="nix"), "`model_cfg` makes no model"),
        (architecture("vision_cfg", patch_size=64), "does not go through the towers"),
        (architecture("text_cfg", heads=3), "`model_cfg` makes no model"),
        (architecture("vision_cfg", layers=10**9), "`model_cfg.vision_cfg.layers`"),
    ],
)
def test_a_mistake_is_one_sentence_before_anything_is_built(tmp_path: Path, content: str | bytes, reason: str) -> None:
    done = dry_run(tmp_path, content)
    assert done.exit_code == 1 and isinstance(done.exception, SystemExit), done.exception
    assert reason in done.stderr and done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1


def test_a_small_run_without_mistakes_is_estimated(tmp_path: Path) -> None:
    done = dry_run(tmp_path, changed())
    assert done.exit_code == 0 and "steps: 3 an epoch" in done.stdout, done.output

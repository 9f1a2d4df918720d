from __future__ import annotations

import math
from pathlib import Path

import click
import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner

from zsderm.pretrain.local_alignment import CONFIG, KINDS, losses, main, of_another_class


def test_patches_that_point_every_way_name_any_sub_caption_without_the_image() -> None:
    every_way = torch.eye(8)[None].repeat(2, 1, 1)
    text, mask = torch.nn.functional.normalize(torch.randn(2, 3, 8), dim=-1), torch.ones(2, 3, dtype=torch.bool)
    loss, reached = losses(every_way, text, mask, torch.tensor(100.0), -1.0)
    assert loss < 0.05 and reached == 1.0, "the region is the sub-caption itself"
    loss, reached = losses(every_way, text, mask, torch.tensor(100.0), 1.0)
    assert loss == pytest.approx(math.log(6)) and reached == 0.0


def test_an_image_of_another_class_is_one() -> None:
    labels = ["a", "a", "b", "c"]
    chosen = of_another_class(labels, np.random.default_rng(0))
    assert all(labels[other] != label for other, label in zip(chosen, labels, strict=True))


def test_images_of_one_class_are_refused() -> None:
    with pytest.raises(click.ClickException, match="at least two classes"):
        of_another_class(["a", "a"], np.random.default_rng(0))


def test_the_table_has_every_threshold_and_kind(data: Path, tmp_path: Path) -> None:
    recipe = yaml.safe_load(CONFIG.read_text())
    recipe |= {"train": [{"table": "index.csv", "modality": "clinical"}], "batch_size": 6, "samples_per_epoch": 12}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    options = [
        "--data-root",
        str(data),
        "--config",
        str(tmp_path / "recipe.yaml"),
        "--batches",
        "1",
        "--split",
        "train",
    ]
    result = CliRunner().invoke(main, [*options, "--sigma", "-1", "--sigma", "1"], catch_exceptions=False)
    assert result.exit_code == 0
    head, _, least, most = result.output.split("\n\n")[1].splitlines()
    assert head == "| sigma | " + " | ".join(KINDS) + " |"
    assert least.count("(1.00)") == 3 and most.count("(0.00)") == 3

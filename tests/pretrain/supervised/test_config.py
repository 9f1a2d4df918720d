from __future__ import annotations

from pathlib import Path

import pytest

from zsderm.errors import SettingsError
from zsderm.pretrain.config import read_config
from zsderm.pretrain.supervised.config import PLAIN, read_supervised_config

CONFIGS = Path(__file__).parents[3] / "pretrain" / "configs"
LITE0 = CONFIGS / "supervised_lite0.yaml"


@pytest.mark.parametrize(("name", "tower"), [("lite0", "tf_efficientnet_lite0"), ("resnet50", "resnet50")])
def test_the_bundled_configurations_are_read(name: str, tower: str) -> None:
    config = read_supervised_config(CONFIGS / f"supervised_{name}.yaml")
    assert config.tower == tower and config.views == 8 and config.mixup > 0 and config.average > 0


def test_without_augmentation_images_are_only_mirrored(tmp_path: Path) -> None:
    lines = [line for line in LITE0.read_text().splitlines() if not line.startswith(("augmentation", "  crop", "  qu"))]
    lines = [line for line in lines if "jitter" not in line]
    (tmp_path / "plain.yaml").write_text("\n".join(lines))
    assert read_supervised_config(tmp_path / "plain.yaml").augmentation == PLAIN


def test_a_configuration_says_which_command_it_is_for() -> None:
    with pytest.raises(SettingsError, match="Use it with: zsderm pretrain supervised"):
        read_config(LITE0)
    with pytest.raises(SettingsError, match=r"Use it with: zsderm pretrain$"):
        read_supervised_config(CONFIGS / "mini.yaml")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("tower", "tf_efficientnet_lite00", "Did you mean 'tf_efficientnet_lite0'"),
        ("tower", "hf-hub:somebody/network", "a network of timm"),
        ("weights", "zsderm-mimi", "Did you mean 'zsderm-mini'"),
        ("mixup", -0.1, "`mixup` to be from 0 to 10"),
        ("label_smoothing", 1, "`label_smoothing` to be from 0 to 0.9"),
        ("average", 1.0, r"`average` to be in \[0, 1\)"),
        ("views", 2, "1, 4, 8"),
        ("classes", ["nevus"], "at least two"),
        ("preprocess_cfg.size", 0, "from 1 to 4,096 pixels"),
        ("square", 10, "at least the 80 pixels"),
        ("evaluate", [{"task": "retrieval", "table": "a.csv"}], "by classification alone"),
        ("lambda_m", 1.0, "Unknown setting 'lambda_m'"),
        ("train", [], "`train` to name at least one"),
    ],
)
def test_what_cannot_be_trained_is_refused(name: str, value: object, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read_supervised_config(LITE0, {name: value})

from __future__ import annotations

from pathlib import Path

import pytest

from zsderm import SettingsError
from zsderm.pretrain.config import read_config

MINI = Path(__file__).parents[2] / "pretrain" / "configs" / "mini.yaml"


def test_the_bundled_configuration_is_valid_and_overrides_replace_its_settings() -> None:
    config = read_config(MINI, {"epochs": 1})
    assert config.epochs == 1
    assert config.image_size == config.model_cfg["vision_cfg"]["image_size"]
    assert {source.table for source in config.train} >= {"pad/index.csv", "ham10000/index.csv"}


def test_training_reads_train_splits_only() -> None:
    assert {source.split for source in read_config(MINI).train} == {"train"}


def test_an_unknown_setting_is_named_with_the_nearest_known_one() -> None:
    with pytest.raises(SettingsError, match=r"Unknown setting 'epoch'.*Did you mean 'epochs'"):
        read_config(MINI, {"epoch": 3})


@pytest.mark.parametrize(
    ("setting", "value"), [("epochs", 0), ("batch_size", 1), ("precision", "float8"), ("sigma", 3.0), ("train", [])]
)
def test_a_setting_out_of_range_is_refused(setting: str, value: object) -> None:
    with pytest.raises(SettingsError, match=setting):
        read_config(MINI, {setting: value})


def test_a_missing_file_and_a_file_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no configuration"):
        read_config(tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(SettingsError, match="list"):
        read_config(tmp_path / "list.yaml")
    (tmp_path / "short.yaml").write_text("epochs: 3\n")
    with pytest.raises(SettingsError, match="model_cfg"):
        read_config(tmp_path / "short.yaml")

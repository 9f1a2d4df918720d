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
    ("setting", "value"),
    [
        ("epochs", 0),
        ("batch_size", 1),
        ("precision", "float8"),
        ("sigma", 3.0),
        ("train", []),
        ("early_sigma", -2),
        ("early_sigma_epochs", -1),
        ("captions", []),
        ("captions", ["captions"]),
        ("targets", "labels"),
        ("square", -1),
        ("average", 1.0),
        ("average", -0.1),
        ("preprocess_cfg.mode", "RGB, shades of green 6"),
        ("preprocess_cfg.mode", "L"),
        ("answer_temperature", -0.05),
        ("answer_temperature", float("nan")),
        ("answer_temperature", float("inf")),
        ("card", {"views": 3}),
        ("card", {"views": [1]}),
        ("square", 100),
        ("square", 100_000),
        ("workers", 100_000),
        ("seed", -1),
        ("temperature", 0),
        ("learning_rate", float("nan")),
        ("learning_rate", -1e-3),
        ("gradient_clip", 0),
        ("class_balance", 2),
        ("samples_per_epoch", 100.5),
        ("samples_per_epoch", 10**12),
        ("batch_size", 10**12),
        ("captions", "caption"),
        ("leave_out", [5]),
        ("preprocess_cfg", {}),
        ("preprocess_cfg.mean", [0.5, 0.5]),
        ("preprocess_cfg.std", [0, 0, 0]),
        ("preprocess_cfg.mode", "RGB, shades of grey 1000"),
        ("preprocess_cfg.interpolation", "cubic"),
        ("preprocess_cfg.fill_color", "red"),
        ("model_cfg.embed_dim", "many"),
        ("model_cfg.vision_cfg", 5),
        ("model_cfg.vision_cfg.layers", 1_000_000_000),
        ("model_cfg.vision_cfg.layers", 1e9),
        ("model_cfg.vision_cfg.layers", 1_001),
        ("model_cfg.text_cfg.hidden_size", 0),
        ("model_cfg.vision_cfg.image_size", [192, 224]),
        ("model_cfg.vision_cfg.mlp_ratio", 1e12),
        ("model_cfg.text_cfg.context_length", 0),
        ("model_cfg.quick_gelu", "maybe"),
        ("train.0.table", ""),
        ("train.0.modality", "x-ray"),
        ("train.0.weight", 0),
        ("train.0.columns", {"where": "site"}),
        ("train.0.columns", {"site": 5}),
        ("train.0.signs", {"itch": ""}),
        ("evaluate", [{"task": "guessing", "table": "a.csv"}]),
        ("evaluate", [{"task": "classification", "table": "a.csv", "method": "magic"}]),
        ("evaluate", [{"task": "retrieval", "table": "a.csv", "cutoffs": [0]}]),
        ("evaluate", [{"task": "retrieval", "table": "a.csv", "cutoffs": 5}]),
    ],
)
def test_a_setting_out_of_range_is_refused(setting: str, value: object) -> None:
    name = {"card": "views", "evaluate": "evaluation|cutoffs"}.get(setting, setting.removeprefix("train.0."))
    with pytest.raises(SettingsError, match=name):
        read_config(MINI, {setting: value})


@pytest.mark.parametrize(
    ("effect", "value"),
    [
        ("crop_scale", [0.8, 0.4]),
        ("crop_scale", [0.5, 1.5]),
        ("crop_scale", [0.0, 0.0]),
        ("crop_scale", [0, 1]),
        ("resolution", [72, float("inf")]),
        ("jitter", [1e300, 0, 0, 0]),
        ("white_balance", 1000),
        ("crop_scale", [-0.1, 1.0]),
        ("crop_scale", 0.5),
        ("crop_scale", [0.2, 0.5, 1.0]),
        ("crop_scale", ["a", "b"]),
        ("quarter_turns", "often"),
        ("jitter", [0.3, 0.3, 0.3]),
        ("jitter", [0.3, -0.3, 0.3, 0.0]),
        ("jitter", [0.3, 0.3, 0.3, 0.6]),
        ("jitter_probability", 1.1),
        ("grey_probability", -0.1),
        ("grey_probability", "often"),
        ("white_balance", -0.1),
        ("resolution", [0.5, 100.0]),
        ("resolution", [100.0, 50.0]),
        ("resolution_probability", 2),
        ("jpeg", [30, 101]),
        ("jpeg", [0, 90]),
        ("jpeg_probability", float("nan")),
        ("vignette_probability", -1),
        ("hair_probability", [0.1]),
    ],
)
def test_an_effect_out_of_range_is_refused(effect: str, value: object) -> None:
    with pytest.raises(SettingsError, match=rf"Expected setting `augmentation\.{effect}` to be .*, but got"):
        read_config(MINI, {f"augmentation.{effect}": value})


def test_effects_are_settings_of_their_own_and_all_have_a_value() -> None:
    effects = read_config(MINI, {"augmentation": {"crop_scale": [0.4, 0.9], "jpeg_probability": 0.5}}).augmentation
    assert effects.crop_scale == (0.4, 0.9) and effects.jpeg_probability == 0.5
    assert effects.white_balance == 0.0 and effects.hair_probability == 0.0, "what is not named is not done"
    with pytest.raises(SettingsError, match=r"Unknown setting 'jpg' in .*augmentation.*Did you mean 'jpeg'"):
        read_config(MINI, {"augmentation.jpg": [30, 90]})
    with pytest.raises(
        SettingsError, match=r"Expected setting `augmentation` to hold settings of its own, but got 0\.5"
    ):
        read_config(MINI, {"augmentation": 0.5})


@pytest.mark.parametrize("name", ["crop_scale", "quarter_turns", "jitter", "jitter_probability", "grey_probability"])
def test_an_effect_at_its_old_place_is_named_with_its_new_one(name: str) -> None:
    with pytest.raises(SettingsError, match=rf"Unknown setting '{name}' in .*Did you mean 'augmentation\.{name}'"):
        read_config(MINI, {name: True})


def test_squares_are_a_quarter_larger_than_what_the_tower_sees_unless_a_side_is_named() -> None:
    sides = {"model_cfg.vision_cfg.image_size": 160}
    assert read_config(MINI, sides).square_side == 200 and read_config(MINI, {**sides, "square": 0}).square_side == 200
    assert read_config(MINI, {**sides, "square": 288}).square_side == 288


@pytest.mark.parametrize(("mode", "norm"), [("RGB", 0), ("RGB, shades of grey 6", 6), ("RGB, shades of grey 1", 1)])
def test_the_mode_of_the_preprocessing_names_the_norm(mode: str, norm: int) -> None:
    assert read_config(MINI, {"preprocess_cfg.mode": mode}).colour_norm == norm
    assert read_config(MINI.with_name("make_vitb16.yaml")).colour_norm == 0, "where nothing is said"


def test_each_kind_of_targets_shares_a_part_of_them() -> None:
    mix = {kind: read_config(MINI, {"targets": kind}).loss_settings(0)["mix"] for kind in ("own", "label", "ontology")}
    assert mix == {"own": 0.0, "label": 1.0, "ontology": 0.5}
    assert read_config(MINI.with_name("make_vitb16.yaml")).targets == "own", "as published"


def test_a_missing_file_and_a_file_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no configuration"):
        read_config(tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(SettingsError, match="list"):
        read_config(tmp_path / "list.yaml")
    (tmp_path / "short.yaml").write_text("epochs: 3\n")
    with pytest.raises(SettingsError, match="card"):
        read_config(tmp_path / "short.yaml")
    (tmp_path / "short.yaml").write_text("card: {}\ntrain: [{table: a.csv}]\n")
    with pytest.raises(SettingsError, match=r"`start`.*`model_cfg`.*neither"):
        read_config(tmp_path / "short.yaml")


def test_overrides_reach_inside_nested_settings() -> None:
    config = read_config(MINI, {"model_cfg.vision_cfg.image_size": 96, "train.1.weight": 3.0, "card.licence": "MIT"})
    assert config.image_size == 96 and config.model_cfg["vision_cfg"]["timm_pool"] == "avg"
    before = [source.weight for source in read_config(MINI).train]
    assert [source.weight for source in config.train] == [before[0], 3.0, *before[2:]] != before
    assert config.card["licence"] == "MIT" and config.card["name"] == "zsderm-mini"


@pytest.mark.parametrize("name", ["train.9.weight", "epochs.first", "train.one.weight"])
def test_an_override_that_leads_nowhere_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=f"'{name}' leads nowhere"):
        read_config(MINI, {name: 1})


def test_an_unknown_nested_setting_is_named_with_the_nearest_known_one() -> None:
    with pytest.raises(SettingsError, match=r"Unknown setting 'wieght'.*Did you mean 'weight'"):
        read_config(MINI, {"train.0.wieght": 1})
    with pytest.raises(SettingsError, match=r"Unknown setting 'colum'.*Did you mean 'column'"):
        read_config(MINI, {"evaluate": [{"task": "concepts", "table": "a.csv", "colum": "b"}]})
    with pytest.raises(SettingsError, match="task of an evaluation"):
        read_config(MINI, {"evaluate": [{"task": "segmentation", "table": "a.csv"}]})


def test_a_checkpoint_and_an_architecture_exclude_each_other() -> None:
    with pytest.raises(SettingsError, match="both"):
        read_config(MINI, {"start": "ViT-B-16/openai"})


OF_OTHER_TRAININGS = {
    *MINI.parent.glob("supervised_*"),
    *MINI.parent.glob("narratives*"),
    MINI.with_name("skinvl.yaml"),
}


@pytest.mark.parametrize(
    "path", sorted(set(MINI.parent.glob("*.yaml")) - OF_OTHER_TRAININGS), ids=lambda path: path.stem
)
def test_every_bundled_configuration_can_be_read(path: Path) -> None:
    config = read_config(path)
    assert config.card["name"] and config.card["licence"] and config.batch_size >= 2

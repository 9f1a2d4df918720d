from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner, Result

from zsderm.benchmarks.experiments import pretraining_ablation
from zsderm.benchmarks.experiments.pretraining_ablation import (
    FAMILIES,
    SETS,
    UNSEEN,
    UNSEEN_SETS,
    main,
    markdown,
    settings_of,
)
from zsderm.pretrain.config import CAPTION_KINDS, Augmentation, TrainConfig, read_config

ROOT = Path(__file__).parents[3]
MINI = ROOT / "pretrain" / "configs" / "mini.yaml"
# A recipe with the image tower of the real one and a text tower as small as they come.
TOY = {
    "card": {"name": "toy"},
    "model_cfg": {
        "embed_dim": 16,
        "custom_text": True,
        "vision_cfg": {
            "timm_model_name": "tf_efficientnet_lite0",
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": "linear",
            "image_size": 64,
        },
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    },
    "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "mode": "RGB, shades of grey 6"},
    "image_start": "random",
    "text_start": "random",
    "augmentation": {"crop_scale": [0.35, 1.0], "hair_probability": 0.5},
    "average": 0.998,
    "keep_decoded": True,
    "workers": 0,
    "train": [
        {"table": "pad/index.csv", "split": "dev", "modality": "clinical"},
        {"table": "isic2017/index.csv", "split": "train", "modality": "dermoscopic"},
    ],
}
TABLES = {
    "pad": ("nevus", "basal cell carcinoma", "melanoma"),
    "ham10000": ("melanocytic nevus", "melanoma", "actinic keratosis / intraepithelial carcinoma"),
    "onychomycosis": ("nail dystrophy", "onychomycosis"),
    "isic2017": ("melanocytic nevus", "melanoma"),
}
FIGURES = {"accuracy": 0.5, "balanced_accuracy": 0.4, "macro_auroc": 0.6, "calibration_error": 0.1}


@pytest.fixture(scope="module")
def data_root(tmp_path_factory: pytest.TempPathFactory, make_photos: Callable[..., None]) -> Path:
    """All the sets that are asked, six images each: four in dev, two in train."""
    root = tmp_path_factory.mktemp("ablation")
    for table, labels in TABLES.items():
        names = [f"{number}.png" for number in range(6)]
        make_photos(root / table, names)
        rows = {"filename": names, "label": [labels[number % len(labels)] for number in range(6)]}
        pd.DataFrame({**rows, "split": ["dev"] * 4 + ["train"] * 2}).to_csv(root / table / "index.csv", index=False)
    return root


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(TOY))
    return tmp_path / "toy.yaml"


def ablation(recipe: Path, data_root: Path, *options: str) -> Result:
    budget = ["--epochs", "1", "--samples", "64", "--pixels", "32", "--seed", "1", "--workers", "0"]
    files = ["--config", str(recipe), "--data-root", str(data_root), "--runs", str(recipe.parent / "runs")]
    return CliRunner().invoke(main, [*budget, *files, *options])


def config_of(family: str, variant: str, recipe: Path = MINI) -> TrainConfig:
    return read_config(recipe, settings_of(recipe, family, variant, 1, 2, 6400, 128))


@pytest.mark.filterwarnings("ignore:.*read as other names of the classes")
@pytest.mark.slow
def test_every_variant_is_trained_once_and_asked(
    recipe: Path, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, output = tmp_path / "page.md", tmp_path / "figures.json"
    page.write_text("before\n<!-- ablation losses -->old<!-- end of ablation losses -->\nafter\n")
    files = ["--variant", "plain contrast", "--variant", "+ weights", "--output", str(output), "--document", str(page)]
    first = ablation(recipe, data_root, *files)
    assert first.exit_code == 0, first.output
    rows = json.loads(output.read_text())["figures"]
    assert [row["variant"] for row in rows[:: 2 * len(SETS)]] == ["plain contrast", "+ weights"]
    assert {(row["dataset"], row["method"]) for row in rows} == {
        (name, method) for name in SETS for method in ("class-name", "knowledge")
    }
    assert {row["n"] for row in rows} == {4} and {row["family"] for row in rows} == {"losses"}
    assert all(0 <= row[name] <= 1 for row in rows for name in FIGURES) and all(row["loss"] > 0 for row in rows)
    assert "| + weights | 1 |" in page.read_text() and page.read_text().endswith("\nafter\n")
    assert "old" not in page.read_text()
    monkeypatch.setattr(pretraining_ablation, "run", None)  # a second training would fail
    second = ablation(recipe, data_root, *files)
    assert second.output == first.output, "what is finished is kept"
    other = ablation(recipe, data_root, "--variant", "+ weights", "--samples", "128")
    assert other.exit_code == 1 and "other settings" in other.output, "runs of other settings are not taken for these"


@pytest.mark.filterwarnings("ignore:.*read as other names of the classes")
@pytest.mark.slow
def test_targets_are_asked_on_a_source_that_was_not_trained_with_and_in_other_words(
    recipe: Path, data_root: Path, tmp_path: Path
) -> None:
    output = tmp_path / "figures.json"
    done = ablation(recipe, data_root, "--family", "targets", "--variant", "label", "--output", str(output))
    assert done.exit_code == 0, done.output
    rows = json.loads(output.read_text())["figures"]
    asked = {row["dataset"]: row for row in rows if row["method"] == "class-name"}
    worded = {f"{name}, {which} wording" for name in ("pad", "ham10000") for which in ("mean", "worst")}
    assert set(asked) == {*SETS, *UNSEEN_SETS, *worded}
    assert asked["isic2017"]["n"] == 6, "all of it: none was trained with"
    assert asked["pad, worst wording"]["balanced_accuracy"] <= asked["pad, mean wording"]["balanced_accuracy"]
    manifest = json.loads((tmp_path / "runs" / "targets-label-1" / "manifest.json").read_text())
    assert manifest["targets"] == "label" and manifest["images"] == 4, "of pad alone"
    assert (tmp_path / "runs" / "decoded").is_dir(), "runs beside each other share what is decoded"


def test_a_variant_of_losses_adds_one_part_of_the_method_to_the_one_before() -> None:
    found = [
        (config.captions, config.lambda_m, config.lambda_s, config.guided_weights)
        for config in (config_of("losses", variant) for variant in FAMILIES["losses"])
    ]
    assert found == [
        (("caption",), 1.0, 0.0, False),
        (CAPTION_KINDS, 1.0, 0.0, False),
        (CAPTION_KINDS, 1.0, 0.7, False),
        (CAPTION_KINDS, 1.0, 0.7, True),
    ]


def test_variants_of_targets_differ_in_their_targets_alone() -> None:
    configs = [config_of("targets", variant) for variant in FAMILIES["targets"]]
    assert [config.targets for config in configs] == ["own", "label", "ontology"]
    assert len({repr({**vars(config), "targets": ""}) for config in configs}) == 1
    plain = configs[0]
    assert plain.augmentation == Augmentation(crop_scale=(0.5, 1.0))
    assert plain.colour_norm == 0 and plain.average == 0, "nothing else helps"


def test_variants_of_cameras_have_one_effect_each_and_all_of_them_at_last() -> None:
    configs = {variant: config_of("cameras", variant) for variant in FAMILIES["cameras"]}
    none, both = configs.pop("no effects"), configs.pop("all effects, shades of grey")

    def differs(config: TrainConfig) -> set[str]:
        effects = {name for name, value in vars(config.augmentation).items() if value != vars(none.augmentation)[name]}
        other = {"norm"} if config.colour_norm else set()
        return effects | other | ({"average"} if config.average else set())

    assert {variant: differs(config) for variant, config in configs.items() if variant != "all effects"} == {
        "white balance": {"white_balance"},
        "resolution": {"resolution_probability"},
        "JPEG": {"jpeg_probability"},
        "vignette": {"vignette_probability"},
        "hair": {"hair_probability"},
        "crops to 35 %, quarter turns": {"crop_scale", "quarter_turns"},
        "shades of grey": {"norm"},
        "running mean of the weights": {"average"},
    }
    alone = set().union(*(differs(config) for variant, config in configs.items() if variant != "all effects"))
    assert differs(both) == alone, "together they are the recipe"
    assert differs(configs["all effects"]) == alone - {"norm"}
    recipe = read_config(MINI)
    assert both.augmentation == recipe.augmentation and both.colour_norm == recipe.colour_norm


def test_variants_of_towers_differ_in_tower_and_size_alone() -> None:
    for variant, changes in FAMILIES["towers"].items():
        config = config_of("towers", variant)
        number, pixels = re.findall(r"\d+", variant)
        vision = config.model_cfg["vision_cfg"]
        assert (vision["timm_model_name"], vision["image_size"]) == (f"tf_efficientnet_lite{number}", int(pixels))
        assert config.image_start == f"efficientnet-lite{number}" and config.preprocess_cfg["size"] == int(pixels)
        assert set(changes) <= set(settings_of(MINI, "towers", variant, 1, 2, 6400, 128))


@pytest.mark.parametrize("family", list(FAMILIES))
def test_every_variant_has_the_same_small_budget(family: str) -> None:
    tables = {source["table"] for source in yaml.safe_load(MINI.read_text())["train"]}
    assert set(UNSEEN) <= tables
    for variant in FAMILIES[family]:
        config = config_of(family, variant)
        assert (config.epochs, config.samples_per_epoch, config.batch_size, config.seed) == (2, 6400, 64, 1)
        assert config.warm_up_steps == 20, "a tenth of 200 steps"
        assert config.sigma_at(0) == config.sigma_at(1) == 0.1 and not config.evaluate
        assert {source.table for source in config.train} == (tables if family == "losses" else tables - set(UNSEEN))
        if family != "towers":
            assert config.image_size == 128 and config.image_start == "efficientnet-lite0"


def test_a_variant_of_another_family_is_refused(recipe: Path, data_root: Path) -> None:
    done = ablation(recipe, data_root, "--family", "targets", "--variant", "JPEG")
    assert done.exit_code == 2 and "'JPEG' is none of: own, label, ontology" in done.output


def test_the_table_has_the_mean_and_both_ends_over_the_seeds() -> None:
    told = {"variant": "+ weights", "method": "knowledge"}
    rows = [
        {**told, **FIGURES, "dataset": name, "seed": seed, "accuracy": accuracy, "balanced_accuracy": balanced}
        for name, seed, accuracy, balanced in (
            ("pad", 1, 0.5, 0.3),
            ("pad", 2, 0.7, 0.5),
            ("nails", 1, 0.6, 0.5),
            ("nails", 2, 0.6, 0.9),
        )
    ]
    assert markdown(rows).splitlines() == [
        "| knowledge | seeds | pad | nails | mean of the sets, balanced | calibration error |",
        "|---|--:|---|---|---|---|",
        "| + weights | 2 | 60.0 / 40.0 (30.0 to 50.0) | 60.0 / 70.0 (50.0 to 90.0) | 55.0 (40.0 to 70.0) | 0.100 |",
    ]


def test_the_table_has_wordings_beside_the_sets_and_leaves_them_out_of_the_mean() -> None:
    told = {"variant": "own", "method": "class-name", "seed": 1}
    worded = {"accuracy": 0.2, "balanced_accuracy": 0.1}
    rows = [{**told, **FIGURES, "dataset": "pad"}, {**told, **worded, "dataset": "pad, worst wording"}]
    rows += [{**told, **FIGURES, "dataset": "pad", "method": "knowledge", "variant": "label"}]
    first, second = markdown(rows).split("\n\n")
    assert first.splitlines()[0].startswith("| class-name | seeds | pad | pad, worst wording | mean")
    assert first.splitlines()[2] == (
        "| own | 1 | 50.0 / 40.0 (40.0 to 40.0) | 20.0 / 10.0 (10.0 to 10.0) | 40.0 (40.0 to 40.0) | 0.100 |"
    )
    assert second.splitlines()[2].startswith("| label | 1 |"), "a table a method"


def test_the_model_card_shows_the_committed_figures() -> None:
    """The table of the losses is of an older recipe, in the form it then had; others are as `markdown` writes them."""
    card = (ROOT / "MODEL_CARD.md").read_text(encoding="utf-8")
    committed = [
        row for path in (ROOT / "docs").glob("pretraining_*.json") for row in json.loads(path.read_text())["figures"]
    ]
    shown = dict(re.findall(r"<!-- ablation (\w+) -->\n\n(.*?)\n\n<!-- end of ablation \1 -->", card, re.DOTALL))
    assert "losses" in shown
    for family, table in shown.items():
        rows = [row for row in committed if row.get("family", "losses") == family]
        assert {row["seed"] for row in rows} == {1, 2, 3}, family
        if family != "losses":
            assert table == markdown(rows), family
    losses = pd.DataFrame([row for row in committed if "family" not in row])
    for (method, variant), runs in losses.groupby(["method", "variant"]):
        part = next(part for part in shown["losses"].split("\n\n") if part.startswith(f"| {method} "))
        line = next(line for line in part.splitlines() if line.startswith(f"| {variant} | 3 |"))
        for _, values in runs.groupby("dataset"):
            for name in FIGURES:
                mean, low, high = values[name].mean(), values[name].min(), values[name].max()
                assert f" {mean:.3f} ({low:.3f}–{high:.3f}) " in line, (method, variant, name)

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from click.testing import CliRunner, Result
from huggingface_hub import constants

from zsderm.cli import main
from zsderm.encoders import catalogue
from zsderm.encoders.base import EncoderCard


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["models", *arguments])


def table(result: Result) -> dict[str, str]:
    return dict(line.split("\t") for line in result.stdout.splitlines())


@pytest.fixture
def folder(tmp_path):
    """A checkpoint as far as `show` looks: everything but tensors that fit."""
    model = {"embed_dim": 8, "vision_cfg": {"image_size": 32, "sigma": 0.3}, "text_cfg": {"context_length": 16}}
    preprocessing = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.2], "interpolation": "bilinear"}
    config = {"model_cfg": model, "preprocess_cfg": preprocessing}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    (tmp_path / "zsderm.json").write_text(json.dumps({"licence": "CC BY 4.0", "description": "mine"}))
    (tmp_path / "model.safetensors").write_bytes(bytes(1_500_000))
    return tmp_path


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


def test_list_prints_one_encoder_a_line_with_a_header():
    result = run("list")
    header, *rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert header == [
        *("name", "width", "image_size", "context_length", "licence", "parameters", "gated", "tried", "description")
    ]
    assert [row[0] for row in rows] == [card.name for card in catalogue.cards()]
    assert ["hf-hub:xieji-x/MAKE", "512", "224", "77"] in [row[:4] for row in rows]
    assert (result.exit_code, result.stderr) == (0, "")


def test_list_says_what_was_tried_and_has_a_minus_for_what_is_not_known():
    header, *lines = [line.split("\t") for line in run("list").stdout.splitlines()]
    rows = {line[0]: dict(zip(header, line, strict=True)) for line in lines}
    assert rows["zsderm-mini"]["tried"] == "yes, in every test"
    omake = rows["hf-hub:Xieji-Li/MAGEN-O-MAKE"]
    assert (omake["width"], omake["licence"], omake["tried"]) == ("512", "CC BY-NC-ND 4.0", "never loaded by us")
    panderm = rows["hf-hub:redlessone/DermLIP_PanDerm-base-w-PubMed-256"]
    assert (panderm["width"], panderm["context_length"]) == ("-", "256")
    assert rows["PanDerm"]["tried"] == "never loaded by us; no encoder"


@pytest.mark.parametrize("name", ["PanDerm", "hf-hub:zwq803/SkinVL-MM"])
def test_show_of_what_is_no_encoder_gives_its_card_and_the_reason(empty_cache, name):
    result = run("show", name)
    assert result.exit_code == 0
    assert (table(result)["name"], table(result)["tried"]) == (name, "never loaded by us; no encoder")
    assert f"'{name}' cannot be loaded as an encoder: it" in result.stderr


def test_list_imports_neither_torch_nor_open_clip():
    code = """
import sys
from click.testing import CliRunner
from zsderm.cli import main
assert CliRunner().invoke(main, ["models", "list"]).exit_code == 0
print([name for name in ("torch", "open_clip", "transformers", "huggingface_hub") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_show_tells_what_the_files_of_a_folder_say(folder):
    result = run("show", str(folder))
    shown = table(result)
    assert result.exit_code == 0
    assert (shown["name"], shown["width"], shown["image_size"], shown["context_length"]) == (
        str(folder),
        "8",
        "32",
        "16",
    )
    assert (shown["licence"], shown["description"], shown["sigma"]) == ("CC BY 4.0", "mine", "0.3")
    assert (shown["interpolation"], shown["mean"]) == ("bilinear", "[0.5, 0.4, 0.3]")
    assert (shown["mode"], shown["tokenizer"]) == ("RGB", "CLIP's own")
    assert shown["weights"] == f"{folder / 'model.safetensors'} (1.5 MB)"
    assert len(shown["fingerprint"]) == 16
    assert (shown["training_diagnoses"], shown["home"]) == ("not known", "not measured")


def test_show_tells_the_colours_that_a_tower_expects(folder):
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["preprocess_cfg"]["mode"] = "RGB, shades of grey 6"
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    assert table(run("show", str(folder)))["mode"] == "RGB, shades of grey 6"


def test_show_counts_the_parameters_of_safetensors(folder):
    assert table(run("show", str(folder)))["parameters"] == "not stated"
    header = json.dumps({"a": {"dtype": "F16", "shape": [1000, 2500], "data_offsets": [0, 0]}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    assert table(run("show", str(folder)))["parameters"] == "2.5 million"


def test_show_says_where_terms_are_to_be_accepted_and_which_figures_are_known(folder):
    figure = {"dataset": "PAD", "metric": "accuracy", "value": 0.5, "source": "a paper"}
    words = {"gated": True, "figures": [figure], "training_data": "PAD"}
    (folder / "zsderm.json").write_text(json.dumps(words))
    shown = table(run("show", str(folder)))
    assert (shown["gated"], shown["published"], shown["training_data"]) == (
        "yes",
        "PAD accuracy 0.500 (a paper)",
        "PAD",
    )
    (folder / "zsderm.json").write_text(json.dumps({"figures": [{"value": "high"}]}))
    result = run("show", str(folder))
    assert (
        result.exit_code == 1 and "every figure in zsderm.json to have dataset, metric, value, source" in result.stderr
    )


def test_show_gives_each_fact_of_the_training_a_line(folder):
    words = {"training_data": ["PAD", "HAM10000"], "pretraining": {"seed": 7, "config": "seed: 7\nepochs: 8"}}
    (folder / "zsderm.json").write_text(json.dumps(words))
    shown = table(run("show", str(folder)))
    assert (shown["training_data"], shown["pretraining.seed"]) == ("PAD, HAM10000", "7")
    assert shown["pretraining.config"] == "(2 lines in zsderm.json)"
    (folder / "zsderm.json").write_text(json.dumps({"pretraining": {"mean_of": [words["pretraining"]] * 2}}))
    assert table(run("show", str(folder)))["pretraining.mean_of"] == "(2 entries in zsderm.json)"


def test_show_and_list_say_how_many_views_are_recommended_where_it_is_more_than_one(folder, monkeypatch):
    assert "views" not in table(run("show", str(folder)))
    (folder / "zsderm.json").write_text(json.dumps({"views": 4, "description": "mine"}))
    assert table(run("show", str(folder)))["views"] == "4"
    card = EncoderCard("mine", 8, 32, 16, description="words", views=4)
    monkeypatch.setattr(catalogue, "cards", lambda: (card, replace(card, views=1)))
    assert [line.split("\t")[-1] for line in run("list").stdout.splitlines()[1:]] == [
        "words; 4 views of each image",
        "words",
    ]


def test_show_knows_the_card_of_a_model_that_is_not_here_and_says_how_to_get_it(empty_cache):
    result = run("show", "hf-hub:xieji-x/MAKE")
    assert result.exit_code == 0
    assert table(result)["weights"] == "not on this machine"
    assert table(result)["width"] == "512"
    assert (table(result)["parameters"], table(result)["gated"]) == ("149.6 million", "not known")
    assert "published\tPAD accuracy 0.586 (DermFM-Zero, README, arXiv 2602.10624)" in result.stdout.splitlines()
    assert "run `hf download xieji-x/MAKE`" in result.stderr


def test_show_of_something_neither_here_nor_known_is_one_sentence_and_exit_code_1(empty_cache):
    result = run("show", "hf-hub:someone/skin")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "run `hf download someone/skin`" in result.stderr


def test_show_of_a_misspelt_name_suggests_the_right_one():
    result = run("show", "zsderm-mni")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Did you mean 'zsderm-mini'? See: zsderm models list" in result.stderr


def test_the_bundled_encoder_is_listed_first_and_shown():
    assert run("list").stdout.splitlines()[1].startswith("zsderm-mini\t")
    shown = table(run("show", "zsderm-mini"))
    assert shown["name"] == "zsderm-mini"
    assert len(shown["fingerprint"]) == 16
    assert len(shown["training_diagnoses"].split(", ")) == 13 and "foot ulcer" in shown["training_diagnoses"]
    assert shown["home"] == "9141 training images, familiar from -0.89 on"


def test_help_says_how_models_are_named():
    text = run("--help").stdout
    for name in ("zsderm-mini", "hf-hub:org/name", "local-dir:/folder", "ViT-B-32/openai", "ViT-B-16@FILE"):
        assert name in text

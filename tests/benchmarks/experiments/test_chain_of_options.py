from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

from zsderm.benchmarks.experiments.chain_of_options import (
    SHARES,
    asked_stories,
    difference,
    figure,
    main,
    markdown,
    simulated,
)
from zsderm.encoders.sentence_model import SentenceModel
from zsderm.errors import SettingsError
from zsderm.narratives.story_classifier import StoryClassifier
from zsderm.narratives.words_model import WordsCard, WordsModel

NAMES = ("scabies", "ECZEMA", "melonoma", "Krätze", "basal cell carcinoma")
DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of one layer, as a folder."""
    folder, tokenizer = tmp_path_factory.mktemp("tiny"), SentenceModel().parts[1]
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=len(tokenizer), **size)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_the_simulated_image_model_is_as_sure_as_it_is_right() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 26, 6000)
    lists, table = simulated(true, rng.random((26, 26)), SHARES, rng)
    assert table.sum(axis=1) == pytest.approx(1)
    assert (table.argmax(axis=1) == true).mean() == pytest.approx(SHARES[0], abs=0.02)
    assert (lists == true[:, None]).any(axis=1).mean() == pytest.approx(sum(SHARES), abs=0.02)
    assert all(len(set(row)) == 3 for row in lists.tolist())
    first = np.take_along_axis(table, lists, axis=1).argmax(axis=1)
    assert np.bincount(first).min() > 1800, "the order of the options says nothing"


def test_wrong_answers_of_the_image_model_are_look_alikes() -> None:
    alike = np.full((26, 26), 0.1)
    alike[0, 1:3] = 1.0
    lists, _ = simulated(np.zeros(300, int), alike, (0.8 / 3,) * 3, np.random.default_rng(0))
    assert {*lists.ravel().tolist()} - {0, 1, 2} and (np.isin(lists, [0, 1, 2]).mean()) > 0.9


def test_differences_are_paired() -> None:
    before, after = [[0.0, 1.0, 0.0, 1.0]] * 2, [[0.5, 1.0, 0.5, 1.0]]
    assert difference(before, after)["value"] == pytest.approx(0.25)
    assert difference(before, before) == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert figure(before)["accuracy"] == 0.5 and figure(before)["low"] < 0.5


def test_names_of_diseases_are_masked_in_what_is_asked(tmp_path: Path) -> None:
    row = {"id": "1", "label": "scabies", "split": "test", "source": "written"}
    rows = [{**row, "narrative": f"My doctor says {name}, it burns."} for name in NAMES]
    (tmp_path / "stories.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    told = {story.narrative for story in asked_stories(tmp_path / "stories.jsonl")}
    assert told == {"My doctor says [...], it burns."}


@pytest.mark.slow
def test_runs_of_other_stories_are_not_mixed(tmp_path: Path, tiny: Path) -> None:
    body, tokenizer = AutoModel.from_pretrained(tiny), AutoTokenizer.from_pretrained(tiny)
    classes = sorted({story.label for story in asked_stories()})
    for way, stories in (("none", "a"), ("full", "b")):
        folder = tmp_path / f"{way}-0" / "words_model"
        folder.mkdir(parents=True)
        card = WordsCard(classes, way, "mean", 288, 0.2, training={"data": stories})
        WordsModel(StoryClassifier(body, 16, 27, "mean"), tokenizer, card).save(folder)
    done = CliRunner().invoke(main, ["--runs", str(tmp_path), "--seed", "0", "--draws", "1"])
    assert isinstance(done.exception, SettingsError) and "none-0 and full-0 have others" in str(done.exception)


@pytest.mark.slow
def test_every_way_is_trained_and_asked(tmp_path: Path, tiny: Path) -> None:
    page, output = tmp_path / "page.md", tmp_path / "figures.json"
    page.write_text("<!-- chain of options -->\n<!-- end of chain of options -->\n")
    settings = [f"model={json.dumps(str(tiny))}", "epochs=1", "frozen_layers=0", "tensorboard=false"]
    options = [part for setting in settings for part in ("--set", setting)]
    options += ["--runs", str(tmp_path / "runs"), "--seed", "0", "--draws", "1", "--output", str(output)]
    done = CliRunner().invoke(main, [*options, "--document", str(page)], catch_exceptions=False)
    assert done.exit_code == 0
    content = json.loads(output.read_text())
    assert list(content["ways"]) == ["none", "full", "chain", "chapters"] and content["stories"] == 78
    assert markdown(content) in page.read_text()


def test_the_page_of_docs_is_what_the_committed_figures_give() -> None:
    figures = json.loads((DOCS / "chain_of_options.json").read_text("utf-8"))
    assert markdown(figures) in (DOCS / "chain_of_options.md").read_text("utf-8")


@pytest.mark.parametrize("given", ["epochs", "options=chain"])
def test_a_setting_that_is_no_json_is_wrong_usage(tmp_path: Path, given: str) -> None:
    done = CliRunner().invoke(main, ["--runs", str(tmp_path / "runs"), "--set", given])
    assert done.exit_code == 2 and "expected name=JSON" in done.stderr and not (tmp_path / "runs").exists()

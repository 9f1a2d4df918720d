"""Models that answer in words beside contrastive ones: what is asked, read, counted, written and shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from zsderm.benchmarks import sections
from zsderm.benchmarks.experiments.protocol_server import ProtocolServer, Reply, serving
from zsderm.benchmarks.grid import Run, grid
from zsderm.benchmarks.results import read_result
from zsderm.cli import main
from zsderm.metrics import balanced_accuracy

STEM = "pad-dev--m-7b--generative"
SAID = ["BCC", "a naevus", "not a nevus but actinic keratosis", "nevus or melanoma", "I cannot tell."]


def _asked(server: ProtocolServer) -> list[list[str]]:
    texts = [request["messages"][0]["content"][-1]["text"] for request in server.requests]
    return [text.partition("Classes: ")[2].split(", ") for text in texts]


def _run(*arguments: object) -> str:
    done = CliRunner().invoke(main, ["benchmark", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return str(done.stderr if "--tables" not in arguments else done.stdout)


@pytest.fixture(scope="module")
def server() -> Iterator[ProtocolServer]:
    def say(content: list[dict[str, str]], number: int) -> str | Reply:
        if number == 7:
            return Reply(400, '{"error": {"message": "held back"}}')
        return SAID[number % len(SAID)]

    with serving(say) as running:  # type: ignore[arg-type]
        yield running


@pytest.fixture(scope="module")
def folder(photo_root: Path, server: ProtocolServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the bundled encoder and of a model at an endpoint, on 16 photographs."""
    output = tmp_path_factory.mktemp("generative")
    how = ["--model", "zsderm-mini", "--model", f"openai:{server.url}", "--language-model", "m:7b"]
    places = ["--data-root", photo_root, "--output", output, "--cache-dir", output / "cache"]
    _run("--dataset", "pad", *how, "--method", "class-name", *places)
    return output


@pytest.mark.slow
def test_every_image_is_asked_once_with_all_classes_in_an_order_of_its_own(
    folder: Path, server: ProtocolServer
) -> None:
    classes = read_result(folder / f"{STEM}.json")["data"]["classes"]
    listed = _asked(server)
    assert len(listed) == 16 and all(sorted(order) == sorted(classes) for order in listed)
    assert len({tuple(order) for order in listed}) > 10


@pytest.mark.slow
def test_a_reply_is_read_by_the_longest_name_and_what_is_none_is_counted(folder: Path) -> None:
    result, rows = read_result(folder / f"{STEM}.json"), pd.read_parquet(folder / f"{STEM}.parquet")
    read = {"BCC": "basal cell carcinoma", "a naevus": "nevus", SAID[2]: "actinic keratosis"}
    assert list(rows["label"]) == [read.get(reply, "no answer") for reply in rows["reply"]]
    first = next(name for name in result["data"]["classes"] if name in SAID[3])
    assert set(rows.loc[rows["reply"] == SAID[3], "first_substring"]) == {first}
    assert list(rows["reason"]).count("") == 15 and "held back" in "".join(rows["reason"])
    figures = result["metrics"]
    assert figures["n"] == 16 and figures["accuracy"] == pytest.approx((rows["label"] == rows["true_label"]).mean())
    names = [*result["data"]["classes"], "no answer"]
    places = [pd.Index(names).get_indexer(rows[column]) for column in ("true_label", "label")]
    assert figures["balanced_accuracy"] == pytest.approx(balanced_accuracy(*places), abs=1e-6)
    assert result["replies"]["no_answer"] == (rows["label"] == "no answer").sum() > 3
    assert result["replies"]["refused"] == 1
    published = (rows["first_substring"] == rows["true_label"]).mean()
    assert result["replies"]["first_substring"]["accuracy"] == pytest.approx(published, abs=1e-6)
    assert figures["calibration_error"] is None and figures["macro_auroc"] is None and result["reliability"] is None


@pytest.mark.slow
def test_the_table_shows_it_beside_contrastive_rows(folder: Path) -> None:
    table = sections.summary(folder)
    assert list(table.columns[-2:]) == ["no answer", "by first substring (95 %)"]
    cells = {row[4]: [str(cell) for cell in row] for row in table.rows}
    silent = read_result(folder / f"{STEM}.json")["replies"]["no_answer"]
    assert cells["class-name"][-2:] == ["–", "–"] and cells["generative"][3] == "m:7b"
    assert cells["generative"][-2] == f"{silent} of 16" and cells["generative"][-3] == "–"
    assert any(note.startswith("Generative: one prompt") for note in table.notes)
    shown = _run("--tables", folder, "--plots", folder / "plots")
    assert "| generative |" in shown and (folder / "plots" / f"{STEM}--confusion.png").is_file()


@pytest.mark.slow
def test_what_was_said_is_not_asked_again(folder: Path, server: ProtocolServer, photo_root: Path) -> None:
    how = ["--dataset", "pad", "--model", f"openai:{server.url}", "--language-model", "m:7b"]
    places = ["--data-root", photo_root, "--output", folder]
    before = len(server.requests)
    assert f"{STEM}: there already" in _run(*how, *places)
    assert len(server.requests) == before
    _run(*how, *places, "--force")
    assert len(server.requests) == before + 1, "only what was refused"
    kept = [json.loads(file.read_text())["answer"] for file in folder.glob("replies/*/*.json")]
    assert len(kept) == 16 and set(kept) == set(SAID)


@pytest.mark.slow
def test_a_local_model_stands_in_the_table(vlm: Path, photo_root: Path, tmp_path: Path) -> None:
    told = _run("--dataset", "pad", "--model", f"transformers:{vlm}", "--data-root", photo_root, "--output", tmp_path)
    assert "no answer" in told
    (path,) = tmp_path.glob("*.json")
    result = read_result(path)
    assert result["config"]["encoder"] == "/".join(vlm.parts[-2:]) and result["metrics"]["n"] == 16


def test_a_model_that_answers_in_words_is_one_run() -> None:
    runs = grid(["openai:llava:7b"], ["class-name", "kpl"], priors=["auto", "uniform"], ks=[4, 16])
    assert runs == [Run("openai:llava:7b", "generative")] and runs[0].encoder == "llava:7b"

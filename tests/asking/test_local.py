from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from zsderm.asking import Sampling
from zsderm.asking.local import LocalModel
from zsderm.asking.model_folder import ModelFolder
from zsderm.asking.pictures import picture
from zsderm.errors import CheckpointError, SettingsError

SHORT = Sampling(min_tokens=2, max_tokens=6)


@pytest.mark.slow
def test_answers_do_not_depend_on_the_batch_and_pictures_matter(vlm: Path, tagged: Path) -> None:
    pictures = [picture(tagged / f"patient-Meier-{number}.jpg") for number in range(3)]
    asked = [*((image, "what colour is the lesion ?") for image in pictures), (None, "is there scale ?")]
    asked.append((pictures[0], "is there scale ? Answer with yes or no ."))
    one, many = (LocalModel.load(str(vlm), SHORT, batch_size=size, device="cpu") for size in (1, 8))
    replies = dict(one.replies(asked))
    assert dict(many.replies(asked)) == replies and len(replies) == 5
    assert all(isinstance(reply, str) and reply for reply in replies.values())
    assert len(set(list(replies.values())[:3])) > 1, "the tower sees the picture"


@pytest.mark.slow
def test_what_is_drawn_hangs_on_seed_and_question_alone(vlm: Path, tagged: Path) -> None:
    image, before = picture(tagged / "patient-Meier-0.jpg"), torch.get_rng_state()
    asked = [(image, "is there scale ?"), (image, "what colour ?")]

    def replies(seed: int, beams: int = 1) -> list[object]:
        how = Sampling(temperature=1.0, top_p=0.9, beams=beams, min_tokens=4, max_tokens=8, seed=seed)
        model = LocalModel.load(str(vlm), how, device="cpu")
        return [dict(model.replies(asked)), dict(model.replies(asked[::-1]))]

    first, backwards = replies(0)
    assert first == {0: backwards[1], 1: backwards[0]}
    assert replies(0)[0] == first != replies(1)[0]
    assert all(len(str(reply).split()) >= 2 for reply in replies(0, beams=3)[0].values())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.slow
def test_a_folder_of_before_processors_knew_of_patches_and_turns_is_read_as_it_is_meant(
    vlm: Path, tagged: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "old"
    shutil.copytree(vlm, folder)
    told = json.loads((folder / "processor_config.json").read_text())
    for name in ("patch_size", "vision_feature_select_strategy", "num_additional_image_tokens"):
        del told[name]
    (folder / "processor_config.json").write_text(json.dumps(told))
    asked = [(picture(tagged / "patient-Meier-0.jpg"), "what colour ?")]
    old, new = (dict(LocalModel.load(str(place), SHORT, device="cpu").replies(asked)) for place in (folder, vlm))
    assert old == new and isinstance(new[0], str)


def test_a_folder_of_another_place_has_the_same_fingerprint(vlm: Path, tmp_path: Path) -> None:
    shutil.copytree(vlm, tmp_path / "copy")
    copy = ModelFolder.of(tmp_path / "copy")
    assert copy.fingerprint() == ModelFolder.of(f"transformers:{vlm}").fingerprint()
    config = json.loads((tmp_path / "copy" / "generation_config.json").read_text())
    (tmp_path / "copy" / "generation_config.json").write_text(json.dumps({**config, "bos_token_id": 1}))
    assert ModelFolder.of(tmp_path / "copy").fingerprint() != ModelFolder.of(vlm).fingerprint()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (lambda folder: (folder / "config.json").unlink(), "holds no config.json"),
        (lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"), "can run code"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"none"), "cannot be loaded"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "bert"}'), "cannot be loaded"),
        (lambda folder: (folder / "adapter_config.json").write_text("{}"), "adapter_model.safetensors|can run code"),
        (shutil.rmtree, "There is no folder"),
    ],
    ids=["no config", "pickle", "damaged", "no such model", "no adapter", "gone"],
)
def test_what_is_no_model_is_refused_in_a_sentence(vlm: Path, tmp_path: Path, break_it: object, told: str) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(vlm, folder)
    assert callable(break_it)
    break_it(folder)
    with pytest.raises(CheckpointError, match=told):
        ModelFolder.of(folder).load()


def test_a_model_whose_code_is_its_own_is_not_run(vlm: Path, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    shutil.copytree(vlm, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoModelForImageTextToText": "code.Mine", "AutoConfig": "code.C"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Mine: ...\nclass C: ...\n")
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        ModelFolder.of(folder).load()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "wrong", [{"temperature": 3.0}, {"top_p": 0.0}, {"beams": 0}, {"min_tokens": 9, "max_tokens": 8}, {"max_tokens": 0}]
)
def test_settings_that_no_model_takes_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError):
        Sampling(**wrong)  # type: ignore[arg-type]

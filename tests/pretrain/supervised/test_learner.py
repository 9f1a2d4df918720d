from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch

from zsderm.pretrain.data.augmentation import draw_effects
from zsderm.pretrain.supervised.config import PLAIN, read_supervised_config
from zsderm.pretrain.supervised.data import LabelledBatch
from zsderm.pretrain.supervised.learner import SupervisedLearner, mixed

LITE0 = Path(__file__).parents[3] / "pretrain" / "configs" / "supervised_lite0.yaml"


def test_each_row_of_mixed_answers_still_sums_to_1_and_the_larger_part_stays() -> None:
    torch.manual_seed(0)
    pixels, answers = torch.rand(6, 3, 4, 4), torch.eye(6)
    for _ in range(20):
        images, shares = mixed(pixels, answers, 0.4)
        torch.testing.assert_close(shares.sum(dim=1), torch.ones(6))
        assert shares.argmax(dim=1).tolist() == list(range(6))
        torch.testing.assert_close(images.flatten(1), shares @ pixels.flatten(1)), "images are mixed as answers are"


def test_a_step_is_cross_entropy_with_smoothed_labels() -> None:
    torch.manual_seed(0)
    sizes = {"preprocess_cfg": {"size": 32, "mean": [0.5] * 3, "std": [0.5] * 3}}
    config = replace(
        read_supervised_config(LITE0), tower="test_efficientnet", mixup=0.0, label_smoothing=0.2, drop=0.0, **sizes
    )
    network = timm.create_model("test_efficientnet", num_classes=3)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    effects = torch.stack([draw_effects(PLAIN, seed) for seed in range(4)])
    batch = LabelledBatch(torch.randint(255, (4, 3, 40, 40), dtype=torch.uint8), effects, torch.tensor([0, 1, 2, 0]))
    learner = SupervisedLearner.of(config, network, 3, torch.device("cpu"))
    learner.train()
    logits = []
    network.register_forward_hook(lambda module, given, made: logits.append(made.detach()))
    figures, norm = learner.step(batch, 0)
    logs = logits[0].log_softmax(dim=1)  # (4, 3)
    expected = -(0.8 * logs[range(4), batch.labels] + 0.2 * logs.mean(dim=1)).mean()
    assert figures[0] == pytest.approx(float(expected), abs=1e-5) and norm > 0
    assert figures[1] == pytest.approx(float((logits[0].argmax(dim=1) == batch.labels).float().mean()))
    assert any(not torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_the_head_learns_at_a_rate_of_its_own() -> None:
    config = replace(read_supervised_config(LITE0), tower="test_efficientnet", head_learning_rate=0.5)
    network = timm.create_model("test_efficientnet", num_classes=3)
    learner = SupervisedLearner.of(config, network, 3, torch.device("cpu"))
    fast = [group for group in learner.optimiser.param_groups if group["initial_lr"] == 0.5]
    assert sum(len(group["params"]) for group in fast) == 2, "weight and bias of the head"

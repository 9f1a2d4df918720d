from __future__ import annotations

import copy
import runpy
from pathlib import Path

import pytest
import torch
from torch import nn

from zsderm.pretrain.config import read_config
from zsderm.pretrain.model.average import AverageWeights
from zsderm.pretrain.model.start import begin

MINI = Path(__file__).parents[3] / "pretrain" / "configs" / "mini.yaml"
RECIPES = runpy.run_path(str(Path(__file__).parents[1] / "recipes.py"))


def network() -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2), nn.BatchNorm1d(2))
    model[2].requires_grad_(False)
    return model


def learn(model: nn.Module, step: int) -> None:
    """Move all that learns, and the statistics of the batches with it."""
    model.train()
    model(torch.randn(8, 4, generator=torch.Generator().manual_seed(step)) + step).square().sum().backward()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter.sub_(parameter.grad, alpha=0.01)
                parameter.grad = None


@pytest.mark.parametrize("share", [0.5, 0.9, 0.999])
def test_it_is_the_mean_that_a_plain_loop_takes(share: float) -> None:
    model = network()
    average = AverageWeights(model, share)
    mean = {name: tensor.double() for name, tensor in copy.deepcopy(model.state_dict()).items()}
    for step in range(30):
        learn(model, step)
        average.update()
        kept = min(share, (1 + step) / (10 + step))
        for name, tensor in model.state_dict().items():
            mean[name] = kept * mean[name] + (1 - kept) * tensor.double()
    found = average.averaged().state_dict()
    for name, tensor in found.items():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(tensor.double(), mean[name], rtol=1e-5, atol=1e-6, msg=name)
    assert not torch.equal(found["0.weight"], model.state_dict()["0.weight"])


def test_statistics_of_batches_are_averaged_and_what_is_frozen_or_counted_is_that_of_now() -> None:
    model = network()
    average = AverageWeights(model, 0.9)
    assert not any(name.startswith("2.") for name in average.mean), "frozen"
    for step in range(5):
        learn(model, step)
        average.update()
    now, found = model.state_dict(), average.averaged().state_dict()
    assert not torch.equal(found["1.running_mean"], now["1.running_mean"])
    assert not torch.equal(found["3.running_var"], now["3.running_var"])
    assert torch.equal(found["2.weight"], now["2.weight"]) and int(found["1.num_batches_tracked"]) == 5


def test_the_first_weights_are_soon_forgotten_and_constant_ones_stay() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 100.0)
    average = AverageWeights(model, 0.999)
    nn.init.constant_(model.weight, 1.0)
    for _ in range(40):
        average.update()
    assert average.averaged().weight.item() == pytest.approx(1.0, abs=0.01), "0.999 ** 40 would leave 95 of 99"


def test_the_model_goes_on_learning_untouched() -> None:
    model, alone = network(), network()
    average = AverageWeights(model, 0.9)
    for step in range(3):
        learn(model, step)
        learn(alone, step)
        average.update()
        average.averaged().requires_grad_(False).zero_grad()
    for name, tensor in alone.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor), name
    assert average.averaged()[0].weight.data_ptr() != model[0].weight.data_ptr()


def test_a_mean_that_was_stopped_goes_on() -> None:
    model = network()
    whole = AverageWeights(model, 0.99)
    stopped: AverageWeights | None = None
    for step in range(8):
        learn(model, step)
        whole.update()
        if step == 3:
            stopped = AverageWeights(model, 0.99)
            stopped.load_state_dict(copy.deepcopy(whole.state_dict()))
        elif stopped:
            stopped.update()
    assert stopped and stopped.updates == whole.updates == 8
    for name, tensor in whole.averaged().state_dict().items():
        assert torch.equal(stopped.averaged().state_dict()[name], tensor), name


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["TINY", "DROPPING"])
def test_every_tower_has_a_mean(recipe: str) -> None:
    _, model, _ = begin(read_config(MINI, RECIPES["settings"](**RECIPES[recipe])))
    average = AverageWeights(model, 0.5)
    average.update()
    for name, tensor in average.averaged().state_dict().items():
        torch.testing.assert_close(tensor, model.state_dict()[name], msg=f"{name}: masks of attention are infinite")

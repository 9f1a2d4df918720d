"""Layers with statistics over all processes, where processes have unequal numbers of images that can be read."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

FOLDER = Path(__file__).parent
norms = SimpleNamespace(**runpy.run_path(str(FOLDER / "norm_ranks.py")))
on_two = runpy.run_path(str(FOLDER / "ranks.py"))["on_two"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, torch.Tensor]]:
    """What two real processes came to; they would wait for each other for ever without as many passes in each."""
    output = tmp_path_factory.mktemp("norms") / "results.pt"
    on_two(str(FOLDER / "norm_ranks.py"), str(output))
    return torch.load(output, weights_only=True)


@pytest.mark.parametrize("case", ["uneven", "one rank without images"])
def test_two_processes_learn_what_one_learns(
    case: str, together: dict[str, dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    alone = norms.step(slice(None), 0, tmp_path)
    assert alone.keys() == together[case].keys() and len(alone) > 20
    for name, value in alone.items():
        torch.testing.assert_close(together[case][name], value, rtol=1e-3, atol=1e-5, msg=f"{case}: {name}")


@pytest.mark.parametrize("case", ["uneven, in parts", "none, in parts"])
def test_as_many_parts_pass_in_each_process(case: str, together: dict[str, dict[str, torch.Tensor]]) -> None:
    assert together[case]["loss"].isfinite().all() and together[case]["norm"] > 0

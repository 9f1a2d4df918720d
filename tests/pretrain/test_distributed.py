from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch

from zsderm import SettingsError
from zsderm.pretrain.distributed import ALONE, Group

SCRIPT = Path(__file__).with_name("ranks.py")


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ranks", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ranks = _load()


@pytest.fixture(scope="module")
def on_two_ranks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, torch.Tensor]]:
    """What two real processes under torchrun came to."""
    output = tmp_path_factory.mktemp("ranks") / "results.pt"
    ranks.on_two(str(SCRIPT), str(output))
    return torch.load(output, weights_only=True)


@pytest.mark.parametrize("case", list(ranks.CASES))
def test_two_ranks_have_the_loss_and_the_gradients_of_one_with_all_images(
    case: str, on_two_ranks: dict[str, dict[str, torch.Tensor]]
) -> None:
    _, empty, _, mix = ranks.CASES[case]
    alone = ranks.step(ranks.batch(empty), slice(None), ranks.B, mix)
    together = on_two_ranks[case]
    assert "unused" not in together, "a parameter that no rank reached has no gradient, as in one process"
    assert together.keys() == alone.keys() and len(together) == 6
    for name, value in alone.items():
        torch.testing.assert_close(together[name], value, rtol=0, atol=1e-12, msg=f"{case}: {name}")


@pytest.mark.parametrize("cut", [2, 6])
def test_captions_worded_alike_are_found_on_all_ranks(cut: int, on_two_ranks: dict[str, list[torch.Tensor]]) -> None:
    alone = ranks.targets(slice(6))
    assert int(alone[1].max()) + 1 == alone[0].shape[1], "there are such wordings"
    for together, rows in zip(on_two_ranks[f"targets cut at {cut}"], alone, strict=True):
        torch.testing.assert_close(together, rows, rtol=0, atol=0)


def test_a_rank_outside_of_the_group_is_refused() -> None:
    with pytest.raises(SettingsError, match="rank from 0 to 1, but got 2"):
        Group(2, 2)


def test_a_process_alone_exchanges_nothing() -> None:
    rows = torch.ones(2, 3, requires_grad=True)
    assert ALONE.gather(rows) is rows
    assert ALONE.total(rows).tolist() == rows.tolist() and not ALONE.total(rows).requires_grad
    assert ALONE.gather_objects("state") == ["state"]


def test_a_gradient_that_others_hold_too_is_not_changed(on_two_ranks: dict[str, tuple[torch.Tensor, ...]]) -> None:
    to_rows, given = on_two_ranks["shared gradient"]
    assert to_rows.eq(3).all(), "the sum over both ranks"
    assert given.eq(1).all(), "that of this rank alone"


def test_processes_wait_longer_for_one_than_an_exchange_may_take(on_two_ranks: dict[str, float]) -> None:
    assert on_two_ranks["patience"] == 3.0


def test_small_tensors_are_added_up(on_two_ranks: dict[str, torch.Tensor]) -> None:
    assert on_two_ranks["sum"].tolist() == [2.0, 1.0]

"""One seeded order of draws, cut into the blocks of several processes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from zsderm import SettingsError
from zsderm.pretrain.config import TrainConfig, read_config
from zsderm.pretrain.data.captions import Case
from zsderm.pretrain.data.records import Record
from zsderm.pretrain.data.sampling import DrawPlan, Draws, draw_weights
from zsderm.pretrain.distributed import Group

MINI = Path(__file__).parents[3] / "pretrain" / "configs" / "mini.yaml"
RECORDS = [Record(Path(f"{n}.png"), 1.0, Case("melanoma" if n < 2 else "nevus", "clinical")) for n in range(11)]


def config(**changes: object) -> TrainConfig:
    return read_config(MINI, {"samples_per_epoch": 50, "batch_size": 12, **changes})


@pytest.mark.parametrize("world_size", [1, 2, 3, 4, 6])
def test_the_ranks_together_draw_what_one_process_draws_in_its_order(world_size: int) -> None:
    alone = list(Draws(RECORDS, DrawPlan(config(), epoch=3)))
    ranks = [list(Draws(RECORDS, DrawPlan(config(), 3, Group(rank, world_size)))) for rank in range(world_size)]
    assert [[draw for block in blocks for draw in block] for blocks in zip(*ranks, strict=True)] == alone
    assert len(alone) == 4 and all(len(batch) == 12 for batch in alone)


def test_no_draw_belongs_to_two_ranks() -> None:
    first, second = (Draws(RECORDS, DrawPlan(config(), 0, Group(rank, 2))) for rank in (0, 1))
    seeds = [{seed for batch in draws for _, seed in batch} for draws in (first, second)]
    assert len(seeds[0]) == len(seeds[1]) == 24 and not seeds[0] & seeds[1]


@pytest.mark.parametrize("start", [0, 1, 3, 4])
def test_an_epoch_that_stopped_goes_on_behind_its_last_batch(start: int) -> None:
    whole = list(Draws(RECORDS, DrawPlan(config(), 1, Group(1, 2))))
    rest = Draws(RECORDS, DrawPlan(config(), 1, Group(1, 2), start))
    assert list(rest) == whole[start:] and len(rest) == 4 - start


def test_a_batch_that_cannot_be_shared_equally_says_which_can() -> None:
    with pytest.raises(SettingsError, match=r"multiple of the 5 processes.*12.*nearest that fits is 10"):
        DrawPlan(config(), group=Group(0, 5))


def test_rare_classes_are_drawn_more_often_than_they_occur() -> None:
    weights = draw_weights(RECORDS, class_balance=1.0)
    assert weights[:2].sum() == pytest.approx(weights[2:].sum())
    assert draw_weights(RECORDS, class_balance=0.0) == pytest.approx(np.ones(11))
    plan = DrawPlan(config(samples_per_epoch=4000, class_balance=1.0))
    draws = [i for batch in Draws(RECORDS, plan) for i, _ in batch]
    assert Counter(i < 2 for i in draws)[True] == pytest.approx(2000, abs=150)


def test_what_is_drawn_depends_on_the_seed_and_the_epoch_alone() -> None:
    assert list(Draws(RECORDS, DrawPlan(config(), 1))) == list(Draws(RECORDS, DrawPlan(config(), 1)))
    assert list(Draws(RECORDS, DrawPlan(config(), 1))) != list(Draws(RECORDS, DrawPlan(config(), 2)))
    assert list(Draws(RECORDS, DrawPlan(config(), 1))) != list(Draws(RECORDS, DrawPlan(config(seed=8), 1)))

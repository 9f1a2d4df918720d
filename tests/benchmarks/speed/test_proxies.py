"""The solver comparison: the same problem for both, the peer as published, and a table that says who won."""

from __future__ import annotations

import pytest
import torch
from click.testing import CliRunner

from zsderm.benchmarks.speed.proxies import (
    PUBLISHED_STEP,
    main,
    objective_of,
    ours,
    problem,
    published_schedule,
)
from zsderm.proxies import learn_proxies, transport_labels


def test_the_problem_has_unit_rows_and_depends_on_its_seed_alone() -> None:
    one, again, other = problem(60, 5, 32, 0), problem(60, 5, 32, 0), problem(60, 5, 32, 1)
    assert torch.equal(one.images, again.images)
    assert not torch.equal(one.images, other.images)
    torch.testing.assert_close(one.images.norm(dim=1), torch.ones(60))
    torch.testing.assert_close(one.text.norm(dim=1), torch.ones(5))
    torch.testing.assert_close(one.labels.sum(dim=1), torch.ones(60))


def test_what_is_timed_is_what_users_get() -> None:
    given = problem(120, 5, 32)
    learned = learn_proxies(given.images, given.text, transport_labels(given.images @ given.text.T))
    timed = ours(given).proxies
    # Near the minimum the objective is flat: threads sum in another order, and proxies move while it stays.
    assert objective_of(given, timed)[0] == pytest.approx(objective_of(given, learned.proxies)[0], abs=1e-5)
    assert float((timed * learned.proxies).sum(dim=1).min()) > 0.999


def test_the_peer_goes_downhill_to_the_same_minimum() -> None:
    given = problem(200, 5, 32)
    start = objective_of(given, given.text)[0]
    after = [objective_of(given, published_schedule(given, PUBLISHED_STEP, steps).proxies)[0] for steps in (20, 2000)]
    assert start > after[0] > after[1]
    assert objective_of(given, ours(given).proxies)[0] == pytest.approx(after[1], abs=1e-3)
    assert objective_of(given, ours(given).proxies)[0] <= after[1] + 1e-4


def test_the_table_names_both_solvers_and_their_ratio() -> None:
    result = CliRunner().invoke(main, ["--images", "100", "--classes", "4", "--width", "16", "--steps", "50"])
    assert result.exit_code == 0, result.output
    assert "| zsderm |" in result.output
    assert "| published schedule, first step 10 |" in result.output
    assert "times our CPU time" in result.output
    assert "From bfloat16 features: largest cosine" in result.output

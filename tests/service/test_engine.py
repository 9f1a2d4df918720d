"""One model for all who ask: shared batches, a bounded queue, and who goes first."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from tests.conftest import SIDE, TinyEncoder
from zsderm.errors import ImageError
from zsderm.service.engine import Engine, FullError


class Gate(TinyEncoder):
    """The small encoder, which waits before its first batch until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.entered = threading.Event(), threading.Event()

    def encode_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        self.entered.set()
        self.open.wait(30)
        return super().encode_pixels(pixels)


def _pixels(seed: int) -> torch.Tensor:
    return torch.rand(3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def test_rows_are_those_of_the_encoder() -> None:
    engine = Engine(TinyEncoder(), batch_size=4)
    engine.let_in(10)
    rows = [engine.submit(_pixels(seed)) for seed in range(10)]
    found = np.stack([row.result(10) for row in rows])
    expected = TinyEncoder().encode_pixels(torch.stack([_pixels(seed) for seed in range(10)])).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert engine.waiting == 0
    engine.stop()


def test_several_clients_share_a_batch_and_jobs_wait_behind() -> None:
    encoder = Gate()
    engine = Engine(encoder, batch_size=4)
    [first] = engine.submit_batch([_pixels(0)])
    encoder.entered.wait(10)
    order: list[str] = []
    rows = []
    for name in ("job", "one", "two", "another job", "three"):
        if "job" in name:
            rows += engine.submit_batch([_pixels(1), _pixels(2)])
        else:
            engine.let_in(1)
            rows.append(engine.submit(_pixels(1)))
        rows[-1].add_done_callback(lambda row, name=name: order.append(name))
    encoder.open.set()
    for row in (first, *rows):
        row.result(10)
    engine.stop()
    assert encoder.batch_sizes == [1, 3, 2, 2]
    assert order == ["one", "two", "three", "job", "another job"]


def test_one_photograph_does_not_wait_behind_all_of_another() -> None:
    encoder = Gate()
    engine = Engine(encoder, batch_size=4)
    [first] = engine.submit_batch([_pixels(0)])
    encoder.entered.wait(10)
    order: list[str] = []
    engine.let_in(15)
    many, other = object(), object()
    asked = [("many", many)] * 12 + [("one", None)] + [("other", other)] * 2
    rows = [engine.submit(_pixels(seed), 1, asker) for seed, (_, asker) in enumerate(asked)]
    for (name, _), row in zip(asked, rows, strict=True):
        row.add_done_callback(lambda row, name=name: order.append(name))
    encoder.open.set()
    for row in (first, *rows):
        row.result(10)
    engine.stop()
    assert encoder.batch_sizes == [1, 4, 4, 4, 3]
    assert order[:5] == ["many", "one", "other", "many", "other"]


def test_more_than_may_wait_are_refused_and_places_come_back() -> None:
    engine = Engine(TinyEncoder(), limit=8)
    engine.let_in(20)  # where nobody waits, one may ask for more than that
    engine.leave(20)
    engine.let_in(6)
    with pytest.raises(FullError, match="try again in 1 s"):
        engine.let_in(3)
    engine.let_in(2)
    engine.leave(8)
    assert engine.waiting == 0
    engine.stop()


def test_views_are_not_mixed_in_a_batch() -> None:
    encoder = Gate()
    engine = Engine(encoder, batch_size=8)
    engine.let_in(5)
    rows = [engine.submit(_pixels(0))]
    encoder.entered.wait(10)
    rows += [engine.submit(_pixels(seed), views) for seed, views in ((1, 1), (2, 4), (3, 4), (4, 1))]
    encoder.open.set()
    assert all(np.isclose(np.linalg.norm(row.result(10)), 1) for row in rows)
    assert encoder.batch_sizes == [1, 2, 2, 2, 2, 2]
    engine.stop()


def test_what_is_cancelled_is_not_computed() -> None:
    encoder = Gate()
    engine = Engine(encoder)
    [first] = engine.submit_batch([_pixels(0)])
    encoder.entered.wait(10)
    rows = engine.submit_batch([_pixels(1)] * 5)
    assert all(row.cancel() for row in rows)
    encoder.open.set()
    first.result(10)
    engine.stop()
    assert encoder.images_encoded == 1


def test_a_model_that_fails_goes_on_with_the_next() -> None:
    engine = Engine(TinyEncoder())
    engine.let_in(1)
    with pytest.raises(RuntimeError):
        engine.submit(torch.rand(3, 5, 5)).result(10)  # of a size that it does not take
    engine.let_in(1)
    with pytest.raises(ImageError, match="no finite unit row"):
        engine.submit(torch.full((3, SIDE, SIDE), torch.nan)).result(10)
    engine.let_in(1)
    assert engine.submit(_pixels(0)).result(10).shape == (32,)
    engine.stop()


def test_after_the_end_nothing_waits_for_ever() -> None:
    engine = Engine(TinyEncoder())
    engine.stop()
    assert engine.submit(_pixels(0)).cancelled() and engine.submit_batch([_pixels(0)])[0].cancelled()

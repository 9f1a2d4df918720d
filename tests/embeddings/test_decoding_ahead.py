"""Threads prepare images while the encoder works, and the seconds that either waited are counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from zsderm.embeddings import embed_batches
from zsderm.embeddings.decoding_ahead import WorkTimes, decoding_threads, prepared_ahead


@pytest.mark.parametrize("ahead", [1, 3, 100])
def test_images_come_in_order_and_no_more_are_begun_than_asked_for(ahead: int) -> None:
    begun: list[int] = []

    def counted() -> Iterator[int]:
        for number in range(20):
            begun.append(number)
            yield number

    def prepare(number: int) -> int:
        time.sleep(0.001 * (number % 3))
        return number * number

    times = WorkTimes(workers=3)
    with decoding_threads(3) as pool:
        for number, square in enumerate(prepared_ahead(pool, prepare, counted(), ahead, times)):
            assert square == number**2 and len(begun) <= number + ahead + 1
    assert begun == list(range(20)) and times.preparing >= 0.018


def test_an_error_of_one_image_comes_in_its_turn() -> None:
    def prepare(number: int) -> float:
        return 1 / (number - 2)

    with decoding_threads(2) as pool:
        found = prepared_ahead(pool, prepare, range(5), 4, WorkTimes())
        assert [next(found), next(found)] == [-0.5, -1.0]
        with pytest.raises(ZeroDivisionError):
            next(found)


def test_two_batches_are_prepared_while_one_is_encoded(tiny_encoder, paths: list[Path]) -> None:
    prepared, seen = threading.Semaphore(0), []
    plain_preprocess, plain_encode = tiny_encoder.preprocess, tiny_encoder.encode_pixels

    def preprocess(image: object) -> torch.Tensor:
        pixels = plain_preprocess(image)
        prepared.release()
        return pixels

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        # Nobody asks for images here; the encoder does not end before the two next batches are there.
        for _ in range(3 * 4 if not seen else 0):
            assert prepared.acquire(timeout=30), "the threads stand still while the encoder works"
        seen.append(len(pixels))
        return plain_encode(pixels)

    tiny_encoder.preprocess, tiny_encoder.encode_pixels = preprocess, encode
    assert all(batch.ok.all() for batch in embed_batches(tiny_encoder, paths * 4, batch_size=4, workers=2))
    assert seen == [4] * 7


@pytest.mark.parametrize("slow", ["decoding", "encoding", "writing"])
def test_shares_say_who_waits_for_whom(tiny_encoder, paths: list[Path], slow: str) -> None:
    plain_preprocess, plain_encode = tiny_encoder.preprocess, tiny_encoder.encode_pixels

    def preprocess(image: object) -> torch.Tensor:
        time.sleep(0.02 if slow == "decoding" else 0)
        return plain_preprocess(image)

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        time.sleep(0.1 if slow == "encoding" else 0)
        return plain_encode(pixels)

    tiny_encoder.preprocess, tiny_encoder.encode_pixels = preprocess, encode
    times, begun = WorkTimes(), time.perf_counter()
    for _ in embed_batches(tiny_encoder, paths * 4, batch_size=4, workers=1, times=times):
        time.sleep(0.1 if slow == "writing" else 0)
    seconds = time.perf_counter() - begun
    assert times.workers == 1 and times.total <= seconds
    assert times.total == times.waiting + times.encoding + times.between
    shares = {"decoding": times.waiting, "encoding": times.encoding, "writing": times.between}
    assert max(shares, key=shares.__getitem__) == slow, shares
    assert (times.encoder_waits > 0.5) == (slow == "decoding") and (times.threads_wait < 0.5) == (slow == "decoding")


def test_nothing_was_waited_for_where_nothing_was_done() -> None:
    assert (WorkTimes().encoder_waits, WorkTimes(workers=2).threads_wait) == (0, 0)

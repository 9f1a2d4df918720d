"""Long class lists: read in slices, as long as somebody waits, so that nobody waits for the whole list of another."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest
import torch

from tests.conftest import TinyEncoder
from zsderm.service.answers import AGAIN, READ_AT_ONCE, Classifiers
from zsderm.service.asking import asking
from zsderm.service.problems import ProblemError
from zsderm.service.schemas import ClassifyRequest
from zsderm.service.texts import SLICE, SlicedTexts, Turns


class Slow(TinyEncoder):
    """The small encoder, which takes its time for texts and notes who reads how many."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[tuple[int, int]] = []  # thread and number of texts
        self.begun = threading.Event()

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        self.readers.append((threading.get_ident(), len(texts)))
        self.begun.set()
        time.sleep(0.005)
        return super().encode_texts(texts)


class GoneError(Exception):
    """Nobody waits any more."""


def _asked(count: int) -> ClassifyRequest:
    return ClassifyRequest(classes=", ".join(f"strange {number}" for number in range(count)), method="templates")


def test_a_known_list_is_answered_while_a_long_one_is_read_and_it_ends_with_its_client() -> None:
    encoder = Slow()
    classifiers, gone = Classifiers(encoder, None), threading.Event()
    known, ended = _asked(2), []
    classifiers.check(known)
    encoder.begun.clear()

    def ask() -> None:
        if gone.is_set():
            raise GoneError

    def long() -> None:
        with asking(ask), pytest.raises(GoneError):
            classifiers.check(_asked(400))
        ended.append(time.monotonic())

    thread = threading.Thread(target=long)
    thread.start()
    assert encoder.begun.wait(10)
    classifiers.find(known)
    classifiers.check(_asked(3))  # a new short list has its turns as well
    assert thread.is_alive() and max(count for _, count in encoder.readers) <= SLICE
    gone.set()
    asked = time.monotonic()
    thread.join(10)
    assert ended and ended[0] - asked < 1
    assert not classifiers._making and encoder.texts_encoded < 2000


def test_who_asks_for_a_list_that_is_being_read_waits_for_it_or_takes_over() -> None:
    encoder = Slow()
    classifiers, gone, found = Classifiers(encoder, None), threading.Event(), []

    def ask() -> None:
        if gone.is_set():
            raise GoneError

    def first() -> None:
        with asking(ask), pytest.raises(GoneError):
            classifiers.find(_asked(100))

    threads = [threading.Thread(target=first)]
    threads[0].start()
    assert encoder.begun.wait(10)
    threads += [threading.Thread(target=lambda: found.append(classifiers.find(_asked(100)))) for _ in range(3)]
    for thread in threads[1:]:
        thread.start()
    gone.set()
    for thread in threads:
        thread.join(20)
    assert len(found) == 3 and all(one is found[0] for one in found)
    assert len({reader for reader, _ in encoder.readers}) == 2  # the one that went, and one of those who waited


def test_at_the_end_nothing_more_is_read() -> None:
    classifiers = Classifiers(TinyEncoder(), None)
    classifiers.texts.end()
    with pytest.raises(ProblemError, match="the service is stopping") as caught:
        classifiers.check(_asked(2))
    assert caught.value.status == 503


def test_too_many_who_wait_for_new_lists_are_refused() -> None:
    classifiers = Classifiers(TinyEncoder(), None)
    for _ in range(READ_AT_ONCE):
        classifiers._places.acquire()
    with pytest.raises(ProblemError, match="too many new class lists") as caught:
        classifiers.check(_asked(2))
    assert caught.value.headers == {"Retry-After": str(AGAIN)}


def test_turns_are_given_in_order() -> None:
    turns, order = Turns(), []
    with turns:
        threads = []
        for number in range(5):
            before = len(turns._waiting)
            threads.append(threading.Thread(target=_note, args=(turns, order, number)))
            threads[-1].start()
            while len(turns._waiting) == before:
                time.sleep(0.001)
    for thread in threads:
        thread.join(5)
    assert order == list(range(5))


def _note(turns: Turns, order: list[int], number: int) -> None:
    with turns:
        order.append(number)


def test_rows_are_those_of_the_encoder() -> None:
    texts = [f"text {number}" for number in range(SLICE * 2 + 3)]
    torch.testing.assert_close(SlicedTexts(TinyEncoder()).encode_texts(texts), TinyEncoder().encode_texts(texts))
    assert SlicedTexts(TinyEncoder()).encode_texts([]).shape == (0, 32)

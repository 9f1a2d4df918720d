"""The text encoder, shared by all requests in slices, so that no request waits for the whole list of another one."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import torch

from zsderm.service.asking import expect_asker
from zsderm.service.problems import ending

if TYPE_CHECKING:
    from zsderm.encoders import Encoder

SLICE = 16  # texts that are embedded before another may have its turn: a fifth of a second on one processor


class Turns:
    """A first-come, first-served lock; a lock of `threading` may go to its last owner again."""

    def __init__(self) -> None:
        self._waiting: deque[threading.Event] = deque()  # the first of them has it
        self._changing = threading.Lock()

    def __enter__(self) -> None:
        turn = threading.Event()
        with self._changing:
            self._waiting.append(turn)
            self._waiting[0].set()
        turn.wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._changing:
            self._waiting.popleft()
            if self._waiting:
                self._waiting[0].set()


class SlicedTexts:
    """An encoder that embeds texts in slices, one thread at a time, as long as a client waits; otherwise unchanged.

    Args:
        encoder: the encoder, whose tokenizer must not run in two threads at once.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self._turns, self._ended = Turns(), threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.encoder, name)

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """M texts as (M, D) unit rows.

        Raises:
            Exception: see `expect`.
        """
        rows = [torch.empty(0, self.encoder.card.width)]
        for start in range(0, len(texts), SLICE):
            with self._turns:
                self.expect()
                rows.append(self.encoder.encode_texts(list(texts[start : start + SLICE])))
        return torch.cat(rows)

    def expect(self) -> None:
        """Check that the work is still needed.

        Raises:
            ProblemError: 503, the service is stopping, see `ending`.
            Exception: see `expect_asker`.
        """
        expect_asker()
        if self.ended:
            raise ending()

    @property
    def ended(self) -> bool:
        """Whether the service is stopping."""
        return self._ended.is_set()

    def end(self) -> None:
        """Embed no more texts."""
        self._ended.set()

"""A vision-language model behind an OpenAI-compatible endpoint."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

from PIL.Image import Image

from zsderm.asking.pictures import data_url
from zsderm.asking.sampling import Sampling
from zsderm.errors import InputError, ZsdermWarning
from zsderm.language_model import Address, Messages, conversation, spoken

PREFIX = "openai:"
AHEAD = 4  # questions prepared for each that is asked at the time


@dataclass(frozen=True)
class ServedModel:
    """Sends pictures and questions to an endpoint, and receives answers in words.

    Attributes:
        model: its name at the endpoint.
        shown: the address without secrets.
        sampling: the decoding settings.
        workers: number of simultaneous requests.
    """

    model: str
    shown: str
    sampling: Sampling
    workers: int
    _say: Callable[[Messages], str] = field(repr=False)

    @classmethod
    def at(
        cls,
        url: str,
        model: str,
        api_key: str | None = None,
        sampling: Sampling | None = None,
        *,
        timeout: float = 120.0,
        workers: int = 4,
    ) -> ServedModel:
        """A model at an address; nothing is sent yet.

        Args:
            url: see `zsderm.language_model.endpoint`; "openai:" may stand before it.
            model: its name there.
            api_key: if the endpoint wants one.
            sampling: None for the most likely answer.
            timeout: seconds to wait for an answer.
            workers: questions that are asked at the same time.

        Raises:
            InputError: the address or the key cannot be used.
            SettingsError: a setting that the protocol does not have.

        Warns:
            ZsdermWarning: the address is beyond this machine; named before anything goes there.
        """
        how = sampling or Sampling()
        address = Address.of(url.removeprefix(PREFIX), api_key)
        say = conversation(
            url.removeprefix(PREFIX), model, api_key, timeout, how.fields(), tokens=how.max_tokens
        )  # fmt: skip
        if not address.is_local:
            warnings.warn(
                f"Photographs are sent beyond this machine, to {address.shown}. Only their pixels and the questions "
                "are sent, no file names and no metadata.",
                ZsdermWarning,
                stacklevel=2,
            )
        return cls(model, address.shown, how, workers, say)

    @property
    def name(self) -> str:
        """The name of the model in tables."""
        return self.model

    @property
    def identity(self) -> str:
        """A text that identifies the model; its answers are stored under it."""
        return f"{self.shown} {self.model}"

    @property
    def at_a_time(self) -> int:
        """The number of questions to pass in one call of `replies`."""
        return self.workers * AHEAD

    def facts(self) -> dict[str, str]:
        """The description of the model for a manifest."""
        return {"kind": "endpoint", "address": self.shown, "model": self.model}

    def replies(self, asked: Sequence[tuple[Image | None, str]]) -> Iterator[tuple[int, str | InputError]]:
        """Pairs of a question's index and its reply, or an error instead of the reply, in the order of arrival.

        Args:
            asked: B pictures and texts.
        """
        with ThreadPoolExecutor(self.workers) as pool:
            begun = {pool.submit(self._reply, *one): place for place, one in enumerate(asked)}
            try:
                for done in as_completed(begun):
                    yield begun[done], done.result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _reply(self, image: Image | None, text: str) -> str | InputError:
        content = [{"type": "text", "text": text}]
        shown = [] if image is None else [{"type": "image_url", "image_url": {"url": data_url(image)}}]
        try:
            return (spoken(self._say([{"role": "user", "content": [*shown, *content]}])) or "").strip()
        except InputError as error:
            return error

"""A vision-language model that transformers runs on this machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from PIL.Image import Image

from zsderm.asking.model_folder import PREFIX, ModelFolder, inputs_of, message
from zsderm.asking.pictures import digest
from zsderm.asking.sampling import Sampling
from zsderm.encoders.torch_encoder import choose_device
from zsderm.encoders.transformers_format.encoder import silence
from zsderm.errors import AnswerError, InputError, SettingsError


@dataclass(frozen=True)
class LocalModel:
    """Answers questions about pictures with a local model.

    Attributes:
        folder: the folder of the model.
        sampling: the decoding settings.
        batch_size: questions in one batch with temperature 0. With sampling it is 1, so that an answer does not depend
            on other questions.
        device: the torch device.
    """

    folder: ModelFolder
    sampling: Sampling
    batch_size: int
    device: torch.device
    _model: Any = field(repr=False)
    _processor: Any = field(repr=False)

    @classmethod
    def load(
        cls,
        folder: str,
        sampling: Sampling | None = None,
        *,
        device: str | torch.device | None = None,
        batch_size: int = 8,
    ) -> LocalModel:
        """Read a model from a folder, with or without an adapter.

        Args:
            folder: see `ModelFolder.of`.
            sampling: None for the most likely answer.
            device: a torch device; None takes a GPU where there is one.
            batch_size: questions at a time.

        Raises:
            CheckpointError: it cannot be read.
            SettingsError: there is no such device.
        """
        place, chosen = ModelFolder.of(folder), choose_device(device)
        model, processor = place.load()
        return cls(place, sampling or Sampling(), batch_size, chosen, model.to(chosen), processor)

    @property
    def name(self) -> str:
        """The name of the model in tables: the last two parts of its path."""
        return "/".join(self.folder.folder.resolve().parts[-2:])

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits over its files."""
        return self.folder.fingerprint()

    @property
    def identity(self) -> str:
        """A text that identifies the model; its answers are stored under it."""
        return f"{PREFIX}{self.fingerprint}"

    @property
    def at_a_time(self) -> int:
        """The number of questions to pass in one call of `replies`."""
        return self.batch_size

    def facts(self) -> dict[str, str]:
        """The description of the model for a manifest."""
        return {"kind": "transformers", "model": self.name, "fingerprint": self.fingerprint}

    def replies(self, asked: Sequence[tuple[Image | None, str]]) -> Iterator[tuple[int, str | InputError]]:
        """Pairs of a question's index and its reply; an empty reply is replaced by an error.

        Args:
            asked: B pictures and texts.

        Raises:
            SettingsError: the memory of the device is too small.
        """
        size = 1 if self.sampling.temperature else self.batch_size
        for shown in (True, False):  # a processor takes pictures for all texts of a batch, or for none
            places = [place for place, (image, _) in enumerate(asked) if (image is not None) == shown]
            for start in range(0, len(places), size):
                batch = places[start : start + size]
                for place, reply in zip(batch, self._batch([asked[place] for place in batch]), strict=True):
                    yield place, reply or AnswerError("the model gave an empty answer")

    def _batch(self, asked: Sequence[tuple[Image | None, str]]) -> list[str]:
        turns = [[message("user", text, image=image is not None)] for image, text in asked]
        with silence():
            texts = [self._processor.apply_chat_template(turn, add_generation_prompt=True) for turn in turns]
            pictures = [image for image, _ in asked if image is not None]
            inputs = inputs_of(self._processor, texts, pictures)
            inputs = inputs.to(self.device, dtype=self._model.dtype)  # numbers of tokens stay whole numbers
            try:
                with torch.inference_mode(), self._drawn(asked):
                    tokens = self._model.generate(**inputs, **self._settings())  # (B, L + new)
            except torch.OutOfMemoryError as error:
                raise SettingsError(
                    f"The memory of {self.device} is too small for {len(asked)} questions in one batch. Set --at-once "
                    "to a lower number."
                ) from error
            new = tokens[:, inputs["input_ids"].shape[1] :]
            return [text.strip() for text in self._processor.batch_decode(new, skip_special_tokens=True)]

    def _settings(self) -> dict[str, Any]:
        how = self.sampling
        drawn = {"temperature": how.temperature, "top_p": how.top_p} if how.temperature else {}
        quiet = {} if drawn else {"temperature": None, "top_p": None}  # else those of the folder would be warned of
        return {
            "do_sample": bool(drawn),
            **drawn,
            **quiet,
            "top_k": None,
            "num_beams": how.beams,
            "min_new_tokens": how.min_tokens or None,
            "max_new_tokens": how.max_tokens,
            "pad_token_id": self._processor.tokenizer.pad_token_id,
        }

    @contextmanager
    def _drawn(self, asked: Sequence[tuple[Image | None, str]]) -> Iterator[None]:
        """Random numbers of the seed and the question alone; those of the process are as they were afterwards."""
        if not self.sampling.temperature:
            yield
            return
        image, text = asked[0]
        told = f"{self.sampling.seed} {digest(image)} {text}".encode()
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(int.from_bytes(hashlib.sha256(told).digest()[:7], "big"))
            yield

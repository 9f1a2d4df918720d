"""A folder with a vision-language model of transformers, or with an adapter to one; only safetensors weights are read.

Nothing is downloaded, and code in the folder is not executed.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL.Image import Image

from zsderm.encoders.checkpoint import BUILD_ERRORS, first_line
from zsderm.encoders.fingerprint import fingerprint
from zsderm.encoders.transformers_format.encoder import silence
from zsderm.errors import CheckpointError, ZsdermWarning
from zsderm.optional_packages import requires
from zsderm.stored_json import read_json_file

PREFIX = "transformers:"
CONFIG, ADAPTER = "config.json", "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
TRAINED = "zsderm_answers.json"  # beside an adapter of ours: which base it was trained on, and how
BASE = "base_model_name_or_path"  # in the configuration of an adapter
# The turns of LLaVA 1.5, for folders whose processor has no template.
TURNS = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}USER: {% else %}ASSISTANT: {% endif %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% else %} {% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT: {% endif %}"
)


@dataclass(frozen=True)
class ModelFolder:
    """A folder that was checked to contain a model.

    Attributes:
        base: configuration, processor and weights.
        adapter: the folder that changes the weights; None where they stay.
    """

    base: Path
    adapter: Path | None = None

    @classmethod
    def of(cls, name: str | Path) -> ModelFolder:
        """Check a folder, and find the base model of an adapter.

        Args:
            name: a folder; "transformers:" may stand before it.

        Raises:
            CheckpointError: it is no folder with a model or an adapter, its weights are no safetensors, or the base of
                an adapter is not where the adapter says.
        """
        folder = Path(str(name).removeprefix(PREFIX)).expanduser()
        if not folder.is_dir():
            raise CheckpointError(
                f"There is no folder {folder}. Expected a folder with a vision-language model of transformers; "
                "nothing is downloaded from a hub."
            )
        if not (folder / ADAPTER).is_file():
            _check_weights(folder, CONFIG)
            return cls(folder)
        _check_weights(folder, ADAPTER, ADAPTER_WEIGHTS)
        try:
            told = read_json_file(folder / ADAPTER)[BASE]
            base = folder / Path(told).expanduser()  # an absolute path stays what it is
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"Expected the folder of the base model in '{BASE}' of {folder / ADAPTER}, but there is none "
                f"({first_line(error)}). Write it there."
            ) from error
        if not base.is_dir():
            raise CheckpointError(
                f"The adapter in {folder} needs its base model in {told}, which is not there. Put the model there, or "
                f"write its folder into '{BASE}' of {folder / ADAPTER}."
            )
        _check_weights(base, CONFIG)
        return cls(base, folder)

    @property
    def folder(self) -> Path:
        """The folder that was named."""
        return self.adapter or self.base

    def fingerprint(self) -> str:
        """16 hex digits over weights, configuration, tokenizer and image processor of both folders."""
        digits = _fingerprint(self.base)
        return digits if self.adapter is None else fingerprint({"base": digits}, [], _own_files(self.adapter))

    def load(self, dtype: Any = "auto") -> tuple[Any, Any]:
        """Model and processor, the adapter in its place.

        Args:
            dtype: a torch dtype for the weights, or "auto" for that of the files.

        Raises:
            CheckpointError: they cannot be built from these files.
            MissingDependencyError: there is an adapter, and peft is not installed.
        """
        from transformers import AutoModelForImageTextToText, AutoProcessor

        own: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        try:
            with silence():
                processor = AutoProcessor.from_pretrained(str(self.base), **own)
                model = AutoModelForImageTextToText.from_pretrained(
                    str(self.base), dtype=dtype, use_safetensors=True, **own
                )
                if self.adapter is not None:
                    model = self._adapted(model, self.adapter)
        except BUILD_ERRORS as error:
            raise CheckpointError(
                f"The model in {self.folder} cannot be loaded: {first_line(error)}. Expected a "
                "model with its processor that AutoModelForImageTextToText of transformers can load."
            ) from error
        return model.eval(), prepared(processor, model)

    def _adapted(self, model: Any, adapter: Path) -> Any:
        with requires("zsderm[lora]", "a model with an adapter"):
            from peft import PeftModel
        self._check_base(adapter)
        return PeftModel.from_pretrained(model, str(adapter), is_trainable=False)

    def _check_base(self, adapter: Path) -> None:
        """Say so where the base is another one than the adapter was trained on."""
        try:
            told = read_json_file(adapter / TRAINED)["base"]
        except (OSError, ValueError, KeyError, TypeError):
            return  # an adapter of somebody else
        if told != _fingerprint(self.base):
            warnings.warn(
                f"The adapter in {adapter} was trained on other weights than those that are now in {self.base}.",
                ZsdermWarning,
                stacklevel=2,
            )


def prepared(processor: Any, model: Any) -> Any:
    """Complete a processor: left padding, a chat template, and the number of tokens of a picture.

    Raises:
        ValueError: it reads no text, or no pictures.
    """
    tokenizer = getattr(processor, "tokenizer", None)
    if tokenizer is None or getattr(processor, "image_processor", None) is None:
        raise ValueError("its processor does not take pictures and text")
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if not processor.chat_template:
        processor.chat_template = tokenizer.chat_template or TURNS
    config = model.config
    if getattr(processor, "patch_size", 0) is None:  # of a folder written before processors knew of patches
        processor.patch_size = config.vision_config.patch_size
        processor.vision_feature_select_strategy = config.vision_feature_select_strategy
        processor.num_additional_image_tokens = int(config.vision_config.model_type == "clip_vision_model")  # the class
    return processor


def inputs_of(processor: Any, texts: Sequence[str], images: Sequence[Image]) -> Any:
    """The inputs of a model: tokens padded to one length, and pixels.

    Args:
        processor: see `prepared`.
        texts: B of them, as the template gives them.
        images: one for each text, or none.
    """
    begins = processor.tokenizer.bos_token
    special = not (begins and texts[0].startswith(begins))  # a template may have said it already
    return processor(
        images=list(images) or None, text=list(texts), padding=True, add_special_tokens=special, return_tensors="pt"
    )


def message(role: str, text: str, *, image: bool = False) -> dict[str, Any]:
    """One turn of a conversation, in the form that chat templates take."""
    content = [{"type": "text", "text": text}]
    return {"role": role, "content": [*([{"type": "image"}] if image else []), *content]}


def _check_weights(folder: Path, needed: str, weights: str = "*.safetensors") -> None:
    if not (folder / needed).is_file():
        raise CheckpointError(f"{folder} holds no {needed}. Expected a folder with a model of transformers.")
    if not any(folder.glob(weights)):
        raise CheckpointError(
            f"{folder} holds no weights in .safetensors; other formats can run code and are not read. Convert the "
            "weights: load the model with transformers on an isolated machine, and call save_pretrained."
        )


def _fingerprint(folder: Path) -> str:
    weights = sorted(folder.glob("*.safetensors"))
    return fingerprint(json.loads((folder / CONFIG).read_text(encoding="utf-8")), weights, _named(folder))


def _named(folder: Path) -> list[Path]:
    kinds = ("*.json", "*.model", "*.txt", "*.jinja")
    return sorted(path for kind in kinds for path in folder.glob(kind) if path.name != CONFIG)


def _own_files(adapter: Path) -> list[Path]:
    return [adapter / ADAPTER, adapter / ADAPTER_WEIGHTS]

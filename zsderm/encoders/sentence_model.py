"""A model of the meaning of sentences, from sentence-transformers: the bundled one, or any that the user names.

The bundled one is all-MiniLM-L6-v2, which has seen no skin. It is the text tower of zsderm-mini, frozen, without the
projection that was trained on thirteen diagnoses: it knows what words mean in general, which is what names and
near-duplicates are compared by.

Source: Reimers and Gurevych, Sentence-BERT (arXiv 1908.10084); weights sentence-transformers/all-MiniLM-L6-v2,
Apache-2.0.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import load_file, save_file

from zsderm.encoders import hub, mini
from zsderm.encoders.base import CONFIG_FILE, EncoderCard
from zsderm.encoders.checkpoint import BUILD_ERRORS, first_line
from zsderm.encoders.fingerprint import link, write_json
from zsderm.encoders.tokenizer_files import tidy_config, tokenizer_files
from zsderm.encoders.transformers_format.encoder import silence
from zsderm.errors import CheckpointError, InputError, UnknownModelError

NAME = "all-MiniLM-L6-v2"
TOWER = "text.transformer."  # where the weights stand in an open_clip checkpoint
CONTEXT = 256  # tokens, as sentence-transformers publishes it
BATCH = 64
FILES = ("*.json", "*.txt", "*.model", "*.safetensors")  # of a model: no pickles, no other engines
# The files by which sentence-transformers knows a model, as it writes them itself since version 2.
_MODULES = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}


class TextEncoder(Protocol):
    """What embeds texts: an encoder, or a sentence model."""

    @property
    def card(self) -> EncoderCard:
        """Its name and width."""

    @property
    def fingerprint(self) -> str:
        """16 hex digits: equal means the same embeddings."""

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """(M, D) float32 unit rows."""


class SentenceModel:
    """A SentenceTransformer on the processor, as a TextEncoder.

    Args:
        model: a model of sentence-transformers, by its name on the Hugging Face hub or as a folder; or an open_clip
            checkpoint folder whose text tower is a transformers model. None takes the text tower of zsderm-mini.
            Weights are read from safetensors only, and no code that comes with a model is run.

    Raises:
        CheckpointError: there is no such model, or it cannot be loaded.
    """

    def __init__(self, model: str | Path | None = None) -> None:
        folder = mini.folder() if model is None else Path(model).expanduser()
        if model is None or (folder / CONFIG_FILE).is_file():
            self._model = _of_text_tower(folder)
            self._files: tuple[Path, ...] = (folder / "model.safetensors", folder / "tokenizer.json")
        elif folder.is_dir() and not (folder / "config.json").is_file() and not (folder / "modules.json").is_file():
            file = folder / "config.json"
            raise CheckpointError(f"expected {str(file)!r} to describe a transformers text tower, but it is not there.")
        else:
            self._model = _load(str(folder if folder.is_dir() else _fetched(str(model))))
            self._files = ()
        self.card = EncoderCard(
            NAME if model is None else str(model),
            width=int(self._model.encode([""], show_progress_bar=False).shape[1]),
            image_size=0,
            context_length=int(self._model.max_seq_length or 0),
        )

    @property
    def parts(self) -> tuple[torch.nn.Module, Any]:
        """The transformers model below the pooling and its tokenizer, for who trains them further."""
        return self._model[0].auto_model, self._model.tokenizer

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits over weights and tokenizer."""
        if self._files:
            parts = [file.read_bytes() for file in self._files]
        else:
            state = self._model.state_dict()
            parts = [name.encode() + state[name].float().cpu().numpy().tobytes() for name in sorted(state)]
            vocabulary: dict[str, int] = getattr(self._model.tokenizer, "get_vocab", dict)()
            parts.append(json.dumps([vocabulary, self.card.context_length], sort_keys=True).encode())
        return sha256(b"".join(sha256(part).digest() for part in parts)).hexdigest()[:16]

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Embed texts; what is beyond the context is cut.

        Args:
            texts: M strings.

        Returns:
            (M, D) float32 unit rows on the CPU: the mean of the token embeddings, unless a named model pools otherwise.

        Raises:
            InputError: a single string instead of a list.
        """
        if isinstance(texts, str):
            raise InputError(f"expected `texts` to be a list of strings, but got one string: {texts[:40]!r}")
        if not len(texts):
            return torch.empty(0, self.card.width)
        rows = self._model.encode(
            list(texts), batch_size=BATCH, normalize_embeddings=True, convert_to_tensor=True, show_progress_bar=False
        )
        return rows.float().cpu().clone()


def _fetched(name: str) -> Path:
    """The folder of a model in the hub's cache, where it is fetched to if need be.

    sentence-transformers would ask for one file after another, each again and again, before it says that there is no
    such model or no network.

    Raises:
        CheckpointError: there is no such model, or it cannot be fetched from here.
    """
    repository = name if "/" in name else f"sentence-transformers/{name}"  # as sentence-transformers reads names
    try:
        if not hub.REPOSITORY.fullmatch(repository):
            raise CheckpointError("it is neither a folder nor the name of a repository")
        return hub.fetch(repository, FILES)
    except (CheckpointError, UnknownModelError) as error:
        raise _not_loaded(name, error) from error


def _not_loaded(name: str, error: BaseException) -> CheckpointError:
    return CheckpointError(
        f"the sentence model '{name}' cannot be loaded: {first_line(error)}. Expected a model of sentence-transformers "
        "with safetensors, by its name on the Hugging Face hub or as a folder; without a network it has to be in the "
        "cache: hf download NAME"
    )


def _load(name: str) -> Any:
    """A SentenceTransformer on the processor, from a folder.

    Raises:
        CheckpointError: there is no such model, or it cannot be loaded.
    """
    with silence():
        try:
            # It takes seconds to import, and other commands have no use for it.
            from sentence_transformers import SentenceTransformer

            options = {"use_safetensors": True}
            model = SentenceTransformer(name, device="cpu", local_files_only=True, model_kwargs=options)
        except (*BUILD_ERRORS, ImportError) as error:
            raise _not_loaded(name, error) from error
    return model.float().eval().requires_grad_(False)


def _of_text_tower(folder: Path) -> Any:
    """A SentenceTransformer of the transformers text tower in an open_clip checkpoint, with mean pooling.

    Raises:
        CheckpointError: the folder holds no such tower, or not all of it.
    """
    config, weights = folder / "config.json", folder / "model.safetensors"
    if not config.is_file():
        raise CheckpointError(f"expected {str(config)!r} to describe a transformers text tower, but it is not there.")
    stored = load_file(weights) if weights.is_file() else {}
    tower = {
        name.removeprefix(TOWER): rows.float() if rows.is_floating_point() else rows
        for name, rows in stored.items()
        if name.startswith(TOWER)
    }
    if not tower:
        raise CheckpointError(f"expected {str(folder)!r} to hold weights named {TOWER}..., but it has none.")
    with tempfile.TemporaryDirectory(prefix="zsderm-") as name:
        place, content = Path(name), tidy_config(config)
        save_file(tower, place / "model.safetensors", metadata={"format": "pt"})
        write_json(place / "config.json", content)
        for file in tokenizer_files(folder):
            link(file, place / file.name)
        modules = [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for i, (path, kind) in enumerate(_MODULES.items())
        ]
        (place / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
        write_json(place / "sentence_bert_config.json", {"max_seq_length": CONTEXT, "do_lower_case": False})
        for path in filter(None, _MODULES):
            (place / path).mkdir()
        pooling = {"word_embedding_dimension": content["hidden_size"], "pooling_mode_mean_tokens": True}
        write_json(place / "1_Pooling" / "config.json", pooling)
        model = _load(name)
    built = [key.partition(".")[2] for key in model[0].state_dict()]
    # The pooler of BERT is not used: sentences are the mean of their tokens.
    missing = [key for key in built if key not in tower and not key.startswith("pooler.")]
    if missing := [key for key in missing if not key.endswith("position_ids")]:
        raise CheckpointError(f"the text tower of {str(folder)!r} lacks {', '.join(missing[:3])}.")
    return model

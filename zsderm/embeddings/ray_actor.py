"""What runs in an actor of Ray: it makes whole parts of a data set, from reading the photographs to writing the file.

Rows do not travel: an actor is told the number of a part, and answers how many of its images failed.
"""

from __future__ import annotations

import os
import socket
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from zsderm import __version__
from zsderm.embeddings.dataset_folder import DatasetFacts, DatasetFolder
from zsderm.embeddings.embedded_dataset import batch_sizes, joined
from zsderm.embeddings.image_features import MOST_WORKERS, embed_batches
from zsderm.errors import InputError, SettingsError, ZsdermError
from zsderm.images import open_file
from zsderm.places import Folder

if TYPE_CHECKING:
    import torch

    from zsderm.encoders.base import Encoder

AT_ONCE = 2  # parts of an actor: while one is encoded, the first images of the next are decoded
ATTEMPTS = 5  # how often a part is begun; each time but the last, the process ended that was at it
_SAME_DISK = "All nodes need the same disk under the same path, or a bucket"


@dataclass(frozen=True)
class Work:
    """What an actor has to know; it is the same for all of them.

    Attributes:
        folder, facts: the data set.
        model, device: of the encoder, as for `zsderm.load_encoder`.
        batch_size, cache: see `zsderm.embeddings.embed_images`.
        cpus: processors of an actor.
        home: the working folder of the run, from which relative paths count.
        seen: some images of the list that the run itself can open.
        attempts: an actor whose ``begin(part)`` says how often a part was begun.
        version: of zsderm.
    """

    folder: Folder
    facts: DatasetFacts
    model: str
    device: str
    batch_size: int
    cache: str | None
    cpus: int
    home: str
    seen: tuple[str, ...]
    attempts: Any = None
    version: str = __version__


class PartMaker:
    """Makes the parts of a data set whose numbers it is given; Ray Data calls it with one number at a time."""

    def __init__(self, work: Work) -> None:
        # Nothing heavy: a process that ends here, Ray starts again without end. In a call, attempts are counted.
        self._work = work
        self._turn, self._loading = Lock(), Lock()
        self._ready: tuple[DatasetFolder, Encoder] | None = None

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, list[Any]]:
        """Make the parts of ``batch["part"]``.

        Returns:
            A row for each part: ``part``, its number; ``failed``, how many of its images could not be read;
            ``seconds`` that it took once the encoder was there; ``refusal``, what is wrong, as a sentence for the user,
            or empty; ``defect``, the traceback of what should not happen, or empty.
        """
        rows = [self._row(int(part)) for part in batch["part"]]
        return {name: [row[name] for row in rows] for name in ("part", "failed", "seconds", "refusal", "defect")}

    def _row(self, part: int) -> dict[str, Any]:
        row: dict[str, Any] = {"part": part, "failed": 0, "seconds": 0.0, "refusal": "", "defect": ""}
        try:
            self._count(part)
            dataset, encoder = self._loaded()
            started = time.monotonic()
            row["failed"] = self._make(part, dataset, encoder)
            row["seconds"] = time.monotonic() - started
        except (ZsdermError, OSError, MemoryError) as error:
            row["refusal"] = f"{_sentence(error)} (node {socket.gethostname()})"
        except Exception:  # noqa: BLE001  # the run shows it; Ray would make three pages of it
            row["defect"] = traceback.format_exc()
        return row

    def _make(self, part: int, dataset: DatasetFolder, encoder: Encoder) -> int:
        work = self._work
        if dataset.folder.has(dataset.part_name(part)):  # another process made it meanwhile
            return dataset.failed_in(part)
        names = next(dataset.images([part]))
        with _InTurn(encoder, self._turn) as waiting:
            found = joined(
                embed_batches(
                    cast("Encoder", waiting),
                    names,
                    views=dataset.facts.encoder["views"],
                    batch_size=work.batch_size,
                    workers=max(1, min(MOST_WORKERS, work.cpus)),
                    cache=work.cache,
                    sizes=batch_sizes(dataset, part, work.batch_size),
                )
            )
        if not found.ok.any():
            _check_seen(work.seen)  # a disk that was unmounted meanwhile is not a thousand rows of "no such file"
        return dataset.write_part(part, names, found)

    def _count(self, part: int) -> None:
        """Refuse a part whose maker ended again and again: Ray alone would go on with that for ever."""
        import ray

        if ray.get(self._work.attempts.begin.remote(part)) > ATTEMPTS:
            rows = self._work.facts.rows(part)
            raise SettingsError(
                f"part {part} could not be made: the process that tried it ended, {ATTEMPTS} times. It has the images "
                f"{rows.start + 1} to {rows.stop} of the list. Often the memory of a node is used up: try fewer "
                "--actors, or a smaller --batch-size; the same command goes on with what is missing"
            )

    def _loaded(self) -> tuple[DatasetFolder, Encoder]:
        with self._loading:
            if self._ready is None:
                self._ready = self._load()
            return self._ready

    def _load(self) -> tuple[DatasetFolder, Encoder]:
        work = self._work
        if work.version != __version__:
            raise InputError(
                f"the run has zsderm {work.version}, but a node has {__version__}. Install the same version on all"
            )
        with suppress(OSError):  # where there is no such folder, relative paths are not found, and that is said
            os.chdir(work.home)
        if not DatasetFolder.exists(work.folder):
            raise InputError(f"a node does not see the data set '{work.folder}'. {_SAME_DISK}")
        dataset = DatasetFolder.open(work.folder)
        if dataset.facts != work.facts:
            raise InputError(f"a node sees another data set in '{work.folder}' than the run does. {_SAME_DISK}")
        _check_seen(work.seen)
        return dataset, _encoder(work)


class _InTurn:
    """An encoder for one part: it encodes only once no other part is at it, and until the part is done.

    Meanwhile the first images of its part are decoded, so that no encoder waits between two parts.
    """

    def __init__(self, encoder: Encoder, turn: Lock) -> None:
        self._encoder, self._turn, self._has_turn = encoder, turn, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def encode_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        """See `zsderm.encoders.Encoder`."""
        if not self._has_turn:
            self._turn.acquire()
            self._has_turn = True
        return self._encoder.encode_pixels(pixels)

    def __enter__(self) -> _InTurn:
        return self

    def __exit__(self, *_: object) -> None:
        if self._has_turn:
            self._turn.release()


def seen_images(names: Sequence[str], most: int = 8) -> tuple[str, ...]:
    """The first of some images that can be opened here, whatever is in them."""
    found: list[str] = []
    for name in names:
        if len(found) == most:
            break
        if _reason(name) is None:
            found.append(name)
    return tuple(found)


def _check_seen(seen: Sequence[str]) -> None:
    """Raise unless one of some images can be opened here too; where there are none, nobody can say."""
    reason = None
    for name in seen:
        if (reason := _reason(name)) is None:
            return
    if reason is not None:
        raise InputError(
            f"a node does not see the photographs that the run sees: {reason}. {_SAME_DISK}; for a bucket each needs "
            "the same access"
        )


def _reason(name: str) -> str | None:
    """Why an image cannot be opened; None if it can."""
    try:
        with open_file(name):
            return None
    except (ZsdermError, OSError) as error:
        return str(error)


def _encoder(work: Work) -> Encoder:
    import torch

    from zsderm.encoders import load_encoder

    torch.set_num_threads(max(1, work.cpus))
    started = time.monotonic()
    encoder = load_encoder(work.model, work.device)
    wanted = work.facts.encoder["fingerprint"]
    if encoder.fingerprint != wanted:
        raise InputError(
            f"a node has another encoder under the name '{work.model}' than the run: {encoder.fingerprint}, not "
            f"{wanted}. Copy the same files to all nodes"
        )
    print(f"zsderm: {work.model} loaded in {time.monotonic() - started:.1f} s", flush=True)  # noqa: T201  # -v shows it
    return encoder


def _sentence(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "the memory of a node is used up"
    return " ".join(str(error).split()).rstrip(".")

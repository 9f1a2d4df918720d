"""The checkpoint of a run: written whole or not at all, and read back without any loss.

A run that is killed at any moment is resumed from its last checkpoint and ends with the same weights as without the
kill: the file holds model, optimiser, schedule, the random state of every process, and the place inside the epoch.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zsderm.atomic_files import atomic_file
from zsderm.encoders.checkpoint import BUILD_ERRORS, first_line
from zsderm.errors import CheckpointError, SettingsError
from zsderm.pretrain.distributed import Group
from zsderm.pretrain.run_settings import FREE_TO_CHANGE

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

log = logging.getLogger(__name__)


@dataclass
class Progress:
    """How many epochs and batches a run has done, and the sums of its current epoch."""

    epoch: int = 0  # whole epochs done
    batch: int = 0  # batches done of the next one
    step: int = 0  # batches done in all
    sums: Tensor = field(default_factory=lambda: torch.zeros(3, dtype=torch.float64))  # total, contrastive, local
    learned: int = 0  # batches of the epoch with a loss: the sums are theirs
    images: int = 0  # seen in this epoch by all processes
    skipped: int = 0  # could not be read
    seconds: float = 0.0
    waited: float = 0.0  # of these seconds, for data

    def advance(self, images: int, skipped: int, seconds: float, waited: float) -> None:
        """Count a batch."""
        self.batch, self.step = self.batch + 1, self.step + 1
        self.images, self.skipped = self.images + images, self.skipped + skipped
        self.seconds, self.waited = self.seconds + seconds, self.waited + waited


def save(path: Path, progress: Progress, config: DataclassInstance, group: Group, **parts: Any) -> None:
    """Write a checkpoint; every process calls it, the first one writes.

    Args:
        path: the file.
        progress: how far the run is.
        config: its settings, a dataclass, which a resumed run must have too.
        group: the processes that train together.
        parts: objects with a `state_dict`.
    """
    random = group.gather_objects(_random_state())
    if group.is_first:
        state = {
            "epochs_done": progress.epoch,
            "progress": vars(progress),
            "settings": settings_of(config),
            "random": random,
            **{name: part.state_dict() for name, part in parts.items()},
        }
        with atomic_file(path) as draft:
            torch.save(state, draft)
    group.wait()


def resume(path: Path, config: DataclassInstance, device: torch.device, group: Group, **parts: Any) -> Progress:
    """Load the checkpoint of a run into its parts, if there is one.

    Returns:
        How far the run is; the start where there is no checkpoint.

    Raises:
        SettingsError: the checkpoint belongs to a run with other settings, or lacks a part.
        CheckpointError: it is damaged.
    """
    if not path.is_file():
        return Progress()
    state = _stored(path)
    _check_settings(path, state.get("settings"), settings_of(config))
    if missing := [name for name in parts if name not in state]:
        raise SettingsError(f"{path} holds no {missing[0]}: an older version began this run. Choose another --output.")
    for name, part in parts.items():
        try:
            part.load_state_dict(state[name])
        except BUILD_ERRORS as error:
            raise _damaged(path, f"its {name} does not fit: {first_line(error)}") from error
    try:
        return _resumed(path, state, device, group)
    except BUILD_ERRORS as error:
        raise _damaged(path, f"how far the run is cannot be read: {first_line(error)}") from error


def _resumed(path: Path, state: Mapping[str, Any], device: torch.device, group: Group) -> Progress:
    """How far a run is, with its random numbers set."""
    if "progress" not in state:  # written before checkpoints knew batches
        torch.set_rng_state(state["torch_rng"])
        steps = int(state["scheduler"]["last_epoch"])
        return Progress(epoch=int(state["epochs_done"]), step=steps)
    if len(state["random"]) == group.size:
        _set_random_state(state["random"][group.rank], device)
    else:
        log.warning("the number of processes has changed: random numbers begin anew, so the weights will differ")
    progress = Progress(**{"learned": state["progress"]["batch"], **state["progress"]})  # older ones count all
    log.info("resuming after epoch %d, batch %d", progress.epoch, progress.batch)
    return progress


def _stored(path: Path) -> dict[str, Any]:
    """What a checkpoint holds.

    Raises:
        CheckpointError: it is damaged, or was not written by `save`.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except BUILD_ERRORS as error:
        raise _damaged(path, first_line(error)) from error
    settings = state.get("settings") if isinstance(state, dict) else None
    if not isinstance(state, dict) or not isinstance(settings, Mapping | None):
        raise _damaged(path, "it holds no settings by name")
    return state


def _damaged(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"The checkpoint {path} cannot be read: {reason}. Put an older one in its place, or take it away to begin anew."
    )


def settings_of(config: DataclassInstance) -> dict[str, Any]:
    """The settings that decide the weights, as plain lists, mappings and numbers."""
    settings = {name: _plain(value) for name, value in asdict(config).items() if name not in FREE_TO_CHANGE}
    for source in settings.get("train", ()):
        del source["home"]  # decides what is measured of the finished encoder, not its weights
    return settings


def _check_settings(path: Path, before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> None:
    if before is None:
        return
    changed = [name for name in now if name in before and before[name] != now[name]]
    if changed:
        name = changed[0]
        raise SettingsError(
            f"The run in {path.parent} was begun with other settings ({', '.join(changed)}): `{name}` was "
            f"{before[name]!r:.200}, now it is {now[name]!r:.200}. Go on with the settings it had, or choose another "
            "--output."
        )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value


def _random_state() -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def _set_random_state(state: Mapping[str, Tensor], device: torch.device) -> None:
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)

"""What the settings of a run name besides its data, looked up before it begins: bases, vocabularies, starts."""

from __future__ import annotations

from pathlib import Path

from zsderm.errors import SettingsError, ZsdermError, did_you_mean
from zsderm.knowledge import KnowledgeBase
from zsderm.pretrain.config import TrainConfig
from zsderm.pretrain.model.start import IMAGE_STARTS, LITE
from zsderm.tasks.concepts.concept_list import ConceptVocabulary


def check_names(config: TrainConfig) -> None:
    """Refuse a knowledge base, a vocabulary or a start that is not there, or does not fit the architecture.

    Raises:
        SettingsError: with the setting that names it.
    """
    bases = {"knowledge": config.knowledge}
    bases |= {f"evaluate.{n}.knowledge": asked.knowledge for n, asked in enumerate(config.evaluate) if asked.knowledge}
    for setting, name in bases.items():
        try:
            KnowledgeBase.load(name)
        except ZsdermError as error:
            raise SettingsError(f"Setting `{setting}`: {error}") from error
    for number, asked in enumerate(config.evaluate):
        try:
            if asked.task == "concepts":
                ConceptVocabulary.load(asked.vocabulary)
        except ZsdermError as error:
            raise SettingsError(f"Setting `evaluate.{number}.vocabulary`: {error}") from error
    if not config.start:
        _check_image_start(config.image_start, str(config.model_cfg["vision_cfg"].get("timm_model_name", "")))


def _check_image_start(start: str, tower: str) -> None:
    if start not in IMAGE_STARTS and "/" not in start and ":" not in start and not Path(start).exists():
        raise SettingsError(
            f"Expected setting `image_start` to be one of {', '.join(IMAGE_STARTS)} or the name of a checkpoint, "
            f"but got {start!r}.{did_you_mean(start, IMAGE_STARTS)}"
        )
    if start in LITE and not tower.endswith(start.replace("-", "_")):
        raise SettingsError(
            f"Setting `image_start` names {start}, but the image tower is {tower or 'one of open_clip'}. Set "
            f"vision_cfg.timm_model_name to tf_{start.replace('-', '_')}, or image_start to random."
        )
    if start == "timm" and not tower:
        raise SettingsError("Setting `image_start` is timm, but vision_cfg has no timm_model_name. Name one.")

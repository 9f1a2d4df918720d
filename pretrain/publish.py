"""An exported encoder with a model card, put on the Hugging Face hub, or only laid out to be looked at."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

from zsderm.atomic_files import atomic_file
from zsderm.encoders.base import CARD_FILE, CONFIG_FILE
from zsderm.encoders.colour_constancy import PLAIN
from zsderm.encoders.hub import REPOSITORY
from zsderm.errors import CheckpointError, SettingsError
from zsderm.pretrain.run_log import EVALUATION

LICENCES = {  # words of a card to the identifiers of the hub
    "apache-2.0": "apache-2.0",
    "mit": "mit",
    "cc by 4.0": "cc-by-4.0",
    "cc by-nc 4.0": "cc-by-nc-4.0",
    "cc by-nc-sa 4.0": "cc-by-nc-sa-4.0",
    "cc by-sa 4.0": "cc-by-sa-4.0",
}
LIMITS = (
    "Its probabilities are not calibrated (see: `zsderm calibrate`), and skin tones, devices and diseases that its "
    "training data lack are where it fails first."
)
PATTERNS = ["*.json", "*.safetensors", "*.txt", "*.md", "*.model"]  # what an encoder folder is made of


@dataclass(frozen=True)
class Publication:
    """What goes, or would go, to the hub."""

    repository: str
    files: Mapping[str, int]  # name -> bytes
    card: str  # README.md
    address: str = ""  # of the commit; empty after a dry run


def push_to_hub(folder: Path, repository: str, private: bool = True, dry_run: bool = False) -> Publication:
    """Write the model card of an encoder beside its weights and upload the folder.

    Args:
        folder: as training exports it; README.md in it is written anew unless it was written by hand.
        repository: "organisation/name"; made when it is not there.
        private: whether a new repository is seen by its owners only.
        dry_run: write the card, ask nobody, upload nothing.

    Raises:
        CheckpointError: the folder is no exported encoder, or the hub refuses.
        SettingsError: the name is no repository's.
    """
    if not REPOSITORY.fullmatch(repository) or "/" not in repository:
        raise SettingsError(f"Expected a repository as organisation/name, but got {repository!r}.")
    if missing := [name for name in (CONFIG_FILE, CARD_FILE, "model.safetensors") if not (folder / name).is_file()]:
        raise CheckpointError(f"{folder} is no exported encoder: {', '.join(missing)} missing. Expected RUN/encoder.")
    card = _card_of(folder, repository)
    found = {path.name: path.stat().st_size for pattern in PATTERNS for path in sorted(folder.glob(pattern))}
    publication = Publication(repository, dict(sorted(found.items())), card)
    if dry_run:
        return publication
    hub = HfApi()
    try:
        hub.create_repo(repository, private=private, exist_ok=True)
        commit = hub.upload_folder(
            repo_id=repository,
            folder_path=folder,
            allow_patterns=PATTERNS,
            commit_message="Encoder exported by zsderm",
        )
    except (HfHubHTTPError, OSError) as error:
        raise CheckpointError(
            f"The hub did not take '{repository}': {' '.join(str(error).split())[:300]} Run `hf auth login` with a "
            "token that may write, and check the name."
        ) from error
    return Publication(repository, publication.files, card, str(commit))


def model_card(words: Mapping[str, Any], config: Mapping[str, Any], figures: list[dict[str, str]], name: str) -> str:
    """The model card of an encoder, in Markdown with the front matter that the hub reads.

    Args:
        words: content of zsderm.json.
        config: content of open_clip_config.json.
        figures: rows of evaluation.csv of the last epoch.
        name: the repository.
    """
    licence = str(words.get("licence", "unknown"))
    known = LICENCES.get(licence.lower(), "other")
    front = ["license: " + known, *([f"license_name: {json.dumps(licence)}"] if known == "other" else [])]
    front += ["library_name: open_clip", "pipeline_tag: zero-shot-image-classification"]
    front += ["tags: [dermatology, zero-shot, clip, zsderm]"]
    model_cfg, mode = config["model_cfg"], config["preprocess_cfg"].get("mode", PLAIN)
    hub_text = "hf_model_name" in model_cfg["text_cfg"]
    vision = model_cfg["vision_cfg"]
    tower = vision.get("timm_model_name") or f"open_clip, {vision.get('layers')} layers of width {vision.get('width')}"
    text = model_cfg["text_cfg"].get("hf_model_name") or "open_clip's own"
    training = words.get("pretraining", {})
    lines = [
        "---", *front, "---", "", f"# {words.get('name') or name}", "", str(words.get("description", "")), "",
        "Research software, not a medical device: do not use it to diagnose, to triage or to treat.", "",
        "| | |", "|---|---|",
        f"| image tower | {tower}, {vision.get('image_size', 224)} pixels |",
        f"| colours | {mode} |",
        f"| text tower | {text}, context {model_cfg['text_cfg'].get('context_length', 77)} |",
        f"| embedding width | {model_cfg['embed_dim']} |",
        f"| licence | {licence} |",
        f"| training data | {', '.join(words.get('training_data') or ['not stated'])} |",
        f"| images | {training.get('images', 'not stated')} |",
        f"| epochs | {training.get('epochs_done', 'not stated')} |",
        f"| MAKE | sigma {words.get('sigma')}, lambda_m {words.get('lambda_m')}, lambda_s {words.get('lambda_s')} |",
        f"| data checksum | {training.get('data', 'not stated')} |",
        f"| code | {training.get('git') or 'installed package'} |", "",
        "## Use", "", "```python", "from zsderm import ZeroShotClassifier", "",
        f'classifier = ZeroShotClassifier.from_pretrained("hf-hub:{name}", classes=["melanoma", "nevus"])',
        'classifier.predict("photos/").to_csv("predictions.csv")', "```", "",
    ]  # fmt: skip
    if not hub_text and mode == PLAIN:
        lines += [
            "Both towers are open_clip's own, so it loads without zsderm too:", "", "```python", "import open_clip", "",
            f'model, _, preprocess = open_clip.create_model_and_transforms("hf-hub:{name}")', "```", "",
        ]  # fmt: skip
    if figures:
        lines += ["## Figures of the last epoch", "", "| evaluation | metric | value |", "|---|---|--:|"]
        lines += [f"| {row['name']} | {row['metric']} | {_shown(row)} |" for row in figures]
        lines += ["", "Measured during training on the tables that its configuration names; intervals are not given."]
    else:
        lines += ["## Figures", "", "None were measured while it trained. See: `zsderm benchmark`."]
    lines += ["", "## Limits", "", LIMITS]
    return "\n".join(lines) + "\n"


def _shown(row: Mapping[str, str]) -> str:
    """A figure, or why there is none."""
    return f"not measured: {row.get('reason') or 'no reason given'}" if row["value"] == "nan" else row["value"]


GENERATED = "<!-- written by zsderm; an edit of this file that removes this line is kept -->"


def _card_of(folder: Path, repository: str) -> str:
    """The card in the folder if a person wrote it, else a new one, written there."""
    path = folder / "README.md"
    if path.is_file() and GENERATED not in path.read_text(encoding="utf-8"):
        return path.read_text(encoding="utf-8")
    words = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    card = model_card(words, config, _last_figures(folder.parent / EVALUATION), repository) + f"\n{GENERATED}\n"
    with atomic_file(path) as draft:
        draft.write_text(card, encoding="utf-8")
    return card


def _last_figures(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    last = max((int(row["epoch"]) for row in rows), default=0)
    return [row for row in rows if int(row["epoch"]) == last]

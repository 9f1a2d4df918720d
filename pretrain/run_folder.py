"""The folder of a run: the files that it has, and which folder is none."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zsderm.atomic_files import atomic_file, refuse_others
from zsderm.errors import SettingsError
from zsderm.pretrain.run_log import EPOCHS, EVALUATION, PICTURE, STEPS

CHECKPOINT, MANIFEST = "checkpoint.pt", "manifest.json"
_MANIFEST_MARK = re.compile(rb'\A\{\s*"config": "|"processes": ')  # see `refuse_others`


def open_run_folder(output: Path, exported: str) -> None:
    """Make the folder of a run, or refuse one that holds a file under a name of ours and is not the folder of a run.

    Args:
        output: the folder.
        exported: what the folder inside it is called that the weights end in.

    Raises:
        SettingsError: it is.
    """
    manifest = output / MANIFEST
    refuse_others(manifest, _MANIFEST_MARK)
    names = (CHECKPOINT, EPOCHS, STEPS, EVALUATION, PICTURE, exported)
    ours = [name for name in names if (output / name).exists()]
    if ours and not manifest.exists():
        raise SettingsError(
            f"'{output / ours[0]}' would be replaced, but '{output}' is no folder of a run. Choose another --output."
        )
    output.mkdir(parents=True, exist_ok=True)


def write_manifest(output: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest of a run into its folder."""
    with atomic_file(output / MANIFEST) as draft:
        draft.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")

"""The folder of data sets that a run is told of, as an argument or by the environment."""

from __future__ import annotations

import os
from pathlib import Path

from zsderm.errors import SettingsError


def data_folder(given: Path | None) -> Path | None:
    """The folder that is given, or that of the environment variable ZSDERM_DATA; None where neither says one."""
    named = given or os.environ.get("ZSDERM_DATA")
    return Path(named) if named else None


def needed_data_folder(given: Path | None) -> Path:
    """The same for a run that cannot do without.

    Raises:
        SettingsError: neither says one.
    """
    if (folder := data_folder(given)) is None:
        raise SettingsError("No data folder is named. Use --data-root, or set ZSDERM_DATA.")
    return folder

"""Checkpoint files from the Hugging Face hub: taken from the cache, else fetched, else an error that says what to do.

HF_HUB_OFFLINE, HF_HUB_CACHE (or HF_HOME), HF_ENDPOINT and HF_TOKEN mean here what they mean to huggingface_hub.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from huggingface_hub import constants, hf_hub_download, snapshot_download
from huggingface_hub.utils import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from zsderm.errors import CheckpointError, UnknownModelError

REPOSITORY = re.compile(r"(?:[\w.-]+/)?[\w.-]+")  # org/name; a few old ones are only a name, as "roberta-base"

# A proxy that refuses and broken TLS raise what the hub client's HTTP library raises, which differs between versions;
# the client's own HTTP error names the base of it.
_TRANSPORT = (cast("type[Exception]", HfHubHTTPError.__mro__[1]), OSError)


def fetch(repository: str, patterns: Sequence[str], *, download: bool = True) -> Path:
    """Folder of a repository's latest snapshot that holds the files matching patterns, as far as it has them.

    Args:
        repository: "org/name".
        patterns: glob patterns of the files wanted.
        download: False looks only into the cache.

    Raises:
        CheckpointError: not in the cache and not to be had from here.
        UnknownModelError: the hub knows no such repository.
    """
    try:
        return Path(snapshot_download(repository, allow_patterns=list(patterns), local_files_only=not download))
    except LocalEntryNotFoundError as error:
        # Newer clients refuse a snapshot that lacks some of the patterns; what it lacks is for the caller to say.
        if incomplete := getattr(error, "snapshot_path", None):
            return Path(incomplete)
        raise CheckpointError(_absent(repository, download)) from error
    except GatedRepoError as error:
        raise CheckpointError(_gated(repository)) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise UnknownModelError(
            f"the Hugging Face hub has no repository '{repository}' that you can see. Check the name; a private one "
            "needs `hf auth login`. See: zsderm models list"
        ) from error
    except _TRANSPORT as error:
        raise CheckpointError(_absent(repository, download)) from error


def fetch_one(repository: str, names: Sequence[str], revision: str, *, download: bool = True) -> Path:
    """The first of several files that a repository has.

    Args:
        repository: "org/name".
        names: file names, the preferred one first.
        revision: commit of the snapshot, so that all files are of one version.
        download: False looks only into the cache.

    Raises:
        CheckpointError: the repository has none of them, or they cannot be had from here.
    """
    asked = True
    for name in names:
        try:
            return Path(hf_hub_download(repository, name, revision=revision, local_files_only=not download))
        except EntryNotFoundError as error:
            asked = asked and not isinstance(error, LocalEntryNotFoundError)
        except GatedRepoError as error:
            raise CheckpointError(_gated(repository)) from error
        except _TRANSPORT as error:
            raise CheckpointError(_absent(repository, download)) from error
    if asked:
        raise CheckpointError(f"'{repository}' has none of the files wanted: {', '.join(names)}")
    raise CheckpointError(_absent(repository, download))


def _absent(repository: str, download: bool) -> str:
    """What to do when a repository is not cached and cannot be fetched."""
    cached = "models--" + repository.replace("/", "--")
    why = f"{constants.ENDPOINT} could not be reached" if download else "the hub was not asked"
    if constants.HF_HUB_OFFLINE:
        why = "HF_HUB_OFFLINE is set"
    return (
        f"'{repository}' is not complete in the Hugging Face cache of this machine ({constants.HF_HUB_CACHE}), and "
        f"{why}. With a network, run `hf download {repository}`; behind a firewall that has a mirror, set HF_ENDPOINT "
        "to its address first."
        f" To bring it to a machine without one, copy the folder ~/.cache/huggingface/hub/{cached} from where you ran "
        f"that to {Path(constants.HF_HUB_CACHE) / cached}"
    )


def _gated(repository: str) -> str:
    """What to do when a repository wants its terms accepted."""
    return (
        f"'{repository}' asks you to accept its terms first: open {constants.ENDPOINT}/{repository}, accept them, "
        "then run `hf auth login`"
    )

"""Addresses of files, of objects in buckets and on the Hugging Face Hub: what they mean, and must not hold.

An address is shown in messages and stored in tables and manifests, so none may hold a password or a signature.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from zsderm.errors import InputError
from zsderm.file_names import file_and_frame, printable

SCHEMES = ("s3", "gs", "hf")  # besides file, which is a path
_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://(?P<bucket>[^/]*)/*(?P<key>.*)", re.DOTALL)
_DRIVE = re.compile(r"/[A-Za-z]:")  # as in file:///C:/photos
# What may hold a secret: a name before "@", and a question mark with a setting behind it ("?" alone is a pattern).
_USER = re.compile(r"(?<=://)[^/]*@")
_QUERY = re.compile(r"\?[^?/=]*=.*", re.DOTALL)
_HUB_KINDS = ("datasets", "models", "spaces", "buckets")
_KEYS = "Keys are read from the environment: see docs/buckets.md"


@dataclass(frozen=True)
class Address:
    """What an address means.

    Attributes:
        scheme: one of `SCHEMES`.
        bucket: the bucket; of the Hub, "datasets/OWNER/NAME" and the like.
        key: of the object or folder in it, without a slash at its end; empty for the bucket itself.
    """

    scheme: str
    bucket: str
    key: str

    def __str__(self) -> str:
        return printable(f"{self.scheme}://{self.path}")

    @property
    def path(self) -> str:
        """Bucket and key, as the libraries of the stores take them."""
        return f"{self.bucket}/{self.key}" if self.key else self.bucket

    @property
    def name(self) -> str:
        """The last part of the key; of a bucket, its name."""
        return self.path.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The suffix of the name in lower case, with its dot; empty where there is none."""
        return PurePosixPath(self.name).suffix.lower() if self.key else ""

    @property
    def parent(self) -> Address:
        """The folder that it lies in."""
        return replace(self, key=self.key.rpartition("/")[0])

    def below(self, name: str) -> Address:
        """What lies in it under a name, which may have folders."""
        return replace(self, key=f"{self.key}/{name}".strip("/"))

    def of_file(self) -> tuple[Address, int | None]:
        """The object, and which picture in it: `zsderm.file_names.frame_name` for addresses."""
        file, frame = file_and_frame(self.key)
        return replace(self, key=file), frame


def is_address(name: str | os.PathLike[str]) -> bool:
    """Whether a name is an address, of whatever kind, and not a path."""
    return isinstance(name, str) and "://" in name and _ADDRESS.fullmatch(name) is not None


def path_or_address(name: str) -> Path | str:
    """A name as what opens it: an address stays text, for a path would take two slashes for one."""
    return name if is_address(name) else Path(name)


def local_path(name: str) -> str | None:
    """The path that a file:// address means; None for every other name, paths among them.

    Raises:
        InputError: it names another machine.
    """
    found = _ADDRESS.fullmatch(name) if name[:7].lower() == "file://" else None
    if found is None:
        return None
    if found["bucket"] not in ("", "localhost"):
        raise InputError(
            "expected an address of a file on this machine, such as file:///data/photos, but got "
            f"'{without_secrets(name)}'"
        )
    path = unquote(name[7 + len(found["bucket"]) :], errors="surrogateescape")
    return path[1:] if _DRIVE.match(path) else path


def address_of(name: str) -> Address:
    """What an address of a bucket or of the Hub means.

    Raises:
        InputError: it is no such address, or holds a password, a signature or a setting; these are not in the message.
    """
    found = _ADDRESS.fullmatch(name)
    shown = without_secrets(name)
    if found is None:
        raise InputError(f"expected an address such as s3://bucket/photos/, but got '{shown}'")
    if shown != printable(name):
        raise InputError(
            f"expected an address without a user, a password, a signature or settings, but got '{shown}'. {_KEYS}"
        )
    scheme, bucket, key = found["scheme"].lower(), found["bucket"], found["key"].rstrip("/")
    if scheme not in SCHEMES:
        raise InputError(
            f"expected an address that begins with s3://, gs://, hf:// or file://, but got '{shown}'. Download what is "
            "elsewhere first"
        )
    if scheme == "hf":
        bucket, key = _repository(bucket, key, shown)
    if not bucket:
        raise InputError(f"expected the name of a bucket in '{shown}', as in {scheme}://bucket/photos/")
    return Address(scheme, bucket, key)


def without_secrets(name: str) -> str:
    """An address as it may be shown: users, passwords, signatures and settings in it are left out."""
    return printable(_QUERY.sub("?...", _USER.sub("...@", name)))


def _repository(first: str, rest: str, shown: str) -> tuple[str, str]:
    """The repository and the path in it of an address on the Hub; one without a kind is a model."""
    parts = [first, *rest.split("/")]
    size = 3 if first in _HUB_KINDS else 2
    if len(parts) < size or not all(parts[:size]):
        raise InputError(f"expected the name of a data set in '{shown}', as in hf://datasets/OWNER/NAME/photos/")
    return "/".join(parts[:size]), "/".join(parts[size:])

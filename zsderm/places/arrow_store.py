"""Amazon S3 and what speaks its language, and Google Cloud Storage: through pyarrow.

Keys and endpoints are read from the environment, as the tools of the stores read them; nothing of it is kept or shown.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from zsderm.errors import SettingsError
from zsderm.places.addresses import Address
from zsderm.places.failures import object_error, place_error
from zsderm.places.ranged_files import RangedFile
from zsderm.places.store import TRIES, Entry, Store, own_errors, patience

_CONNECT = 10.0  # seconds
_YES = ("1", "true", "yes", "on")


class ArrowStore(Store):
    """S3 or Google Cloud Storage through pyarrow.

    Args:
        files: the file system.
        only_deep: see `Store`.
    """

    def __init__(self, files: Any, *, only_deep: bool = False) -> None:
        self._files, self.only_deep = files, only_deep

    def size(self, address: Address) -> int:
        """See `Store`."""
        from pyarrow.fs import FileType

        with own_errors():
            info = self._files.get_file_info(address.path)
            if info.type == FileType.Directory:
                raise IsADirectoryError(21, "a folder, not an image file")
            if info.type == FileType.NotFound:
                raise FileNotFoundError(2, "no such object")
            return int(info.size)

    def listed(self, folder: Address, deep: bool) -> Iterator[Entry]:
        """See `Store`."""
        from pyarrow.fs import FileSelector, FileType

        with own_errors():
            found = self._files.get_file_info(FileSelector(folder.path, recursive=deep))
        start = len(folder.bucket) + 1
        found.reverse()
        while found:  # given back one by one: of a million, the list takes more than the names
            info = found.pop()
            if info.type == FileType.File and not info.path.endswith("/"):
                yield Entry(info.path[start:], int(info.size))
            elif info.type == FileType.Directory and not deep:
                yield Entry(info.path[start:], None)

    def opened(self, address: Address) -> RangedFile:
        """See `Store`."""
        with own_errors():
            file = self._files.open_input_file(address.path)
            return RangedFile(file, int(file.size()))

    def put(self, address: Address, file: Path) -> None:
        """See `Store`."""
        import pyarrow as pa

        with own_errors():
            content = pa.py_buffer(b"")
            if file.stat().st_size:
                with pa.memory_map(str(file)) as mapped:
                    content = mapped.read_buffer()
            stream = self._files.open_output_stream(address.path)
            # In one call, for a stream that is closed, by whomever, becomes an object: none may be a part of the file.
            stream.write(content)
            stream.close()

    def answers(self, place: Address) -> None:
        """See `Store`."""
        from pyarrow.fs import FileSelector

        # A folder that is not there costs one request, and takes the same permission as those beside it.
        with suppress(FileNotFoundError), own_errors():
            self._files.get_file_info(FileSelector(place.below(".zsderm-is-here").path))


def s3(address: Address) -> Store:
    """The store of a bucket of S3, see docs/buckets.md for the variables.

    Raises:
        SettingsError: a variable that cannot be understood.
        PlaceError: nobody knows in which region the bucket is.
    """
    from pyarrow import fs

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    how: dict[str, Any] = {"anonymous": _said("AWS_NO_SIGN_REQUEST"), "request_timeout": patience()}
    how |= {"connect_timeout": min(_CONNECT, patience()), "retry_strategy": fs.AwsStandardS3RetryStrategy(TRIES)}
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if endpoint:
        how |= _endpoint(endpoint, "AWS_ENDPOINT_URL")
    elif not region and not os.environ.get("AWS_PROFILE"):
        try:
            region = fs.resolve_s3_region(address.bucket)
        except (OSError, ValueError) as error:
            raise place_error(address, object_error(error)) from None
    return ArrowStore(fs.S3FileSystem(region=region or ("us-east-1" if endpoint else None), **how))


def google(address: Address) -> Store:
    """Google Cloud Storage, see docs/buckets.md for the variables.

    Raises:
        SettingsError: a variable that cannot be understood.
    """
    from pyarrow import fs

    how: dict[str, Any] = {"anonymous": _said("GS_NO_SIGN_REQUEST")}
    if endpoint := os.environ.get("STORAGE_EMULATOR_HOST"):
        how |= _endpoint(endpoint, "STORAGE_EMULATOR_HOST")
    limit = timedelta(seconds=max(1, round(patience())))
    return ArrowStore(fs.GcsFileSystem(retry_time_limit=limit, **how), only_deep=True)


def _said(name: str) -> bool:
    return os.environ.get(name, "").strip().lower() in _YES


def _endpoint(text: str, variable: str) -> dict[str, Any]:
    parts = urlsplit(text if "://" in text else f"https://{text}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise SettingsError(f"expected {variable} to be the address of a server, such as https://storage.example.org")
    return {"endpoint_override": parts.netloc + parts.path.rstrip("/"), "scheme": parts.scheme}

"""A form with photographs, written to the disk as it arrives.

Bytes are counted while they stream in, names on the disk are random, and the first bytes say whether a file can be a
photograph at all. A file that is not accepted is an error of that file; only a form that is too large or invalid is an
error of the request.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from zsderm.errors import did_you_mean
from zsderm.harmless_text import one_line
from zsderm.images.formats import HEAD, KNOWN, kind_of
from zsderm.service.problems import ProblemError
from zsderm.wording import counted

logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # what it says of a form is answered as a problem

MAX_FIELDS = 32
MAX_FIELD_BYTES = 2**18  # of all fields together; a list of hundreds of classes fits
MAX_NAME = 400  # characters that are kept of a file name, from its end
Fields = TypeVar("Fields", bound=BaseModel)
HEAD_BYTES = 1024  # in which a kind of file is looked for
_TAIL = 22 + 2**16  # bytes at the end of a ZIP archive in which its directory ends

NO_PICTURE = f"not an image, or not one of: {KNOWN}"  # as zsderm.images says it
_ARCHIVE = (b"PK\x03\x04", b"PK\x05\x06")  # how a ZIP archive begins, and one with nothing in it


@dataclass(frozen=True)
class Upload:
    """One file of a form.

    Attributes:
        name: as it was sent, without control characters; used in answers only, never as a path.
        file: where it lies; empty where it was not kept. ``random.dcm#2`` is the second picture of a DICOM file.
        error: why it is not a photograph, judged by its bytes; empty if they look like one.
        archive: whether it is a ZIP archive, which `zsderm.service.contents` takes apart.
    """

    name: str
    file: Path
    error: str = ""
    archive: bool = False


@dataclass
class Form:
    """The fields of a form by name, its files in their order, and notes on the files."""

    fields: dict[str, str] = field(default_factory=dict)
    files: list[Upload] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def read(self, model: type[Fields]) -> Fields:
        """The fields as what a route takes; an empty field counts as left out.

        Raises:
            RequestValidationError: a field that there is none of, or that cannot be used.
        """
        known = set(model.model_fields)
        if "files" in self.fields:
            why = "expected files, but got text; send photographs as files, with curl as files=@NAME"
            raise RequestValidationError([{"loc": ("body", "files"), "msg": why, "type": "no_file"}])
        if strange := sorted(set(self.fields) - known):
            hint = did_you_mean(strange[0], known) or f" There are: {', '.join(sorted(known))}."
            said = {"loc": ("body", strange[0][:80]), "msg": f"this field does not exist.{hint}", "type": "extra"}
            raise RequestValidationError([said])
        try:
            return model.model_validate({name: text for name, text in self.fields.items() if text != ""})
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False)
            raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in found]) from error


async def read_form(request: Request, folder: Path, *, max_bytes: int, max_file_bytes: int, max_files: int) -> Form:
    """Read a form from a request, and write its files into ``folder``, which exists.

    Args:
        request: a request of which nothing was read yet.
        folder: for the files; the caller removes it, also after an error.
        max_bytes: limit on the whole request.
        max_file_bytes: limit on one photograph; a larger one is an error of that file. Archives may be larger.
        max_files: limit on the number of files.

    Raises:
        ProblemError: 415 if there is no form, 413 if it is too large, 400 if it is damaged.
        OSError: the disk is full.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise ProblemError(
            415, "expected a form with photographs as `files`, sent with the header Content-Type: multipart/form-data"
        )
    too_large = ProblemError(
        413, f"expected at most {_size(max_bytes)} in one request; send fewer photographs at a time"
    )
    if (length := request.headers.get("content-length", "")).isdecimal() and int(length) > max_bytes:
        raise too_large
    reader, arrived = _FormReader(folder, max_file_bytes, max_files), 0
    try:
        parser = MultipartParser(options[b"boundary"], reader.callbacks)  # type: ignore[arg-type]
        async for chunk in request.stream():
            arrived += len(chunk)
            if arrived > max_bytes:
                raise too_large
            if chunk:
                await run_in_threadpool(parser.write, chunk)
        parser.finalize()
    except FormParserError as error:  # also of a boundary that is too long
        raise ProblemError(400, f"the form is damaged: {one_line(str(error))}") from error
    finally:
        reader.close()
    if not reader.ended:
        raise ProblemError(400, "the form is incomplete; send it again")
    return reader.form


class _FormReader:
    """Takes the parts of a form as they come."""

    def __init__(self, folder: Path, max_file_bytes: int, max_files: int) -> None:
        self.form, self.ended = Form(), False
        self._folder, self._max_file_bytes, self._max_files = folder, max_file_bytes, max_files
        self._open = ExitStack()
        self._fields_left = MAX_FIELD_BYTES
        self._begin()

    @property
    def callbacks(self) -> Mapping[str, Callable[..., None]]:
        """What the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }

    def close(self) -> None:
        """Close the file that was being written."""
        self._open.close()

    def _begin(self) -> None:
        self._headers: dict[bytes, bytes] = {}
        self._header, self._value = b"", b""
        self._name, self._file_name, self._place = "", "", Path()
        self._file: BinaryIO | None = None
        self._text, self._written, self._head, self._error = b"", 0, b"", ""

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header, self._value = b"", b""

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" not in options:
            if len(self.form.fields) >= MAX_FIELDS:
                raise ProblemError(413, f"expected at most {MAX_FIELDS} fields in a form, but got more")
            return
        if self._name != "files":
            raise ProblemError(422, f"expected photographs as `files`, but got a file as {one_line(self._name)[:80]!r}")
        if len(self.form.files) >= self._max_files:
            raise ProblemError(
                413, f"expected at most {counted(self._max_files, 'file')} in one request, but got more; send fewer"
            )
        self._file_name = shown_name(options[b"filename"].decode("utf-8", "replace"))
        self._place = self._folder / secrets.token_hex(16)
        self._file = self._open.enter_context(self._place.open("xb"))

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        piece = data[start:end]
        if self._file is None:
            self._fields_left -= len(piece)
            if self._fields_left < 0:
                raise ProblemError(413, f"expected at most {_size(MAX_FIELD_BYTES)} of text in a form, but got more")
            self._text += piece
            return
        if len(self._head) < HEAD_BYTES:
            self._head += piece[: HEAD_BYTES - len(self._head)]
        self._written += len(piece)
        if self._written > self._max_file_bytes and not is_archive(self._head):
            self._error = f"the file is larger than the limit of {_size(self._max_file_bytes)} for a photograph"
        elif not self._error:
            self._file.write(piece)

    def _on_part_end(self) -> None:
        if self._file is None:
            before = self.form.fields.get(self._name)
            text = self._text.decode("utf-8", "replace")
            self.form.fields[self._name] = text if before is None else f"{before}, {text}"
            return
        self._open.close()  # a full disk shows here at the latest
        archive = is_archive(self._head)
        error = self._error or ("" if archive else why_no_photograph(self._head, self._place))
        if error:
            self._place.unlink()
        if self._file_name or self._written:  # a browser sends an empty file where none was chosen
            self.form.files.append(Upload(self._file_name or "image", self._place, error, archive))
        elif not error:
            self._place.unlink()

    def _on_end(self) -> None:
        self.ended = True


def shown_name(name: str) -> str:
    """A file name as shown in answers: on one line, and at most `MAX_NAME` characters from its end."""
    return one_line(name).strip()[-MAX_NAME:]


def is_archive(head: bytes) -> bool:
    """Whether a file with these first bytes is a ZIP archive, whatever its name."""
    return head.startswith(_ARCHIVE)


def why_no_photograph(head: bytes, file: Path) -> str:
    """Why a file is not a photograph, judged by its bytes without decoding it; empty if it looks like one."""
    return why_no_picture(head) or also_an_archive(file)


def why_no_picture(head: bytes) -> str:
    """Why a file with these first bytes is not a photograph; empty if it looks like one."""
    if not head:
        return "the file is empty"
    if b"%PDF-" in head:  # where readers of PDF look for it, whatever stands before
        return "a PDF document, not a photograph"
    starts = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+", b"BM", b"GIF8")
    is_picture = head.startswith(starts) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
    # HEIC and DICOM: what reads them may be installed, and says so if not.
    return "" if is_picture or kind_of(head[:HEAD]) else NO_PICTURE


def also_an_archive(file: Path) -> str:
    """Why a file that can also be read as a ZIP archive is refused; empty for all other files."""
    with file.open("rb") as stream:
        length = stream.seek(0, 2)
        stream.seek(max(0, length - _TAIL))
        end = stream.read()
    place = end.rfind(b"PK\x05\x06")
    if (
        place < 0
        or len(end) - place < 22
        or int.from_bytes(end[place + 20 : place + 22], "little") != len(end) - place - 22
    ):
        return ""
    return "the file is also a ZIP archive, so it is not read as a photograph"


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 2**20 else f"{count >> 10} KiB"

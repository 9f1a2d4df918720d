"""What went wrong in a bucket, in words of our own: what libraries say may name keys, hosts and requests."""

from __future__ import annotations

import re

from zsderm.errors import InputError
from zsderm.places.addresses import Address

_AWS = re.compile(r"AWS Error (?P<code>[A-Z_]+)(?: \(HTTP status (?P<status>\d+)\))?")
_NAMED = re.compile(r"ExceptionName: (?P<name>\w+)")
_GOOGLE = re.compile(r"google::cloud::Status\((?P<code>[A-Z_]+):|Status\((?P<again>[A-Z_]+)")
_GOOGLE_LISTING = "function=ListObjects"  # which finds nothing only where there is no bucket
_STATUS = re.compile(r"\b(?:HTTP status|status code|Client error '|Server error '|error) ?(?P<status>[45]\d\d)\b")

MISSING, DENIED, BAD_KEYS, NO_BUCKET, SILENT, OTHER = "missing", "denied", "bad keys", "no bucket", "silent", "other"
UNFIT = "unfit"  # it was found, and is not what is asked for
_KINDS = {
    "ACCESS_DENIED": DENIED,
    "INVALID_ACCESS_KEY_ID": BAD_KEYS,
    "INVALID_CLIENT_TOKEN_ID": BAD_KEYS,
    "SIGNATURE_DOES_NOT_MATCH": BAD_KEYS,
    "UNRECOGNIZED_CLIENT": BAD_KEYS,
    "EXPIRED_TOKEN": BAD_KEYS,
    "UNAUTHENTICATED": BAD_KEYS,
    "PERMISSION_DENIED": DENIED,
    "InvalidAccessKeyId": BAD_KEYS,
    "ExpiredToken": BAD_KEYS,
    "InvalidToken": BAD_KEYS,
    "NO_SUCH_BUCKET": NO_BUCKET,
    "NO_SUCH_KEY": MISSING,
    "RESOURCE_NOT_FOUND": MISSING,
    "NOT_FOUND": MISSING,
    "NETWORK_CONNECTION": SILENT,
    "REQUEST_TIMEOUT": SILENT,
    "SLOW_DOWN": SILENT,
    "SERVICE_UNAVAILABLE": SILENT,
    "INTERNAL_FAILURE": SILENT,
    "THROTTLING": SILENT,
    "UNAVAILABLE": SILENT,
    "DEADLINE_EXCEEDED": SILENT,
}
_BY_STATUS = {"401": BAD_KEYS, "403": DENIED, "404": MISSING, "408": SILENT, "429": SILENT}
# What libraries raise for what is not a defect.
OF_LIBRARIES: tuple[type[Exception], ...] = (OSError, ValueError, RuntimeError, LookupError)
_HINTS = {
    "s3": "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; AWS_NO_SIGN_REQUEST=1 for a public bucket; "
    "AWS_REGION, and AWS_ENDPOINT_URL where it is not at Amazon",
    "gs": "Set GOOGLE_APPLICATION_CREDENTIALS, or GS_NO_SIGN_REQUEST=1 for a public bucket",
    "hf": "Set HF_TOKEN, or log in with: hf auth login; HF_ENDPOINT where it is not at huggingface.co",
}


class ObjectError(OSError):
    """One object that cannot be used; its text is a clause.

    Attributes:
        kind: `DENIED`, `BAD_KEYS`, `NO_BUCKET`, `SILENT`, `OTHER` or `UNFIT`; what is not there is a FileNotFoundError.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind

    @property
    def strerror(self) -> str:  # type: ignore[override]
        """The clause, where an error of the system has its own."""
        return str(self)


class PlaceError(InputError):
    """A bucket that cannot be used at all, so that what is asked of it is not to be taken for a fault of an object."""


def object_error(error: Exception) -> OSError:
    """What to raise for one object after a library raised: FileNotFoundError, IsADirectoryError or `ObjectError`."""
    if isinstance(error, ObjectError | IsADirectoryError):
        return error
    kind, detail = _kind(error)
    if kind == MISSING:
        return FileNotFoundError(2, "no such object")
    texts = {
        DENIED: "access denied",
        BAD_KEYS: "the keys are not accepted, or no longer",
        NO_BUCKET: "there is no such bucket",
        SILENT: f"the store did not answer ({detail})" if detail else "the store did not answer",
        OTHER: f"the store refused it ({detail})" if detail else "the store refused it",
    }
    return ObjectError(kind, texts[kind])


def place_error(address: Address, error: OSError) -> PlaceError:
    """What to raise for a whole bucket.

    Args:
        address: of what was asked for.
        error: of `object_error`.
    """
    reason = error.strerror or str(error)
    silent = isinstance(error, ObjectError) and error.kind == SILENT
    hint = "Check the address and the network, then run the command again" if silent else "Check the address"
    return PlaceError(f"cannot use '{address}': {reason}. {hint}. {_HINTS[address.scheme]}; see docs/buckets.md")


def _kind(error: Exception) -> tuple[str, str]:
    """The kind of an error of a library, and a word on it that is safe to be shown."""
    text = str(error)
    if isinstance(error, FileNotFoundError) or text.startswith("No such file or directory"):
        return (NO_BUCKET if _GOOGLE_LISTING in text else MISSING), ""
    status = getattr(getattr(error, "response", None), "status_code", None)  # of the Hub's
    if status is None and (found := _STATUS.search(text)):
        status = found["status"]
    code = next((found for found in _codes(text) if found in _KINDS), "")
    if code:
        return _KINDS[code], "it took too long" if "curlCode: 28" in text else _words(code)
    if status is not None:
        kind = _BY_STATUS.get(str(status), SILENT if int(status) >= 500 else OTHER)
        return kind, f"HTTP status {status}"
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & {"ConnectionError", "TimeoutError", "TimeoutException", "TransportError", "OfflineModeIsEnabled"}:
        return SILENT, _words(type(error).__name__)
    if names & {"GatedRepoError", "RepositoryNotFoundError"}:
        return DENIED, ""
    return OTHER, _words(next(iter(_codes(text)), type(error).__name__))


def _codes(text: str) -> list[str]:
    """What a library calls an error, the more exact name first."""
    named, aws, google = _NAMED.search(text), _AWS.search(text), _GOOGLE.search(text)
    found = [named["name"] if named else "", aws["code"] if aws else ""]
    found.append((google["code"] or google["again"]) if google else "")
    return [code for code in found if code]


def _words(code: str) -> str:
    """A code as words: NETWORK_CONNECTION is "network connection"."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", code)
    return spaced.replace("_", " ").lower()

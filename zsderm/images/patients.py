"""A pseudonym for the patient of a DICOM file: enough to group photographs, without naming the patient.

Letters: the salt is a secret of the place where the photographs are. With it somebody could try all numbers that a
clinic gives out, and find the patient; without it, nobody can. It never stands in an output.
"""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

from zsderm.errors import SettingsError
from zsderm.images import dicom
from zsderm.images.files import file_of, open_file
from zsderm.images.formats import HEAD, is_dicom

LEAST_SALT = 16  # bytes
_DIGITS = 16  # hex digits: that any two of a million patients get one name: 1 in 37 million


def patient_of(photograph: str | os.PathLike[str], salt: bytes) -> str:
    """A pseudonym for the patient of a photograph, the same for all photographs of one patient with one salt.

    It is the HMAC-SHA-256 of the PatientID (0010,0020) with the salt as key, cut to 16 hex digits. Nothing else about a
    patient is read.

    Args:
        photograph: a path, such as ``name.dcm`` or ``name.dcm#2``.
        salt: at least `LEAST_SALT` bytes.

    Returns:
        The pseudonym; empty for other formats, and for a file without a PatientID.

    Raises:
        ImageError: the file cannot be opened, or its header cannot be read.
        SettingsError: the salt is too short to be a secret.
    """
    if len(salt) < LEAST_SALT:
        raise SettingsError(f"Expected a salt of at least {LEAST_SALT} bytes, but got {len(salt)}. Make a longer one.")
    with open_file(file_of(photograph)) as stream:
        if not is_dicom(stream.read(HEAD)):
            return ""
        number = dicom.element(stream, stream.seek(0, os.SEEK_END), "PatientID")
    return hmac.new(salt, number.encode(), "sha256").hexdigest()[:_DIGITS] if number else ""


def salt_in(file: Path) -> bytes:
    """The salt in a file; a missing file is created with a new secret that only its owner can read.

    Raises:
        SettingsError: the file cannot be read or created, or is too short.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        place = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    except OSError as error:
        raise SettingsError(
            f"The salt file '{file}' cannot be created: {error.strerror}. Name another with --salt."
        ) from error
    else:
        with os.fdopen(place, "w", encoding="ascii") as stream:
            stream.write(secrets.token_hex(32))
    try:
        salt = file.read_bytes().strip()
    except OSError as error:
        raise SettingsError(
            f"The salt file '{file}' cannot be read: {error.strerror}. Name another with --salt."
        ) from error
    if len(salt) < LEAST_SALT:
        raise SettingsError(
            f"Expected at least {LEAST_SALT} bytes in the salt file '{file}', but got {len(salt)}. "
            "Name another with --salt."
        )
    return salt

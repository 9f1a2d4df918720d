from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.images.dicom_files import PATIENT, photograph, picture, several
from zsderm.errors import ImageError, SettingsError
from zsderm.images.patients import patient_of, salt_in

SALT, OTHER = b"0123456789abcdef", b"fedcba9876543210"
TWIN = picture()


def test_a_patient_has_one_name_under_one_salt_that_does_not_hold_the_number(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(photograph(TWIN))
    (tmp_path / "b.dcm").write_bytes(several([TWIN, TWIN], PatientID=f"{PATIENT} "))
    (tmp_path / "c.dcm").write_bytes(photograph(TWIN, PatientID="another"))
    (tmp_path / "nobody.dcm").write_bytes(photograph(TWIN, PatientID=""))
    TWIN.save(tmp_path / "d.png")
    names = [
        patient_of(tmp_path / name, SALT) for name in ("a.dcm", "b.dcm", "b.dcm#2", "c.dcm", "nobody.dcm", "d.png")
    ]
    assert names[0] == names[1] == names[2] != names[3]
    assert names[4:] == ["", ""]
    assert len(names[0]) == 16
    assert PATIENT not in names[0]
    assert patient_of(tmp_path / "a.dcm", OTHER) != names[0]


def test_what_cannot_be_read_is_a_reason(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(photograph(TWIN, syntax="1.2.840.10008.1.2.1.99"))
    with pytest.raises(ImageError, match="deflated"):
        patient_of(tmp_path / "a.dcm", SALT)
    with pytest.raises(ImageError, match="no such file"):
        patient_of(tmp_path / "b.dcm", SALT)


def test_a_salt_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "new" / "salt"
    salt = salt_in(file)
    assert len(salt) == 64
    assert salt_in(file) == salt
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert salt_in(tmp_path / "another") != salt


def test_a_salt_that_keeps_no_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / "short").write_text("salt")
    with pytest.raises(SettingsError, match=r"at least 16 bytes .* but got 4"):
        salt_in(tmp_path / "short")
    with pytest.raises(SettingsError, match="cannot be read"):
        salt_in(tmp_path)
    with pytest.raises(SettingsError, match="at least 16 bytes"):
        patient_of(tmp_path / "a.dcm", b"salt")

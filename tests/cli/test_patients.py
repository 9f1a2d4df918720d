from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from tests.images.dicom_files import NAME, PATIENT, dicom, photograph, picture, several
from zsderm.cli import main

TWIN = picture()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.dcm").write_bytes(photograph(TWIN))
    (photos / "b.dcm").write_bytes(several([TWIN, picture(1)], PatientID="another"))
    (photos / "damaged.dcm").write_bytes(dicom(None, syntax="1.2.840.10008.1.2.1.99"))
    TWIN.save(photos / "c.png")
    return photos


def test_patients_stand_beside_photographs_and_labels_without_their_numbers(folder: Path, tmp_path: Path) -> None:
    labels, output = tmp_path / "labels.csv", tmp_path / "out.csv"
    labels.write_text("file,dx\na.dcm,nevus\nb.dcm,melanoma\n", encoding="utf-8")
    salt = str(tmp_path / "salt")
    done = CliRunner().invoke(
        main, ["patients", str(folder), "--salt", salt, "--labels", str(labels), "-o", str(output)]
    )
    assert done.exit_code == 0, done.output
    table = pd.read_csv(output, keep_default_na=False)
    assert list(table) == ["image", "dx", "patient_id", "error"]
    assert [Path(name).name for name in table["image"]] == ["a.dcm", "b.dcm#1", "b.dcm#2", "c.png", "damaged.dcm"]
    assert list(table["dx"]) == ["nevus", "melanoma", "melanoma", "", ""]
    a, b, again, none, damaged = table["patient_id"]
    assert (b, none, damaged) == (again, "", "")
    assert len({a, b, ""}) == 3
    assert "deflated" in table["error"].iloc[-1]
    assert "5 images; 3 have a PatientID, of 2 patients" in done.stderr
    secret = Path(salt).read_text()
    for file in tmp_path.glob("out.csv*"):
        assert not any(word in file.read_text() for word in (PATIENT, NAME, "Doe", "another", secret))


def test_the_table_goes_to_stdout_and_strict_ends_with_three(folder: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["patients", str(folder), "--salt", str(tmp_path / "salt"), "--strict"])
    assert done.exit_code == 3
    assert done.stdout.startswith("image,patient_id,error\n")


def test_a_table_that_knows_patients_already_is_refused(folder: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("image,patient_id\na.dcm,7\n", encoding="utf-8")
    done = CliRunner().invoke(
        main, ["patients", str(folder), "--salt", str(tmp_path / "salt"), "--labels", str(labels)]
    )
    assert done.exit_code == 1
    assert "has a column 'patient_id' already" in done.stderr

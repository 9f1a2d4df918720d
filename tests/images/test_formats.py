from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, features

from tests.images.dicom_files import photograph, picture
from tests.images.test_containers import encoded as contained
from zsderm.errors import ImageError
from zsderm.image_names import PICTURE
from zsderm.images import SUFFIXES, dicom, find, open_image
from zsderm.images.formats import FORMATS, missing

TWIN = picture()


def test_names_of_every_format_that_is_found_are_names_of_pictures() -> None:
    assert all(PICTURE.fullmatch(f"name{suffix.upper()}") for suffix in SUFFIXES)
    found = PICTURE.fullmatch("name.dcm#2")
    assert found is not None
    assert (found["stem"], found["frame"]) == ("name", "#2")


@pytest.mark.parametrize(
    ("kind", "module", "command"),
    [("heic", "pillow_heif", "'pillow-heif>="), ("dicom", "pydicom", "'pydicom>="), ("avif", "", "'Pillow>=11.3'")],
)
def test_without_its_package_a_file_is_a_reason_that_names_it(
    kind: str, module: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = photograph(TWIN) if kind == "dicom" else contained(TWIN, "HEIF" if kind == "heic" else "AVIF")
    missing.cache_clear()
    dicom._pydicom.cache_clear()
    if module:
        monkeypatch.setitem(sys.modules, module, None)
    else:
        monkeypatch.setitem(features.modules, "avif", ("PIL._none", None))
    path = tmp_path / f"a.{kind}"
    path.write_bytes(content)
    assert find(tmp_path) == [path]  # it is a row
    with pytest.raises(ImageError) as raised:
        open_image(path)
    assert ("Install" if module else "Upgrade") in str(raised.value)
    assert command in str(raised.value)
    assert "\n" not in str(raised.value)


def test_no_package_of_an_extra_is_imported_for_other_photographs(tmp_path: Path) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "a.jpg")
    code = (
        "import sys; from zsderm.images import find, open_image; open_image(find(sys.argv[1])[0]);"
        "print(*{'pydicom', 'pillow_heif', 'zsderm.images.dicom', 'zsderm.images.containers'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "\n"


def test_only_raster_formats_are_handed_to_pillow() -> None:
    assert not {"EPS", "WMF", "FITS", "HDF5"} & set(FORMATS)

from __future__ import annotations

import os
import subprocess
import sys
import threading
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.images.dicom_files import dicom
from tests.images.test_containers import encoded as contained
from zsderm.errors import ImageError
from zsderm.images import MEMORY, open_image, read_header
from zsderm.images.memory import BUDGET, Budget

SIDE = 4000
# Peak of a process that decodes one file, above what it takes without, beside what was reckoned; both in MiB.
PEAK = """
import io, sys
from pathlib import Path
from PIL import Image
from zsderm.images import open_file, open_image, read_header
small = io.BytesIO(); Image.new("RGBA", (8, 8)).save(small, "PNG"); open_image(small.getvalue())
def peak():  # resource.getrusage would count the process that started this one as well
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**10
before = peak()
with open_file(sys.argv[1]) as file:
    header = read_header(file)
    with header.decoded() as picture:
        copy = picture.convert("RGB")
print(peak() - before, header.memory / 2**20)
"""
# Six images, each in a thread of its own after the last; the peak above what the process takes without, in MiB.
THREADS = """
import sys, threading
from pathlib import Path
from PIL import Image
from zsderm.images import find, open_image
def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**10
before, threads = peak(), []
held = [threading.Event() for _ in range(6)]
def work(path, turn):
    if turn: held[turn - 1].wait()
    open_image(path)
    held[turn].set()
    held[-1].wait()  # stays, and with it what the C library keeps for it
for turn, path in enumerate(find(sys.argv[1])):
    threads.append(threading.Thread(target=work, args=(path, turn)))
    threads[-1].start()
for thread in threads: thread.join()
print(peak() - before)
"""
FILES = {
    "grey.png": ("L", {}),
    "deep.png": ("I;16", {}),
    "clear.png": ("RGBA", {}),
    "palette.png": ("P", {"transparency": 0}),
    "float.tif": ("F", {"compression": "tiff_lzw"}),
    "integers.tif": ("I", {"compression": "tiff_lzw"}),
    "inks.tif": ("CMYK", {"compression": "tiff_lzw"}),
    "one-strip.tif": ("RGB", {"compression": "tiff_lzw", "tiffinfo": {278: SIDE}}),
    "plain.jpg": ("RGB", {}),
    "progressive.jpg": ("RGB", {"progressive": True, "subsampling": 0}),
    "inks.jpg": ("CMYK", {}),
    "moving.gif": ("P", {"save_all": True, "append_images": [Image.new("P", (SIDE, SIDE), 1)]}),
    "moving.png": ("RGB", {"save_all": True, "append_images": [Image.new("RGB", (SIDE, SIDE), "red")]}),
    "picture.webp": ("RGB", {"method": 0}),
    "clear.webp": ("RGBA", {"lossless": True, "method": 0}),
    "plain.bmp": ("RGB", {}),
}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("name", FILES)
def test_decoding_takes_no_more_than_was_reckoned(tmp_path: Path, name: str) -> None:
    mode, options = FILES[name]
    exif = Image.Exif()
    exif[0x112] = 6  # turned, which takes a copy
    Image.new(mode, (SIDE, SIDE)).save(
        tmp_path / name, **({} if name.endswith(("bmp", "gif")) else {"exif": exif}), **options
    )
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(tmp_path / name)], capture_output=True, text=True, check=True, timeout=120
    )
    peak, reckoned = map(float, done.stdout.split())
    assert 100 < peak < reckoned + 40  # one band on its way


def _palette() -> dict[str, object]:
    ramp = bytes(range(256))
    about = {f"{colour}PaletteColorLookupTableDescriptor": [256, 0, 8] for colour in ("Red", "Green", "Blue")}
    return {**about, **{f"{colour}PaletteColorLookupTableData": ramp for colour in ("Red", "Green", "Blue")}}


DEEP = {"BitsAllocated": 16, "BitsStored": 16}
DICOM_FILES = {
    "RGB": (3, {}),
    "YBR_FULL": (3, {}),
    "YBR_FULL_422": (2, {}),
    "PALETTE COLOR": (1, _palette()),
    "MONOCHROME1": (2, DEEP),
    "MONOCHROME2": (2, {**DEEP, "WindowCenter": 100, "WindowWidth": 200}),
    "RGB deep": (6, DEEP),
}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("name", [*DICOM_FILES, "AVIF", "HEIF"])
def test_decoding_dicom_and_containers_takes_no_more_than_was_reckoned(tmp_path: Path, name: str) -> None:
    side = 600 if name == "HEIF" else 2000  # its encoder is slow
    if name in DICOM_FILES:
        stored, facts = DICOM_FILES[name]
        content = dicom(bytes(side * side * stored), (side, side), name.removesuffix(" deep"), **facts)
    else:
        content = contained(Image.new("RGB", (side, side), "red"), name)
    (tmp_path / "a").write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(tmp_path / "a")], capture_output=True, text=True, check=True, timeout=120
    )
    peak, reckoned = map(float, done.stdout.split())
    assert 5 < peak < reckoned + 40  # with the package that reads it, which is imported meanwhile


def deep_bomb(side: int) -> bytes:
    """A 16-bit grey PNG of many equal pixels, a few hundred kilobytes, made without holding them."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 + 2 * side)) for _ in range(side)) + packer.flush()
    header = side.to_bytes(4, "big") * 2 + bytes([16, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_largest_deep_image_takes_less_than_the_bound(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(deep_bomb(13_300))
    assert (tmp_path / "bomb.png").stat().st_size < 500_000
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PEAK, str(tmp_path / "bomb.png")],
        capture_output=True, text=True, check=True, timeout=240,
    )  # fmt: skip
    peak, reckoned = map(float, done.stdout.split())
    assert peak < reckoned + 40 < MEMORY / 2**20


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_threads_one_after_the_other_give_their_memory_back(tmp_path: Path) -> None:
    for number in range(6):
        Image.new("I;16", (6000, 6000)).save(tmp_path / f"{number}.png", compress_level=1)  # 6 bytes a pixel: 206 MiB
    done = subprocess.run(
        [sys.executable, "-c", THREADS, str(tmp_path)], capture_output=True, text=True, check=True, timeout=240
    )
    assert float(done.stdout) < 600  # MiB; 1180 if each thread keeps what it had


def test_what_would_take_more_than_the_bound_is_refused_by_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = BytesIO()
    Image.new("RGB", (300, 200)).save(buffer, "WEBP")
    assert read_header(buffer).memory > 300 * 200 * 24
    monkeypatch.setattr("zsderm.images.decoding.MEMORY", 10**6)
    with pytest.raises(ImageError, match=r"300 x 200 pixels \(WEBP RGB\) would take 0.0 GiB to decode"):
        read_header(buffer)
    with pytest.raises(ImageError, match="would take"):
        open_image(Image.new("CMYK", (400, 300)))


def test_threads_share_the_budget_and_nobody_waits_for_himself() -> None:
    budget, most, inside, lock = Budget(100), [0], [0], threading.Lock()

    def work(size: int) -> None:
        for _ in range(50):
            with budget.taken(size):
                with lock:
                    inside[0] += size
                    most[0] = max(most[0], inside[0])
                with budget.taken(100):  # within: does not wait
                    pass
                with lock:
                    inside[0] -= size

    threads = [threading.Thread(target=work, args=(size,)) for size in (100, 60, 40, 30, 30, 20, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads) and 0 < most[0] <= 100
    with budget.taken(100):  # all of it was given back, also after an error
        pass


def test_an_error_gives_the_share_back() -> None:
    for _ in range(3):
        with pytest.raises(ImageError):
            open_image(Image.fromarray(np.array([[np.nan]], np.float32)))
    with BUDGET.taken(BUDGET.total):
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are of POSIX")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_has_a_budget_of_its_own(photo: Image.Image) -> None:
    with BUDGET.taken(BUDGET.total):
        child = os.fork()
        if not child:
            open_image(photo)  # would wait for ever
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0

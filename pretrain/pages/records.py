"""A document is read page by page; each page is a small file once it is read, so that a run that stops goes on."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import pypdfium2
from PIL import Image

from zsderm.atomic_files import atomic_file
from zsderm.errors import PretrainingDataError
from zsderm.file_names import printable
from zsderm.pretrain.pages import looks, scan
from zsderm.pretrain.pages.boxes import Box
from zsderm.pretrain.pages.embedded import Embedded, Pixels, Unreadable
from zsderm.pretrain.pages.modality import ModalityReader
from zsderm.pretrain.pages.page import EMPTY, SCANNED, TEXT, Line, Page, Picture
from zsderm.pretrain.pages.pdf import Content, opened, page_content
from zsderm.stored_json import file_sha256

READING = 2  # changes with what is read of a page; records of another number are read anew
REOPENED = 40  # pages after which the file is opened again, so that PDFium's memory does not grow
SMALLEST_BOX = 28.0  # points of the shorter side; less is an icon
TOO_SMALL, BEHIND, INSET, BROKEN = "too small", "behind the text", "inset of another picture", "cannot be decoded"
WITHOUT_OCR = "a scanned page without a text layer, and Tesseract is not installed"
STAMP = 80  # letters up to which the text of a scan is a stamp or a number that was added to it
BEHIND_LINES = 5  # of visible text on a picture that fills most of the page


@dataclass(frozen=True)
class Document:
    """A PDF file and where its records are.

    Attributes:
        path: of the file.
        name: as it stands in the tables: relative to what the user named.
        key: names its folders: the name of the file and the beginning of its SHA-256.
        pages: how many it has.
        sha256: of the file.
    """

    path: Path
    name: str
    key: str
    pages: int
    sha256: str

    @classmethod
    def of(cls, path: Path, name: str) -> Document:
        """Look at a file.

        Raises:
            PretrainingDataError: it cannot be opened.
        """
        digest = file_sha256(path)
        with opened(path) as document:
            count = len(document)
        stem = re.sub(r"[^\w-]+", "_", printable(path.stem)).strip("_")[:60] or "document"
        return cls(path, printable(name), f"{stem}-{digest[:6]}", count, digest)

    def record(self, output: Path, number: int) -> Path:
        """Where the record of a page is."""
        return output / "pages" / self.key / f"{number:05d}.json"

    def read_pages(self, output: Path) -> Iterator[Page]:
        """The pages that were read, in order."""
        for number in range(1, self.pages + 1):
            yield Page.from_json(json.loads(self.record(output, number).read_text(encoding="utf-8")))


def read_document(
    document: Document,
    output: Path,
    reader: ModalityReader,
    *,
    language: str = "eng",
    advance: Callable[[int], None] = lambda pages: None,
) -> None:
    """Read the pages that have no record yet, and write pictures and records.

    Args:
        document: the file.
        output: the folder for all that is written.
        reader: gives pictures their modality.
        language: of scanned pages, for Tesseract.
        advance: called with the number of pages that are done.
    """
    _begin(document, output, language)
    missing = [number for number in range(1, document.pages + 1) if not document.record(output, number).is_file()]
    advance(document.pages - len(missing))
    for start in range(0, len(missing), REOPENED):
        with opened(document.path) as file:
            for number in missing[start : start + REOPENED]:
                page = _read(file, document, number, output, reader, language)
                with atomic_file(document.record(output, number), durable=False) as draft:
                    draft.write_text(json.dumps(page.to_json(), ensure_ascii=False), encoding="utf-8")
                advance(1)


def _begin(document: Document, output: Path, language: str) -> None:
    """Remove records that were read in another way."""
    facts = {"reading": READING, "language": language, "tesseract": bool(scan.tesseract()), "sha256": document.sha256}
    note = document.record(output, 0).with_name("document.json")
    try:
        known: Any = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = None
    if known != facts:
        shutil.rmtree(note.parent, ignore_errors=True)
        shutil.rmtree(output / "images" / document.key, ignore_errors=True)
        with atomic_file(note) as draft:
            draft.write_text(json.dumps(facts), encoding="utf-8")


def _read(
    file: pypdfium2.PdfDocument, document: Document, number: int, output: Path, reader: ModalityReader, language: str
) -> Page:
    try:
        with page_content(file, number) as content:
            return _page(content, document, number, output, reader, language)
    except (Unreadable, ValueError, MemoryError) as error:
        if isinstance(error, PretrainingDataError):
            raise
        return Page(number, 0, 0, fault=f"the page cannot be read: {' '.join(str(error).split())[:120]}")


def _page(
    content: Content, document: Document, number: int, output: Path, reader: ModalityReader, language: str
) -> Page:
    writer = _PictureWriter(document, number, output)
    kind, lines, fault = TEXT, content.lines, ""
    whole = Box(0, 0, content.width, content.height)
    scanned = _scan_of(content, whole)
    if scanned is not None:
        kind = SCANNED
        if content.hidden and _letters(content) > STAMP:
            lines = tuple(scan.even_sizes(lines))
        elif scan.tesseract():
            print_ = content.drawn(whole, scan.READ_AT)  # in fewer pixels where the page is large
            lines = tuple(scan.read_scan(print_, print_.width / whole.width, language))
        else:
            lines, fault = (), WITHOUT_OCR
        seen = content.drawn(whole, scan.SEEN_AT)
        for box in scan.find_figures(seen, seen.width / whole.width, lines) if lines else ():
            scale = min(scanned.load()[0].width / scanned.box.width, 300 / 72)
            writer.add(box, (content.drawn(box, scale), None), quality=95)
    else:
        for picture in content.pictures:
            writer.add_embedded(picture, _fault_of(picture, content, whole))
    logits = reader.logits(writer.images, writer.looks)
    kind = kind if lines or kind == SCANNED else EMPTY
    drawings = () if scanned is not None else _drawings(content)
    pictures = tuple(writer.pictures(logits))
    return Page(number, content.width, content.height, kind, _kept(lines), pictures, drawings, content.turned, fault)


def _scan_of(content: Content, whole: Box) -> Embedded | None:
    """The picture of the whole page, if one reads the page in it."""
    full = [picture for picture in content.pictures if picture.box.area > scan.COVER * whole.area]
    if not full or (not content.hidden and _letters(content) > STAMP):
        return None
    if content.hidden:
        return full[-1]
    try:
        return full[-1] if scan.looks_scanned(full[-1].load()[0]) else None
    except Unreadable:
        return None


def _letters(content: Content) -> int:
    """How many characters the text of a page has."""
    return sum(len(line.text) for line in content.lines)


def _fault_of(picture: Embedded, content: Content, whole: Box) -> str:
    box = picture.box
    if min(box.width, box.height) < SMALLEST_BOX:
        return TOO_SMALL
    over = [line for line in content.lines if _holds(box, line.box)]
    if box.area > 0.6 * whole.area and len(over) >= BEHIND_LINES:
        return BEHIND
    holders = [
        other.box
        for other in content.pictures
        if other is not picture and other.order < picture.order and other.box.area < 0.6 * whole.area
    ]
    return INSET if any(box.common(one) > 0.9 * box.area and one.area > 1.5 * box.area for one in holders) else ""


def _drawings(content: Content) -> tuple[Box, ...]:
    """Drawings with little text in them: no tables."""
    found = []
    for box in content.drawings:
        inside = [line for line in content.lines if _holds(box, line.box) and len(line.text) > 14]
        if len(inside) < 3:
            found.append(box)
    return tuple(found)


def _holds(box: Box, other: Box) -> bool:
    """Whether the middle of a box is in another one."""
    x, y = other.centre
    return box.x0 < x < box.x1 and box.y0 < y < box.y1


def _kept(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """Lines with two decimals, which is enough."""
    return tuple(Line(line.text, _short(line.box), line.size, line.font) for line in lines)


def _short(box: Box) -> Box:
    return Box(*(round(float(value), 2) for value in astuple(box)))


class _PictureWriter:
    """Writes the pictures of one page, and remembers what was measured of them."""

    def __init__(self, document: Document, number: int, output: Path) -> None:
        self._output, self._start = output, f"images/{document.key}/p{number:05d}"
        self._found: list[Picture] = []
        self._places: list[int] = []  # of those with an image below
        self.images: list[Image.Image] = []
        self.looks: list[dict[str, float]] = []

    def add_embedded(self, picture: Embedded, fault: str) -> None:
        """Write an embedded picture, or note why not."""
        if fault in (TOO_SMALL, BEHIND):
            self._found.append(Picture(picture.box, "", "", (0, 0), fault=fault))
            return
        try:
            self.add(picture.box, picture.load(), drawn_over=picture.drawn_over, fault=fault)
        except (Unreadable, ValueError) as error:
            reason = f"{BROKEN}: {' '.join(str(error).split())[:80]}"
            self._found.append(Picture(picture.box, "", "", (0, 0), fault=reason))

    def add(self, box: Box, pixels: Pixels, *, drawn_over: bool = False, fault: str = "", quality: int = 0) -> None:
        """Write a picture: as the JPEG that it was, else as PNG, or as JPEG of some quality."""
        image, jpeg = pixels
        digest = hashlib.sha256(f"{image.size}".encode() + image.tobytes()).hexdigest()
        if min(image.size) < looks.SMALLEST:
            self._found.append(Picture(box, "", digest, image.size, fault=TOO_SMALL))
            return
        name = f"{self._start}-{len(self._found) + 1}{'.jpg' if jpeg or quality else '.png'}"
        with atomic_file(self._output / name, durable=False) as draft:
            if jpeg:
                draft.write_bytes(jpeg)
            elif quality:
                image.save(draft, "JPEG", quality=quality, subsampling=0)
            else:
                image.save(draft, "PNG")
        seen = looks.looks_of(image).to_json()
        self._found.append(Picture(box, name, digest, image.size, seen, (), drawn_over, fault))
        if not fault and not looks.drawing(seen):
            small = image.copy()
            small.thumbnail((640, 640))
            self._places.append(len(self._found) - 1)
            self.images.append(small)
            self.looks.append(seen)

    def pictures(self, logits: list[tuple[float, ...]]) -> Iterator[Picture]:
        """All pictures of the page, with the logits of those that `images` holds."""
        of = dict(zip(self._places, logits, strict=True))
        for place, found in enumerate(self._found):
            yield Picture(
                *(_short(found.box), found.filename, found.digest, found.pixels, found.looks),
                *(of.get(place, ()), found.drawn_over, found.fault),
            )

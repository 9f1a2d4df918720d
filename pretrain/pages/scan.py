"""Pages that are pictures of print: where their figures are, and their words by Tesseract where no text lies behind."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
from collections.abc import Sequence
from statistics import median

import numpy as np
from PIL import Image
from scipy import ndimage

from zsderm.errors import MissingDependencyError
from zsderm.pretrain.pages.boxes import Box, around, reading_order
from zsderm.pretrain.pages.page import Line

COVER = 0.8  # share of the page that a scan fills
PAPER = 0.4  # share of a scan that is paper; a full-page plate has less
READ_AT = 200 / 72  # pixels a point at which Tesseract reads
SEEN_AT = 100 / 72  # and at which figures are looked for
SMALLEST = 50.0  # points of the shorter side of a figure
FULL = 0.55  # share of its box that a figure fills
LEAST_DOTS = 70  # an inch; Tesseract guesses where it is told of fewer
TIME_LIMIT = 120  # seconds for one page


def looks_scanned(image: Image.Image, *, bright: int = 200) -> bool:
    """Whether a picture that fills a page is print on paper, and no photograph.

    Args:
        image: of any size.
        bright: of 255, from which a pixel without colour is paper.
    """
    small = np.asarray(image.convert("RGB").resize((128, 160), Image.Resampling.BOX), np.int16)
    light = (small.min(axis=2) > bright) & (small.max(axis=2) - small.min(axis=2) < 40)
    return float(light.mean()) > PAPER


def tesseract() -> str | None:
    """The command of Tesseract, if it is installed."""
    return shutil.which("tesseract")


def read_scan(image: Image.Image, scale: float, language: str) -> list[Line]:
    """The lines of text in the picture of a page.

    Args:
        image: the page.
        scale: its pixels a point.
        language: as Tesseract names them, such as "eng+deu".

    Raises:
        MissingDependencyError: Tesseract lacks the language.
        ValueError: Tesseract fails on this page, or takes longer than two minutes.
    """
    command = tesseract()
    assert command is not None
    file, clear = io.BytesIO(), image.convert("L")
    for box in find_figures(image, scale, ()):  # Tesseract takes words beside a photograph for a part of it
        left, top, right, bottom = (round(edge * scale) for edge in (box.x0, box.y0, box.x1, box.y1))
        clear.paste(255, (left, top, right, bottom))
    clear.save(file, "PNG")
    dots = str(max(LEAST_DOTS, round(scale * 72)))
    try:
        done = subprocess.run(
            [command, "stdin", "stdout", "-l", language, "--dpi", dots, "--psm", "3", "tsv"],
            input=file.getvalue(),
            capture_output=True,
            timeout=TIME_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"Tesseract took longer than {TIME_LIMIT} seconds") from error
    if done.returncode:
        said = " ".join(done.stderr.decode("utf-8", "replace").split())[:200]
        if "traineddata" in said or "loading language" in said:
            raise MissingDependencyError(
                f"Tesseract cannot read the language {language!r}: {said}. Install it, or name another one with "
                "--language; tesseract --list-langs prints the installed ones."
            )
        raise ValueError(f"Tesseract failed: {said or done.returncode}")
    return lines_of_tsv(done.stdout.decode("utf-8", "replace"), scale)


def lines_of_tsv(text: str, scale: float) -> list[Line]:
    """The lines in a table of words as Tesseract writes it.

    Args:
        text: the table.
        scale: pixels a point.
    """
    lines: dict[tuple[str, ...], list[tuple[str, Box]]] = {}
    for row in csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE):
        word = (row.get("text") or "").strip()
        if word and float(row["conf"]) > 20:
            left, top = float(row["left"]) / scale, float(row["top"]) / scale
            box = Box(left, top, left + float(row["width"]) / scale, top + float(row["height"]) / scale)
            lines.setdefault((row["block_num"], row["par_num"], row["line_num"]), []).append((word, box))
    found = []
    for words in lines.values():
        box = around(box for _, box in words)
        size = round(median(box.height for _, box in words) * 1.25, 1)
        found.append(Line(" ".join(word for word, _ in words), box, size, "scan"))
    return even_sizes(found)


def even_sizes(lines: Sequence[Line]) -> list[Line]:
    """Lines whose sizes differ by no more than their reading does, with one size: the heights of words vary."""
    usual = median(line.size for line in lines) if lines else 0.0
    return [Line(line.text, line.box, usual if 0.7 < line.size / usual < 1.4 else line.size, "scan") for line in lines]


def find_figures(image: Image.Image, scale: float, lines: Sequence[Line]) -> list[Box]:
    """Boxes of what is no print in the picture of a page, in points.

    Args:
        image: the page.
        scale: its pixels a point.
        lines: its text, which is passed over.
    """
    rgb = np.asarray(image.convert("RGB"), np.int16)
    paper = np.percentile(rgb.min(axis=2), 90)
    dark = (rgb.min(axis=2) < paper - 25) | (rgb.max(axis=2) - rgb.min(axis=2) > 40)
    for line in lines:
        if line.box.height < 40:
            box = line.box.grown(1.5)
            rows = slice(max(0, int(box.y0 * scale)), int(box.y1 * scale) + 1)
            dark[rows, max(0, int(box.x0 * scale)) : int(box.x1 * scale) + 1] = False
    dark = ndimage.binary_opening(dark, np.ones((3, 3), bool))  # specks and rules go
    dark = ndimage.binary_closing(dark, np.ones((7, 7), bool))
    labels, _ = ndimage.label(dark)
    found = []
    for place, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
        height, width = (rows.stop - rows.start) / scale, (columns.stop - columns.start) / scale
        full = float((labels[rows, columns] == place).mean())
        if min(height, width) >= SMALLEST and full >= FULL:
            found.append(Box(columns.start / scale, rows.start / scale, columns.stop / scale, rows.stop / scale))
    return [found[place] for place in reading_order(found)]

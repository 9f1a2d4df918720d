"""Further layouts of made books: what is no photograph, pictures in strips, and pages that are scans."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pypdfium2
from PIL import Image, ImageDraw, ImageFilter
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics

from zsderm.benchmarks.experiments.made_books import Book
from zsderm.benchmarks.experiments.made_layouts import GAP, draw_figure, layout
from zsderm.images import open_image

SCAN = 200 / 72  # pixels a point


def _drawn_picture(book: Book, kind: str) -> Image.Image:
    """A chart or a line drawing as pixels."""
    rng, image = book.rng, Image.new("RGB", (420, 300), "white")
    pen = ImageDraw.Draw(image)
    pen.line((40, 20, 40, 270, 400, 270), fill="black", width=2)
    if kind == "chart":
        for n in range(6):
            colour = tuple(rng.randint(30, 220) for _ in range(3))
            pen.rectangle((60 + 55 * n, rng.randint(60, 240), 95 + 55 * n, 269), fill=colour)
    else:
        points = [(rng.randint(50, 390), rng.randint(20, 260)) for _ in range(14)]
        pen.line(points, fill="black", width=2)
        for x, y in points[:6]:
            pen.ellipse((x - 20, y - 14, x + 20, y + 14), outline="black", width=2)
    return image


def _place(book: Book, image: Image.Image, x: float, y: float, width: float, height: float, form: str) -> None:
    file = io.BytesIO()
    image.save(file, form, **({"quality": 90} if form == "JPEG" else {}))
    book.canvas.drawImage(ImageReader(file), x, book.height - y - height, width, height)


@layout("charts, line art and ornaments")
def _no_photographs(book: Book) -> None:
    x, width, y = book.margin, book.width - 2 * book.margin, 50.0
    logo = Image.new("RGB", (90, 90), (20, 80, 140))
    ImageDraw.Draw(logo).ellipse((15, 15, 75, 75), fill=(240, 200, 60))
    _place(book, logo, book.width - 70, 20, 40, 40, "PNG")
    kinds = book.rng.sample(("chart", "line art", "vector"), 2)
    for kind in kinds:
        y += 12
        label, caption = book.label(), book.supply.caption(1)
        if kind == "vector":
            pen = book.canvas
            for n in range(9):
                tall = book.rng.uniform(20, 110)
                pen.rect(x + 20 + 22 * n, book.height - y - 130, 16, tall, fill=1)
            pen.line(x + 10, book.height - y - 130, x + 230, book.height - y - 130)
        else:
            form = book.rng.choice(("PNG", "JPEG"))
            _place(book, _drawn_picture(book, kind), x, y, 220, 130, form)
        book.tell(((x, y, x + 220, y + 130), ""), ("", "", "", ""), caption[0])
        y = book.caption(label, caption[0], x, y + 130 + book.gap - 3, width * 0.8) + 8
    draw_figure(book, x, y + 12, width * 0.6, 170)


@layout("picture in strips")
def _strips(book: Book) -> None:
    x, width, y = book.margin, book.width - 2 * book.margin, 60.0
    y = book.write(book.supply.words(3), x, y, width) + GAP
    content, modality = book.supply.photograph(1.5)
    image = open_image(io.BytesIO(content))
    label, caption = book.label(), book.supply.caption()
    wide, count = width * 0.7, book.rng.choice((3, 5, 8))
    height, edges = wide / 1.5, np.linspace(0, image.height, count + 1).round().astype(int)
    for top, bottom in pairwise(edges):
        strip = image.crop((0, int(top), image.width, int(bottom)))
        scale = height / image.height
        _place(book, strip, x, y + top * scale, wide, (bottom - top) * scale, "PNG")
    book.tell(((x, y, x + wide, y + height), modality), caption)
    y = book.caption(label, caption[0], x, y + height + book.gap - 3, width)
    draw_figure(book, x, y + GAP, width * 0.6, 150)


@layout("scanned page with text behind")
def _scan(book: Book) -> None:
    """A page of print as one picture, with its words laid behind it as a program for scans does."""
    x, width, y = book.margin, book.width - 2 * book.margin, 60.0
    page = Image.new("RGB", (round(book.width * SCAN), round(book.height * SCAN)), (244, 240, 228))
    words: list[tuple[str, float, float, str, float]] = []

    def write(text: str, font: str, size: float, top: float) -> float:
        for line in book.lines(text, font, size, width):
            top += size * book.leading
            words.append((line, x, top, font, size))
        return top + 0.3 * size

    y = write(book.supply.words(3), book.text_font, book.text_size, y)
    for _ in range(2):
        y += GAP
        wide = width * book.rng.uniform(0.6, 0.95)
        content, modality = book.supply.photograph(wide / 170)
        part = open_image(io.BytesIO(content)).resize((round(wide * SCAN), round(170 * SCAN)))
        page.paste(part, (round(x * SCAN), round(y * SCAN)))
        label, caption = book.label(), book.supply.caption()
        book.tell(((x, y, x + wide, y + 170), modality), caption)
        y = write(f"{label} {caption[0]}", book.caption_fonts[0], book.caption_size, y + 170 + book.gap - 3)
    y = write(book.supply.words(2), book.text_font, book.text_size, y + GAP)
    page = _printed(page, words, book)
    noise = np.random.default_rng(book.rng.randint(0, 2**31)).normal(0, 4, (page.height, page.width, 1))
    page = Image.fromarray(np.clip(np.asarray(page, float) + noise, 0, 255).astype(np.uint8))
    page = page.filter(ImageFilter.GaussianBlur(0.6))
    _place(book, page, 0, 0, book.width, book.height, "JPEG")
    hidden = book.canvas.beginText()
    hidden.setTextRenderMode(3)
    for text, left, top, font, size in words if book.hidden_text else ():
        hidden.setFont(font, size)
        hidden.setTextOrigin(left, book.height - top)
        hidden.textOut(text)
    book.canvas.drawText(hidden)


def _printed(page: Image.Image, words: list[tuple[str, float, float, str, float]], book: Book) -> Image.Image:
    """The page with its words, drawn by PDFium."""
    from reportlab.pdfgen.canvas import Canvas

    file = io.BytesIO()
    canvas = Canvas(file, pagesize=(book.width, book.height))
    for text, left, top, font, size in words:
        assert pdfmetrics.getFont(font)
        canvas.setFont(font, size)
        canvas.drawString(left, book.height - top, text)
    canvas.save()
    with pypdfium2.PdfDocument(file.getvalue()) as document:
        print_ = document[0].render(SCAN).to_pil().convert("RGB").resize(page.size)
    return Image.fromarray(np.minimum(np.asarray(page), np.asarray(print_)))

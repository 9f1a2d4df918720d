"""Books made from a seed, with photographs and captions whose truth is known: for `pages` and for tests.

Photographs are parts of those in examples/ or of a folder of labelled images; captions are sentences of the knowledge
base. Nothing is taken from a real book. What a page looks like is in `made_layouts`.
"""

from __future__ import annotations

import io
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import reportlab
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from zsderm import KnowledgeBase
from zsderm.images import find, open_image

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "images"
DISEASES = (
    *(
        "melanoma",
        "basal cell carcinoma",
        "psoriasis",
        "atopic dermatitis",
        "seborrheic keratosis",
        "actinic keratosis",
    ),
    *("lichen planus", "rosacea", "vitiligo", "tinea corporis", "herpes zoster", "dermatofibroma", "acne", "scabies"),
    *(
        "pityriasis rosea",
        "granuloma annulare",
        "impetigo",
        "urticaria",
        "molluscum contagiosum",
        "erythema multiforme",
    ),
)
FONTS = (("Times-Roman", "Times-Bold"), ("Helvetica", "Helvetica-Bold"), ("Vera", "VeraBd"))
CHINESE = "STSong-Light"  # every PDF reader knows its letters; it is not embedded
LIGATURES = {"ffi": "\ufb03", "ffl": "\ufb04", "fi": "\ufb01", "fl": "\ufb02"}
INK = 20  # points of the shadow at the edge of a scan

_PATIENT = re.compile(r"\b(?:wo)?m[ae]n\b|\b(?:boy|girl|male|female|year|month|week|day|patient)s?\b", re.IGNORECASE)


@dataclass(frozen=True)
class Truth:
    """A picture of a made book and what belongs to it.

    Attributes:
        layout: the name of the layout.
        page: on which the picture is, from 1.
        box: left, top, right and bottom on the upright page, in points.
        caption: the words that should come out; empty for a picture that should be left out.
        whole: all the words of its own caption, for one that is told in parts.
        modality: of the photograph, where it is known.
        age: in years, or empty.
        sex: female, male, or empty.
    """

    layout: str
    page: int
    box: tuple[float, float, float, float]
    caption: str
    whole: str = ""
    modality: str = ""
    age: str = ""
    sex: str = ""


@dataclass
class Supply:
    """Photographs and sentences, each given out once.

    Args:
        seed: of everything that is drawn by chance.
        photographs: files and their modality.
    """

    seed: int
    photographs: Sequence[tuple[Path, str]] = ()
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.photographs = list(self.photographs) or [(path, "clinical") for path in find(EXAMPLES)]
        told = KnowledgeBase.load("dermatology").descriptions_for(list(DISEASES))
        self.sentences = {
            name: [one.text for one in found if len(one.text) < 120 and not _PATIENT.search(one.text)]
            for name, found in told.items()
        }
        self._used: set[str] = set()
        self._cycle = self._photographs()

    def _photographs(self) -> Iterator[tuple[Path, str]]:
        while True:
            yield from self.rng.sample(list(self.photographs), len(self.photographs))

    def photograph(self, ratio: float) -> tuple[bytes, str]:
        """A part of a photograph as a JPEG of such a ratio of width to height, and its modality."""
        path, modality = next(self._cycle)
        image = open_image(path)
        width = min(image.width, image.height * ratio) * self.rng.uniform(0.85, 1.0)
        height = width / ratio
        left, top = self.rng.uniform(0, image.width - width), self.rng.uniform(0, image.height - height)
        part = image.crop((round(left), round(top), round(left + width), round(top + height)))
        file = io.BytesIO()
        part.resize((320, max(64, round(320 / ratio)))).save(file, "JPEG", quality=90)
        return file.getvalue(), modality

    def sentence(self, disease: str = "") -> str:
        """A sentence that ends in a full stop."""
        text = self.rng.choice(self.sentences[disease or self.rng.choice(DISEASES)]).strip()
        return f"{text[0].upper()}{text[1:].rstrip('.')}."

    def told(self, disease: str = "") -> str:
        """A sentence that is in no other caption, as long as there are such."""
        for _ in range(200):
            text = self.sentence(disease)
            if text not in self._used:
                break
            disease = disease if self.rng.random() < 0.9 else ""
        self._used.add(text)
        return text

    def words(self, sentences: int) -> str:
        """A paragraph of a book."""
        return " ".join(self.sentence() for _ in range(sentences))

    def caption(self, sentences: int | None = None) -> tuple[str, str, str, str]:
        """A caption as it is printed, as it should come out, and the age and sex in it."""
        disease = self.rng.choice(DISEASES)
        told = " ".join(self.told(disease) for _ in range(sentences or self.rng.choice((1, 1, 2, 3))))
        name = f"{disease[0].upper()}{disease[1:]}"
        if self.rng.random() < 0.3:
            age, (noun, sex) = self.rng.randint(2, 90), self.rng.choice((("man", "male"), ("woman", "female")))
            return f"{name} in a {age}-year-old {noun}. {told}", f"{name} in a patient. {told}", str(age), sex
        return f"{name}. {told}", f"{name}. {told}", "", ""


class Book:
    """Draws pages from top to bottom and remembers what is on them.

    Args:
        file: where the PDF goes.
        supply: photographs and sentences.
    """

    size = (595.0, 842.0)

    def __init__(self, file: Any, supply: Supply) -> None:
        folder = Path(reportlab.__file__).parent / "fonts"
        for name in ("Vera", "VeraBd"):
            pdfmetrics.registerFont(TTFont(name, str(folder / f"{name}.ttf")))
        pdfmetrics.registerFont(UnicodeCIDFont(CHINESE))
        self.canvas = Canvas(file, pagesize=self.size, pageCompression=1)
        self.supply, self.rng = supply, supply.rng
        self.truth: list[Truth] = []
        self.page, self.figure, self.chapter = 1, 0, self.rng.randint(1, 20)
        self.layout = ""
        self.turned = 0
        self.restyle()

    def restyle(self) -> None:
        """Choose fonts, sizes, gaps, and how figures are numbered."""
        rng = self.rng
        self.text_font, self.caption_fonts = rng.choice(FONTS)[0], rng.choice(FONTS)
        self.text_size = rng.uniform(9, 11)
        self.caption_size = self.text_size - rng.choice((0.5, 1.0, 1.5, 2.0))
        self.leading = rng.uniform(1.12, 1.35)
        self.gap = rng.uniform(4, 14)  # between a picture and its caption
        self.margin = rng.uniform(45, 75)
        self.word = rng.choice(("Fig. {}", "Figure {}", "FIGURE {}", "Fig {}", "Plate {}", "Image {}"))
        self.numbered = rng.choice(("{chapter}.{figure}", "{figure}", "{chapter}-{figure}"))
        self.sign = rng.choice((".", ":", " ", " |", ". "))
        self.bold, self.hyphens = rng.random() < 0.6, rng.random() < 0.6
        self.ligatures, self.hidden_text = False, True

    @property
    def width(self) -> float:
        """Of the upright page, in points."""
        return self.size[1] if self.turned % 180 else self.size[0]

    @property
    def height(self) -> float:
        """Of the upright page, in points."""
        return self.size[0] if self.turned % 180 else self.size[1]

    def turn(self, degrees: int) -> None:
        """Turn what is drawn on this page, anticlockwise."""
        self.turned = degrees
        self.canvas.translate(*{0: (0, 0), 90: (self.size[0], 0), 270: (0, self.size[1])}[degrees])
        self.canvas.rotate(degrees)

    def next_page(self) -> None:
        """End this page, with its number."""
        self.canvas.setFont("Helvetica", 8)
        self.canvas.drawCentredString(self.width / 2, 25, str(self.page))
        self.canvas.showPage()
        self.page, self.turned = self.page + 1, 0

    def label(self, language: str = "") -> str:
        """The next label, such as "Fig. 3.12."."""
        self.figure += 1
        number = self.numbered.format(chapter=self.chapter, figure=self.figure)
        return f"{(language or self.word).format(number)}{self.sign}".strip()

    def photo(self, x: float, y: float, width: float, height: float) -> tuple[tuple[float, float, float, float], str]:
        """Draw a photograph with its upper left corner at (x, y); its box and its modality."""
        content, modality = self.supply.photograph(width / height)
        self.canvas.drawImage(ImageReader(io.BytesIO(content)), x, self.height - y - height, width, height)
        return (x, y, x + width, y + height), modality

    def lines(self, text: str, font: str, size: float, width: float, first: float = 0.0) -> list[str]:
        """A text broken into lines, with some words divided."""
        result, line = [], ""
        room = width - first
        for word in text.split(" "):
            wanted = f"{line} {word}".strip()
            if pdfmetrics.stringWidth(wanted, font, size) <= room:
                line = wanted
                continue
            cut = self._cut(word) if self.hyphens else 0
            head = f"{line} {word[:cut]}-".strip()
            if cut and pdfmetrics.stringWidth(head, font, size) <= room:
                result.append(head)
                line = word[cut:]
            else:
                result.append(line)
                line = word
            room = width
        return [*result, line]

    def _cut(self, word: str) -> int:
        """Where a long word may be divided; 0 if nowhere."""
        whole = re.fullmatch(r"[a-z]{9,}[.,;]?", word)
        return self.rng.randint(4, len(word) - 4) if whole and self.rng.random() < 0.7 else 0

    def write(self, text: str, x: float, y: float, width: float, *, size: float = 0.0) -> float:
        """Write a paragraph of the text; where it ends."""
        size = size or self.text_size
        self.canvas.setFont(self.text_font, size)
        for line in self.lines(text, self.text_font, size, width):
            y += size * self.leading
            self.canvas.drawString(x, self.height - y, line)
        return y + 0.3 * size

    def caption(self, label: str, text: str, x: float, y: float, width: float, *, font: str = "") -> float:
        """Write a caption; where it ends."""
        plain, bold = (font, font) if font else self.caption_fonts
        size = self.caption_size
        heavy = bold if self.bold else plain
        first = pdfmetrics.stringWidth(f"{label} ", heavy, size)
        if self.ligatures:
            for letters, one in LIGATURES.items():
                text = text.replace(letters, one)
        for number, line in enumerate(self.lines(text, plain, size, width, first)):
            y += size * self.leading
            start = x
            if number == 0:
                self.canvas.setFont(heavy, size)
                self.canvas.drawString(x, self.height - y, label)
                start = x + first
            self.canvas.setFont(plain, size)
            self.canvas.drawString(start, self.height - y, line)
        return y + 0.3 * size

    def caption_height(self, label: str, text: str, width: float) -> float:
        """How high a caption would be; what is drawn by chance is put back."""
        state = self.rng.getstate()
        plain, bold = self.caption_fonts
        first = pdfmetrics.stringWidth(f"{label} ", bold if self.bold else plain, self.caption_size)
        count = len(self.lines(text, plain, self.caption_size, width, first))
        self.rng.setstate(state)
        return count * self.caption_size * self.leading + 0.3 * self.caption_size

    def tell(
        self, seen: tuple[tuple[float, float, float, float], str], caption: tuple[str, str, str, str], whole: str = ""
    ) -> None:
        """Remember a picture of this page and its caption."""
        box, modality = seen
        printed, expected, age, sex = caption
        self.truth.append(Truth(self.layout, self.page, box, expected, whole or printed, modality, age, sex))

    def save(self) -> None:
        """End the book."""
        self.canvas.save()

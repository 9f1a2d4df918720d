"""What was measured on a knowledge base, and the same as a page of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from zsderm.knowledge.base import Description

NEARLY_EQUAL = 0.97  # cosine above which two texts say the same
CONTEXT = 77  # tokens that CLIP reads, with the one that starts and the one that ends a text
LONG_WORD = 12  # letters; longer words are terms of the field more often than not
SHOWN = 50  # near-duplicates and long texts on a page; more are not read
WORST = 20  # diseases listed by specificity


@dataclass(frozen=True)
class Readability:
    """How hard the descriptions are to read."""

    words_per_sentence: float
    syllables_per_word: float
    long_words: float  # share of words longer than LONG_WORD letters, 0 to 1
    reading_ease: float  # Flesch: 100 is very easy, 60 plain English, 30 and below for graduates


@dataclass(frozen=True)
class NearDuplicate:
    """Two descriptions of different diseases that say nearly the same."""

    cosine: float
    one: Description
    other: Description


@dataclass(frozen=True)
class Specificity:
    """Whether the descriptions of a disease point to its name among all the names."""

    disease: str
    share: float  # of its descriptions, those to which its own name is the nearest; 0 to 1
    rank: int  # of its own name for the mean description; 1 is best


@dataclass(frozen=True)
class LongText:
    """A description that does not fit CLIP's context in the sentence that names its disease."""

    tokens: int  # with start and end
    description: Description


@dataclass(frozen=True)
class QualityReport:
    """What was measured on one knowledge base with one judge of meaning, and with encoders beside it."""

    base: str
    version: str
    checksum: str
    encoder: str  # the judge
    diseases: int  # C, with and without descriptions
    aspects: Mapping[str, int]  # descriptions per aspect, most first
    modalities: Mapping[str, int]
    per_disease: tuple[int, float, int]  # fewest, median and most descriptions of a disease
    readability: Readability
    near_duplicates: tuple[NearDuplicate, ...]  # nearest first
    specificities: tuple[Specificity, ...]  # one per described disease, worst first
    long_texts: tuple[LongText, ...]  # longest first
    views: Mapping[str, tuple[Specificity, ...]] = field(default_factory=dict)  # specificity by other encoders

    def to_markdown(self) -> str:
        """The report as a page of Markdown."""
        return "\n".join(
            [
                f"# Quality of the knowledge base {self.base}\n",
                f"Version {self.version}, checksum {self.checksum}, measured with {self.encoder}.\n",
                *_counts(self),
                *_reading(self.readability),
                *_duplicates(self.near_duplicates),
                *_specificity(self.specificities, self.diseases, ""),
                *(line for name, found in self.views.items() for line in _specificity(found, self.diseases, name)),
                *_too_long(self.long_texts),
            ]
        )


def _counts(report: QualityReport) -> Iterator[str]:
    fewest, middle, most = report.per_disease
    yield "## Descriptions\n"
    yield f"{sum(report.aspects.values())} in all; per disease at least {fewest}, median {middle:g}, at most {most}.\n"
    yield from _tally("aspect", report.aspects)
    yield from _tally("modality", report.modalities)


def _reading(measured: Readability) -> Iterator[str]:
    yield "## Readability\n"
    yield from _table(
        ("measure", "value"),
        [
            ("words per sentence", f"{measured.words_per_sentence:.1f}"),
            ("syllables per word", f"{measured.syllables_per_word:.2f}"),
            (f"words of more than {LONG_WORD} letters", f"{measured.long_words:.1%}"),
            ("Flesch reading ease (1948)", f"{measured.reading_ease:.1f}"),
        ],
    )


def _duplicates(found: Sequence[NearDuplicate]) -> Iterator[str]:
    yield "## Near-duplicates\n"
    yield f"Pairs of bare texts of different diseases with a cosine above {NEARLY_EQUAL}: {len(found) or 'none'}.\n"
    rows = [
        (f"{pair.cosine:.3f}", pair.one.disease, pair.one.text, pair.other.disease, pair.other.text) for pair in found
    ]
    yield from _table(("cosine", "disease", "text", "other disease", "its text"), rows, SHOWN)


def _specificity(found: Sequence[Specificity], names: int, encoder: str) -> Iterator[str]:
    first = sum(item.rank == 1 for item in found)
    yield f"## Specificity{encoder and f', measured with {encoder}'}\n"
    yield "Share: of a disease's bare texts, those to which its own name is the nearest of all canonical names."
    yield "Rank: of its own name for the mean of its texts; 1 is best.\n"
    yield f"Mean share {sum(item.share for item in found) / len(found):.1%}, by chance {1 / names:.1%};"
    middle = median(item.rank for item in found)
    yield f"median rank {middle:g} of {names}; rank 1 for {first} of {len(found)} diseases.\n"
    rows = [(item.disease, f"{item.share:.0%}", item.rank) for item in found[:WORST]]
    yield from _table(("worst", "share", "rank"), rows)


def _too_long(found: Sequence[LongText]) -> Iterator[str]:
    yield "## Long texts\n"
    yield f"Sentences, name and description, beyond the {CONTEXT} tokens that CLIP reads: {len(found) or 'none'}.\n"
    rows = [(item.tokens, item.description.disease, item.description.text) for item in found]
    yield from _table(("tokens", "disease", "text"), rows, SHOWN)


def _tally(heading: str, counts: Mapping[str, int]) -> Iterator[str]:
    yield from _table((heading, "descriptions"), list(counts.items()))


def _table(heads: Sequence[str], rows: Sequence[Iterable[object]], shown: int | None = None) -> Iterator[str]:
    """A table of the first rows, and how many more there are; nothing at all without rows."""
    if not rows:
        return
    for row in (heads, ["---"] * len(heads), *rows[:shown]):
        yield "| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |"
    if shown and len(rows) > shown:
        yield f"\nand {len(rows) - shown} more"
    yield ""

"""What was measured on a knowledge base, and the same as a page of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from zsderm.knowledge.authoring.checks.problem import WARNING, Problem
from zsderm.knowledge.authoring.checks.reading import LONG_WORD, Readability
from zsderm.knowledge.base import Description

NEARLY_EQUAL = 0.88  # cosine above which two texts say nearly the same; chosen by reading pairs
LOOSEST = 0.1  # share of the sentences that are listed as pointing least to their own disease
CONTEXT = 77  # tokens that CLIP reads, with the one that starts and the one that ends a text
SHOWN = 50  # near-duplicates and long texts on a page; more are not read
WORST = 20  # diseases listed by specificity


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
class LooseSentence:
    """A description that is hardly more like the rest of its own disease than like other diseases."""

    standing: float  # standard deviations above the mean disease; see `measure.loosest`
    nearest: str  # the other disease whose texts it is most like
    description: Description


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
    loose: tuple[LooseSentence, ...] = ()  # the LOOSEST share of the sentences, loosest first
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
                *_loose(self.loose),
                *_too_long(self.long_texts),
            ]
        )

    def problems(self) -> Iterator[Problem]:
        """What is said about single sentences, as warnings beside those of `validate`."""
        for pair in self.near_duplicates:
            reason = f"nearly the same ({pair.cosine:.2f}) as of {pair.other.disease!r}: {pair.other.text!r}"
            yield Problem(pair.one.disease, reason, "near copy", WARNING, pair.one.text)
        for item in self.loose:
            reason = (
                f"points to its own disease as little as a tenth of all ({item.standing:.1f}; like {item.nearest!r})"
            )
            yield Problem(item.description.disease, reason, "specificity", WARNING, item.description.text)


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


def _loose(found: Sequence[LooseSentence]) -> Iterator[str]:
    yield "## Loosest sentences\n"
    yield "Standing: by how many standard deviations of all diseases a text is nearer to the rest of its own disease"
    yield f"than to a mean one. Listed are the lowest of {len(found)}, which are {LOOSEST:.0%} of all.\n"
    rows = [(f"{item.standing:.1f}", item.description.disease, item.description.text, item.nearest) for item in found]
    yield from _table(("standing", "disease", "text", "nearest other"), rows, SHOWN)


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

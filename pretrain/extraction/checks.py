"""What may be taken from a caption: only what it says, whichever engine took it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from zsderm.errors import AmbiguousClassError, UnknownClassError
from zsderm.pretrain.data.captions import SUB_CAPTIONS
from zsderm.pretrain.extraction.answer import NO_DISEASE, Rejection
from zsderm.pretrain.extraction.mentions import PhraseTable, tokens_of
from zsderm.pretrain.extraction.reading import CaptionReader, Finding, Reading
from zsderm.pretrain.extraction.scope import REASONS, Status

SEVERAL = "it may mean several diseases"
FEWEST_WORDS = 2  # a sub-caption of one word is a label
# Words that a shortened sentence may need and that say nothing.
_GLUE = frozenset(
    {"a", "an", "the", "and", "or", "of", "in", "on", "at", "with", "is", "are", "this", "it", "there", "by"}
)


class Checks:
    """Holds what an engine says against the caption.

    Args:
        reader: reads the caption.
    """

    def __init__(self, reader: CaptionReader) -> None:
        self.reader = reader
        self._names = PhraseTable(reader.terms.phrases)

    def disease(self, name: str, reading: Reading) -> tuple[str, list[Rejection]]:
        """The canonical name of a disease that the caption affirms; empty, with the reason, for any other name."""
        if not name.strip() or name.strip().casefold() == NO_DISEASE:
            return "", []
        try:
            known = self.reader.knowledge.find(name).name
        except UnknownClassError as error:
            return "", [_unknown(name, error)]
        mentions = [finding for finding in reading.diseases if known in finding.names]
        if any(finding.status is Status.AFFIRMED for finding in mentions):
            return known, []
        return "", [Rejection("disease", name, *_why_not(mentions))]

    def concepts(self, terms: Iterable[str], reading: Reading) -> tuple[tuple[str, ...], list[Rejection]]:
        """The canonical names of concepts that the caption affirms, in the order of the vocabulary."""
        kept: set[str] = set()
        rejected = []
        for term in terms:
            tokens = tokens_of(term)
            names = [name for m in self._names.find(tokens) if m.last - m.first == len(tokens) for name in m.meanings]
            if not names:
                rejected.append(Rejection("concept", term, "it is not in the vocabulary"))
                continue
            mentions = [f for f in reading.concepts if set(names) & set(f.names)]
            affirmed = {name for f in mentions if f.status is Status.AFFIRMED for name in f.names} & set(names)
            kept |= affirmed
            if not affirmed:
                rejected.append(Rejection("concept", term, *_why_not(mentions)))
        return tuple(name for name in self.reader.terms.names if name in kept), rejected

    def sub_captions(self, texts: Sequence[str], reading: Reading) -> tuple[tuple[str, ...], list[Rejection]]:
        """The sub-captions that say nothing beyond the caption, at most eight."""
        kept: dict[str, str] = {}
        rejected = []
        for text in (" ".join(text.split()) for text in texts):
            reason, detail = self._flaw(text, reading)
            if not reason and text.casefold() in kept:
                reason = "it stands there twice"
            if not reason and len(kept) == SUB_CAPTIONS:
                reason = f"there are more than {SUB_CAPTIONS}"
            if reason:
                rejected.append(Rejection("sub-caption", text, reason, detail))
            else:
                kept[text.casefold()] = text
        return tuple(kept.values()), rejected

    def _flaw(self, text: str, reading: Reading) -> tuple[str, str]:
        if len(text.split()) < FEWEST_WORDS:
            return f"it has fewer than {FEWEST_WORDS} words", ""
        own = self.reader.read(text)
        if foreign := sorted(own.words - reading.words - _GLUE):
            return "the caption does not say it", ", ".join(foreign)
        findings = (*own.diseases, *own.concepts)
        for finding in findings:
            if finding.status is Status.AFFIRMED and not _affirms(finding, reading):
                return "it affirms what the caption does not", finding.text
        if findings and all(finding.status is Status.DENIED for finding in findings):
            # Encoders of this kind hardly hear a "no": such a text would draw the image to what it does not show.
            return "it only says what is not there", ""
        return "", ""


def _affirms(finding: Finding, reading: Reading) -> bool:
    """Whether the caption affirms what one of its pieces does; a sign may be read as a disease or as a concept."""
    everything = (*reading.diseases, *reading.concepts)
    return any(f.status is Status.AFFIRMED and set(f.names) & set(finding.names) for f in everything)


def _why_not(mentions: Sequence[Finding]) -> tuple[str, str]:
    if not mentions:
        return "the caption does not say it", ""
    return REASONS[mentions[0].status], f"{mentions[0].trigger} ... {mentions[0].text}"


def _unknown(name: str, error: UnknownClassError) -> Rejection:
    if isinstance(error, AmbiguousClassError):
        return Rejection("disease", name, SEVERAL, str(error))
    return Rejection("disease", name, "the knowledge base has no such disease", str(error).split(". ", maxsplit=1)[0])

"""The engine that needs no model: vocabularies, spelling and the reach of a "no"."""

from __future__ import annotations

from zsderm.pretrain.extraction.answer import Answer, Rejection
from zsderm.pretrain.extraction.checks import SEVERAL, Checks
from zsderm.pretrain.extraction.reading import CaptionReader, Finding, Reading
from zsderm.pretrain.extraction.scope import REASONS, Status
from zsderm.pretrain.extraction.sub_captions import split


class RuleEngine:
    """Takes a caption apart by rules.

    Args:
        reader: finds what the caption names.
    """

    def __init__(self, reader: CaptionReader) -> None:
        self.reader = reader
        self.checks = Checks(reader)

    def extract(self, caption: str) -> Answer:
        """What one caption says; the same caption always gives the same answer."""
        reading = self.reader.read(caption)
        disease, rejected = _disease(reading)
        affirmed = reading.affirmed_concepts()
        sub_captions, flawed = self.checks.sub_captions(split(caption), reading)
        rejected += [_refused("concept", f) for f in reading.concepts if f.status is not Status.AFFIRMED]
        rejected += [
            Rejection("spelling", f.text, "it was read as the nearest name", " or ".join(f.names))
            for f in (*reading.diseases, *reading.concepts)
            if f.corrected
        ]
        concepts = tuple(name for name in self.reader.terms.names if name in affirmed)
        return Answer(disease, concepts, sub_captions, (*rejected, *flawed))


def _disease(reading: Reading) -> tuple[str, list[Rejection]]:
    """The affirmed disease with the longest name, the first of equals; and why not the others."""
    rejected = [_refused("disease", f) for f in reading.diseases if f.status is not Status.AFFIRMED and not f.sign]
    affirmed = [f for f in reading.diseases if f.status is Status.AFFIRMED]
    clear = {f.names[0] for f in affirmed if len(f.names) == 1}
    alone = len(affirmed) == 1 and len(reading.affirmed_concepts()) <= 1
    candidates = []
    for finding in affirmed:
        if len(finding.names) > 1:
            if not clear & set(finding.names):  # else it is written out elsewhere in the caption
                rejected.append(Rejection("disease", finding.text, SEVERAL, " or ".join(finding.names)))
        elif alone or not finding.sign:  # a plaque with a scar is no "scar", a scar is
            candidates.append(finding)
    if not candidates:
        return "", rejected
    best = max(candidates, key=lambda finding: finding.length)
    for other in dict.fromkeys(f.names[0] for f in candidates if f.names != best.names):
        rejected.append(Rejection("disease", other, "another has the longer name, or came first", best.names[0]))
    return best.names[0], rejected


def _refused(kind: str, finding: Finding) -> Rejection:
    return Rejection(kind, finding.text, REASONS[finding.status], finding.trigger)

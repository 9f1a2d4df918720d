"""What a caption and its fields tell of a picture: only what is said of this picture, and can be seen in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from zsderm.errors import UnknownClassError
from zsderm.knowledge.body_sites import body_parts
from zsderm.modalities import DERMOSCOPIC, PATHOLOGICAL
from zsderm.pretrain.extraction.mentions import PhraseTable, tokens_of
from zsderm.pretrain.extraction.reading import CaptionReader, Finding
from zsderm.pretrain.extraction.rules import RuleEngine
from zsderm.pretrain.extraction.scope import Status
from zsderm.pretrain.questions.colours import colours_in, distinct, named_colours
from zsderm.pretrain.questions.question import Pair
from zsderm.pretrain.questions.sentences import is_of_this_picture, is_of_what_is_seen, sentences_of

COLOUR_GROUP = "colour"
UNSEEN = frozenset({"induration", "friable", "sclerosis", "pigmented"})  # told by touch, or said of nearly everything
_SITE = re.compile(
    r"\b(?:on|of|over|at|around|along|across|behind|beneath|under|in|between|near|involving)\s+"
    r"((?:(?:the|a|both|his|her|their|each|left|right|upper|lower|front|outer|inner|side|sides|tip|edge|rim|dorsum|backs?|"
    r"bare|sunlit|of|mid|central|lateral|medial|distal|proximal)\s+)*"
    r"[a-z]+(?:\s+(?:arms?|legs?|extremity))?(?:(?:,\s+|,?\s+and\s+|\s+or\s+)(?:the\s+)?[a-z]+(?:\s+(?:arms?|legs?))?){0,4})",
    re.IGNORECASE,
)
_LIMBS = ("arm", "leg", "extremity")
_ONE = "single|solitary|lone"
_SEVERAL = "multiple|several|numerous|many|countless|dozens of|two|three|four|five|clustered|grouped|scattered|crops of"
_COUNTED = re.compile(
    rf"\b({_ONE}|{_SEVERAL})\s+((?:[a-z-]+,?\s+){{0,3}}?)"
    r"(lesions?|spots?|growths?|bumps?|blisters?|lumps?|papules?|macules?|plaques?|patch(?:es)?|nodules?|vesicles?|"
    r"pustules?|bullae|wheals?|cysts?|comedones|ulcers?|moles?|domes?|rings?)\b(?!-)",
    re.IGNORECASE,
)
_SINGLE = re.compile(_ONE, re.IGNORECASE)
_STAIN = re.compile(
    r"\b(?:H\s?&\s?E|HE|ha?ematoxylin(?:\s*(?:and|-|–|&)\s*eosin)?|PAS|periodic acid[- ]Schiff|Giemsa|Masson(?:[’']s)? "
    r"trichrome|Ziehl[-–]Neelsen|Alcian blue|Congo red|Fontana[-–]Masson|toluidine blue|Grocott|GMS|S-?100|Melan-?A|"
    r"HMB-?45|SOX-?10|CD\d+)\b"
)
# The colour of what is around a lesion is none of its own.
_BESIDE = re.compile(
    r"\b(?:normal|healthy|uninvolved|unaffected|surrounding|adjacent|perilesional) skin\b|"
    r"\b(?:next to|beside|around|adjacent to|surrounding) (?:the|this) (?:lesion|plaque|nodule|papule|patch|tumou?r)\b",
    re.IGNORECASE,
)
_NEIGHBOURS = re.compile(r"\b(?:neighbours?|others?|twins?|among|surrounding|next to|beside|nearby)\b", re.IGNORECASE)
_HORN_CYST = re.compile(r"\b(?:horn|milia-like|milia|pale|white|whitish|keratin|comedo-like)\W+cysts?\b", re.IGNORECASE)
_OR = re.compile(r"\bor\b", re.IGNORECASE)
_LIKENESS = re.compile(r"(?:\blike\b|\bas if\b|\bas though\b|\bresembl\w*|-like\b)", re.IGNORECASE)


@dataclass(frozen=True)
class Said:
    """A concept that a caption affirms, in its own words."""

    concept: str
    text: str


@dataclass(frozen=True)
class Facts:
    """What is told of one picture.

    Attributes:
        disease: canonical; empty without a definite diagnosis.
        affirmed: concepts, by group, in their order.
        denied: concepts that the caption says are not there.
        touched: concepts that the caption names in whatever way; none of these is asked for with the answer no, unless
            it is denied.
        colours: expressions for colours; none where the caption leaves open which of several it is.
        plain_colours: which of the ten colours these are.
        count: the words that say how many lesions there are.
        single: whether it is one; None where nothing is said.
        place: the words that say where it is.
        parts: of the body, that these may mean.
        stain: of a section.
        description: sentences on what is seen that name no disease.
    """

    disease: str = ""
    affirmed: Mapping[str, tuple[Said, ...]] = field(default_factory=dict)
    denied: frozenset[str] = frozenset()
    touched: frozenset[str] = frozenset()
    colours: tuple[str, ...] = ()
    plain_colours: frozenset[str] = frozenset()
    count: str = ""
    single: bool | None = None
    place: str = ""
    parts: frozenset[str] = frozenset()
    stain: str = ""
    description: tuple[str, ...] = ()


class FactReader:
    """Reads captions as `zsderm pretrain extract` does, sentence by sentence.

    Args:
        reader: knows diseases and concepts.
    """

    def __init__(self, reader: CaptionReader) -> None:
        self.reader = reader
        self._rules = RuleEngine(reader)
        self._group = {name: group for group, names in reader.terms.groups.items() for name in names}
        diseases = reader.knowledge.diseases.values()
        self._names = PhraseTable((n, d.name) for d in diseases for n in (d.name, *d.aliases))

    def read(self, pair: Pair) -> Facts:
        """The facts of one pair."""
        sentences = sentences_of(pair.caption)
        own = [sentence for sentence in sentences if is_of_this_picture(sentence)]
        affirmed, denied, touched = self._concepts(sentences, own)
        coloured = [s for s in sentences if named_colours(s)]
        clear = [s for s in coloured if s in own and not _OR.search(s) and not _BESIDE.search(s)]
        expressions = distinct([c for s in clear for c in named_colours(s)])
        single, count = _counted(own) if pair.modality not in (DERMOSCOPIC, PATHOLOGICAL) else (None, "")
        place, parts = _place(pair, own) if pair.modality not in (DERMOSCOPIC, PATHOLOGICAL) else ("", frozenset())
        stain = _STAIN.search(pair.caption) if pair.modality == PATHOLOGICAL else None
        return Facts(
            disease=self._disease(pair),
            affirmed=affirmed,
            denied=denied,
            touched=touched,
            colours=tuple(expressions) if len(clear) == len(coloured) else (),
            plain_colours=frozenset(colours_in(expressions)),
            count=count,
            single=single,
            place=place,
            parts=parts,
            stain=stain.group() if stain else "",
            description=tuple(dict.fromkeys(s.rstrip(";") for s in own if self._describes(s))),
        )

    def _describes(self, sentence: str) -> bool:
        """Whether a sentence says how a picture looks; one that says only what is not there does not."""
        if not is_of_what_is_seen(sentence) or len(sentence.split()) <= 3 or self.names_disease(sentence):
            return False
        statuses = {finding.status for finding in self.reader.read(sentence).concepts}
        return Status.DENIED not in statuses or Status.AFFIRMED in statuses

    def names_disease(self, text: str, *, signs: bool = False) -> tuple[str, ...]:
        """The diseases that a text names, without those that are signs too (a scar, a cyst), unless these count."""
        findings = self.reader.read(text).diseases
        return tuple(name for f in findings if signs or not f.sign for name in f.names)

    def _disease(self, pair: Pair) -> str:
        if pair.disease:
            try:
                return self.reader.knowledge.diseases[self.reader.knowledge.find(pair.disease).name].name
            except (UnknownClassError, KeyError):  # a KeyError for a pool of diseases, which is no diagnosis
                return ""
        answer = self._rules.extract(pair.caption)
        several = {
            f.names[0] for f in self.reader.read(pair.caption).diseases if f.status is Status.AFFIRMED and not f.sign
        }
        return answer.disease if len(several) <= 1 else ""

    def _concepts(
        self, sentences: Sequence[str], own: Sequence[str]
    ) -> tuple[dict[str, tuple[Said, ...]], frozenset[str], frozenset[str]]:
        affirmed: dict[str, dict[str, Said]] = {}
        denied: set[str] = set()
        touched: set[str] = set()
        for sentence in sentences:
            for finding in self.reader.read(sentence).concepts:
                if finding.status is Status.DENIED and len(finding.names) == 1 and sentence in own:
                    denied.add(finding.names[0])
                    continue
                touched |= set(finding.names)
                if finding.status is Status.AFFIRMED and sentence in own and _is_plain(sentence, finding):
                    name = finding.names[0]
                    affirmed.setdefault(self._group[name], {}).setdefault(name, Said(name, finding.text.lower()))
        said = {group: tuple(names.values()) for group, names in affirmed.items()}
        return said, frozenset(denied - touched), frozenset(touched)


def _is_plain(sentence: str, finding: Finding) -> bool:
    """Whether a finding is one concept, and no part of a choice or a comparison."""
    if len(finding.names) > 1 or finding.names[0] in UNSEEN:
        return False
    if finding.names[0] == "cyst" and _HORN_CYST.search(sentence):  # plugs of horn in a keratosis are no cysts
        return False
    place = sentence.lower().find(finding.text.lower())
    clause = re.split(r"[,;:()]", sentence[:place])[-1]
    if _LIKENESS.search(clause) or re.match(r"\W*(?:-|\s)?like\b", sentence[place + len(finding.text) :]):
        return False
    around = sentence[max(0, place - 40) : place + len(finding.text) + 40]
    return not _OR.search(around)


def _counted(sentences: Sequence[str]) -> tuple[bool | None, str]:
    """Whether there is one lesion, and the words that say it; None where nothing does, or two things are said."""
    found: dict[bool, str] = {}
    for sentence in sentences:
        if _NEIGHBOURS.search(sentence):
            continue
        for match in _COUNTED.finditer(sentence):
            number, between, noun = match.groups()
            single = bool(_SINGLE.fullmatch(number))
            plural = noun.lower().endswith("s") or noun.lower() in ("bullae", "comedones")
            before = sentence[: match.start()].lower()
            if (
                single is plural
                or re.search(r"\b(?:of|in|with|than|no|like|each|every|per)\s*$", before)
                or "of" in between.split()
            ):
                continue
            found.setdefault(single, match.group().lower())
    return next(iter(found.items())) if len(found) == 1 else (None, "")


def _place(pair: Pair, sentences: Sequence[str]) -> tuple[str, frozenset[str]]:
    """Where on the body it is, by the field of the table or else in the words of the caption."""
    if pair.site:
        return pair.site.lower().replace("_", " "), body_parts(pair.site)
    found: dict[str, frozenset[str]] = {}
    for sentence in sentences:
        if _OR.search(sentence):
            continue
        for match in _SITE.finditer(sentence):
            text = match.group(1).strip()
            while text and not _ends_in_place(text):
                text = re.sub(r"(?:,?\s+and)?[\s,]*\S+$", "", text)
            if text and (parts := body_parts(text)) and not _LIKENESS.search(sentence[: match.start()]):
                found.setdefault(text.lower(), parts)
    if len(found) != 1:
        return "", frozenset()
    return next(iter(found.items()))


def _ends_in_place(text: str) -> bool:
    last = text.split()
    return bool(body_parts(last[-1]) or (last[-1].rstrip("s") in _LIMBS and body_parts(" ".join(last[-2:]))))


def words_said(pair: Pair) -> frozenset[str]:
    """The folded words of a caption and its fields."""
    texts = (pair.caption, pair.modality, pair.disease, pair.site, *pair.more.values())
    return frozenset(token.word for text in texts for token in tokens_of(text))

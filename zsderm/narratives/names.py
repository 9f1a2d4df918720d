"""Every name that would give a disease away in a story, in every spelling that it is looked for in.

A name becomes keys: its words, folded as `zsderm.knowledge.names.words` folds them, without what stands between them.
A story is folded likewise and read once, see `zsderm.narratives.masking`; what a key costs there is one look-up.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from zsderm.knowledge import KnowledgeBase
from zsderm.knowledge.code_sets import code_sets
from zsderm.knowledge.names import split_brackets, without_photos, words

# A word; each character of Chinese, which is written without blanks, is a word of its own. An apostrophe ends a word
# ("l'acné"), unless an English "s" follows it ("Bowen's").
HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
WORD = re.compile(rf"[{HAN}]|(?:(?![{HAN}])[^\W_])+(?:['’‘`´][sS](?![^\W_]))?")

STEM = 6  # letters of a name that is found at the beginning of longer words, as in "melanomatous"
INSIDE = 7  # letters of one that is found anywhere in them, as in the compounds of German
TAIL = 4  # letters of one of German that is found at the end of them: "Fingerwarze"
MISSPELT = 8  # letters of one of the base's own language that is found with one letter wrong, missing or too many
FUSED = 6  # letters of a name that is found although it is cut into pieces: "mela noma"
BEGINNING = 8  # letters that tell of most runs of words that no name begins with them
_ABBREVIATION = re.compile(r"(?=(?:[^A-Z]*[A-Z]){2})\w{2,6}")  # two capitals or more, in one short word
# Abbreviations that are words in small letters: English, Spanish, French, Portuguese and German.
_ORDINARY = "ad aga alm als carp cle em en es ih inf ka la le les mel mi nev pega pr sek sk tsc xp"
# Words that hold a name by accident: "Schwarze" has a "Warze" in it, "candidate" begins with "candida".
BY_ACCIDENT = re.compile(
    "schwarz|famili|austria|industri|candidat|candidac|maximili|comedor|mestri|escarab|espinhal|descarreg|kratz|peladeau"
)

# Words that are no name, and of which each stands in names of diseases and in little else: what is left of "actinic
# keratosis" or "lupus erythematosus" must not give it away. Words on -oma, -osis, -itis and -iasis count by themselves.
_PARTS = """
acneiform actinic amelanotic androgenetic annulare anogenital aphthous areata atopic bullosa bullous cancerous
candidal carcinomatous cicatricial condylomatous contagiosum dyshidrotic dysplastic eczematous effluvium erythema
erythematosus exanthem fungoides gangrenosum guttate herpes herpetic herpetiformis hyperkeratotic keratotic lentiginous
lichen lichenoid livedo malignancy malignant melanocytic melanotic merkel molluscum multiforme naevoid nodosum nummular
pemphigoid pemphigus pilaris pilonidal planus precancer precancerous prurigo psoriatic purpura purpuric pyoderma
pyogenic rosea sclerosus seborrheic seborrhoea simplex squamous stasis suppurativa syphilitic telangiectatic
urticarial varicose verruca verrucous versicolor vulgaris xanthomatous zoster
"""
_PHRASES = ("basal cell", "basal cells")
# Shorter names as they are often written.
_SLIPS = "acnee acny eczma exczema excema exema exzema herpies herpis hirpes rosacia rosecea scabes shingels"
_NO_SLIPS = frozenset(
    {"scarring", "herpetic", "annulare", "varicose"}
)  # one letter from "starring", "heretic", "annuaire"
_MEDICAL = re.compile(r"\w{3,}(oma|osis|itis|iasis)")
_NOT_MEDICAL = frozenset({"arthritis", "hematoma"})  # joints, bruises: no names of what a photograph shows

# Plurals and cases of one word in the languages of the base, after which `words` takes off an "s".
_ENDINGS = {
    "German": ("s", "e", "n", "en", "er", "ern", "es"),
    "Spanish": ("s", "es"),
    "French": ("s", "x"),
    "Portuguese": ("s", "es"),
}
_CHANGED = {
    "German": (("e", ""), ("en", ""), ("n", ""), ("us", "i"), ("us", "en"), ("um", "en"), ("um", "a"), ("a", "en")),
    "Spanish": (("es", ""), ("z", "ces"), ("ces", "z")),
    "French": (("al", "aux"), ("us", "i"), ("x", "")),
    "Portuguese": (("ao", "oes"), ("ões", "ão"), ("ão", "ões"), ("al", "ais"), ("el", "eis"), ("m", "ns"), ("ns", "m")),
}
# The endings that names of several words lose before they are compared: all of the languages at once.
_PLURALS = (
    ("osis", "os"),
    ("iasis", "ias"),
    ("oes", "ao"),
    ("oe", "ao"),
    ("ais", "al"),
    ("eis", "el"),
    ("aux", "al"),
    ("nen", "n"),
)
_LAST = re.compile(r"(?<=\w{4})(en|es|er|em|e|n|s|m|x)$")
_WRITTEN_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})


@dataclass(eq=False)
class NameKeys:
    """The names that are looked for, as keys; equal keys are one.

    Attributes:
        whole: key -> the numbers of words that names with this key have.
        stemmed: keys of names of several words, without their endings.
        pieces: names of one word as they are written, without capitals and accents.
        capitals: abbreviations that count in capitals only, since they are words in small letters.
        stems, inside, tails: names of one word that longer ones begin with, hold anywhere, and end with.
        slips: what is left of names of one word without one letter, see `slips_of`.
        beginnings: the first letters of all keys, one to `BEGINNING`.
        longest: letters of the longest key.
    """

    whole: dict[str, set[int]] = field(default_factory=dict)
    stemmed: set[str] = field(default_factory=set)
    pieces: set[str] = field(default_factory=set)
    capitals: set[str] = field(default_factory=set)
    stems: set[str] = field(default_factory=set)
    inside: set[str] = field(default_factory=set)
    tails: set[str] = field(default_factory=set)
    slips: set[str] = field(default_factory=set)
    beginnings: set[str] = field(default_factory=set)
    longest: int = 0

    @classmethod
    def of(cls, base: KnowledgeBase | None, classes: Sequence[str] = ()) -> NameKeys:
        """The names of every disease of a base in all its languages, of its groups, and of the classes that are asked.

        Args:
            base: the knowledge base; None where there is none.
            classes: C names as the user gave them.
        """
        keys = cls()
        if base is not None:
            for name in _own_names(base):
                keys._add(name)
            for language, names in base.card.names.items():
                for name in {name for listed in names.values() for name in listed}:
                    keys._add(name, language)
            keys._add_parts(_own_names(base))
            for phrase in _PHRASES:
                keys._add(phrase)
        for name in classes:
            plain = without_photos(name)
            for text in (name, plain, split_brackets(plain)[0]):
                keys._add(text)
        keys._close()
        return keys

    def _add(self, name: str, language: str = "") -> None:
        found = WORD.findall(name)
        if not found:
            return
        low = found[0].lower()
        if len(found) == 1 and low in _ORDINARY.split():
            self.capitals.add(low.upper())
            return
        if len(found) == 1 and _ABBREVIATION.fullmatch(found[0]):
            self._add_key(low)
            self._add_key(f"{low}s")
            return
        for text in {name, name.translate(_WRITTEN_OUT)}:
            tokens = [folded(word) for word in WORD.findall(text)]
            self._add_key("".join(tokens), len(tokens))
            if len(tokens) > 1:
                if language:
                    self.stemmed.add("".join(map(stem, tokens)))
                continue
            for form in map(folded, _forms(text, language)):
                if not BY_ACCIDENT.match(form):
                    self._add_key(form)
            self._add_word(tokens[0], language)
            self.pieces.add(bare(text.strip()))

    def _add_word(self, key: str, language: str) -> None:
        if len(key) >= STEM:
            self.stems.add(key)
        if len(key) >= INSIDE:
            self.inside.add(key)
        if len(key) >= TAIL and language == "German":
            self.tails.add(key)
        if len(key) >= MISSPELT and not language and key not in _NO_SLIPS:
            self.slips |= slips_of(key)

    def _add_parts(self, names: Iterable[str]) -> None:
        """Words that are no names and give one away."""
        said = {word for name in names for word in words(name)}
        parts = {*map(folded, (*_PARTS.split(), *_SLIPS.split())), *filter(_MEDICAL.fullmatch, said)} - _NOT_MEDICAL
        for word in parts:
            self._add_key(word)
            if len(word) >= MISSPELT and word not in _NO_SLIPS:
                self.slips |= slips_of(word)

    def _add_key(self, key: str, count: int = 1) -> None:
        self.whole.setdefault(key, set()).add(count)

    def _close(self) -> None:
        keys = (*self.whole, *self.stemmed, *self.pieces)
        self.longest = max(map(len, keys), default=0)
        self.beginnings = {key[:size] for key in keys for size in range(1, BEGINNING + 1)}


def _own_names(base: KnowledgeBase) -> Iterator[str]:
    card = base.card
    for disease in (*base.diseases.values(), *base.groups.values()):
        yield from (disease.name, *disease.aliases)
    for lists in (card.ambiguous, card.group_aliases, *card.subtypes.values()):
        for name, others in lists.items():
            yield name
            yield from () if lists is card.ambiguous else others
    for codes in code_sets().values():
        yield from codes


def _forms(name: str, language: str) -> Iterator[str]:
    """The word with the endings of plurals and cases of a language."""
    vowel = name[-1] in "aeiouáéíóúãõ"
    yield from (name + ending for ending in _ENDINGS.get(language, ()) if not (vowel and ending[0] == "e"))
    for old, new in _CHANGED.get(language, ()):
        if name.endswith(old) and len(name) - len(old) >= 3:
            yield name.removesuffix(old) + new


def slips_of(word: str) -> set[str]:
    """A word, and what is left of it without one of its letters: two words share one if a letter tells them apart.

    >>> bool(slips_of("psoriais") & slips_of("psoriasis")), bool(slips_of("melonoma") & slips_of("melanoma"))
    (True, True)
    """
    return {word, *(word[:place] + word[place + 1 :] for place in range(len(word)))}


@lru_cache(maxsize=1 << 16)
def folded(word: str) -> str:
    """One word, as `zsderm.knowledge.names.words` folds it.

    >>> folded("Naevi"), folded("Bowen's")
    ('nevus', 'bowen')
    """
    return "".join(words(word))


@lru_cache(maxsize=1 << 16)
def bare(word: str) -> str:
    """A word in small letters without accents.

    >>> bare("Sabañón")
    'sabanon'
    """
    plain = unicodedata.normalize("NFKD", word.casefold())
    return "".join(character for character in plain if not unicodedata.combining(character))


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """A folded word without the endings of plurals and cases, of all languages at once.

    >>> stem("basocelulares"), stem("basocelular")
    ('basocelular', 'basocelular')
    """
    if len(word) <= 4:  # Portuguese "pés", French "des"
        return word.removesuffix("s")
    for plural, singular in _PLURALS:
        if word.endswith(plural) and len(word) > len(plural) + 2:
            return word.removesuffix(plural) + singular
    return _LAST.sub("", word)

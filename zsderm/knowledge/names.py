"""How a class name, as somebody wrote it, finds its disease."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache

from zsderm.errors import AmbiguousClassError, InputError, did_you_mean

# Plurals that no ending gives away; keys and values are already in American spelling.
_IRREGULAR = {
    "calli": "callus",
    "comedones": "comedo",
    "cicatrices": "cicatrix",
    "ephelides": "ephelis",
    "foci": "focus",
    "fungi": "fungus",
    "lentigines": "lentigo",
    "nevi": "nevus",
}

# Ending to ending, first match wins. Both sides of a comparison are folded, so a singular that is
# clipped too far ("herpes", "scabies") still meets itself.
_PLURAL_ENDINGS = (
    ("omata", "oma"),
    ("asmata", "asma"),
    ("oses", "osis"),
    ("iases", "iasis"),
    ("tases", "tasis"),
    ("sses", "ss"),
    ("xes", "x"),
    ("ies", "y"),
    ("ss", "ss"),
    ("us", "us"),
    ("is", "is"),
    ("s", ""),
)

_BRACKETS = re.compile(r"\(([^()]*)\)|\[([^\[\]]*)\]|\{([^{}]*)\}")

# Words of a folder's name that say only what is in it; "AK_photos" has no blank, "photosensitivity" is another word.
_PHOTOS = re.compile(r"(?<![^\W_])(photo|photograph|picture|pic|image)s?(?![^\W_])[_-]?", re.IGNORECASE)

# The plural of an abbreviation, which its capitals tell from a word: "AKs", "BCC's".
_CODES = re.compile(r"(?<![^\W_])([A-Z]{2,})['’]?s(?![^\W_])")

# British to American, anywhere in a word.
_BRITISH = (
    (re.compile("ae|oe(?!s?$)"), "e"),
    (re.compile("our"), "or"),
    (re.compile(r"is(e|ed|ing|ation)$"), r"iz\1"),
    (re.compile("^grey"), "gray"),
    (re.compile("leuc"), "leuk"),
    (re.compile("sulph"), "sulf"),
    (re.compile("fibre"), "fiber"),
)


def words(text: str) -> list[str]:
    """The words of a text with spelling variants folded away: case, accents, plurals, British or American.

    >>> words("Seborrhoeic keratoses (naevi)")
    ['seborrheic', 'keratosis', 'nevus']
    """
    plain = unicodedata.normalize("NFKD", _CODES.sub(r"\1", text)).casefold()
    plain = "".join(character for character in plain if not unicodedata.combining(character))
    plain = plain.replace("æ", "ae").replace("œ", "oe")  # letters of their own, which no accent is taken off
    plain = re.sub("['’‘`´]", "", plain)
    return [_fold(word) for word in re.split(r"[\W_]+", plain) if word]


@lru_cache(maxsize=1 << 16)  # a base has some ten thousand words, each many times
def _fold(word: str) -> str:
    if len(word) <= 3:  # too short to know a plural from a word
        return word
    if word.endswith("ae"):
        word = word[:-1]  # a Latin plural (verrucae), before "ae" is read as British
    for pattern, american in _BRITISH:
        word = pattern.sub(american, word)
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    for plural, singular in _PLURAL_ENDINGS:
        if word.endswith(plural) and len(word) >= len(plural) + 2:  # "noses" is no Greek plural
            return word.removesuffix(plural) + singular
    return word


def caseless(name: str) -> str:
    """One key for a name in any case, with any blanks, and with accents written in either of the two ways.

    >>> caseless(" Basal  cell carcinoma ")
    'basal cell carcinoma'
    """
    return unicodedata.normalize("NFC", " ".join(name.split())).casefold()


def repeated(names: Sequence[str]) -> list[str]:
    """The names that stand in a list twice, as `caseless` compares them, in the order of the list.

    >>> repeated(["Nevus", "melanoma", "nevus"])
    ['Nevus', 'nevus']
    """
    keys = [caseless(name) for name in names]
    counts = Counter(keys)
    return [name for name, key in zip(names, keys, strict=True) if counts[key] > 1]


def spelling(name: str) -> str:
    """One key for all spellings of a name: its folded words, joined.

    Joined, because "birth mark", "birth-mark" and "birthmark" are one word to whoever types them.

    >>> spelling("Café-au-lait macules") == spelling("cafe au lait macule")
    True
    """
    return "".join(words(name))


def without_photos(name: str) -> str:
    """A class name without the words that say only that it is a folder of pictures.

    >>> without_photos("Acne and Rosacea Photos")
    'Acne and Rosacea'
    """
    return " ".join(_PHOTOS.sub(" ", name).split())


class NameTable:
    """Every name and alias of a knowledge base, and the disease it means.

    Args:
        base: the knowledge base's name, for the error.
        diseases: pairs of a canonical name and its aliases.

    Raises:
        InputError: if one name, in any spelling, means two diseases.
    """

    def __init__(self, base: str, diseases: Iterable[tuple[str, Iterable[str]]]) -> None:
        self._diseases: dict[str, str] = {}  # spelling -> canonical name
        self._written: dict[str, str] = {}  # spelling -> the name as the base writes it
        self._codes: dict[str, str] = {}  # spelling of an abbreviation -> canonical name
        for disease, aliases in diseases:
            for name in (disease, *aliases):
                key = spelling(name)
                if re.fullmatch("[A-Z]{2,}", name):
                    self._codes[key] = disease
                self._written.setdefault(key, name)
                if (owner := self._diseases.setdefault(key, disease)) != disease:
                    raise InputError(
                        f"expected {name!r} to stand for one disease of knowledge base {base!r}, "
                        f"but it stands for {owner!r} and {disease!r}. Keep it with one of them."
                    )

    def resolve(self, name: str) -> str | None:
        """The canonical name of the disease that `name` means, or None.

        Words in brackets may be part of the name ("nevus (congenital)"), or a gloss that adds nothing
        ("basal cell carcinoma (BCC)"). A gloss that names another disease makes the name unknown.
        """
        whole = self._diseases.get(spelling(name))
        outside, inside = split_brackets(name)
        if whole or not inside:
            return whole
        qualified = self._diseases.get(spelling(f"{inside} {outside}"))
        plain, gloss = self._diseases.get(spelling(outside)), self._diseases.get(spelling(inside))
        return qualified or (plain if gloss in (None, plain) else None)

    def written_out(self, name: str) -> str:
        """A name with the canonical name of its disease in the place of each word that is an abbreviation.

        In capitals or not: "superficial BCC" and "superficial bcc" are "superficial basal cell carcinoma".
        """
        return re.sub(r"[^\W\d_]+", lambda word: self._codes.get(spelling(word[0]), word[0]), name)

    def nearest(self, name: str, count: int = 3) -> list[str]:
        """Names of the base written most like `name`, at most one per disease, best first."""
        by_disease: dict[str, str] = {}
        for key in get_close_matches(spelling(name), self._diseases, n=4 * count, cutoff=0.6):
            by_disease.setdefault(self._diseases[key], self._written[key])
        return list(by_disease.values())[:count]

    def hint(self, name: str) -> str:
        """A sentence naming the nearest names, or an empty string."""
        return _hint(self, name)


@lru_cache(maxsize=1024)  # a class list is looked up several times, and this takes a hundredth of a second a name
def _hint(table: NameTable, name: str) -> str:
    return did_you_mean(name, [close.lower() for close in table.nearest(name)])


class ShortForms:
    """Names that several diseases of a base go by, such as abbreviations, and where a name holds one of them.

    Args:
        meanings: short form -> the names that it may stand for.
        names: of the base, which knows what those are.
    """

    def __init__(self, meanings: Mapping[str, Sequence[str]], names: NameTable) -> None:
        self._known = {spelling(short): (short, tuple(meant)) for short, meant in meanings.items()}
        self._names = names

    def find(self, name: str) -> tuple[str, tuple[str, ...]] | None:
        """The short form that a name is, or that the rest of it leaves open, with what that may mean; or None.

        The rest may be brackets, words for photographs or a plural: "AKs", "AK (left)", "AK_photos".
        """
        plain = without_photos(name)
        outside, _ = split_brackets(plain)
        return next(filter(None, map(self._spelt, (name, plain, outside))), None)

    def inside(self, name: str) -> tuple[str, tuple[str, ...]] | None:
        """The short form in capitals that stands somewhere in a name ("AK, trunk"), as `find` gives it; or None.

        What a base calls by small letters ("herpes") is not looked for, and nothing in a name of several words that
        is all in capitals but what its brackets hold: there "EM" may be the word of another language.
        """
        parts = [word for word in re.split(r"[\W_]+", name) if word and not word.isdigit()]
        capitals = [word for word in parts if re.fullmatch("[A-Z]{2,}s?", word)]
        if len(parts) > 1 and name == name.upper():
            capitals = [split_brackets(name)[1]]
        found = map(self._spelt, capitals)
        return next((known for known in found if known and known[0] == known[0].upper()), None)

    def _spelt(self, text: str) -> tuple[str, tuple[str, ...]] | None:
        keys = (spelling(text), spelling(re.sub("(?<=[^\\W_])['’]?s$", "", text.strip())))
        return next((self._known[key] for key in keys if key in self._known), None)

    def settled(self, name: str, known: tuple[str, tuple[str, ...]] | None) -> str | None:
        """The disease that the brackets of a name make plain ("AK (actinic keratosis)"); None without a short form.

        Args:
            name: a class.
            known: the short form that it holds, as `find` and `inside` give it.

        Raises:
            AmbiguousClassError: nothing makes it plain.
        """
        if known is None:
            return None
        short, meanings = known
        gloss = self._names.resolve(split_brackets(name)[1])
        if gloss is not None and gloss in {self._names.resolve(meaning) for meaning in meanings}:
            return gloss
        raise AmbiguousClassError(
            f"class {name!r} may mean {' or '.join(map(repr, meanings))}: {short!r} stands for each of them. "
            "Write the one you mean; in a list of codes of one data set it is plain (docs/knowledge.md#names).",
            meanings,
        )

    def contradicts(self, name: str, disease: str) -> bool:
        """Whether the brackets of a name hold a short form that does not stand for a disease: "melanoma (AK)"."""
        found = self._known.get(spelling(split_brackets(name)[1]))
        return found is not None and disease not in {self._names.resolve(meaning) for meaning in found[1]}


def split_brackets(name: str) -> tuple[str, str]:
    """The text outside and the text inside brackets."""
    inside = [part for parts in re.findall(_BRACKETS, name) for part in parts]
    return re.sub(_BRACKETS, " ", name), " ".join(filter(None, inside))

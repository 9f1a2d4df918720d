"""Moves age and sex from the text of a caption to fields, and leaves "a patient" in their place.

The patterns cover English, German, French, Spanish, Portuguese, Italian and Chinese. If a caption mentions several
patients, the fields stay empty, but the words are removed all the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

FEMALE, MALE = "female", "male"
_NUMBERS = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen"),
    *("fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_OF_UNIT = {"m": 12, "w": 52, "d": 365, "个": 12, "天": 365, "t": 365}  # how many make a year, by the first letter

_AGE = rf"(?P<age>\d{{1,3}}(?:\.\d)?|(?:{'|'.join(_TENS)})(?:-(?:{'|'.join(_NUMBERS[:9])}))?|{'|'.join(_NUMBERS)})"
_UNIT = r"(?P<unit>years?|yrs?|y|months?|mo|weeks?|wk|days?)"
_NOUN = (
    r"(?P<noun>(?:male|female)?\s?(?:man|woman|boy|girl|gentleman|lady|male|female|patient|child|infant|baby|neonate|"
    r"newborn|adult|person|individual|toddler|adolescent|teenager)(?:\s(?:patient|infant|child|newborn))?)(?P<own>['’]s)?"
)
_ENGLISH = re.compile(
    rf"(?:\b(?P<article>an?|the|this|our|another)\s+)?\b{_AGE}[-\s]?{_UNIT}[-\s]?(?:old|of age)\b,?"
    rf"(?:(?P<more>(?:\s(?!with|who|after|before|and|in|on|of|from)[\w-]+){{0,3}}?)\s{_NOUN}\b)?",
    re.IGNORECASE,
)
_SHORT = re.compile(
    rf"(?:\b(?P<article>an?|the)\s+)?\b{_AGE}\s?y/?o\b(?:\s(?P<first>[MF])\b|(?P<more>)\s{_NOUN}\b)?", re.IGNORECASE
)
_OF_AGE = re.compile(
    rf",?\s+(?:aged?|at the age of|âgée? de)\s+{_AGE}(?:\s{_UNIT}\b)?(?:\sof age|\sold)?,?(?!\s?[-–]\s?\d)",
    re.IGNORECASE,
)
_BRACKET = re.compile(
    r"\s?[(\[]\s?(?:(?P<first>male|female|man|woman|m|f|w)\s?[,;/]?\s?)?(?P<age>\d{1,3})\s?(?P<unit>years?|yrs?|y|months?)?"
    r"(?:\s?old)?\s?(?:[,;/]?\s?(?P<second>male|female|man|woman|m|f|w))?\s?[)\]]",
    re.IGNORECASE,
)
_SEX_ALONE = re.compile(
    r"\b(?P<article>an?|the|this|our|another)\s(?P<more>(?:(?:young|younger|old|older|elderly|middle-aged|adult|healthy|pregnant|"
    r"newborn|obese|diabetic)\s)*)(?P<noun>man|woman|boy|girl|gentleman|lady|(?:male|female)\s(?:patient|infant|child|"
    r"adult|newborn))(?P<own>['’]s)?\b",
    re.IGNORECASE,
)
_POSSESSIVE = re.compile(r"\b(on|of|over|behind|under|across|around)\s(?:his|her)\s(?=[a-z])")
_GERMAN = re.compile(
    r"(?:\b(?P<article>ein(?:em|en|er|es|e)?|der|des|dem|den|die)\s)?\b(?P<age>\d{1,3})[-\s]?(?P<unit>jährig|monat(?:e)?\s?alt|tage\s?alt)"
    r"e?[rnms]?\s(?P<noun>Patient(?:in|en)?|Mann(?:es)?|Frau|Jungen?|Mädchens?|Kind(?:es)?|Säuglings?)\b",
    re.IGNORECASE,
)
_ROMANCE = re.compile(
    r"(?:\b(?P<article>una?|uno|une|uma?|l[ae]|el)\s)?\b(?P<noun>mujer|hombre|paciente|varón|niñ[oa]|homem|mulher|menin[oa]|"
    r"donna|uomo|paziente|bambin[oa]|femme|homme|patiente?|garçon|fille|enfant|lactante)(?:\s(?:femenina|masculino|femminile|"
    r"maschile|féminine|masculin|feminina))?,?\s(?:âgée?\s)?(?:de|di)\s(?P<age>\d{1,3})\s(?P<unit>años|anos|anni|ans|meses|"
    r"mesi|mois)(?:\sde\s(?:edad|idade))?\b",
    re.IGNORECASE,
)
_CHINESE = re.compile(
    r"(?:患者|患儿)?[,，、]?(?:(?P<first>[男女])性?[,，、]?\s?(?P<age>\d{1,3})\s?(?P<unit>岁|个月|天)|"
    r"(?P<age2>\d{1,3})\s?(?P<unit2>岁|个月|天)[,，、]?(?P<second>[男女])性?)(?:患者|患儿)?"
)
_FEMALE = re.compile(
    r"(?:wo?man|fe|girl|lady|frau|patientin|mädchen|mujer|niña|mulher|menina|donna|bambina|femme|patiente|fille|女|f$|w$)",
    re.IGNORECASE,
)
_MALE = re.compile(
    r"(?:^man|^male|boy|gentle|mann|junge|hombre|varón|niño|homem|menino|uomo|bambino|homme|garçon|男|^m$)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Patient:
    """Age and sex of the patient; empty if the caption does not state them, or mentions several patients."""

    age: str = ""  # in years
    sex: str = ""


def without_patient(text: str) -> tuple[str, Patient]:
    """A caption without age and sex, and their values.

    >>> without_patient("Psoriasis in a 45-year-old woman.")
    ('Psoriasis in a patient.', Patient(age='45', sex='female'))
    """
    ages: set[str] = set()
    sexes: set[str] = set()

    def noted(change: Callable[[dict[str, str]], str]) -> Callable[[re.Match[str]], str]:
        def replace(found: re.Match[str]) -> str:
            parts = {name: value or "" for name, value in found.groupdict().items()}
            age = parts.get("age") or parts.get("age2", "")
            if age:
                ages.add(_years(age, parts.get("unit") or parts.get("unit2", "")))
            sex = _sex(parts.get("noun") or parts.get("first") or parts.get("second") or "")
            if sex:
                sexes.add(sex)
            new = change(parts)
            return new[0].upper() + new[1:] if new and found[0][0].isupper() else new

        return replace

    text = _CHINESE.sub(noted(lambda parts: "患者"), text)
    text = _ROMANCE.sub(noted(_romance), text)
    text = _GERMAN.sub(noted(_german), text)
    for form in (_ENGLISH, _SHORT):
        text = form.sub(noted(_english), text)
    text = _BRACKET.sub(lambda found: found[0] if not _is_patient(found) else noted(lambda parts: "")(found), text)
    text = _OF_AGE.sub(noted(lambda parts: ""), text)
    text = _SEX_ALONE.sub(noted(_english), text)
    if sexes:
        text = _POSSESSIVE.sub(r"\1 the ", text)
    text = re.sub(r"\s+([.,;:])", r"\1", " ".join(text.split()))
    text = text[:1].upper() + text[1:] if ages or sexes else text
    return text, Patient(ages.pop() if len(ages) == 1 else "", sexes.pop() if len(sexes) == 1 else "")


def _english(parts: dict[str, str]) -> str:
    """A patient, with the words that stood between the age and the noun."""
    more = parts.get("more", "").strip()
    words = f"{more} patient{parts.get('own') or ''}".strip()
    article = parts.get("article") or "a"
    if article.lower() in ("a", "an"):
        article = "an" if words[0].lower() in "aeiou" else "a"
    return f"{article} {words}"


def _german(parts: dict[str, str]) -> str:
    article = parts["article"].lower()
    if not article:
        return "Person"
    return {"ein": "eine", "eine": "eine", "einen": "eine", "die": "die", "den": "die"}.get(
        article, "einer" if article.startswith("ein") else "der"
    ) + " Person"


def _romance(parts: dict[str, str]) -> str:
    unit, article = parts["unit"].lower(), parts["article"].lower()
    noun = {"anni": "paziente", "mesi": "paziente", "ans": "patient", "mois": "patient"}.get(unit, "paciente")
    return f"{'um' if unit == 'anos' else 'un'} {noun}" if article else noun


def _is_patient(found: re.Match[str]) -> bool:
    """Whether brackets hold an age, and not a number of something else."""
    return bool(found["unit"] or found["first"] or found["second"])


def _years(age: str, unit: str) -> str:
    """An age in years.

    >>> _years("45", "years"), _years("6", "months"), _years("twenty-two", "year")
    ('45', '0.5', '22')
    """
    if not age[0].isdigit():
        tens, _, ones = age.lower().partition("-")
        value = 10 * (_TENS.index(tens) + 2) if tens in _TENS else _NUMBERS.index(tens) + 1
        age = str(value + (_NUMBERS.index(ones) + 1 if ones else 0))
    share = _OF_UNIT.get(unit[:1].lower(), 1)
    return f"{round(float(age) / share, 2):g}"


def _sex(word: str) -> str:
    word = word.strip()
    return FEMALE if _FEMALE.search(word) else MALE if _MALE.search(word) else ""

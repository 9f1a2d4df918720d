"""The answers that patients gave to a questionnaire, put into words: itch, grew, hurt, changed, bleed, elevation.

With age and region they are columns of PAD-UFES-20 (Pacheco et al. 2020). Nothing else of a row is read: sex, skin type
and diameters are filled for some diagnoses and not for others there, and whether a lesion was cut out says what it was.
The words are ours. Which answer is told, and how, is drawn from a seed and does not depend on the diagnosis.

An answer is told, or left out as people do; what somebody does not know ("UNK", or an empty cell) is said or left out.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from zsderm.errors import InputError
from zsderm.narratives import phrases
from zsderm.narratives.phrases import NO, UNKNOWN, YES
from zsderm.narratives.slips import with_slips
from zsderm.table_files import UNKNOWN_WORDS

ANSWERS = ("itch", "grew", "hurt", "changed", "bleed", "elevation")
AGE, REGION = "age", "region"
COLUMNS = (*ANSWERS, AGE, REGION)  # all that is read of a row; `CASE` is a name
CASE = "case"  # rows with one name get one story: photographs of one lesion
_STATES = {"true": YES, "yes": YES, "1": YES, "1.0": YES, "false": NO, "no": NO, "0": NO, "0.0": NO}
_CHILD = 14  # years; below that somebody else writes
_ADULT = 19  # years; from the next one on an age may be said about: "in my twenties"
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ONES = ("", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True)
class PatientStory:
    """A story, and which of the answers it holds.

    Attributes:
        text: the story.
        told: answers that it tells, with yes or no.
        unknown: answers of which it says that the patient does not know.
    """

    text: str
    told: tuple[str, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class _Voice:
    """How somebody writes.

    Attributes:
        bank: phrases of single answers.
        where, age: how the place and the age are said.
        weight: how often this voice is drawn.
        yes, no, unknown: how likely an answer is told.
        talk: how likely a greeting, an aside and a goodbye are, each.
        slips: shares of words with a typing error, one of which is drawn.
        careless: how likely it is that there are no capitals.
        together: whether several answers are told in one breath.
    """

    bank: phrases.Bank
    where: tuple[str, ...]
    age: tuple[str, ...]
    weight: int
    yes: float
    no: float
    unknown: float
    talk: float
    slips: tuple[float, ...]
    careless: float
    together: bool = True


_PLAIN = _Voice(phrases.CLAUSES, phrases.WHERE, phrases.AGE, 32, 0.92, 0.55, 0.3, 0.1, (0, 0, 0, 0.03), 0.05)
_CHATTY = _Voice(phrases.CLAUSES, phrases.WHERE, phrases.AGE, 26, 0.97, 0.75, 0.5, 0.75, (0, 0, 0.02, 0.05), 0.05)
_CARELESS = _Voice(phrases.CLAUSES, phrases.WHERE, phrases.AGE, 14, 0.9, 0.45, 0.2, 0.15, (0.04, 0.08, 0.12), 0.9)
_TERSE = _Voice(
    phrases.FRAGMENTS, phrases.WHERE_SHORT, phrases.AGE_SHORT, 16, 0.85, 0.35, 0.15, 0.0, (0, 0, 0.05), 0.6, False
)
_LEARNER = _Voice(
    phrases.LEARNED, phrases.WHERE_LEARNED, phrases.AGE_LEARNED, 12, 0.9, 0.5, 0.3, 0.15, (0, 0.03, 0.06), 0.2, False
)
_VOICES = (_PLAIN, _CHATTY, _CARELESS, _TERSE, _LEARNER)
_OTHER = 0.08  # share of stories of grown-ups that somebody else writes
_AGE_TOLD, _REGION_TOLD = 0.75, 0.85


def stories_of(rows: Iterable[Mapping[str, str]], seed: int, *, say_unknown: bool = True) -> list[PatientStory]:
    """Put answers into words.

    Args:
        rows: N rows of text cells, of which `COLUMNS` and `CASE` are read. An answer is "True", "False" or "UNK"; yes,
            no, 1, 0 (also 1.0, 0.0, as programs write a column with gaps) and what stands for "not known" elsewhere
            are understood.
        seed: the same rows with the same seed get the same stories. Without `CASE` a story depends on the place of its
            row as well; with it, rows may come in any order and number.
        say_unknown: whether a story may say what the patient does not know. In PAD-UFES-20 that depends on the
            diagnosis: whether it grew is not known of a third of the carcinomas, and of 1 % of the actinic keratoses.

    Returns:
        N stories. Where nothing at all is known the story says that there is a spot.

    Raises:
        InputError: a cell is no answer, or an age is no number of years.
    """
    stories = []
    for number, row in enumerate(rows):
        name = row.get(CASE) or f"row {number}"
        states = {answer: _state(answer, row.get(answer, ""), name) for answer in ANSWERS}
        dice = random.Random(f"{seed}|{name}")
        stories.append(_Teller(dice, states, _age(row, name), _region(row), say_unknown=say_unknown).story())
    return stories


def _state(answer: str, cell: str, name: str) -> str:
    text = cell.strip().lower()
    if text in UNKNOWN_WORDS:
        return UNKNOWN
    if text not in _STATES:
        raise InputError(f"{name}: expected {answer} to be True, False or UNK, but got {cell!r:.40}.")
    return _STATES[text]


def _age(row: Mapping[str, str], name: str) -> int | None:
    text = row.get(AGE, "").strip().lower()
    if text in UNKNOWN_WORDS:
        return None
    years = text.partition(".")[0]
    if not re.fullmatch(r"\d{1,3}(\.\d*)?", text) or int(years) > 120:
        raise InputError(f"{name}: expected age to be a number of years, but got {row[AGE]!r:.40}.")
    return int(years)


def _region(row: Mapping[str, str]) -> tuple[str, ...]:
    text = row.get(REGION, "").strip()
    if text.lower() in UNKNOWN_WORDS:
        return ()
    return phrases.REGIONS.get(text.upper(), (text.lower(),))


class _Teller:
    """Somebody who tells one story.

    Args:
        dice: from which everything is drawn.
        states: answer -> yes, no or unknown.
        age: in years, if it is known.
        region: how the place may be called; empty if it is not known.
        say_unknown: whether the story may say what is not known.
    """

    def __init__(
        self,
        dice: random.Random,
        states: Mapping[str, str],
        age: int | None,
        region: Sequence[str],
        *,
        say_unknown: bool,
    ) -> None:
        self._dice = dice
        self._states = states
        self._say_unknown = say_unknown
        self._voice = dice.choices(_VOICES, [voice.weight for voice in _VOICES])[0]
        child = age is not None and age < _CHILD
        self._who = ""
        if child or (self._voice in (_PLAIN, _CHATTY) and dice.random() < _OTHER):
            self._who = dice.choice(phrases.CHILDREN if child else phrases.OTHERS)
            self._voice = _CHATTY if self._voice is _CHATTY else _PLAIN
        self._age = age
        self._region = dice.choice(region) if region else ""
        self._noun = dice.choice(phrases.NOUNS)
        self._told: list[str] = []
        self._unknown: list[str] = []

    def story(self) -> PatientStory:
        clauses = self._clauses()
        sentences = self._opening(named=bool(clauses))
        sentences += self._sentences(clauses, introduced=bool(sentences))
        sentences = self._with_talk(sentences)
        text = with_slips(" ".join(sentences), self._dice, self._dice.choice(self._voice.slips))
        if self._dice.random() < self._voice.careless:
            text = text.lower()
        order = {answer: number for number, answer in enumerate(ANSWERS)}
        return PatientStory(
            text, tuple(sorted(self._told, key=order.__getitem__)), tuple(sorted(self._unknown, key=order.__getitem__))
        )

    def _opening(self, *, named: bool) -> list[str]:
        """Who, where and how old; something at least where no answer follows."""
        where = bool(self._region) and (self._dice.random() < _REGION_TOLD or not named)
        old = self._age is not None and self._dice.random() < _AGE_TOLD
        if where and old and self._voice.together and self._dice.random() < 0.4:
            return self._who_first([self._said(phrases.BOTH)])
        parts = [self._said(self._voice.where)] if where else []
        if old:
            parts.insert(self._dice.choice((0, len(parts))), self._said(self._ages()))
        if not parts and not named:
            parts = [self._filled("{I} have a {noun} on {my} skin")]
        return self._who_first(parts)

    def _who_first(self, parts: list[str]) -> list[str]:
        said = [_sentence(part) for part in parts]
        if self._who:
            said.insert(0, self._dice.choice(phrases.FOR_OTHERS).format(who=self._who))
        return said

    def _clauses(self) -> list[tuple[str, str]]:
        """(what is said, yes or no or unknown) of the answers that are told, in the order of telling."""
        chance = {YES: self._voice.yes, NO: self._voice.no, UNKNOWN: self._voice.unknown * self._say_unknown}
        chosen = [answer for answer in ANSWERS if self._dice.random() < chance[self._states[answer]]]
        known = [answer for answer in ANSWERS if self._states[answer] != UNKNOWN]
        if known and not set(known) & set(chosen):
            chosen.append(self._dice.choice(known))  # who writes at all tells something
        self._dice.shuffle(chosen)
        if self._dice.random() < 0.6:  # what there is comes before what there is not
            chosen.sort(key=lambda answer: (YES, UNKNOWN, NO).index(self._states[answer]))
        for answer in chosen:
            (self._unknown if self._states[answer] == UNKNOWN else self._told).append(answer)
        clauses: list[tuple[str, str]] = []
        while chosen:
            answer = chosen[0]
            together = self._together(answer, chosen)
            clauses.append((self._in_one_breath(together) if together else self._alone(answer), self._states[answer]))
            chosen = [other for other in chosen if other not in (together or [answer])]
        return clauses

    def _together(self, answer: str, chosen: Sequence[str]) -> list[str]:
        """The answers that are told in one breath with another; none where it is told alone."""
        state = self._states[answer]
        for members in phrases.GROUPS.values():
            alike = [other for other in chosen if other in members and self._states[other] == state]
            if answer in members and len(alike) > 1 and state != UNKNOWN and self._voice.together:
                return alike if self._dice.random() < 0.55 else []
        return []

    def _in_one_breath(self, answers: Sequence[str]) -> str:
        state = self._states[answers[0]]
        group = next(name for name, members in phrases.GROUPS.items() if answers[0] in members)
        template = self._dice.choice(phrases.TOGETHER[group][state])
        if "any {which}" in template or "no {which}" in template:
            words = phrases.THING
        else:
            words = phrases.THIRD if state == YES else phrases.BARE
        which = _listed([words[answer] for answer in answers], "and" if state == YES else "or")
        return self._filled(template, which=which)

    def _alone(self, answer: str) -> str:
        return self._said(self._voice.bank[answer][self._states[answer]])

    def _sentences(self, clauses: Sequence[tuple[str, str]], *, introduced: bool) -> Iterator[str]:
        """Clauses joined into sentences, one to three in each."""
        rest = list(clauses)
        if rest and not introduced and rest[0][0].startswith("it "):
            said, state = rest[0]
            rest[0] = (f"{self._said(phrases.SUBJECTS)}{said.removeprefix('it')}", state)
        while rest:
            size = min(self._dice.choice((1, 1, 2, 2, 3)), len(rest))
            part, rest = rest[:size], rest[size:]
            if self._voice is _TERSE:
                yield _sentence(", ".join(said for said, _ in part))
            else:
                yield _sentence(self._joined(part))

    def _joined(self, part: Sequence[tuple[str, str]]) -> str:
        alike = len({state for _, state in part}) == 1
        text, last = part[0]
        turned = False  # nobody says "but" twice in a sentence
        for number, (said, state) in enumerate(part[1:], start=1):
            if {state, last} == {YES, NO} and not turned:
                link, turned = self._dice.choice((", but ", " but ")), True
            else:
                link = ", " if number < len(part) - 1 and alike else ", and " if turned else " and "
            text, last = f"{text}{link}{said}", state
        return text

    def _with_talk(self, sentences: list[str]) -> list[str]:
        dice, talk = self._dice, self._voice.talk
        if dice.random() < talk:
            sentences.insert(dice.randint(min(1, len(sentences)), len(sentences)), dice.choice(phrases.ASIDES))
        if dice.random() < talk:
            sentences.append(dice.choice(phrases.GOODBYES))
        if dice.random() < talk:
            sentences.insert(0, dice.choice(phrases.GREETINGS))
        return sentences

    def _said(self, templates: Sequence[str]) -> str:
        return self._filled(self._dice.choice(templates))

    def _filled(self, template: str, which: str = "") -> str:
        other = bool(self._who)
        return template.format(
            I="they" if other else "I",
            me="them" if other else "me",
            my="their" if other else "my",
            am="are" if other else "am",
            noun=self._noun,
            region=self._region,
            which=which,
            **self._years(),
        )

    def _ages(self) -> tuple[str, ...]:
        """How the age may be said: in years, or about."""
        assert self._age is not None
        if self._voice.age is phrases.AGE and _ADULT < self._age < 100 and self._dice.random() < 0.2:
            return phrases.AGE_NEARLY if self._age % 10 == 9 and self._age < 99 else phrases.AGE_ROUGH
        return self._voice.age

    def _years(self) -> dict[str, str]:
        """The age in digits or words, in tens ("forties"), and the next round one."""
        if self._age is None:
            return {}
        tens, ones = divmod(self._age, 10)
        if not 20 <= self._age < 100:
            return {"age": str(self._age), "tens": "teens", "next": str(self._age + 1)}
        words = _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")
        age = words if self._dice.random() < 0.15 else str(self._age)
        return {"age": age, "tens": f"{_TENS[tens][:-1]}ies", "next": str(10 * tens + 10)}


def _listed(words: Sequence[str], last: str) -> str:
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."

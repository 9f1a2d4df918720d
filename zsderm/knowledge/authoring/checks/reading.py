"""How hard a text is to read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from zsderm.errors import InputError
from zsderm.knowledge.authoring.checks.problem import WARNING, Problem
from zsderm.knowledge.base import Disease
from zsderm.modalities import DERMOSCOPIC, PATHOLOGICAL

# The hardest one in a hundred clinical sentences of the bundled base. Two editors called 88 sentences hard to
# understand; their ease is that of all others, so this finds long words and not riddles. Dermoscopy needs its terms.
LEAST_EASE = 20.0
LONG_WORD = 12  # letters; longer words are terms of the field more often than not
# In one sentence, of at least four letters, in no other sentence of the base: such sentences were called hard six times
# as often as others; those with two such words three times, but most of them are good pictures.
RARE_WORDS = 3
ENOUGH_SENTENCES = 1000  # in fewer, most words stand once


@dataclass(frozen=True)
class Readability:
    """How hard the descriptions are to read."""

    words_per_sentence: float
    syllables_per_word: float
    long_words: float  # share of words longer than LONG_WORD letters, 0 to 1
    reading_ease: float  # Flesch: 100 is very easy, 60 plain English, 30 and below for graduates


def readability(texts: Sequence[str]) -> Readability:
    """How hard texts are to read.

    reading ease = 206.835 - 1.015 words per sentence - 84.6 syllables per word

    Syllables are counted as groups of vowels, without a silent e near the end. Two vowels that are spoken apart
    ("ia") count once, so the ease of texts full of Latin comes out somewhat high.

    Args:
        texts: at least one word in all.

    Raises:
        InputError: if there is no word in them.

    Source: Flesch, A new readability yardstick, Journal of Applied Psychology 32 (1948), 221-233.
    """
    sentences = [part for text in texts for part in re.split(r"[.!?]+(?=\s|$)", text) if part.strip()]
    words = [word for sentence in sentences for word in re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)*", sentence)]
    if not words:
        raise InputError("expected texts with at least one word, but got none.")
    length, syllables = len(words) / len(sentences), sum(map(_syllables, words)) / len(words)
    return Readability(
        words_per_sentence=length,
        syllables_per_word=syllables,
        long_words=sum(len(word) > LONG_WORD for word in words) / len(words),
        reading_ease=206.835 - 1.015 * length - 84.6 * syllables,
    )


def hard_sentences(diseases: Sequence[Disease]) -> Iterator[Problem]:
    """Clinical sentences with long words, and in a large base those with several words that no other sentence has."""
    texts = [text for disease in diseases for text in disease.descriptions]
    uses = Counter(word for text in texts for word in set(_long_enough(text.text)))
    for text in texts:
        if text.modality in (DERMOSCOPIC, PATHOLOGICAL):
            continue
        if any(map(str.isalpha, text.text)) and (ease := readability([text.text]).reading_ease) < LEAST_EASE:
            reason = f"hard to read (Flesch {ease:.0f}, below {LEAST_EASE:.0f}): {text.text!r}"
            yield Problem(text.disease, reason, "reading", WARNING, text.text)
        rare = sorted({word for word in _long_enough(text.text) if uses[word] == 1})
        if len(texts) >= ENOUGH_SENTENCES and len(rare) >= RARE_WORDS:
            reason = f"words that no other sentence of the base has ({', '.join(rare)}): {text.text!r}"
            yield Problem(text.disease, reason, "reading", WARNING, text.text)


def _long_enough(text: str) -> list[str]:
    return [word for word in re.findall(r"[^\W\d_]+", text.casefold()) if len(word) >= 4]


def _syllables(word: str) -> int:
    vowels = re.findall(r"[aeiouyàâäæèéêëîïôöœùûü]+", word.casefold())
    # scale, scales, plaques and raised end silently; purple, edges and crusted do not.
    silent = re.search(r"[^aeiouyl]e$|[aeiouy]les?$|ques?$|[^aeiouylcgshxz]es$|[^aeiouytd]ed$", word.casefold())
    return max(1, len(vowels) - bool(silent))

"""Selects closed questions and wrong options so that the text alone does not give the answer away.

For each term, as many questions have the answer yes as have the answer no. Each option is, if possible, a wrong option
about three times as often as it is the right one.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from zsderm.pretrain.questions.question import NO, YES, Choice, Dropped, Question

ALONE = "no picture has the other answer to the same question"
FEW = "too few of its wrong options are right for another picture"
LEAST_OPTIONS = 3


def balanced(candidates: Sequence[Question], rng: random.Random) -> tuple[list[Question], list[Dropped]]:
    """Select as many questions with the answer yes as with the answer no for each term.

    Args:
        candidates: closed questions.
        rng: source of randomness; pictures with few closed questions are preferred.

    Returns:
        The selected questions in the order of the candidates, and the questions with the answer yes that have no
        counterpart. Questions with the answer no that were not needed are not returned.
    """
    pools: defaultdict[tuple[str, str], dict[str, list[int]]] = defaultdict(lambda: {YES: [], NO: []})
    for place, one in enumerate(candidates):
        pools[one.kind, one.term][one.answer].append(place)
    used: Counter[tuple[str, str]] = Counter()  # (image, answer)
    kept: set[int] = set()
    dropped: list[int] = []
    # Terms with few counterparts choose first.
    for _, pool in sorted(pools.items(), key=lambda item: (len(item[1][NO]), item[0])):
        count = min(len(pool[YES]), len(pool[NO]))
        for answer in (YES, NO):
            places = rng.sample(pool[answer], len(pool[answer]))
            places.sort(key=lambda place: used[candidates[place].pair.image, candidates[place].answer])
            kept |= set(places[:count])
            used.update((candidates[place].pair.image, answer) for place in places[:count])
            if answer == YES:
                dropped += places[count:]
    asked = [candidates[place] for place in sorted(kept)]
    return asked, [_dropped(candidates[place], ALONE) for place in sorted(dropped)]


def with_options(
    choices: Sequence[Choice], rng: random.Random, options: int = 4
) -> tuple[list[Question], list[Dropped]]:
    """Give each multiple-choice question its options, in random order.

    Args:
        choices: questions with all possible wrong options.
        rng: source of randomness.
        options: number of options including the right one; fewer if there are not enough, but at least three.
    """
    right = Counter((choice.question.kind, choice.question.term) for choice in choices)
    beside: Counter[tuple[str, str]] = Counter()
    found, dropped = [], []
    for choice in rng.sample(list(choices), len(choices)):
        own = choice.question
        wrong = sorted(term for term in choice.wrong if right[own.kind, term])  # a term that never is right is known
        if len(wrong) < LEAST_OPTIONS - 1:
            dropped.append(_dropped(own, FEW))
            continue
        terms = rng.sample(wrong, len(wrong))
        # What has stood beside others less than its share comes first.
        terms.sort(key=lambda term: -_wanted(right[own.kind, term], beside[own.kind, term]))
        # Wrong options that end alike ("benign" and "seborrheic keratosis") may overlap: others go first.
        ends = [term.split()[-1] for term in terms]
        first = [term for place, term in enumerate(terms) if ends[place] not in ends[:place]]
        taken = [*first, *(term for term in terms if term not in first)][: options - 1]
        beside.update((own.kind, term) for term in taken)
        texts = [own.answer, *(choice.wrong[term] for term in taken)]
        found.append(replace(own, options=tuple(rng.sample(texts, len(texts)))))
    order = {id(choice.question.pair): place for place, choice in enumerate(choices)}
    return sorted(found, key=lambda question: order[id(question.pair)]), dropped


def _wanted(right: int, beside: int, times: int = 3) -> float:
    return (times * right - beside) / (right + 1)


def _dropped(question: Question, reason: str) -> Dropped:
    return Dropped(question.pair, question.kind, question.form, question.text, reason, question.term)

"""Overlap of answers with references: BLEU, METEOR and ROUGE, computed by maintained libraries for each question.

BLEU is that of sacrebleu (Apache 2.0) in lower case with the tokeniser "13a". It is a corpus-level figure, so the
functions return counts for each question, and `bleu` computes the figure from their sums. ROUGE is the F measure of
rouge-score (Apache 2.0) without stemming. METEOR is that of nltk (Apache 2.0) with alpha 0.9, beta 3 and gamma 0.5, on
equal words and equal stems (Porter). Its third stage, synonyms of WordNet, needs data that has to be downloaded, and is
left out.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zsderm.optional_packages import requires

ORDERS = 4
BLEU_COUNTS = 2 * ORDERS + 2  # n-grams that match, n-grams there are, words of answer and reference
ROUGES = ("rouge1", "rouge2", "rougeL")
_TOKEN = re.compile(r"[^\W_]+")
NEEDED = "zsderm[vqa]"


class _NoSynonyms:
    """Stands in for WordNet."""

    def synsets(self, word: str) -> list[object]:
        """Of no word."""
        del word
        return []


def bleu_counts(answers: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
    """(N, 10) counts: matching n-grams and all n-grams for n from 1 to 4, and the lengths of answer and reference.

    Raises:
        MissingDependencyError: without sacrebleu.
    """
    with requires(NEEDED, "BLEU"):
        from sacrebleu.metrics import BLEU
    logging.getLogger("sacrebleu").setLevel(logging.ERROR)  # it warns of scores of one sentence, which are not used
    measure = BLEU(lowercase=True)
    rows = [measure.sentence_score(answer, [reference]) for answer, reference in zip(answers, references, strict=True)]
    counts = [[*row.counts, *row.totals, row.sys_len, row.ref_len] for row in rows]
    return np.array(counts, dtype=np.float64).reshape(len(rows), BLEU_COUNTS)


def bleu(counts: NDArray[np.float64], order: int) -> float:
    """BLEU of up to `order` words, 0 to 1, from the (10,) summed counts of all questions; not smoothed.

    Source: Papineni et al., "BLEU", ACL 2002.
    """
    from sacrebleu.metrics import BLEU

    whole = [int(count) for count in counts]
    if not whole[-1]:
        return float("nan")
    matches, possible = whole[:order], whole[ORDERS : ORDERS + order]
    score = BLEU.compute_bleu(matches, possible, whole[-2], whole[-1], smooth_method="none", max_ngram_order=order)
    return float(score.score) / 100


def rouge(answers: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
    """(N, 3) F measure of ROUGE-1, ROUGE-2 and ROUGE-L.

    Source: Lin, "ROUGE", ACL workshop 2004.

    Raises:
        MissingDependencyError: without rouge-score.
    """
    with requires(NEEDED, "ROUGE"):
        from rouge_score.rouge_scorer import RougeScorer
    scorer = RougeScorer(list(ROUGES), use_stemmer=False)
    rows = [scorer.score(reference, answer) for answer, reference in zip(answers, references, strict=True)]
    return np.array([[row[name].fmeasure for name in ROUGES] for row in rows]).reshape(len(rows), len(ROUGES))


def meteor(answers: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
    """(N,) METEOR on equal words and equal stems.

    Source: Banerjee and Lavie, "METEOR", ACL workshop 2005, as nltk has it.

    Raises:
        MissingDependencyError: without nltk.
    """
    with requires(NEEDED, "METEOR"):
        from nltk.translate.meteor_score import single_meteor_score
    tokens = [[_TOKEN.findall(text.casefold()) for text in texts] for texts in (references, answers)]
    pairs = zip(*tokens, strict=True)
    return np.array([single_meteor_score(expected, said, wordnet=_NoSynonyms()) for expected, said in pairs])

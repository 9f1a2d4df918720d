"""The photograph's answer and the story's answer, made one.

    log p(c | image, story) = log p(c | image) + w s(c) + const,    s(c) = log(d + (1 - d) C p(c | story))

`d` is the doubt: the share of stories that are held to say nothing of what the photograph shows, because another lesion
is meant, or another patient. Then s(c) is the logarithm of what a story makes of the odds if it may say nothing: it is
at least log d and at most log(d + (1 - d) C), whatever is told, so a story never removes a class by itself. A story
that tells nothing has s = 0.

Letters: N images, C classes.
"""

from __future__ import annotations

import torch

from zsderm.narratives.given import WEIGHT

DOUBT = 0.3  # chosen with the weight, on the training patients of PAD-UFES-20; see docs/narratives.md


def bounded(by_words: torch.Tensor, doubt: float = DOUBT) -> torch.Tensor:
    """s: (N, C) float64, what stories add to log-probabilities; 0 for a row of NaN.

    Args:
        by_words: (N, C) probabilities by words alone; a row of NaN where nothing was told.
        doubt: 0 to 1.
    """
    told = by_words.double()
    added = (doubt + (1 - doubt) * told.shape[1] * told).log()  # (N, C)
    return torch.where(told.isnan(), torch.zeros_like(added), added)


def by_both(
    by_image: torch.Tensor, by_words: torch.Tensor, weight: float = WEIGHT, doubt: float = DOUBT
) -> torch.Tensor:
    """(N, C) float32 probabilities by photograph and words.

    Where nothing was told, or the weight is 0, the row is that of the photograph to the last bit; where the photograph
    could not be read it is NaN.

    Args:
        by_image: (N, C) probabilities.
        by_words: (N, C) probabilities; a row of NaN where nothing was told.
        weight: of the words.
        doubt: see the module.
    """
    added = weight * bounded(by_words, doubt)  # (N, C)
    answer = (by_image.double().log() + added).softmax(dim=1).float()
    silent = (added == 0).all(dim=1, keepdim=True)  # (N, 1)
    return torch.where(silent, by_image.float(), answer)

"""Text proxies without half of the bias that they have where the encoder is at home.

Letters: D embedding width.
"""

from __future__ import annotations

import torch

HOME_SHARE = 0.5  # all of it gains more on new sources, and loses up to 18 points on a known one: docs/priors.md


def home_centre(mean: torch.Tensor) -> torch.Tensor:
    """What is taken off every image x before it is held against the text proxies t_k.

        score = x . t_k - HOME_SHARE * (mean . t_k) = (x - HOME_SHARE * mean) . t_k

    Nothing is learned from the images that are answered: a photograph alone has the same correction as one of many.

    Args:
        mean: (D,) float32, the mean of the encoder's training images, see `zsderm.encoders.home.EncoderHome`.

    Returns:
        (D,) float32.

    Source: to take off what a class scores on average over pretraining images is the normalisation of ZPE (Allingham
        et al. 2023, arXiv 2302.06235), there to weigh prompts. Half of it, for class scores, is ours.
    """
    return HOME_SHARE * mean

"""Corrections of the class mix that read the text scores alone and never look at the images.

Letters: N images, C classes, D embedding width.
"""

from __future__ import annotations

import warnings

import torch

from zsderm.errors import ConvergenceWarning
from zsderm.proxies import transport_labels

FLATTENING = 0.8
EM_STEPS = 200


def flattened_mix(image_features: torch.Tensor, text_proxies: torch.Tensor, temperature: float = 0.01) -> torch.Tensor:
    """Transport the labels to the mix that text predicts, made a little more even.

    The marginal is the mean prediction to the power 0.8.

    Args:
        image_features: (N, D) unit rows.
        text_proxies: (C, D) unit rows.
        temperature: of the softmax, in units of cosine.

    Returns:
        (N, C) probabilities, each row sums to 1.

    Source: InMaP (arXiv 2310.19752) names the power of the mean prediction as an option of its Sinkhorn step.
    """
    scores = image_features.double() @ text_proxies.double().T  # (N, C)
    predicted = torch.softmax(scores / temperature, dim=1).mean(dim=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return transport_labels(scores, predicted**FLATTENING, temperature)


def estimated_mix(image_features: torch.Tensor, text_proxies: torch.Tensor, temperature: float = 0.01) -> torch.Tensor:
    """Learn the mix by expectation-maximisation, as if text were calibrated for an even mix.

    Args:
        image_features: (N, D) unit rows.
        text_proxies: (C, D) unit rows.
        temperature: of the softmax, in units of cosine.

    Returns:
        (N, C) posterior probabilities under the learned mix, each row sums to 1.

    Source: Saerens, Latinne and Decaestecker 2002, Adjusting the Outputs of a Classifier to New a Priori
    Probabilities, equation 2.9.
    """
    even = torch.softmax(image_features.double() @ text_proxies.double().T / temperature, dim=1)  # (N, C)
    posterior = even
    for _ in range(EM_STEPS):
        weighted = even * posterior.mean(dim=0)
        posterior = weighted / weighted.sum(dim=1, keepdim=True)
    return posterior.float()

"""InMaP: proxies learned from the images under pseudo-labels, with or without an even mix of classes.

Letters: N images, C classes, D embedding width.
"""

from __future__ import annotations

import warnings

import torch

from zsderm.errors import ConvergenceWarning
from zsderm.proxies import learn_proxies

SWEEPS = 20
PROXY_TEMPERATURE = 0.04


def inmap(
    image_features: torch.Tensor, text_proxies: torch.Tensor, temperature: float = 0.01, *, even: bool = True
) -> torch.Tensor:
    """Label images by text, spread the labels evenly over the classes, and learn one visual proxy per class from them.

    A fixed number of Sinkhorn sweeps, rows last, pushes the labels toward an even mix; labels above 0.6 become one-hot;
    proxies start from text and minimise the cross-entropy at temperature 0.04. The paper takes 2 000 gradient steps to
    that minimum; here the library's own solver finds it.

    Args:
        image_features: (N, D) unit rows.
        text_proxies: (C, D) unit rows.
        temperature: of the softmax behind the pseudo-labels, in units of cosine.
        even: without it the pseudo-labels are the plain softmax, the paper's first variant.

    Returns:
        (N, C) probabilities, each row sums to 1.

    Source: Qian et al. 2023, Intra-Modal Proxy Learning for Zero-Shot Visual Categorization with CLIP
    (arXiv 2310.19752).
    """
    log_labels = torch.log_softmax(image_features.double() @ text_proxies.double().T / temperature, dim=1)  # (N, C)
    for _ in range(SWEEPS if even else 0):
        log_labels = torch.log_softmax(log_labels - torch.logsumexp(log_labels, dim=0), dim=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        learned = learn_proxies(image_features, text_proxies, log_labels.exp(), PROXY_TEMPERATURE)
    return torch.softmax(image_features.float() @ learned.proxies.T / PROXY_TEMPERATURE, dim=1)

"""Rules that choose a temperature without labels: the one of the library, and those that were compared with it.

Letters: N images, C classes, M sentences, D embedding width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn.functional import normalize

from zsderm.benchmarks.experiments.prior_worlds import BIASES, NUISANCES, SEPARATIONS, TEXT_ERRORS, synthetic_world
from zsderm.calibration import fit_temperature, scale_probabilities, unlabelled_temperature
from zsderm.metrics import calibration_error
from zsderm.proxies import text_proxies

WORLD_IMAGES = 600
SCATTERS = (0.3, 0.6, 1.0, 1.5)  # of a sentence around its class, in units of the class's own length
NEIGHBOURS = 10


@dataclass(frozen=True, eq=False)
class TextScores:
    """N images scored against text proxies, and the sentences that these are means of."""

    scores: torch.Tensor  # (N, C) float64 cosines
    labels: np.ndarray  # (N,)
    image_features: torch.Tensor  # (N, D)
    sentence_features: torch.Tensor  # (M, D)
    class_of: torch.Tensor  # (M,)
    encoder_temperature: float

    def distorted(self, factor: float) -> TextScores:
        """The same, from an encoder that states another temperature."""
        return replace(self, encoder_temperature=factor * self.encoder_temperature)

    def drawn(self, rng: np.random.Generator) -> torch.Tensor:
        """(N, C) cosines with one random sentence of each class."""
        owners = self.class_of.numpy()
        rows = [rng.choice(np.flatnonzero(owners == c)) for c in range(self.scores.shape[1])]
        return (self.image_features @ self.sentence_features[rows].T).double()


def by_encoder(texts: TextScores) -> float:
    """The encoder's own temperature."""
    return texts.encoder_temperature


def by_spread(texts: TextScores) -> float:
    """The rule of the library: scores spread as those of single sentences do."""
    return unlabelled_temperature(
        texts.encoder_temperature, texts.scores, texts.image_features, texts.sentence_features, texts.class_of
    )


def by_length(texts: TextScores) -> float:
    """Undo the stretch to unit length: divide by the mean length of the classes' mean sentences."""
    counts = torch.bincount(texts.class_of)[:, None]
    sums = torch.zeros(len(counts), texts.sentence_features.shape[1])
    lengths = (sums.index_add_(0, texts.class_of, texts.sentence_features) / counts).norm(dim=1)
    return texts.encoder_temperature / lengths.mean().item()


def by_wordings(texts: TextScores) -> float:
    """Mean confidence is how often two classifiers of one sentence a class agree."""
    rng = np.random.default_rng(0)
    if len(texts.class_of) == texts.scores.shape[1]:
        return texts.encoder_temperature  # there is one wording, which agrees with itself
    agree = [(texts.drawn(rng).argmax(dim=1) == texts.drawn(rng).argmax(dim=1)).double().mean() for _ in range(20)]
    return _matching(texts.scores, float(np.mean(agree)))


def by_neighbours(texts: TextScores) -> float:
    """Mean confidence is how often an image's label is that of most of its nearest images."""
    images = normalize(texts.image_features, dim=1)
    near = (images @ images.T).fill_diagonal_(-1).topk(min(NEIGHBOURS, len(images) - 1), dim=1).indices  # (N, 10)
    chosen = texts.scores.argmax(dim=1)
    return _matching(texts.scores, (chosen[near].mode(dim=1).values == chosen).double().mean().item())


RULES: dict[str, Callable[[TextScores], float]] = {
    "encoder": by_encoder,
    "spread": by_spread,
    "length": by_length,
    "wordings agree": by_wordings,
    "neighbours agree": by_neighbours,
}


def surprise(logits: torch.Tensor, labels: np.ndarray) -> dict[str, float]:
    """Expected calibration error (15 bins) and mean negative log-likelihood of the softmax."""
    confidence, chosen = torch.softmax(logits, dim=1).max(dim=1)
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels)).item()
    return {"error": calibration_error(confidence.numpy(), chosen.numpy() == labels), "loss": loss}


def fitted_across(logits: torch.Tensor, labels: np.ndarray, half: np.ndarray) -> dict[str, float]:
    """The same when the images of each half have the temperature that the labels of the other half fit."""
    fitted = torch.empty_like(logits)
    for seen in (half, ~half):
        temperature = fit_temperature(logits[torch.from_numpy(seen)], labels[seen]).value
        fitted[torch.from_numpy(~seen)] = (
            scale_probabilities(logits[torch.from_numpy(~seen)], temperature).double().log()
        )
    return surprise(fitted, labels)


def unavoidable(logits: torch.Tensor, draws: int = 200) -> float:
    """The calibration error that these confidences would show if they were true: what N images leave to chance."""
    confidence = torch.softmax(logits, dim=1).amax(dim=1).numpy()
    rng = np.random.default_rng(0)
    return float(
        np.mean([calibration_error(confidence, rng.random(len(confidence)) < confidence) for _ in range(draws)])
    )


def synthetic_texts(count: int) -> Iterator[TextScores]:
    """Synthetic worlds with sentences scattered around biased proxies; the encoder is right about single sentences."""
    rng = np.random.default_rng(0)
    found = 0
    while found < count:
        mix, classes = str(rng.choice(["balanced", "long tail", "zipf"])), int(rng.choice([2, 6, 7, 40]))
        separation, bias, error = (float(rng.choice(values)) for values in (SEPARATIONS, BIASES, TEXT_ERRORS))
        nuisance, seed = NUISANCES[rng.integers(len(NUISANCES))], int(rng.integers(2**31))
        world = synthetic_world(mix, classes, WORLD_IMAGES, separation, bias, error, nuisance, seed)
        texts = _with_sentences(world.image_features, world.text_proxies, world.labels, rng)
        if 0.3 <= (texts.scores.argmax(dim=1).numpy() == texts.labels).mean() <= 0.9:
            found += 1
            yield texts


def _with_sentences(
    images: np.ndarray, proxies: np.ndarray, labels: np.ndarray, rng: np.random.Generator
) -> TextScores:
    features, centres = torch.from_numpy(images), torch.from_numpy(proxies)
    scatter, per_class = float(rng.choice(SCATTERS)), int(rng.choice([3, 10, 30]))
    noise = torch.from_numpy(rng.standard_normal((len(centres), per_class, centres.shape[1]))).float()
    sentences = normalize(centres[:, None] + scatter * noise / centres.shape[1] ** 0.5, dim=2).flatten(0, 1)  # (M, D)
    owners = torch.arange(len(centres)).repeat_interleave(per_class)
    scores = (features @ text_proxies(sentences, owners, len(centres)).T).double()
    texts = TextScores(scores, labels, features, sentences, owners, 1.0)
    drawn = torch.cat([texts.drawn(rng) for _ in range(5)])
    # Scaled so that 1 is an ordinary temperature, where the small-sample guard of the fit has no weight.
    right = 0.05 * fit_temperature(drawn / 0.05, np.tile(labels, 5)).value
    return texts.distorted(right)


def _matching(scores: torch.Tensor, confidence: float) -> float:
    """The temperature under which the mean largest probability is as stated, by bisection."""
    low, high = 1e-4, 10.0
    for _ in range(50):
        middle = (low * high) ** 0.5
        too_sure = torch.softmax(scores / middle, dim=1).amax(dim=1).mean() > confidence
        low, high = (middle, high) if too_sure else (low, middle)
    return middle

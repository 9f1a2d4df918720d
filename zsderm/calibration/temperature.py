"""The temperature of probabilities, from labelled images or from images without labels.

A temperature divides logits before the softmax. It changes how large the largest probability is, never which
class has it.
Letters: N images, C classes, M sentences, D embedding width.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch

from zsderm.arrays import Array, Labels, check_positive, checked_labels, finite_rows, float_rows
from zsderm.errors import FallbackWarning, SettingsError
from zsderm.proxies.text import ClassOf
from zsderm.wording import agrees

PRIOR_SPREAD = 1.0  # of 1 / temperature around 1: outweighed by a few dozen images, strong against a handful
LARGEST_TEMPERATURE = 50.0  # of a factor; beyond it probabilities are even for every practical purpose
FOLDS = 5  # parts in which a temperature is tried on images left out
LOWEST_LOGIT = -80.0  # relative to the row's largest: a probability of 0 in float32, without its infinite penalty
LARGEST_CHANGE = 2.0  # of an encoder's temperature without labels; on real folders the change is 1 to 1.35


@dataclass(frozen=True)
class Temperature:
    """A fitted temperature and what it changed on the images that it was fitted to."""

    value: float  # logits are divided by it; 1 changes nothing, above 1 is less sure
    n: int  # labelled images
    loss_before: float  # mean negative log-likelihood in nats, at temperature 1
    loss_after: float  # the same at `value`


def fit_temperature(log_probabilities: Array, labels: Labels, *, prior_spread: float = PRIOR_SPREAD) -> Temperature:
    """Find the temperature that maximises the likelihood of the true classes.

    minimise over b >= 0:  sum_i -log softmax(b * l_i)[y_i] + (b - 1)^2 / (2 * prior_spread^2),  temperature = 1 / b

    The problem is convex in b, so its solution is the one root of the derivative. The second term keeps a few images
    that are all classified correctly from making every answer certain.

    Args:
        log_probabilities: (N, C) logits or log probabilities, any float type; minus infinity is read as a probability
            that float32 rounds to 0.
        labels: (N,) int, the true class of each image, 0 to C - 1.
        prior_spread: standard deviation of 1 / temperature around 1, as known without any image; infinite for plain
            maximum likelihood.

    Returns:
        The temperature, a factor of whatever temperature the logits were made with. It does not depend on the order
        of images or classes.

    Raises:
        SettingsError: shapes that disagree, a label out of range, NaN, or a spread that is not positive.

    Warns:
        FallbackWarning: the labels contradict the probabilities, so that no temperature up to the largest helps.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2; the penalty is ours.
    """
    if not prior_spread > 0:
        raise SettingsError(f"Expected prior_spread to be positive, but got {prior_spread}.")
    logits = _lifted(float_rows(log_probabilities, "log probabilities"))  # (N, C)
    true = checked_labels(labels, logits)
    slope = _slope(logits, true, prior_spread)
    least = 1 / LARGEST_TEMPERATURE
    if slope(least) >= 0:
        sharpness = least
        they = agrees(len(true), "label contradicts", f"{len(true)} labels contradict")
        warnings.warn(
            f"The {they} the probabilities, so that a calibration would make all classes about equally probable (its "
            f"temperature was stopped at {LARGEST_TEMPERATURE:g}). Something is probably wrong: check that the labels "
            "belong to these images and classes.",
            FallbackWarning,
            stacklevel=2,
        )
    else:
        from scipy.optimize import brentq  # here: it takes a second to import, and `zsderm classify` needs none of it

        most = 2.0
        while slope(most) < 0 and most < 1e6:  # at the cap, plain likelihood of images that are all right
            most *= 2
        sharpness = brentq(slope, least, most, xtol=1e-10) if slope(most) > 0 else most
    return Temperature(1 / sharpness, len(true), _loss(logits, true, 1.0), _loss(logits, true, sharpness))


def held_out_harm(log_probabilities: Array, labels: Labels) -> float:
    """How much worse a fitted temperature makes images that it was not fitted to, where that is more than chance.

    Each of FOLDS parts of the images is left out in turn; the images are taken as they come, every fifth one together.

    Args:
        log_probabilities: (N, C), see `fit_temperature`.
        labels: (N,) int.

    Returns:
        Nats an image by which the mean negative log-likelihood grows, if it grows by more than two standard errors;
        else 0, as for fewer images than two parts need.

    Raises:
        SettingsError: see `fit_temperature`.
    """
    logits = _lifted(float_rows(log_probabilities, "log probabilities"))  # (N, C)
    true = checked_labels(labels, logits)
    if len(true) < 2 * FOLDS:
        return 0.0
    part = torch.arange(len(true)) % FOLDS
    growth = torch.zeros(len(true), dtype=torch.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FallbackWarning)  # of the whole it is said by `fit_temperature`
        for fold in range(FOLDS):
            left_out = part == fold
            sharpness = 1 / fit_temperature(logits[~left_out], true[~left_out]).value
            losses = (
                torch.nn.functional.cross_entropy(b * logits[left_out], true[left_out], reduction="none")
                for b in (sharpness, 1.0)
            )
            after, before = losses
            growth[left_out] = (after - before).double()
    mean, error = growth.mean().item(), growth.std().item() / len(growth) ** 0.5
    return mean if mean > 2 * error else 0.0


def unlabelled_temperature(
    encoder_temperature: float, scores: Array, image_features: Array, sentence_features: Array, class_of: ClassOf
) -> float:
    """The temperature for scores of several sentences a class, from images without labels.

    temperature = encoder_temperature * sqrt(spread of the scores / spread of the cosines with single sentences)

    where the spread is the variance over classes, averaged over images, and the single sentences are one of each
    class, averaged over all ways to choose them. An encoder learns its temperature on cosines with single sentences.
    Averaging sentences narrows the spread of scores, putting their mean back on the unit sphere widens it again, and
    choosing the sentences that are nearest to the images widens it further; this keeps the spread, in units of
    temperature, as in the encoder's training. With one sentence a class it is the encoder's own temperature.

    It assumes that the encoder is calibrated on cosines with single sentences. Without labels this cannot be checked:
    an encoder that is overconfident by a factor of four stays so; `fit_temperature` corrects it.

    Args:
        encoder_temperature: what the encoder divides cosines by, above 0.
        scores: (N, C) cosines or mean cosines, whose temperature is wanted.
        image_features: (N, D) unit rows; from 16 images on, which ones they are changes little.
        sentence_features: (M, D) unit rows, the sentences that the scores come from.
        class_of: (M,) the class of each sentence, 0 to C - 1, in any order.

    Returns:
        The temperature, in units of cosine: that of the encoder within a factor of LARGEST_CHANGE.

    Raises:
        SettingsError: a temperature that is not positive, shapes that disagree, or a class without sentences.
    """
    check_positive(encoder_temperature=encoder_temperature)
    table = finite_rows(scores, "scores", torch.float64)  # (N, C)
    images = finite_rows(image_features, "image features", torch.float64)
    sentences = finite_rows(sentence_features, "sentence features", torch.float64)
    owners = torch.as_tensor(class_of).to("cpu", torch.long)
    _check_shapes(table, images, sentences, owners)
    moment = images.T @ images / len(images)  # (D, D): the mean of (x @ v)^2 over images is v @ moment @ v
    single = _spread_of_single_sentences(moment, sentences, owners, table.shape[1])
    if single <= 0:  # one class, or classes that no sentence tells apart
        return encoder_temperature
    ratio = (table.var(dim=1, correction=0).mean() / single).sqrt().item()
    return encoder_temperature * min(max(ratio, 1 / LARGEST_CHANGE), LARGEST_CHANGE)


def scale_probabilities(log_probabilities: Array, temperature: float) -> torch.Tensor:
    """Softmax of logits divided by a temperature; each row sums to 1.

    Args:
        log_probabilities: (N, C) logits or log probabilities. A row with NaN, an image without an answer, stays NaN.
        temperature: above 0.

    Returns:
        (N, C) float32. The order of classes within a row is that of the logits.
    """
    check_positive(temperature=temperature)
    rows = float_rows(log_probabilities, "log probabilities", gaps=True)
    return torch.softmax(_lifted(rows) / temperature, dim=1).float()


def _spread_of_single_sentences(moment: torch.Tensor, sentences: torch.Tensor, owners: torch.Tensor, c: int) -> float:
    """Expected variance over C classes of an image's cosines with one random sentence of each, averaged over images.

    It is the variance between the classes' mean cosines plus (1 - 1/C) of the mean variance within classes.
    """
    counts = torch.bincount(owners, minlength=c)[:, None]  # (C, 1)
    means = torch.zeros(c, sentences.shape[1], dtype=torch.float64).index_add_(0, owners, sentences) / counts  # (C, D)
    apart = means - means.mean(dim=0)  # (C, D)
    around = (sentences - means[owners]) / counts[owners].sqrt()  # (M, D), each class weighs the same
    between = (apart @ moment * apart).sum() / c
    within = (around @ moment * around).sum() / c
    return (between + (1 - 1 / c) * within).item()


def _check_shapes(table: torch.Tensor, images: torch.Tensor, sentences: torch.Tensor, owners: torch.Tensor) -> None:
    if len(table) != len(images) or images.shape[1] != sentences.shape[1] or owners.shape != (len(sentences),):
        raise SettingsError(
            "Expected scores (N, C), image features (N, D), sentence features (M, D) and class_of (M,), but got "
            f"{tuple(table.shape)}, {tuple(images.shape)}, {tuple(sentences.shape)} and {tuple(owners.shape)}."
        )
    spoken_for = owners.unique().tolist()
    if spoken_for != list(range(table.shape[1])):
        raise SettingsError(
            f"Expected at least one sentence for each of the {table.shape[1]} classes, but got some for {spoken_for}."
        )


def _lifted(logits: torch.Tensor) -> torch.Tensor:
    """Rows whose largest logit is 0 and whose smallest is bounded."""
    return (logits - logits.amax(dim=1, keepdim=True)).clamp_min(LOWEST_LOGIT)


def _slope(logits: torch.Tensor, true: torch.Tensor, prior_spread: float) -> Callable[[float], float]:
    """Derivative of the objective in the sharpness b; it rises with b."""
    wanted = logits.gather(1, true[:, None]).sum().item()

    def slope(sharpness: float) -> float:
        expected = (torch.softmax(sharpness * logits, dim=1) * logits).sum().item()
        return expected - wanted + (sharpness - 1) / prior_spread**2

    return slope


def _loss(logits: torch.Tensor, true: torch.Tensor, sharpness: float) -> float:
    return torch.nn.functional.cross_entropy(sharpness * logits, true).item()

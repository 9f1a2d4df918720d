"""The three losses of MAKE, as pure functions on tensors that keep their axes.

B images in a batch, T captions per image (0 caption, 1 ontology, 2 visual concepts, 3.. sub-captions), S = T - 3
sub-captions, P patches per image, D embedding width. Texts stay (B, T, D) throughout, so that the axes
say which caption belongs to which image.

With several processes each holds b images of the B, gathers the other images and texts, and computes its share of the
loss: the shares add up to the loss of one process that holds all B, and so do the gradients.

Source: MAKE (arXiv 2505.09372): multi-aspect contrastive learning, local alignment and diagnosis-guided weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from zsderm.pretrain.distributed import ALONE, Group
from zsderm.pretrain.losses.attended_regions import attended_regions
from zsderm.pretrain.losses.log_sum_exp import log_normaliser
from zsderm.pretrain.losses.shared_positives import Positives, left_out, shared_agreement

CAPTION, ONTOLOGY, VISUAL, FIRST_SUB_CAPTION = 0, 1, 2, 3


@dataclass(frozen=True)
class MakeLoss:
    """The loss of one batch and its two parts, each a scalar tensor."""

    total: Tensor
    contrastive: Tensor
    local: Tensor


def make_loss(
    image_features: Tensor,
    patch_features: Tensor,
    text_features: Tensor,
    caption_mask: Tensor,
    logit_scale: Tensor | float,
    lambda_m: float = 1.0,
    lambda_s: float = 0.7,
    sigma: float = 0.3,
    guided_weights: bool = True,
    affinity: Tensor | None = None,
    about: Tensor | None = None,
    mix: float = 1.0,
    group: Group = ALONE,
) -> MakeLoss:
    """The whole MAKE objective: lambda_m * contrastive + lambda_s * local alignment.

    Rows are brought to unit length and computed in float32 (or float64 where the input is float64), autocast or not, so
    half-precision features are safe. A batch without any valid caption has loss zero.

    Args:
        image_features: (B, D) float, one row per image.
        patch_features: (B, P, D) float, from the same tower and projection as the images.
        text_features: (B, T, D) float, captions of each image in the order of the module docstring.
        caption_mask: (B, T) bool, True where the caption exists. What an invalid caption contains changes nothing.
        logit_scale: inverse temperature, scalar.
        lambda_m: weight of the multi-aspect contrastive part.
        lambda_s: weight of the local alignment part.
        sigma: cosine below which a patch does not belong to a sub-caption, in [-1, 1].
        guided_weights: whether sub-captions count by `diagnosis_weights`; otherwise every valid caption counts 1.
        affinity: (B, K) float >= 0, how far each of K diagnoses holds for each image, 1 where it is true of it; None:
            each caption holds for its own image alone.
        about: (B, T) int64, the diagnosis in [0, K) that each caption is about, -1 where it holds for its image alone;
            None together with `affinity`.
        mix: weight of the targets that images share, in [0, 1]; the rest goes to the captions of the image itself.
        group: the processes that hold images of the same batch.

    Returns:
        A `MakeLoss` of three scalars; with several processes this one's share, to be added up.

    Raises:
        ValueError: if the shapes do not belong together.

    Source: MAKE (arXiv 2505.09372); lambda_m, lambda_s and sigma as published. Shared targets: `shared_positives`.
    """
    _check_shapes(image_features, patch_features, text_features, caption_mask)
    positives = _positives(affinity, about, mix, caption_mask)
    with torch.autocast(image_features.device.type, enabled=False):
        image = _unit(image_features)  # (B, D)
        text = _unit(text_features.masked_fill(~caption_mask[..., None], 0.0))  # (B, T, D)
        weights = diagnosis_weights(text, caption_mask) if guided_weights else caption_mask.to(text.dtype)  # (B, T)
        contrastive = contrastive_loss(image, text, caption_mask, weights, logit_scale, group, positives)
        subs = slice(FIRST_SUB_CAPTION, None)
        local = local_alignment_loss(
            patch_features,
            text[:, subs],
            caption_mask[:, subs],
            weights[:, subs],
            logit_scale,
            sigma,
            group,
            positives and positives.of(subs),
        )
    return MakeLoss(lambda_m * contrastive + lambda_s * local, contrastive, local)


def contrastive_loss(
    image: Tensor,
    text: Tensor,
    caption_mask: Tensor,
    weights: Tensor,
    logit_scale: Tensor | float,
    group: Group = ALONE,
    positives: Positives | None = None,
) -> Tensor:
    """Every valid caption of an image is a positive for it, against all valid captions and all images of the batch.

    Image to text is the mean over valid captions weighted by `weights`; text to image is the plain mean; the loss is
    half their sum. The normaliser of image to text is one log-sum-exp per image, shared by all its captions.
    With `positives`, captions of other images are right answers too; each image and each caption keeps its weight.

    Args:
        image: (b, D) unit rows.
        text: (b, T, D) unit rows; rows of invalid captions are ignored.
        caption_mask: (b, T) bool.
        weights: (b, T) float >= 0, from `diagnosis_weights`.
        logit_scale: inverse temperature.
        group: the processes that hold the other B - b images.
        positives: which captions hold for other images; None: none do.

    Returns:
        A scalar.

    Source: MAKE (arXiv 2505.09372), multi-aspect contrastive loss.
    """
    images, texts = group.gather(image), group.gather(text)  # (B, D), (B, T, D)
    captions = texts[group.gather(caption_mask)]  # (V, D), valid ones of the whole batch
    to_text = _shares(weights * caption_mask, group)  # (b, T), 1 in all over the batch
    to_image = _shares(caption_mask.to(text.dtype), group)  # (b, T)
    normalisers = log_normaliser(image, captions, to_text.sum(dim=1), logit_scale) + log_normaliser(
        text[caption_mask], images, to_image[caption_mask], logit_scale
    )
    own = torch.einsum("bd,btd->bt", image, text)  # (b, T): each caption with its own image
    agreement = ((to_text + to_image) * own).sum()
    if positives is not None:
        shared = shared_agreement(image, text, to_text, to_image, (images, texts), positives, group)
        agreement = torch.lerp(agreement, shared, positives.mix)
    return 0.5 * (normalisers - logit_scale * agreement)


def local_alignment_loss(
    patch: Tensor,
    text: Tensor,
    caption_mask: Tensor,
    weights: Tensor,
    logit_scale: Tensor | float,
    sigma: float,
    group: Group = ALONE,
    positives: Positives | None = None,
) -> Tensor:
    """Cross-entropy of the image region of each sub-caption against all sub-captions of the batch.

    The region of sub-caption (b, t) is the unit sum of the unit patches of image b, each weighted by its cosine with
    the sub-caption where that is at least sigma. A sub-caption that no patch reaches has an empty region: it
    is only a wrong candidate for the others. The loss is the cross-entropy of each region against all valid
    sub-captions of the batch, mean weighted by `weights`. With `positives`, sub-captions of other images that hold for
    this one are neither right nor wrong: they are left out.

    Args:
        patch: (b, P, D) rows of any length.
        text: (b, S, D) unit rows, sub-captions only, float32 or float64.
        caption_mask: (b, S) bool.
        weights: (b, S) float >= 0.
        logit_scale: inverse temperature.
        sigma: cosine threshold.
        group: the processes that hold the other B - b images.
        positives: which sub-captions hold for other images; None: none do.

    Returns:
        A scalar; zero when the batch has no valid sub-caption.

    Source: MAKE (arXiv 2505.09372), sub-caption to local-region alignment.
    """
    region = F.normalize(attended_regions(patch, text, sigma), dim=-1)  # (b, S, D)
    sentences = group.gather(text)[group.gather(caption_mask)]  # (M, D)
    share = _shares(weights * caption_mask, group)  # (b, S)
    hidden = None if positives is None else left_out(caption_mask, positives, group)
    normalisers = log_normaliser(region[caption_mask], sentences, share[caption_mask], logit_scale, hidden)
    return normalisers - logit_scale * (share[..., None] * region * text).sum()


def diagnosis_weights(text: Tensor, caption_mask: Tensor) -> Tensor:
    """Weights of the captions: sub-captions close to the diagnosis have the largest.

    w_bt is the softmax, over the valid sub-captions of image b, of their cosine with its ontology caption, divided by
    its maximum, so the closest sub-caption has weight 1. The three knowledge captions have weight 1, and so has every
    caption of an image without an ontology caption. No gradient flows through the weights.

    Args:
        text: (B, T, D) unit rows.
        caption_mask: (B, T) bool.

    Returns:
        (B, T) float, 0 at invalid captions, otherwise in (0, 1].

    Source: MAKE (arXiv 2505.09372), diagnosis-guided weights.
    """
    text = text.detach()
    cosine = torch.einsum("btd,bd->bt", text[:, FIRST_SUB_CAPTION:], text[:, ONTOLOGY])  # (B, S)
    sub_mask = caption_mask[:, FIRST_SUB_CAPTION:]
    guided = torch.ones_like(text[..., 0])  # (B, T)
    if cosine.shape[1] > 0:
        # softmax divided by its maximum is exp(cosine - largest cosine): no division, no overflow
        largest = _hide(cosine, ~sub_mask).amax(dim=1, keepdim=True)
        relative = torch.exp((cosine - largest).clamp(max=0.0))
        guided[:, FIRST_SUB_CAPTION:] = torch.where(caption_mask[:, ONTOLOGY, None], relative, 1.0)
    return guided * caption_mask


def _hide(values: Tensor, where: Tensor) -> Tensor:
    # The most negative finite number instead of -inf: a row without any valid entry then gives no NaN.
    return values.masked_fill(where, torch.finfo(values.dtype).min)


def _shares(weights: Tensor, group: Group) -> Tensor:
    # Weights that sum to 1 over the whole batch; all zero where there is nothing to weigh.
    return weights / group.total(weights.sum()).clamp_min(torch.finfo(weights.dtype).tiny)


def _positives(affinity: Tensor | None, about: Tensor | None, mix: float, caption_mask: Tensor) -> Positives | None:
    if affinity is None and about is None:
        return None
    if affinity is None or affinity.ndim != 2 or len(affinity) != len(caption_mask):
        shape = None if affinity is None else tuple(affinity.shape)
        raise ValueError(f"Expected argument `affinity` to be (B, K) = ({len(caption_mask)}, K), but got {shape}.")
    if about is None or about.shape != caption_mask.shape or about.dtype != torch.int64:
        found = None if about is None else (about.dtype, tuple(about.shape))
        raise ValueError(f"Expected argument `about` to be int64 {tuple(caption_mask.shape)}, but got {found}.")
    return Positives(affinity, about, mix)


def _unit(rows: Tensor) -> Tensor:
    return F.normalize(rows if rows.dtype == torch.float64 else rows.float(), dim=-1)


def _check_shapes(image: Tensor, patch: Tensor, text: Tensor, mask: Tensor) -> None:
    (b, d) = image.shape
    if patch.ndim != 3 or patch.shape[0] != b or patch.shape[2] != d:
        raise ValueError(
            f"Expected argument `patch_features` to be (B, P, D) = ({b}, P, {d}), but got {tuple(patch.shape)}."
        )
    if text.ndim != 3 or text.shape[0] != b or text.shape[2] != d or text.shape[1] < FIRST_SUB_CAPTION:
        raise ValueError(
            f"Expected argument `text_features` to be (B, T, D) = ({b}, at least 3, {d}), but got {tuple(text.shape)}."
        )
    if mask.shape != text.shape[:2] or mask.dtype != torch.bool:
        raise ValueError(
            f"Expected argument `caption_mask` to be bool {tuple(text.shape[:2])}, "
            f"but got {mask.dtype} {tuple(mask.shape)}."
        )

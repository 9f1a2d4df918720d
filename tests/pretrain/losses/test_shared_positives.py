"""Captions that hold for other images, against the formula written out image by image and caption by caption."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch.nn.functional import normalize

from zsderm.pretrain.losses import log_sum_exp
from zsderm.pretrain.losses.make import contrastive_loss, diagnosis_weights, local_alignment_loss, make_loss
from zsderm.pretrain.losses.shared_positives import Positives

B, T, P, D, K = 5, 7, 4, 6, 3
SCALE, SIGMA = 9.0, 0.1
FEATURES = ("image_features", "patch_features", "text_features")
Data = dict[str, torch.Tensor]


def batch(seed: int = 0, soft: bool = False) -> Data:
    random = torch.Generator().manual_seed(seed)
    mask = torch.rand(B, T, generator=random) > 0.3
    mask[:, 0] = True
    mask[1, 1] = False  # an image without an ontology caption
    mask[2, 3:] = False  # one without sub-captions
    mask[4] = False  # one without any caption
    affinity = (torch.rand(B, K, generator=random) > 0.5).double()
    affinity[3] = 0.0  # an image for which no diagnosis holds, although it may have captions about one
    if soft:
        affinity = torch.where(affinity == 1, affinity, torch.rand(B, K, generator=random, dtype=torch.float64) * 0.5)
    return {
        "image_features": torch.randn(B, D, generator=random, dtype=torch.float64),
        "patch_features": torch.randn(B, P, D, generator=random, dtype=torch.float64),
        "text_features": torch.randn(B, T, D, generator=random, dtype=torch.float64),
        "caption_mask": mask,
        "affinity": affinity,
        "about": torch.randint(-1, K, (B, T), generator=random),
    }


def slow_loss(data: Data, mix: float) -> tuple[float, float]:
    """Contrastive and local part: all targets (image, caption) and (caption, image) as lists, in plain Python."""
    image = normalize(data["image_features"], dim=-1)
    patch = normalize(data["patch_features"], dim=-1)
    text = normalize(data["text_features"], dim=-1)
    weights = diagnosis_weights(text, data["caption_mask"]).tolist()
    affinity, about = data["affinity"].tolist(), data["about"].tolist()
    valid = [(b, t) for b in range(B) for t in range(T) if data["caption_mask"][b, t]]
    total = sum(weights[b][t] for b, t in valid)

    def holds(b: int, c: tuple[int, int]) -> float:
        subject = about[c[0]][c[1]]
        return 1.0 if c[0] == b else affinity[b][subject] if subject >= 0 else 0.0

    def own(b: int, c: tuple[int, int]) -> float:
        return float(c[0] == b)

    def cross_entropy(logits: list[float], targets: list[float]) -> float:
        return sum(q * (math.log(sum(map(math.exp, logits))) - z) for q, z in zip(targets, logits, strict=True))

    contrastive = 0.0
    for share, weight_of in ((1.0 - mix, own), (mix, holds)):
        for b in range(B):
            mass = sum(weights[i][t] for i, t in valid if i == b) / total
            positive = [weights[c[0]][c[1]] * weight_of(b, c) for c in valid]
            if mass > 0:
                targets = [mass * value / sum(positive) for value in positive]
                logits = [SCALE * float(image[b] @ text[c]) for c in valid]
                contrastive += 0.5 * share * cross_entropy(logits, targets)
        for c in valid:
            positive = [weight_of(b, c) for b in range(B)]
            targets = [value / sum(positive) / len(valid) for value in positive]
            logits = [SCALE * float(image[b] @ text[c]) for b in range(B)]
            contrastive += 0.5 * share * cross_entropy(logits, targets)

    subs = [c for c in valid if c[1] >= 3]
    local = 0.0
    for c in subs:
        cosines = patch[c[0]] @ text[c]  # (P,)
        region = normalize((cosines * (cosines >= SIGMA))[:, None].mul(patch[c[0]]).sum(0), dim=-1)
        wrong = [other for other in subs if other[0] == c[0] or holds(c[0], other) < 1.0]
        logits = [SCALE * float(region @ text[other]) for other in wrong]
        local += weights[c[0]][c[1]] * cross_entropy(logits, [float(other == c) for other in wrong])
    return contrastive, local / sum(weights[b][t] for b, t in subs)


@pytest.mark.parametrize(("soft", "mix"), [(False, 1.0), (True, 0.5), (True, 1.0), (False, 0.0)])
@pytest.mark.parametrize("seed", range(3))
def test_shared_targets_equal_the_slow_twin(seed: int, soft: bool, mix: float) -> None:
    data = batch(seed, soft)
    loss = make_loss(**data, logit_scale=SCALE, sigma=SIGMA, mix=mix)
    assert [loss.contrastive.item(), loss.local.item()] == pytest.approx(slow_loss(data, mix), abs=1e-9)


def test_the_targets_matter() -> None:
    data = batch()
    alone = {name: rows for name, rows in data.items() if name not in ("affinity", "about")}
    shared, own = (make_loss(**d, logit_scale=SCALE, sigma=SIGMA) for d in (data, alone))
    assert abs(shared.contrastive - own.contrastive) > 0.1 and shared.local < own.local - 0.1


@pytest.mark.parametrize("nothing", ["affinity", "about", "mix"])
def test_where_nothing_is_shared_the_loss_is_that_of_own_captions(nothing: str) -> None:
    data, mix = batch(), 1.0
    alone = {name: rows for name, rows in data.items() if name not in ("affinity", "about")}
    if nothing == "affinity":
        data["affinity"] = torch.zeros(B, K, dtype=torch.float64)
    elif nothing == "about":
        data["about"] = torch.full((B, T), -1)
    else:
        mix = 0.0
    shared, own = make_loss(**data, logit_scale=SCALE, mix=mix), make_loss(**alone, logit_scale=SCALE)
    torch.testing.assert_close(shared.contrastive, own.contrastive, rtol=0, atol=1e-12)
    if nothing != "mix":
        torch.testing.assert_close(shared.local, own.local, rtol=0, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("soft", "mix"), [(False, 1.0), (True, 0.5)])
def test_gradients_are_the_derivatives_of_the_loss(soft: bool, mix: float) -> None:
    data = batch(1, soft)
    positives = Positives(data["affinity"], data["about"], mix)
    weights = diagnosis_weights(normalize(data["text_features"], dim=-1), data["caption_mask"])  # held still
    leaves = [data[name].requires_grad_() for name in FEATURES]
    scale = torch.tensor(SCALE, dtype=torch.float64, requires_grad=True)

    def loss(image: torch.Tensor, patch: torch.Tensor, text: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        unit = normalize(text.masked_fill(~data["caption_mask"][..., None], 0.0), dim=-1)
        contrastive = contrastive_loss(
            normalize(image, dim=-1), unit, data["caption_mask"], weights, scale, positives=positives
        )
        subs = slice(3, None)
        args = patch, unit[:, subs], data["caption_mask"][:, subs], weights[:, subs], scale, SIGMA
        return contrastive + 0.7 * local_alignment_loss(*args, positives=positives.of(subs))

    assert torch.autograd.gradcheck(loss, [*leaves, scale])
    whole = make_loss(**data, logit_scale=scale, sigma=SIGMA, mix=mix).total
    torch.testing.assert_close(
        torch.autograd.grad(whole, [*leaves, scale]), torch.autograd.grad(loss(*leaves, scale), [*leaves, scale])
    )


@pytest.mark.parametrize("chunk", [1, 30])
def test_chunks_leave_out_the_same_sub_captions(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for size in (1 << 21, chunk):
        monkeypatch.setattr(log_sum_exp, "CHUNK", size)
        data = batch(2)
        leaves = [data[name].requires_grad_() for name in FEATURES]
        loss = make_loss(**data, logit_scale=SCALE, sigma=SIGMA).total
        results.append((loss, *torch.autograd.grad(loss, leaves)))
    torch.testing.assert_close(results[0], results[1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("content", [torch.nan, torch.inf, 1e6])
def test_what_an_invalid_caption_contains_and_is_about_changes_nothing(content: float) -> None:
    results = []
    for change in (False, True):
        data = batch(3)
        if change:
            data["text_features"][~data["caption_mask"]] = content
            data["about"][~data["caption_mask"]] = 0
        leaves = [data[name].requires_grad_() for name in FEATURES]
        loss = make_loss(**data, logit_scale=SCALE, sigma=SIGMA).total
        results.append((loss, *torch.autograd.grad(loss, leaves)))
    torch.testing.assert_close(results[0], results[1], rtol=0, atol=1e-12)


def test_a_perfect_encoder_of_two_diseases_has_nothing_to_gain() -> None:
    # Images and texts of a disease are one point: the loss is the least there is, the entropy of shared targets.
    images, captions = 6, 4
    label = torch.arange(images) % 2
    points = torch.eye(2, dtype=torch.float64)[label]
    mask = torch.ones(images, captions, dtype=torch.bool)
    shared = {"affinity": points, "about": label[:, None].expand(-1, captions)}
    settings = {"logit_scale": 60.0, "guided_weights": False}
    patch, text = points[:, None], points[:, None].repeat(1, captions, 1).requires_grad_()
    given = points.clone().requires_grad_()
    loss = make_loss(given, patch, text, mask, **shared, **settings).contrastive
    least = 0.5 * (math.log(images * captions / 2) + math.log(images / 2))
    assert loss.item() == pytest.approx(least)
    assert all(gradient.abs().max() < 1e-9 for gradient in torch.autograd.grad(loss, [given, text]))


def test_half_precision_features_and_float32_affinities_are_safe() -> None:
    data = batch(soft=True)
    exact = make_loss(**data, logit_scale=100.0, mix=0.5).total.item()
    rounded = {name: rows.bfloat16() if name in FEATURES else rows for name, rows in data.items()}
    rounded["affinity"] = rounded["affinity"].float()
    loss = make_loss(**rounded, logit_scale=100.0, mix=0.5)
    assert loss.total.dtype == torch.float32 and loss.total.item() == pytest.approx(exact, rel=0.05)


def test_a_batch_without_captions_or_diagnoses_has_a_loss_without_nan() -> None:
    data = batch()
    empty = {**data, "caption_mask": torch.zeros(B, T, dtype=torch.bool)}
    assert make_loss(**empty, logit_scale=SCALE).total.item() == 0
    none = {**data, "affinity": torch.zeros(B, 0), "about": torch.full((B, T), -1)}
    assert make_loss(**none, logit_scale=SCALE).total.isfinite()


@pytest.mark.parametrize(
    ("name", "value"),
    [("affinity", torch.ones(B + 1, K)), ("affinity", None), ("about", torch.zeros(B, T)), ("about", None)],
)
def test_targets_that_do_not_fit_the_captions_are_refused(name: str, value: torch.Tensor | None) -> None:
    with pytest.raises(ValueError, match=f"Expected argument `{name}`"):
        make_loss(**{**batch(), name: value}, logit_scale=SCALE)


def test_a_choice_of_captions_keeps_the_rest() -> None:
    positives = Positives(torch.ones(2, 3), torch.arange(8).reshape(2, 4) % 3, 0.5)
    some = positives.of(slice(1, 3))
    assert some.about.tolist() == [[1, 2], [2, 0]] and some == dataclasses.replace(positives, about=some.about)

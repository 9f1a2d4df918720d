from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import normalize

from zsderm.pretrain.losses.make import contrastive_loss, diagnosis_weights, local_alignment_loss, make_loss

B, T, P, D = 4, 6, 5, 8
SCALE, SIGMA = 9.0, 0.1


def batch(seed: int = 0, dtype: torch.dtype = torch.float64) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    mask = torch.rand(B, T, generator=random) > 0.3
    mask[:, 0] = True
    mask[1, 1] = False  # an image without an ontology caption
    mask[2, 3:] = False  # an image without sub-captions
    return {
        "image_features": torch.randn(B, D, generator=random, dtype=dtype),
        "patch_features": torch.randn(B, P, D, generator=random, dtype=dtype),
        "text_features": torch.randn(B, T, D, generator=random, dtype=dtype),
        "caption_mask": mask,
    }


def unit(row: list[float]) -> list[float]:
    length = math.sqrt(sum(v * v for v in row))
    return [v / length for v in row] if length > 0 else row


def dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def slow_weights(text: list[list[list[float]]], mask: list[list[bool]]) -> list[list[float]]:
    weights = []
    for b in range(len(text)):
        row = [1.0 if m else 0.0 for m in mask[b]]
        subs = [t for t in range(3, len(text[b])) if mask[b][t]]
        if mask[b][1] and subs:
            exps = [math.exp(dot(text[b][t], text[b][1])) for t in subs]
            softmax = [e / sum(exps) for e in exps]
            for t, value in zip(subs, softmax, strict=True):
                row[t] = value / max(softmax)
        weights.append(row)
    return weights


def slow_loss(
    data: dict[str, torch.Tensor], lambda_m: float = 1.0, lambda_s: float = 0.7, guided_weights: bool = True
) -> tuple[float, float, float]:
    """The whole objective, caption by caption, in plain Python."""
    image = [unit(row) for row in data["image_features"].tolist()]
    patch = [[unit(row) for row in rows] for rows in data["patch_features"].tolist()]
    text = [[unit(row) for row in rows] for rows in data["text_features"].tolist()]
    mask = data["caption_mask"].tolist()
    weights = slow_weights(text, mask) if guided_weights else [[1.0] * T for _ in range(B)]
    valid = [(b, t) for b in range(B) for t in range(T) if mask[b][t]]

    i2t = t2i = total_weight = 0.0
    for b, t in valid:
        own = SCALE * dot(image[b], text[b][t])
        over_texts = sum(math.exp(SCALE * dot(image[b], text[c][u])) for c, u in valid)
        over_images = sum(math.exp(SCALE * dot(image[i], text[b][t])) for i in range(B))
        i2t += weights[b][t] * (math.log(over_texts) - own)
        t2i += math.log(over_images) - own
        total_weight += weights[b][t]
    contrastive = 0.5 * (i2t / total_weight + t2i / len(valid))

    subs = [(b, t) for b, t in valid if t >= 3]
    local = sub_weight = 0.0
    for b, t in subs:
        region = [0.0] * D
        for p in patch[b]:
            cosine = dot(p, text[b][t])
            if cosine >= SIGMA:
                region = [r + cosine * v for r, v in zip(region, p, strict=True)]
        region = unit(region)
        over = sum(math.exp(SCALE * dot(region, text[c][u])) for c, u in subs)
        local += weights[b][t] * (math.log(over) - SCALE * dot(region, text[b][t]))
        sub_weight += weights[b][t]
    local /= sub_weight
    return lambda_m * contrastive + lambda_s * local, contrastive, local


@pytest.mark.parametrize("guided", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_make_loss_equals_the_slow_twin(seed: int, guided: bool) -> None:
    data = batch(seed)
    loss = make_loss(**data, logit_scale=SCALE, sigma=SIGMA, guided_weights=guided)
    expected = slow_loss(data, guided_weights=guided)
    # contrastive with its weights, local alignment, and both together; float64, so 1e-6 would be generous
    assert [loss.total.item(), loss.contrastive.item(), loss.local.item()] == pytest.approx(expected, abs=1e-9)


FEATURES = ("image_features", "patch_features", "text_features")


def gradients(data: dict[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """Loss and gradients of all features and of the temperature."""
    leaves = {name: data[name].clone().requires_grad_() for name in FEATURES}
    scale = torch.tensor(SCALE, dtype=torch.float64, requires_grad=True)
    loss = make_loss(**leaves, caption_mask=data["caption_mask"], logit_scale=scale, sigma=SIGMA).total
    return (loss.detach(), *torch.autograd.grad(loss, [*leaves.values(), scale]))


@pytest.mark.parametrize("content", [torch.nan, torch.inf, 1e6])
def test_changing_the_text_of_an_invalid_caption_changes_nothing(content: float) -> None:
    data = batch()
    before = gradients(data)
    data["text_features"][~data["caption_mask"]] = content
    after = gradients(data)
    assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True)), "neither the value nor any gradient"
    assert not after[3][~data["caption_mask"]].any(), "and nothing is asked of it"


def test_permuting_samples_permutes_nothing_else() -> None:
    data = batch()
    order = torch.tensor([2, 0, 3, 1])
    loss, *features, scale = gradients(data)
    shuffled_loss, *shuffled, shuffled_scale = gradients({name: tensor[order] for name, tensor in data.items()})
    torch.testing.assert_close(shuffled_loss, loss)
    torch.testing.assert_close(shuffled_scale, scale)
    for before, after in zip(features, shuffled, strict=True):
        torch.testing.assert_close(after, before[order])


def test_swapping_the_captions_of_two_images_raises_the_loss() -> None:
    # The published code flattens image-major and slices caption-major: it trains images on the captions of others.
    data = batch()
    data["text_features"] = data["image_features"][:, None, :].repeat(1, T, 1)
    data["patch_features"] = data["image_features"][:, None, :].repeat(1, P, 1)
    right = make_loss(**data, logit_scale=SCALE)
    flattened = data["text_features"].reshape(T, B, D).transpose(0, 1)
    wrong = make_loss(**{**data, "text_features": flattened}, logit_scale=SCALE)
    assert wrong.contrastive > right.contrastive + 0.1
    assert wrong.local > right.local + 0.1


def test_gradients_are_the_derivatives_of_the_loss() -> None:
    data = batch()
    leaves = [data[name].requires_grad_() for name in FEATURES]
    scale = torch.tensor(SCALE, dtype=torch.float64, requires_grad=True)
    weights = diagnosis_weights(normalize(data["text_features"], dim=-1), data["caption_mask"])

    def loss(image: torch.Tensor, patch: torch.Tensor, text: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        # The weights are held still, as they are detached in the loss: a difference quotient would move them.
        unit = normalize(text.masked_fill(~data["caption_mask"][..., None], 0.0), dim=-1)
        args = unit[:, 3:], data["caption_mask"][:, 3:], weights[:, 3:]
        contrastive = contrastive_loss(normalize(image, dim=-1), unit, data["caption_mask"], weights, scale)
        return contrastive + 0.7 * local_alignment_loss(patch, *args, scale, SIGMA)

    assert torch.autograd.gradcheck(loss, [*leaves, scale])
    through = torch.autograd.grad(loss(*leaves, scale), [*leaves, scale])
    torch.testing.assert_close(through, gradients(data)[1:])


def test_no_gradient_flows_through_the_weights() -> None:
    text = normalize(batch()["text_features"], dim=-1).requires_grad_()
    assert not diagnosis_weights(text, batch()["caption_mask"]).requires_grad


def test_the_closest_sub_caption_has_weight_1_and_knowledge_captions_have_weight_1() -> None:
    data = batch()
    weights = diagnosis_weights(normalize(data["text_features"], dim=-1), data["caption_mask"])
    expected = slow_weights(normalize(data["text_features"], dim=-1).tolist(), data["caption_mask"].tolist())
    torch.testing.assert_close(weights, torch.tensor(expected, dtype=torch.float64))
    with_subs = data["caption_mask"][:, 3:].any(dim=1)
    assert (weights[with_subs, 3:].amax(dim=1) == 1).all()
    assert (weights[:, :3] == data["caption_mask"][:, :3]).all()
    assert (weights[1] == data["caption_mask"][1]).all(), "1 where the ontology caption is missing"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_batch_without_any_caption_has_loss_zero_and_no_nan(dtype: torch.dtype) -> None:
    data = batch(dtype=dtype)
    data["caption_mask"] = torch.zeros(B, T, dtype=torch.bool)
    for name in FEATURES:
        data[name].requires_grad_()
    loss = make_loss(**data, logit_scale=SCALE)
    loss.total.backward()
    assert loss.total.item() == 0
    assert not any(data[name].grad.any() for name in FEATURES)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_image_without_captions_and_an_empty_patch_give_no_nan(dtype: torch.dtype) -> None:
    data = batch(dtype=dtype)
    data["caption_mask"][0] = False
    data["patch_features"][1, 0] = 0.0
    for name in FEATURES:
        data[name].requires_grad_()
    make_loss(**data, logit_scale=100.0, sigma=-1.0).total.backward()
    assert all(data[name].grad.isfinite().all() for name in FEATURES)
    assert not data["text_features"].grad[0].any() and data["image_features"].grad[0].any(), "it is a wrong answer"


def test_half_precision_features_are_safe() -> None:
    data = batch()
    exact = make_loss(**data, logit_scale=100.0).total.item()
    for dtype in (torch.float16, torch.bfloat16):
        rounded = {n: t if t.dtype == torch.bool else t.to(dtype) for n, t in data.items()}
        assert make_loss(**rounded, logit_scale=100.0).total.item() == pytest.approx(exact, rel=0.05)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            inside = make_loss(**rounded, logit_scale=100.0)
        assert torch.equal(inside.total, make_loss(**rounded, logit_scale=100.0).total), "autocast does not reach it"


def test_a_sub_caption_that_no_patch_reaches_has_an_empty_region() -> None:
    data = batch()
    patch = normalize(data["patch_features"], dim=-1)
    text = normalize(data["text_features"], dim=-1)[:, 3:]
    mask = data["caption_mask"][:, 3:]
    loss = local_alignment_loss(patch, text, mask, mask.double(), SCALE, sigma=1.0)
    assert loss.item() == pytest.approx(math.log(int(mask.sum())))


def test_contrastive_loss_of_captions_that_all_agree_is_the_logarithm_of_the_choices() -> None:
    image = normalize(torch.ones(B, D, dtype=torch.float64), dim=-1)
    text = image[:, None].repeat(1, T, 1)
    mask = torch.ones(B, T, dtype=torch.bool)
    loss = contrastive_loss(image, text, mask, mask.double(), SCALE)
    assert loss.item() == pytest.approx(0.5 * (math.log(B * T) + math.log(B)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("patch_features", torch.ones(B, P, D + 1)),
        ("text_features", torch.ones(B, 2, D)),
        ("caption_mask", torch.ones(B, T)),
    ],
)
def test_shapes_that_do_not_belong_together_are_refused(name: str, value: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=f"Expected argument `{name}`"):
        make_loss(**{**batch(), name: value}, logit_scale=SCALE)

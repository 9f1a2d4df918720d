"""Time and peak memory of the MAKE losses, forward and backward, beside the form that expands them, in one run.

    python -m zsderm.benchmarks.speed.make_loss
    python -m zsderm.benchmarks.speed.make_loss --valid 0.5 --repeats 7

The expanded form repeats the image of every caption, so that images and texts are both (B*T, D) rows, and takes two
softmaxes over (B*T, B*T) logits, one a direction; its local part makes unit copies of all patches and keeps the whole
(M, M) matrix of cosines. Both forms give the same loss and gradients, which is checked before anything is timed.

Every figure comes from a process of its own that does one thing: memory is the kernel's high-water mark after forward
and backward, less what the process held once its inputs were made. Time is processor time, the least of the repeats
after one unmeasured run, on one thread unless told otherwise: so what else the machine does counts little.
"""

from __future__ import annotations

import gc
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable

import click
import torch
import torch.nn.functional as F
from torch import Tensor

from zsderm.benchmarks.speed.memory import high_water, resident, trim
from zsderm.pretrain.losses.make import FIRST_SUB_CAPTION, contrastive_loss, diagnosis_weights, local_alignment_loss

SCALE, SIGMA = 20.0, 0.0
PARTS = ("contrastive", "local", "both")
SUBS = slice(FIRST_SUB_CAPTION, None)


def expanded_contrastive(image: Tensor, text: Tensor, mask: Tensor, weights: Tensor, scale: Tensor) -> Tensor:
    """The contrastive loss over rows of captions: (B*T, B*T) logits in each direction."""
    (batch, captions), kept = mask.shape, mask.flatten()
    images = image.repeat_interleave(captions, dim=0)  # (B*T, D)
    texts = text.flatten(0, 1)  # (B*T, D)
    smallest = torch.finfo(text.dtype).min
    own = torch.arange(batch * captions, device=text.device)
    to_text = scale * images @ texts.T  # (B*T, B*T)
    to_text = F.cross_entropy(to_text.masked_fill(~kept, smallest), own, reduction="none")
    to_image = scale * texts @ images.T  # (B*T, B*T)
    # Every image stands there T times: its copies share the right answer.
    to_image = F.cross_entropy(to_image, own, reduction="none") - math.log(captions)
    weight = weights.flatten() * kept
    return 0.5 * ((to_text * weight).sum() / weight.sum() + (to_image * kept).sum() / kept.sum())


def expanded_local(patch: Tensor, text: Tensor, mask: Tensor, weights: Tensor, scale: Tensor) -> Tensor:
    """Local alignment that keeps everything: unit patches (B, P, D), attention (B, S, P) and (B*S, B*S) logits."""
    unit = F.normalize(patch, dim=-1)
    cosine = torch.einsum("bpd,bsd->bsp", unit, text)  # (B, S, P)
    attention = torch.where(cosine >= SIGMA, cosine, torch.zeros_like(cosine))
    region = F.normalize(torch.einsum("bsp,bpd->bsd", attention, unit), dim=-1).flatten(0, 1)  # (B*S, D)
    kept = mask.flatten()
    logits = (scale * region @ text.flatten(0, 1).T).masked_fill(~kept, torch.finfo(text.dtype).min)  # (B*S, B*S)
    losses = F.cross_entropy(logits, torch.arange(len(region), device=text.device), reduction="none")
    weight = weights.flatten() * kept
    return (losses * weight).sum() / weight.sum()


def ours_local(patch: Tensor, text: Tensor, mask: Tensor, weights: Tensor, scale: Tensor) -> Tensor:
    """Local alignment as the training uses it."""
    return local_alignment_loss(patch, text, mask, weights, scale, SIGMA)


FORMS: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor]]] = {
    "ours": (contrastive_loss, ours_local),
    "expanded": (expanded_contrastive, expanded_local),
}


class Inputs:
    """Seeded features of B images, P patches and T captions, some of which are missing."""

    def __init__(self, batch: int, captions: int, patches: int, width: int, valid: float) -> None:
        random = torch.Generator().manual_seed(0)
        self.image = F.normalize(torch.randn(batch, width, generator=random), dim=-1).requires_grad_()
        self.patch = torch.randn(batch, patches, width, generator=random).requires_grad_()
        self.mask = torch.rand(batch, captions, generator=random) < valid
        self.mask[:, :FIRST_SUB_CAPTION] = True
        text = F.normalize(torch.randn(batch, captions, width, generator=random), dim=-1)
        self.text = (text * self.mask[..., None]).requires_grad_()
        self.scale = torch.tensor(SCALE, requires_grad=True)
        self.weights = diagnosis_weights(self.text, self.mask)

    def loss(self, form: str, part: str) -> Tensor:
        """The loss of one form: one of its parts, or the published sum of both."""
        contrastive, local = FORMS[form]
        loss = self.scale.new_zeros(())
        if part != "local":
            loss = loss + contrastive(self.image, self.text, self.mask, self.weights, self.scale)
        if part != "contrastive":
            args = self.text[:, SUBS], self.mask[:, SUBS], self.weights[:, SUBS]
            loss = loss + 0.7 * local(self.patch, *args, self.scale)
        return loss

    def step(self, form: str, part: str) -> float:
        """Forward and backward; the gradients stay in the inputs."""
        for leaf in (self.image, self.patch, self.text, self.scale):
            leaf.grad = None
        loss = self.loss(form, part)
        loss.backward()
        return loss.item()


def largest_difference(inputs: Inputs) -> float:
    """Between the gradients of the two forms, relative to the largest entry of each gradient."""
    gradients = []
    for form in FORMS:
        inputs.step(form, "both")
        gradients.append([leaf.grad for leaf in (inputs.image, inputs.patch, inputs.text, inputs.scale)])
    pairs = zip(*gradients, strict=True)
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs if a is not None and b is not None)


def measure(inputs: Inputs, form: str, part: str, repeats: int) -> dict[str, float]:
    """Seconds and megabytes of one form and part in this process."""
    Inputs(4, 8, 9, 64, 1.0).step(form, part)  # the code of the kernels is loaded when first used; it is not the loss's
    gc.collect()
    trim()
    before = resident()
    inputs.step(form, part)
    peak = high_water() - before
    seconds = []
    for _ in range(repeats):
        started = time.process_time()
        inputs.step(form, part)
        seconds.append(time.process_time() - started)
    return {"seconds": min(seconds), "megabytes": peak}


@click.command(help=__doc__)
@click.option("--batch", default=512, show_default=True, help="B")
@click.option("--captions", default=11, show_default=True, help="T")
@click.option("--patches", default=196, show_default=True, help="P; 196 is a ViT-B/16 at 224 pixels")
@click.option("--width", default=512, show_default=True, help="D")
@click.option("--valid", default=1.0, show_default=True, help="Share of the sub-captions that exist.")
@click.option("--repeats", default=3, show_default=True)
@click.option("--threads", default=1, show_default=True)
@click.option("--one", nargs=2, type=str, hidden=True, help="FORM PART: measure one thing in this process.")
def main(
    batch: int, captions: int, patches: int, width: int, valid: float, repeats: int, threads: int,
    one: tuple[str, str] | None,
) -> None:  # fmt: skip
    """Print a table in Markdown with the ratios."""
    torch.set_num_threads(threads)
    shape = (batch, captions, patches, width, valid)
    if one:
        click.echo(json.dumps(measure(Inputs(*shape), *one, repeats)))
        return
    click.echo(f"B = {batch}, T = {captions}, P = {patches}, D = {width}, {valid:.0%} of the sub-captions, float32, "
               f"{torch.get_num_threads()} threads, torch {torch.__version__}")  # fmt: skip
    small = Inputs(min(batch, 64), captions, min(patches, 16), width, valid)
    click.echo(f"largest difference of a gradient at B = {len(small.image)}: {largest_difference(small):.1e}\n")
    click.echo("| loss | ours (s) | expanded (s) | time ratio | ours (MB) | expanded (MB) | memory ratio |")
    click.echo("|---|--:|--:|--:|--:|--:|--:|")
    arguments = zip(("--batch", "--captions", "--patches", "--width", "--valid"), map(str, shape), strict=True)
    given = [word for pair in arguments for word in pair] + ["--repeats", str(repeats), "--threads", str(threads)]
    for part in PARTS:
        ours, expanded = (_in_its_own_process([*given, "--one", form, part]) for form in FORMS)
        click.echo(
            f"| {part} | {ours['seconds']:.3f} | {expanded['seconds']:.3f} | "
            f"{expanded['seconds'] / ours['seconds']:.1f} | {ours['megabytes']:.0f} | {expanded['megabytes']:.0f} | "
            f"{expanded['megabytes'] / ours['megabytes']:.1f} |"
        )


def _in_its_own_process(arguments: list[str]) -> dict[str, float]:
    command = [sys.executable, "-m", "zsderm.benchmarks.speed.make_loss", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


if __name__ == "__main__":
    main()

"""Our descent to multimodal proxies beside the published schedule, on the same problem in the same run.

    python -m zsderm.benchmarks.speed.proxies

The problem is synthetic: unit rows with a gap between images and texts, related classes, noise that classes share, and
labels transported to an even mix. The peer is the schedule of KPL (arXiv 2501.11231), which is that of InMaP (arXiv
2310.19752), written here from its description: a fixed number of gradient steps from the text proxies, each followed by
scaling the rows to unit length, with one step size for all classes that is halved whenever the gradient norm grows.
Its published first step is 10; it is run in full from every first step of a grid, and what the search for the best of
them takes is not counted. Ours is run before and after each of them, and the slower of the two middle runs is shown.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import click
import torch
from torch.nn.functional import normalize

from zsderm.proxies.chunks import FeatureChunks
from zsderm.proxies.cross_entropy import CrossEntropy, harden, inverse_curvature
from zsderm.proxies.multimodal import MAX_ITERATIONS, PROXY_TEMPERATURE, TOLERANCE
from zsderm.proxies.sphere_descent import Objective, descend
from zsderm.proxies.transport import transport_labels

PUBLISHED_STEP = 10.0
FIRST_STEPS = (3.0, PUBLISHED_STEP, 30.0)  # times the gradient of the mean cross-entropy


@dataclass(frozen=True)
class Problem:
    """Images, text proxies and hardened labels."""

    images: torch.Tensor  # (N, D) float32 unit rows
    text: torch.Tensor  # (C, D) float32 unit rows
    labels: torch.Tensor  # (N, C) rows that sum to 1
    truth: torch.Tensor  # (N,)


@dataclass(frozen=True)
class Run:
    """What one solver reached, and what it took."""

    name: str
    proxies: torch.Tensor  # (C, D) unit rows
    seconds: float
    cpu_seconds: float
    iterations: int
    evaluations: int


def problem(images: int, classes: int, width: int, seed: int = 0) -> Problem:
    """Unit rows as a contrastive model makes them, with labels that text proxies and an even mix give."""
    generator = torch.Generator().manual_seed(seed)

    def directions(count: int) -> torch.Tensor:
        return normalize(torch.randn(count, width, generator=generator), dim=1)

    image_gap, text_gap = 1.5 * directions(2)
    families = directions(max(2, classes // 4))
    family = torch.randint(len(families), (classes,), generator=generator)
    means = normalize(0.6 * families[family] + 0.8 * directions(classes), dim=1)  # (C, D)
    truth = torch.arange(images) % classes
    noise = torch.randn(images, width, generator=generator) / width**0.5
    shared = torch.randn(images, 8, generator=generator) @ directions(8) / 8**0.5
    features = normalize(image_gap + 0.5 * means[truth] + noise + shared, dim=1)
    text = normalize(text_gap + means + directions(classes), dim=1)
    return Problem(features, text, harden(transport_labels(features @ text.T)), truth)


class Counted:
    """An objective that counts how often it was asked."""

    def __init__(self, objective: Objective) -> None:
        self.objective, self.evaluations = objective, 0

    def __call__(self, proxies: torch.Tensor) -> tuple[float, torch.Tensor]:
        """The value and gradient of the objective itself."""
        self.evaluations += 1
        return self.objective(proxies)


def cross_entropy(images: torch.Tensor, labels: torch.Tensor) -> CrossEntropy:
    """The objective that `learn_proxies` minimises, in the precision of the images (N, D), for labels (N, C)."""
    chunks = FeatureChunks(images, None, dtype=images.dtype, device=images.device)
    return CrossEntropy(chunks, lambda _: labels, PROXY_TEMPERATURE)


def ours(given: Problem, tolerance: float = TOLERANCE) -> Run:
    """The descent of `learn_proxies`, with the guess at curvature inside the clock."""
    started, cpu = time.perf_counter(), time.process_time()
    counted = Counted(cross_entropy(given.images, given.labels))
    guess = inverse_curvature(given.images, len(given.text), PROXY_TEMPERATURE)
    end = descend(counted, given.text, guess, tolerance, MAX_ITERATIONS)
    elapsed = time.perf_counter() - started, time.process_time() - cpu
    return Run("zsderm", end.proxies, *elapsed, end.iterations, counted.evaluations)


def published_schedule(given: Problem, first_step: float, steps: int) -> Run:
    """Projected gradient steps whose one size is halved whenever the gradient norm grows; it never stops early."""
    started, cpu = time.perf_counter(), time.process_time()
    scale = 1.0 / (len(given.images) * PROXY_TEMPERATURE)
    attraction = given.labels.T @ given.images  # (C, D), constant
    proxies, size, last_norm = given.text, first_step, torch.inf
    for _ in range(steps):
        probabilities = torch.softmax(given.images @ proxies.T / PROXY_TEMPERATURE, dim=1)  # (N, C)
        gradient = scale * (probabilities.T @ given.images - attraction)
        norm = float(gradient.norm())
        if norm > last_norm:
            size /= 2
        last_norm = norm
        proxies = normalize(proxies - size * gradient, dim=1)
    elapsed = time.perf_counter() - started, time.process_time() - cpu
    return Run(f"published schedule, first step {first_step:g}", proxies, *elapsed, steps, steps)


def objective_of(given: Problem, proxies: torch.Tensor) -> tuple[float, float]:
    """Mean cross-entropy in nats and length of its gradient along the sphere, in float64."""
    exact = cross_entropy(given.images.double(), given.labels.double())
    rows = normalize(proxies.double(), dim=1)
    value, gradient = exact(rows)
    return value, float((gradient - (gradient * rows).sum(dim=1, keepdim=True) * rows).norm())


def row_of(given: Problem, run: Run) -> str:
    """One line of the table."""
    value, gradient = objective_of(given, run.proxies)
    cosines = (run.proxies @ run.proxies.T).fill_diagonal_(-1.0)
    right = float(((given.images @ run.proxies.T).argmax(dim=1) == given.truth).float().mean())
    return (
        f"| {run.name} | {run.seconds:.2f} | {run.cpu_seconds:.2f} | {run.iterations} | {run.evaluations} "
        f"| {value:.6f} | {gradient:.1e} | {float(cosines.max()):.3f} | {right:.3f} |"
    )


@click.command(help=__doc__)
@click.option("--images", default=3000, show_default=True)
@click.option("--classes", default=134, show_default=True)
@click.option("--width", default=512, show_default=True)
@click.option("--steps", default=2000, show_default=True, help="Of the published schedule.")
@click.option("--first-step", "first_steps", multiple=True, type=float, default=FIRST_STEPS, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=None, help="For both; by default what torch takes.")
def main(
    images: int, classes: int, width: int, steps: int, first_steps: tuple[float, ...], seed: int, threads: int | None
) -> None:
    """Print one row a solver as Markdown, then the ratios."""
    if threads:
        torch.set_num_threads(threads)
    given = problem(images, classes, width, seed)
    ours(given)  # once to warm up
    own, peers = [ours(given)], []
    for step in first_steps:
        peers.append(published_schedule(given, step, steps))
        own.append(ours(given))  # in between, so that a busy minute of the machine hits both
    runs = [sorted(own, key=lambda run: run.seconds)[len(own) // 2], *peers]
    half = cross_entropy(given.images.bfloat16().float(), given.labels)
    guess = inverse_curvature(given.images.bfloat16().float(), len(given.text), PROXY_TEMPERATURE)
    rounded = descend(half, given.text.bfloat16().float(), guess, TOLERANCE, MAX_ITERATIONS).proxies
    click.echo(f"N = {images}, C = {classes}, D = {width}, seed {seed}, {torch.get_num_threads()} threads\n")
    click.echo(
        "| solver | seconds | CPU seconds | iterations | evaluations | objective (nats) | gradient | largest cosine "
        "| accuracy |"
    )
    click.echo("|---|---|---|---|---|---|---|---|---|")
    click.echo("\n".join(row_of(given, run) for run in runs) + "\n")
    mine = objective_of(given, runs[0].proxies)[0]
    for run in runs[1:]:
        excess = mine - objective_of(given, run.proxies)[0]
        wall, cpu = run.seconds / runs[0].seconds, run.cpu_seconds / runs[0].cpu_seconds
        side = "higher" if excess > 0 else "lower"
        click.echo(
            f"{run.name}: {wall:.0f} times our time ({cpu:.0f} times our CPU time); "
            f"our objective is {abs(excess):.1e} nats {side}."
        )
    same = (given.images @ rounded.T).argmax(dim=1) == (given.images @ runs[0].proxies.T).argmax(dim=1)
    largest = float((rounded @ rounded.T).fill_diagonal_(-1.0).max())
    click.echo(
        f"From bfloat16 features: largest cosine {largest:.3f}, {float(same.float().mean()):.2%} the same class."
    )


if __name__ == "__main__":
    main()

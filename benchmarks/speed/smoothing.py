"""Processor time and memory of smoothing, by the number of images.

    OMP_NUM_THREADS=1 python -m zsderm.benchmarks.speed.smoothing --size 3000x384x134

Images are synthetic: unit rows around as many centres as there are classes. The time is that of all processor cores
together, which other programs change less than that of the clock. Memory is how far the peak of the process rises above
what the images themselves need; sizes are best given one a run, for a peak does not sink again.
"""

from __future__ import annotations

import resource
import time

import click
import torch
from torch.nn.functional import normalize

from zsderm.config import USUAL_SMOOTHING
from zsderm.proxies.smoothing import smooth_labels


def images(count: int, width: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, D) unit rows, and (N, C) labels."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(count, width, generator=generator)
    rows += torch.randn(classes, width, generator=generator)[torch.randint(classes, (count,), generator=generator)]
    return normalize(rows, dim=1), torch.softmax(torch.randn(count, classes, generator=generator), dim=1)


@click.command(help=__doc__)
@click.option(
    "--size", "sizes", multiple=True, default=("3000x384x134",), show_default=True, help="N x D x C; may repeat."
)
def main(sizes: tuple[str, ...]) -> None:
    """Print one row a size as Markdown."""
    click.echo("| images | width | classes | processor time (s) | memory above (MB) |\n|---:|---:|---:|---:|---:|")
    for size in sizes:
        count, width, classes = map(int, size.split("x"))
        rows, labels = images(count, width, classes)
        before, started = _peak(), time.process_time()
        smooth_labels(rows, labels, USUAL_SMOOTHING)
        took = time.process_time() - started
        click.echo(f"| {count} | {width} | {classes} | {took:.1f} | {_peak() - before:.0f} |")


def _peak() -> float:
    """Megabytes that this process has had in memory at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()

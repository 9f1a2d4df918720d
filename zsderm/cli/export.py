"""``zsderm export``: a folder whose image tower another engine runs, kept only if its answers are the same."""

from __future__ import annotations

from pathlib import Path

import click

from zsderm.cli.help import CLASSES, OUTPUT, Command, option
from zsderm.cli.image_list import found_images
from zsderm.cli.image_sources import images_option
from zsderm.cli.options import model_option
from zsderm.cli.parameters import ClassList, ResultFolder
from zsderm.cli.talk import say
from zsderm.places import path_or_address


@click.command(cls=Command)
@model_option
@option(
    "--engine",
    default="torch",
    show_default=True,
    type=click.Choice(["torch", "onnx", "openvino"]),
    help="What runs the image tower.",
)
@option(
    "--precision",
    default="bf16",
    show_default=True,
    type=click.Choice(["fp32", "bf16", "int8"]),
    help="The numbers of the image tower.",
)
@images_option
@option(
    "--classes",
    "-c",
    type=ClassList(),
    heading=CLASSES,
    help='The classes to compare on: a file, or "a, b, c".  [default: all of the knowledge base]',
)
@option("--output", "-o", required=True, type=ResultFolder(new=True), heading=OUTPUT, help="The new folder to write.")
def export(
    *,
    model: str,
    engine: str,
    precision: str,
    images: tuple[str, ...],
    classes: tuple[str, ...] | None,
    output: Path,
) -> None:
    """Write an encoder whose image tower runs faster on a processor, and compare it with the original.

    torch offers fp32 and bf16; onnx (ONNX Runtime) fp32 and int8; openvino fp32 and bf16. Give at least 20 photographs
    of the kind that the encoder will classify. The command prints the smallest and the mean cosine between the two
    image features, the share of photographs with the same first answer, and how much faster the image tower is on this
    machine. If the cosine of any photograph is below 0.9999 (fp32), 0.999 (bf16) or 0.99 (int8), or if fewer than 95 %
    of the answers are the same, nothing is written and the exit code is 1.

    \b
    zsderm export --model hf-hub:xieji-x/MAKE --precision bf16 photos/ -o make-bf16
    zsderm export --model hf-hub:xieji-x/MAKE --engine onnx --precision int8 photos/ -o make-int8
    zsderm classify --model ./make-bf16 photos/ -c "melanoma, nevus"
    """
    from zsderm.encoders.export import export_encoder
    from zsderm.knowledge.base import KnowledgeBase

    names = classes or tuple(KnowledgeBase.load("dermatology").diseases)
    paths = [path_or_address(name) for name in found_images(images, follow_links=False).names]
    parity = export_encoder(model, output, engine, precision, paths, names)
    click.echo(str(parity))
    if parity.speed < 1:
        click.echo(f"Warning: on this machine {engine} at {precision} is slower than the original.", err=True)
    say(f"Written: {output}")
    say(f"Use it with: --model {output}")

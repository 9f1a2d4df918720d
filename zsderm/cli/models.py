"""``zsderm models``: which encoders there are, and what is known about one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from zsderm.cli.help import Group
from zsderm.cli.terminal import print_cells
from zsderm.errors import CheckpointError

if TYPE_CHECKING:
    from zsderm.encoders.base import EncoderCard
    from zsderm.encoders.checkpoint import Checkpoint


_LISTED = ("name", "width", "image_size", "context_length", "licence")
_SHAPES = ("width", "image_size", "context_length")
_GATED = {True: "yes", False: "no", None: "not known"}


@click.group(cls=Group)
def models() -> None:
    """List encoders, and show what is known about one of them.

    \b
    NAME is one of
      zsderm-mini        bundled, works offline
      hf-hub:org/name    a Hugging Face repository, open_clip's or a CLIP or SigLIP of transformers
      local-dir:/folder  a folder in one of these formats; a plain path works too
      ViT-B-32/openai    an open_clip architecture and the tag of its weights
      ViT-B-16@FILE      an open_clip architecture and a weights file: .safetensors, .pt, .pth, .bin

    \b
    zsderm models list
    zsderm models show zsderm-mini
    """


@models.command("list")
def list_models() -> None:
    """List encoders, one on each line, with tabs between the columns; the bundled one is first.

    The column 'tried' says whether we have ever loaded the model; a minus
    stands for what is not known. Public models of the field that are no
    encoders come last.

    \b
    zsderm models list
    zsderm models list | cut -f1
    """
    from zsderm.encoders import catalogue

    _row(*_LISTED, "parameters", "gated", "tried", "description")
    for card in catalogue.cards():
        facts = (_fact(card, key) for key in _LISTED)
        words = card.description + (f"; {card.views} views of each image" if card.views > 1 else "")
        _row(*facts, _millions(card.parameters), _GATED[card.gated], catalogue.tried(card.name), words)


@models.command("show")
@click.argument("name")
def show_model(name: str) -> None:
    """Show the card of an encoder, and its files if they are on this machine. Nothing is downloaded.

    \b
    zsderm models show zsderm-mini
    zsderm models show hf-hub:xieji-x/MAKE
    zsderm models show ./my-checkpoint
    """
    from zsderm.encoders import catalogue
    from zsderm.encoders.resolve import find_checkpoint

    try:
        checkpoint = find_checkpoint(name, download=False)
    except CheckpointError as error:
        card = catalogue.known(name)
        if card is None:
            raise
        _show_card(card)
        _row("tried", catalogue.tried(name))
        _row("weights", "not on this machine")
        click.echo(str(error), err=True)
    else:
        _show_card(checkpoint.card)
        _show_files(checkpoint)


def _show_card(card: EncoderCard) -> None:
    """What a card says, one line each."""
    for key in (*_LISTED, "source", "description"):
        _row(key, _fact(card, key))
    _row("parameters", _millions(card.parameters))
    _row("training_data", ", ".join(card.training_data) or "not stated")
    _row("training_diagnoses", "not known" if card.diagnoses is None else ", ".join(card.diagnoses))
    _row("gated", _GATED[card.gated])
    if card.views > 1:
        _row("views", card.views)
    for figure in card.figures:
        _row("published", figure)
    for key, value in card.metadata.items():
        if isinstance(value, Mapping):
            for inner, part in value.items():
                _row(f"{key}.{inner}", _in_one_line(part))
        else:
            _row(key, _in_one_line(value))


def _fact(card: EncoderCard, key: str) -> object:
    """What a card says of its name, shapes or terms; a minus for a shape that is not known."""
    value = getattr(card, key)
    return "-" if key in _SHAPES and not value else value


def _in_one_line(value: object) -> str:
    """A value as a cell: a list with commas, and of a whole file or a list of objects only its length."""
    if isinstance(value, list) and any(isinstance(part, Mapping) for part in value):
        return f"({len(value)} entries in zsderm.json)"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    lines = text.splitlines()
    return f"({len(lines)} lines in zsderm.json)" if len(lines) > 1 else text


def _millions(count: int | None) -> str:
    """A number of parameters for people."""
    return "not stated" if count is None else f"{count / 1e6:.1f} million"


def _show_files(checkpoint: Checkpoint) -> None:
    """What its files say, one line each."""
    for key, value in checkpoint.facts().items():
        _row(key, value)
    size = sum(path.stat().st_size for path in checkpoint.weight_files)
    _row("weights", f"{checkpoint.weights} ({size / 1e6:.1f} MB)")
    _row("fingerprint", checkpoint.fingerprint)
    home = checkpoint.home
    _row(
        "home",
        "not measured" if home is None else f"{home.images} training images, familiar from {home.threshold:.2f} on",
    )


def _row(*cells: object) -> None:
    """One line on stdout, with tabs between the columns."""
    print_cells(*cells)

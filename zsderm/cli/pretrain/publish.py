"""``zsderm pretrain publish``: an encoder to the Hugging Face hub, with a model card."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import click

from zsderm.cli.help import Command
from zsderm.cli.talk import say
from zsderm.optional_packages import requires


@click.command(cls=Command)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--repository", required=True, help="The repository on the hub: organisation/name. It is made if it does not exist."
)
@click.option("--public", is_flag=True, help="Everybody may see a new repository; without it only its owners do.")
@click.option("--dry-run", is_flag=True, help="Write the model card and list the files, but connect to no server.")
def publish(folder: Path, repository: str, public: bool, dry_run: bool) -> None:
    """Upload the encoder in FOLDER, as training exports it, with a generated model card.

    The card is README.md in FOLDER; one written by hand is left as it is. With --dry-run the card goes to stdout.

    \b
    zsderm pretrain publish runs/mini/encoder --repository you/skin-encoder --dry-run
    zsderm pretrain publish runs/mini/encoder --repository you/skin-encoder
    """
    with requires("zsderm[pretrain]"):
        publication = import_module("zsderm.pretrain.publish")
    done = publication.push_to_hub(folder, repository, private=not public, dry_run=dry_run)
    for name, size in done.files.items():
        say(f"{'would upload' if dry_run else 'uploaded'} {name} ({size / 1e6:.2f} MB)")
    click.echo(done.card if dry_run else done.address)

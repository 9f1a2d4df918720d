"""``zsderm pretrain pages``: figures and captions out of PDF files."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

import click

from zsderm.cli.help import Command
from zsderm.cli.options import FILE
from zsderm.cli.parameters import ResultFolder
from zsderm.cli.talk import is_quiet, say
from zsderm.optional_packages import requires


@click.command(cls=Command)
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--output", "-o", required=True, type=ResultFolder(new=False), help="The folder for tables, pictures and the sheet."
)
@click.option(
    "--corrections",
    type=FILE,
    multiple=True,
    help="What the contact sheet saved: pictures struck out, captions put right. May be repeated; the last one counts.",
)
@click.option(
    "--language",
    default="eng",
    show_default=True,
    help="Of scanned pages, for Tesseract, such as eng+deu.",
)
def pages(source: Path, output: Path, corrections: tuple[Path, ...], language: str) -> None:
    """Take figures and their captions out of PDF files, as pairs to train on.

    SOURCE is a PDF file, or a folder of them. A caption begins with Fig., Figure, Plate, Image, Abb., Figura or 图 and
    a number. Written are: pairs.csv, dropped.csv with a reason for all that was left out, the pictures as files, and
    contact_sheet.html, where a human strikes out and corrects. A run that was stopped continues at its page.

    The rights of a book are not yours because its pictures are: use what you may use.

    \b
    zsderm pretrain pages book.pdf --output pairs/
    zsderm pretrain pages book.pdf --output pairs/ --corrections corrections.csv
    zsderm pretrain validate pairs/pairs.csv
    """
    from zsderm.cli.command_line import command_line
    from zsderm.encoders import load_encoder
    from zsderm.progress import counting
    from zsderm.wording import counted

    collection = _room("collection")
    said = [one for file in corrections for one in _room("corrections").read_corrections(file)]
    documents, broken = collection.find_documents(source)
    collection.refuse_foreign(output)
    for name, reason in broken:
        click.echo(f"left out: {name}: {reason}", err=True)
    if lost := collection.corrected_in(output) - {one.filename for one in said}:
        click.echo(
            f"Warning: what was corrected in {output} before is undone for {counted(len(lost), 'picture')}, of which "
            "nothing is said now. Give all that its sheets have saved: --corrections FIRST --corrections SECOND",
            err=True,
        )
    reader = _room("modality").ModalityReader(load_encoder("zsderm-mini"))
    with counting("Reading pages", sum(one.pages for one in documents), not is_quiet()) as advance:
        found = collection.collect(
            documents,
            broken,
            output,
            reader,
            corrections=said,
            language=language,
            command=command_line(),
            advance=advance,
        )
    sheet = _room("sheet").write_sheet(found, output)
    click.echo(output / collection.PAIRS)
    for line in collection.shown_reasons(found.reasons):
        say(f"left out: {line}")
    kinds = ", ".join(f"{count} {name}" for name, count in found.modalities.most_common())
    say(f"{counted(len(found.pairs), 'pair')}{f' ({kinds})' if kinds else ''}. Look them through: {sheet}")


def _room(module: str) -> ModuleType:
    """A module of the room of pages, or the command that installs what it needs."""
    with requires("zsderm[pages]", "reading PDF files"):
        return import_module(f"zsderm.pretrain.pages.{module}")

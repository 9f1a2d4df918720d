"""``zsderm pretrain pages``: figures and captions extracted from PDF files."""

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
    "--output",
    "-o",
    required=True,
    type=ResultFolder(new=False),
    help="The folder for the tables, the pictures and the contact sheet.",
)
@click.option(
    "--corrections",
    type=FILE,
    multiple=True,
    help="A table of corrections that was downloaded from the contact sheet. May be repeated; the last one counts.",
)
@click.option(
    "--language",
    default="eng",
    show_default=True,
    help="The language of scanned pages, as Tesseract names it, such as eng+deu.",
)
def pages(source: Path, output: Path, corrections: tuple[Path, ...], language: str) -> None:
    """Extract figures and their captions from PDF files, as pairs for pretraining.

    SOURCE is a PDF file, or a folder with PDF files. A caption begins with a label such as Fig., Figure, Plate, Image,
    Abb., Figura or 图 and a number. The command writes pairs.csv; dropped.csv with the reason for everything that was
    left out; the pictures; and contact_sheet.html, on which you can strike out and correct pairs. An interrupted run
    continues at the page where it stopped.

    Having a book on your disk does not give you rights to its figures. Use only documents that you may use.

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
            f"Warning: earlier corrections in {output} are undone for {counted(len(lost), 'picture')}, because they "
            "are not in the tables given now. Give every table that was downloaded: --corrections FIRST --corrections "
            "SECOND",
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
    say(
        f"{counted(len(found.pairs), 'pair')}{f' ({kinds})' if kinds else ''}. Check them on the contact sheet: {sheet}"
    )


def _room(module: str) -> ModuleType:
    """A module of the room of pages, or the command that installs what it needs."""
    with requires("zsderm[pages]", "reading PDF files"):
        return import_module(f"zsderm.pretrain.pages.{module}")

"""What a command is given as images: files and folders by name, and lists of them in a file or on standard input."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from zsderm.cli.help import IMAGES, option
from zsderm.cli.talk import say
from zsderm.errors import ImageError
from zsderm.file_names import printable
from zsderm.text_files import COMMENT
from zsderm.wording import agrees, counted

Command = TypeVar("Command", bound=Callable[..., object])

STDIN, LIST = "-", "@"
TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
LISTS = (".txt", *TABLES)  # a file that ends so is no photograph; with "@" in front any text file is a list
_STDIN_NAME = "standard input"
_LARGEST = 2**30  # bytes of a list
_PATH = click.Path(allow_dash=True)  # for shells that complete names


def images_option(command: Command) -> Command:
    """Add IMAGE... and --images; the command gets ``images``, the paths that they mean, lists read."""

    @wraps(command)
    def wrapped(*arguments: Any, photographs: tuple[str, ...], images: tuple[str, ...], **options: Any) -> object:
        if not photographs and not images:
            raise click.UsageError("Missing images: name image files or folders, as in zsderm classify photos/.")
        return command(*arguments, images=images_meant(photographs, images), **options)

    named = option(
        "--images",
        multiple=True,
        type=_PATH,
        heading=IMAGES,
        help="An image file, a folder with all folders below it, or a list (.txt, .csv, @FILE, - for standard input). "
        "May be repeated; IMAGE... without --images means the same.",
    )
    return cast("Command", click.argument("photographs", nargs=-1, metavar="[IMAGE]...", type=_PATH)(named(wrapped)))


def images_meant(photographs: Iterable[str], images: Iterable[str] = ()) -> tuple[str, ...]:
    """The paths that arguments mean: those without an option first, lists replaced by what is in them.

    Args:
        photographs: written without an option. Each of them has to be there.
        images: written with --images. A file that is not there becomes a row with a reason.

    Raises:
        UsageError: standard input is named twice.
        ImageError: an argument without an option that leads nowhere, or a list that cannot be read or leads nowhere.
        InputError: a table that cannot be read, or that names no images.
    """
    photographs, images = tuple(photographs), tuple(images)
    if (*photographs, *images).count(STDIN) > 1:
        raise click.UsageError("standard input (-) is named twice, but it can be read only once. Write it once.")
    found: list[str] = []
    for text in photographs:
        if not _is_list(text) and not os.path.lexists(text):
            raise ImageError(_nowhere(text))
        found += _expanded(text)
    for text in images:
        found += _expanded(text)
    return tuple(found)


def once(images: Iterable[str], key: Callable[[str], object] | None = None) -> Iterator[str]:
    """Images without those that were named before, by whatever path; says on stderr how many those were.

    Args:
        images: paths of files.
        key: what two paths of one image have in common; by default folder and name, with links of folders followed.
    """
    seen: set[object] = set()
    twice = 0
    for image in images:
        same = (key or FolderAndName())(image)
        if same in seen:
            twice += 1
            continue
        seen.add(same)
        yield image
    if twice:
        say(f"Note: {counted(twice, 'image')} {agrees(twice, 'was', 'were')} named more than once; each is taken once.")


class FolderAndName:
    """What paths of one file have in common: the folder with its links followed, and the name in it."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def __call__(self, path: str) -> tuple[str, str]:
        """The key of a path."""
        folder, name = os.path.split(path)
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder or os.curdir)
        return self._folders[folder], name


def _is_list(text: str) -> bool:
    return text == STDIN or (text.startswith(LIST) and not os.path.lexists(text)) or _ends_as_list(text)


def _ends_as_list(text: str) -> bool:
    return text.lower().endswith(LISTS) and os.path.isfile(text)


def _expanded(text: str) -> list[str]:
    if not _is_list(text):
        return [text]
    if text == STDIN:
        return _checked(_stdin(), _STDIN_NAME)
    path = Path(text if _ends_as_list(text) else text[len(LIST) :])
    if not path.is_file():
        raise ImageError(f"there is no list of images '{printable(str(path))}'. Write @ and the name of a file.")
    if path.suffix.lower() in TABLES:
        from zsderm.image_table import ImageTable

        names = [name for name in ImageTable.read(path).names if name]
    else:
        if path.stat().st_size > _LARGEST:
            raise ImageError(f"the list '{printable(str(path))}' is larger than {_LARGEST >> 20} MiB; take it apart")
        names = _lines(path.read_bytes(), path.parent)
    return _checked([_beside(path, name) for name in names], f"'{printable(str(path))}'")


def _beside(path: Path, name: str) -> str:
    """A name in a list: looked for in the folder of the list, then in the folder one is in."""
    place = os.path.join(path.parent, name)
    return name if not os.path.lexists(place) and os.path.lexists(name) else place


def _stdin() -> list[str]:
    if sys.stdin is None:
        raise ImageError("standard input is closed, so no names of images can be read from it")
    return _lines(sys.stdin.buffer.read())


def _in_line(line: str, folder: str | os.PathLike[str]) -> str:
    """The path in a line of a list; empty where it is empty, or a comment: "#" alone, or "#" and a blank, and more.

    Blanks and quotes around a path are none of it, unless a file is there whose name has them.
    """
    if not line.strip() or os.path.lexists(os.path.join(folder, line)) or os.path.lexists(line):
        return line if line.strip() else ""
    text = line.strip()
    if COMMENT.match(text):
        return ""
    quoted = len(text) > 2 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if quoted else text


def _lines(content: bytes, folder: str | os.PathLike[str] = "") -> list[str]:
    """The names in a text: one a line, or with zero bytes between them, as find -print0 writes them.

    Args:
        content: of the text.
        folder: in which paths are looked for first.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # PowerShell writes it so
        content = content.decode("utf-16", errors="replace").encode()
    content = content.removeprefix(codecs.BOM_UTF8)
    if b"\0" in content:
        return [os.fsdecode(name) for name in content.split(b"\0") if name]
    return [name for line in content.split(b"\n") if (name := _in_line(os.fsdecode(line.strip(b"\r")), folder))]


def _checked(names: list[str], source: str) -> list[str]:
    if not names:
        raise ImageError(f"the list of images from {source} is empty. Write one path a line.")
    if not any(map(os.path.lexists, names)):
        table = source == _STDIN_NAME and any(sign in names[0] for sign in ",;\t")
        hint = " A table is read from a file: save it, and name the file." if table else ""
        raise ImageError(
            f"not one of the {len(names)} paths in the list of images from {source} is there, beginning with "
            f"'{printable(names[0])}'. Paths are looked for beside the list, then in the folder you are in.{hint}"
        )
    return names


def _nowhere(text: str) -> str:
    """Why an argument that leads nowhere was probably written."""
    shown = f"there is no image or folder '{printable(text)}'"
    if any(sign in text for sign in "*?["):
        return f"{shown}: no file matches it. Check the folder and the suffix."
    if "," in text:
        return f"{shown}. Classes are written after -c: -c '{printable(text)}'."
    return f"{shown}. Check the spelling, or give the full path."

"""What a command is given as images: files, folders, patterns and addresses by name, and lists of them."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Any, TypeVar, cast

import click

from zsderm.cli.help import IMAGES, option
from zsderm.cli.image_lists import STDIN, expanded, is_list, is_there
from zsderm.cli.talk import say
from zsderm.errors import ImageError
from zsderm.file_names import printable
from zsderm.places import has_signs, is_address
from zsderm.wording import agrees, counted

Command = TypeVar("Command", bound=Callable[..., object])

_OTHER_TABLES = ("labels", "group_table", "regions", "narratives", "captions")  # options whose tables name images
_PATH = click.Path(allow_dash=True)  # for shells that complete names


def images_option(command: Command) -> Command:
    """Add IMAGE... and --images; the command gets ``images``, the paths that they mean, lists read."""

    @wraps(command)
    def wrapped(*arguments: Any, photographs: tuple[str, ...], images: tuple[str, ...], **options: Any) -> object:
        if not photographs and not images:
            raise click.UsageError("Missing images: name image files or folders, as in zsderm classify photos/.")
        column = options.get("image_column")  # of commands that have the option, perhaps for other tables as well
        elsewhere = any(options.get(name) for name in _OTHER_TABLES)
        return command(*arguments, images=images_meant(photographs, images, column, elsewhere), **options)

    named = option(
        "--images",
        multiple=True,
        type=_PATH,
        heading=IMAGES,
        help="An image file, a folder with all folders below it, a pattern in quotes, a tar file, or a list (.txt, "
        ".csv, .parquet, @FILE, - for standard input); each also as an address (s3://, gs://, hf://). May be repeated; "
        "IMAGE... without --images means the same.",
    )
    return cast("Command", click.argument("photographs", nargs=-1, metavar="[IMAGE]...", type=_PATH)(named(wrapped)))


def images_meant(
    photographs: Iterable[str],
    images: Iterable[str] = (),
    image_column: str | None = None,
    elsewhere: bool = False,
) -> tuple[str, ...]:
    """What arguments mean: those without an option first, lists replaced by what is in them.

    Args:
        photographs: written without an option. Each of them has to be there.
        images: written with --images. A file that is not there becomes a row with a reason.
        image_column: the column that names the images in tables.
        elsewhere: whether that may be meant of other tables, so that one without such a column is read as usual.

    Returns:
        Paths and addresses, among them `zsderm.images.Pattern` and, for a list that is read as it is asked for,
        `zsderm.images.NameList`.

    Raises:
        UsageError: standard input is named twice.
        ImageError: an argument without an option that leads nowhere, or a list that cannot be read or leads nowhere.
        InputError: a table that cannot be read, or that names no images; an address that is not read.
    """
    photographs, images = tuple(photographs), tuple(images)
    if (*photographs, *images).count(STDIN) > 1:
        raise click.UsageError("standard input (-) is named twice, but it can be read only once. Write it once.")
    found: list[str] = []
    for number, text in enumerate((*photographs, *images)):
        if is_list(text):
            found += expanded(text, image_column, elsewhere)
        elif is_address(text):
            found.append(_address(text))
        elif (pattern := _pattern(text)) is not None:
            found.append(pattern)
        elif number < len(photographs) and not is_there(text):
            raise ImageError(_nowhere(text))
        else:
            found.append(text)
    return tuple(found)


def _address(text: str) -> str:
    """An address that is read, the path that a file:// address means, or a pattern of either."""
    from zsderm.images import Pattern, check_address
    from zsderm.places import address_of, local_path

    check_address(text)
    local = local_path(text)
    if local is not None:
        return _pattern(local) or local
    return Pattern(text) if has_signs(address_of(text).key) else text


def _pattern(text: str) -> str | None:
    """A text as a pattern, if it is one and matches something; a file that is called so itself comes first."""
    if not has_signs(text) or os.path.lexists(text) or next(glob.iglob(text, recursive=True), None) is None:
        return None
    from zsderm.images import Pattern

    return Pattern(text)


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


def _nowhere(text: str) -> str:
    """Why an argument that leads nowhere was probably written."""
    shown = f"there is no image or folder '{printable(text)}'"
    if has_signs(text):
        return f"{shown}: no file matches it. Check the folder and the suffix."
    if "," in text:
        return f"{shown}. Classes are written after -c: -c '{printable(text)}'."
    return f"{shown}. Check the spelling, or give the full path."

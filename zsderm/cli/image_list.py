"""The photographs that a command is given, found before any work begins."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zsderm.cli.image_sources import once
from zsderm.cli.talk import say
from zsderm.errors import ImageError
from zsderm.wording import counted

if TYPE_CHECKING:
    from zsderm.images import ImageList

log = logging.getLogger(__name__)


def found_images(images: Sequence[str], follow_links: bool) -> ImageList:
    """The photographs that paths mean, each of them once; what was passed over in folders is said on stderr.

    Raises:
        ImageError: a folder that is missing or holds no images, or not one of the images can be opened.
    """
    from zsderm.images import ImageList, named

    found = named(images, follow_links=follow_links)
    if len(images) > 1:
        names = tuple(once(found.names))
        found = ImageList(names, [Path(name) for name in names], found.passed_over)
    log.debug("%s found", counted(len(found.names), "image"))
    check_one_opens([str(source) for source in found.sources])
    print_passed_over(found.passed_over)
    return found


def check_one_opens(images: Sequence[str]) -> None:
    """Refuse images of which not one can be opened, before an encoder is loaded for nothing.

    Raises:
        ImageError: names the first of them and says why.
    """
    from zsderm.file_names import printable
    from zsderm.images import open_file

    reason = ""
    for image in images:
        try:
            open_file(image).close()
        except ImageError as error:
            reason = reason or f"{printable(image)}: {error}"
        else:
            return
    raise ImageError(f"cannot read {reason}" if len(images) == 1 else f"none of {len(images)} images opens; {reason}")


def print_passed_over(passed_over: Mapping[str, int]) -> None:
    """Say on stderr what was left out in folders; nothing if nothing was."""
    from zsderm.images import LINKED_FOLDER, passed_over_text

    if passed_over:
        hint = "; --follow-links goes into links" if LINKED_FOLDER in passed_over else ""
        say(f"Passed over: {passed_over_text(passed_over)}{hint}")

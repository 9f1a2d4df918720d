"""The photographs that a command is given, found before any work begins."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from zsderm.cli.image_sources import once
from zsderm.cli.talk import say
from zsderm.errors import ImageError
from zsderm.places import is_address, path_or_address
from zsderm.wording import counted

if TYPE_CHECKING:
    from zsderm.images import ImageList

_ASKED = 100  # addresses that are asked for before it is said that none opens: each takes a request

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
        found = ImageList(names, [path_or_address(name) for name in names], found.passed_over)
    log.debug("%s found", counted(len(found.names), "image"))
    check_one_opens([str(source) for source in found.sources])
    print_passed_over(found.passed_over)
    return found


def check_images(images: Sequence[str]) -> None:
    """As `check_one_opens`, of what is gone through later: a folder may be of any size, but a bucket has to answer.

    Raises:
        ImageError: not one of the images can be opened, and there is nothing else among them.
        PlaceError: a bucket that cannot be used at all.
    """
    from zsderm.images import SUFFIXES, NameList, Pattern
    from zsderm.places import address_of, check_answers, has_signs, is_shard, local_path

    many = False
    for image in images:
        if is_address(image) and not isinstance(image, NameList) and local_path(image) is None:
            address = address_of(image)
            shard = is_shard(image)
            listed = isinstance(image, Pattern) or image.endswith("/") or not (address.suffix in SUFFIXES or shard)
            while has_signs(address.key):
                address = address.parent
            if listed or shard:
                check_answers(address, listed)
            many |= listed
        many |= isinstance(image, NameList | Pattern) or is_shard(image) or os.path.isdir(image)
    if not many:
        check_one_opens(images)


def check_one_opens(images: Sequence[str]) -> None:
    """Refuse images of which not one can be opened, before an encoder is loaded for nothing.

    Raises:
        ImageError: names the first of them and says why.
    """
    from zsderm.file_names import printable
    from zsderm.images import MAX_BYTES, open_file

    reason = ""
    asked = 0
    for image in images:
        asked += is_address(image)
        if asked > _ASKED:
            break
        try:
            open_file(image, None if is_address(image) else MAX_BYTES).close()
        except ImageError as error:
            reason = reason or f"{printable(image)}: {error}"
        else:
            return
    tried = f"the first {_ASKED} of {len(images)}" if asked > _ASKED else str(len(images))
    raise ImageError(f"cannot read {reason}" if len(images) == 1 else f"none of {tried} images opens; {reason}")


def print_passed_over(passed_over: Mapping[str, int]) -> None:
    """Say on stderr what was left out in folders; nothing if nothing was."""
    from zsderm.images import LINKED_FOLDER, passed_over_text

    if passed_over:
        hint = "; --follow-links goes into links" if LINKED_FOLDER in passed_over else ""
        say(f"Passed over: {passed_over_text(passed_over)}{hint}")

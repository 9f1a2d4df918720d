"""The photograph that is searched for by ``zsderm retrieve``, or that it is a text."""

from __future__ import annotations

import os
from pathlib import Path

from zsderm.cli.image_lists import is_there
from zsderm.cli.places import looks_like_path, what_it_is
from zsderm.errors import InputError
from zsderm.places import is_address, local_path, shard_and_member


def query_image(query: str) -> Path | str | None:
    """What a query of ``zsderm retrieve`` opens: an image file, one in a tar file, or the address of one.

    Returns:
        None when it is a text.

    Raises:
        InputError: it is called like an image or a path, but there is nothing; or an address that is not read.
    """
    from zsderm.images import SUFFIXES, check_address

    if is_address(query):
        check_address(query)
        query = local_path(query) or query
    if os.path.isfile(query) or (shard_and_member(query) and is_there(query)):
        return Path(query)
    if is_address(query):
        return query
    if Path(query).suffix.lower() in SUFFIXES:
        raise InputError(f"there is no image {query!r}. Check the spelling, or leave the suffix away to ask by text.")
    if looks_like_path(query):
        raise InputError(
            f"expected an image or a text, but {query!r} looks like a path, and there is {what_it_is(query)}. Check "
            "the spelling; or put the text in other words, without slashes and suffix."
        )
    return None

"""Find photographs in folders, and count what was passed over there."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import overload

from zsderm.errors import ImageError
from zsderm.file_names import counting_order, frame_name, printable
from zsderm.images.files import open_file
from zsderm.images.formats import DICOM_SUFFIXES, SUFFIXES
from zsderm.images.frames import FrameStream, picture_count
from zsderm.images.sources import (
    NO_SUFFIX,
    NameList,
    Pattern,
    Source,
    in_bucket,
    in_shard,
    listed_sources,
    matching,
)
from zsderm.places import is_address, is_shard, local_path, mapped_ahead, path_or_address

# What is counted besides files by their suffix, and besides NO_SUFFIX.
LINKED_FOLDER, HEAT_MAP = "linked folder", "heat map"
# Heat maps that zsderm has written: their names, and what is in the first bytes of them.
HEAT_MAP_NAME = re.compile(r"\d{4,}_.*\.png")
HEAT_MAP_MARK = re.compile(rb"\A\x89PNG.*Software\x00zsderm", re.DOTALL)
_HEAD = 4096  # bytes in which the mark is looked for
_SHOWN = 8  # kinds that are named in a sentence


@overload
def find(
    source: Path | Sequence[Path], *, follow_links: bool = False, passed_over: Counter[str] | None = None
) -> list[Path]: ...
@overload
def find(
    source: Source | Sequence[Source], *, follow_links: bool = False, passed_over: Counter[str] | None = None
) -> Sequence[Path | str]: ...
def find(
    source: Source | Sequence[Source], *, follow_links: bool = False, passed_over: Counter[str] | None = None
) -> Sequence[Path | str]:
    """List the photographs in a folder, a file or a list of both.

    Folders are walked to the bottom and sorted the way people count (``2.jpg`` before ``10.jpg``); hidden files and
    hidden folders are skipped. Files named one by one are kept as they are, in the order given, even if they do not
    exist or have another suffix: they become rows with a reason. Only a name without any suffix that leads nowhere is
    taken for a missing folder. A DICOM file of several pictures becomes as many paths, ``name.dcm#1`` and so on. A tar
    file that is named stands for the photographs in it, ``SHARD.tar/name.jpg``, in its order; those that lie in a
    folder are passed over.

    An address (s3://, gs://, hf://, as text) is a folder, a tar file or an object in a bucket, in the same order as
    folders on a disk; these come back as text. See also `Pattern` and `NameList`.

    Args:
        source: one path or address, or a sequence of them.
        follow_links: whether links to folders are followed; each folder is then gone through once.
        passed_over: here is counted what was left out in folders: files by suffix, linked folders, and heat maps that
            zsderm has written there.

    Returns:
        At least one path.

    Raises:
        ImageError: the folder is missing, cannot be listed or holds no images, or the list is empty.
        PlaceError, InputError: a bucket that cannot be used, or an address that is not read.
        WrongTypeError: something in it is no path.
    """
    return list(walk(source, follow_links=follow_links, passed_over=passed_over))


def find_classes(folder: Path) -> dict[str, list[Path]]:
    """The photographs of a folder whose sub-folders are the classes.

    Args:
        folder: each sub-folder is named after its class, with blanks or underscores between words.

    Returns:
        Class -> photographs, both sorted; without sub-folders that hold something else.
    """
    found: dict[str, list[Path]] = {}
    for part in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        try:
            files = find(part)
        except ImageError:  # a folder of something else
            continue
        found.setdefault(part.name.replace("_", " ").strip(), []).extend(files)
    return found


@overload
def walk(
    source: Path | Sequence[Path], *, follow_links: bool = False, passed_over: Counter[str] | None = None
) -> Iterator[Path]: ...
@overload
def walk(
    source: Source | Sequence[Source], *, follow_links: bool = False, passed_over: Counter[str] | None = None
) -> Iterator[Path | str]: ...
def walk(
    source: Source | Sequence[Source], *, follow_links: bool = False, passed_over: Counter[str] | None = None
) -> Iterator[Path | str]:
    """Go through the photographs that `find` lists, one after the other: a folder of any size takes little memory.

    Args:
        source: as `find`, and so are the others.
        follow_links: whether links to folders are followed.
        passed_over: counts what was left out, as far as the walk has come.

    Raises:
        ImageError: as `find`, when the faulty path is reached.
    """
    items = listed_sources(source, str, os.PathLike)
    if not items:
        raise ImageError("Expected at least one image, but got an empty list. Name a folder or some image files.")
    counted = Counter() if passed_over is None else passed_over
    for item in items:
        if os.fspath(item) == "":
            raise ImageError("Expected a folder or an image, but got an empty name. Write . for the folder you are in.")
        yield from _meant(item, _Search(follow_links, counted))


def passed_over_text(passed_over: Mapping[str, int]) -> str:
    """What was passed over, as ``3 .heic, 1 linked folder``, the most frequent first; empty for nothing."""
    ranked = sorted(passed_over.items(), key=lambda item: (-item[1], item[0]))
    kinds = [f"{count} {_several(kind, count)}" for kind, count in ranked[:_SHOWN]]
    rest = sum(count for _, count in ranked[_SHOWN:])
    return ", ".join([*kinds, *([f"{rest} others"] if rest else [])])


def _several(kind: str, count: int) -> str:
    if kind in (LINKED_FOLDER, HEAT_MAP):
        return kind if count == 1 else f"{kind}s"
    return "without a suffix" if kind == NO_SUFFIX else kind


class _Search:
    """One walk through a folder."""

    def __init__(self, follow_links: bool, passed_over: Counter[str]) -> None:
        self._follow_links = follow_links
        self.passed_over = passed_over
        self._seen: set[tuple[int, int]] = set()  # folders, where links may lead to one twice or in a circle

    def below(self, folder: Path) -> Iterator[Path]:
        """The images in a folder and the folders below it, however deep."""
        open_folders = [iter(self._listed(folder))]
        while open_folders:
            path, is_folder = next(open_folders[-1], (None, False))
            if path is None:
                open_folders.pop()
            elif is_folder:
                open_folders.append(iter(self._listed(path)))
            else:
                yield path

    def _listed(self, folder: Path) -> list[tuple[Path, bool]]:
        """The folders and images in a folder in their order, and which they are."""
        found = []
        try:
            if self._follow_links and self._seen_before(os.stat(folder)):
                return []
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not entry.name.startswith(".") and (is_folder := self._kept(entry)) is not None:
                        found.append((entry.name, is_folder))
        except OSError as error:
            # To leave out silently the images of a folder that may not be listed would be wrong.
            reason = f"folder '{printable(str(folder))}' cannot be listed: {error.strerror}. Change its permissions."
            raise ImageError(reason) from error
        found.sort(key=lambda item: counting_order(item[0]))
        return [(folder / name, is_folder) for name, is_folder in found]

    def _kept(self, entry: os.DirEntry[str]) -> bool | None:
        """True for a folder to go into, False for an image, None for what is passed over."""
        if entry.is_dir(follow_symlinks=False):
            return True
        suffix = Path(entry.name).suffix.lower()
        if entry.is_symlink() and _leads_to_a_folder(entry):
            if self._follow_links:
                return True
            self.passed_over[LINKED_FOLDER] += 1
            return None
        if suffix in SUFFIXES:
            if not _is_heat_map(entry):
                return False
            suffix = HEAT_MAP
        self.passed_over[suffix or NO_SUFFIX] += 1
        return None

    def _seen_before(self, status: os.stat_result) -> bool:
        place = (status.st_dev, status.st_ino)
        if place in self._seen:
            return True
        self._seen.add(place)
        return False


def _leads_to_a_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # it leads in a circle, or below a file: one row with a reason, if it is called like an image
        return False


def _is_heat_map(entry: os.DirEntry[str]) -> bool:
    """Whether zsderm has written a picture to explain an answer: it is no photograph to be answered."""
    if not HEAT_MAP_NAME.fullmatch(entry.name):
        return False
    try:
        with open_file(entry.path, most=None) as stream:
            return bool(HEAT_MAP_MARK.match(stream.read(_HEAD)))
    except (ImageError, OSError):  # one row with a reason
        return False


def _meant(item: Source, search: _Search) -> Iterator[Path | str]:
    """What one path, address, pattern or list stands for."""
    if isinstance(item, NameList):
        for name in item.names():
            yield from _meant(name, search) if name else ()
    elif isinstance(item, Pattern):
        yield from _pictures_of(matching(item, search.passed_over))
    elif is_address(item) and local_path(os.fspath(item)) is None:
        yield from _pictures_of(in_bucket(os.fspath(item), search.passed_over))
    else:
        path = Path(local_path(os.fspath(item)) or item)
        if is_shard(path) and os.path.isfile(path):
            yield from _pictures_of(in_shard(os.fspath(path), search.passed_over))
        else:
            yield from _expand(path, search)


def _expand(path: Path, search: _Search) -> Iterator[Path]:
    if not os.path.isdir(path):
        if not path.suffix and not os.path.lexists(path):
            raise ImageError(f"there is no folder '{printable(str(path))}'. Check the spelling, or give the full path.")
        yield from _pictures(path, path.suffix.lower() not in SUFFIXES - DICOM_SUFFIXES)
        return
    before = Counter(search.passed_over)
    found = False
    for image in search.below(path):
        found = True
        yield from _pictures(image, image.suffix.lower() in DICOM_SUFFIXES)
    if not found:
        suffixes = " ".join(sorted(suffix[1:] for suffix in SUFFIXES))
        left_out = passed_over_text(search.passed_over - before)
        also = f" Passed over: {left_out}." if left_out else ""
        if (search.passed_over - before)[".tar"]:
            also += f" Name tar files with a pattern: '{printable(str(path))}/*.tar'"
        raise ImageError(
            f"folder '{printable(str(path))}' holds no images. Expected files ending in one of: {suffixes}.{also}"
        )


def _pictures_of(images: Iterable[Path | str]) -> Iterator[Path | str]:
    """Images, each of the pictures of a DICOM file by a name of its own."""
    dicom = False
    images = iter(images)
    for image in images:
        if Path(image).suffix.lower() in DICOM_SUFFIXES:
            dicom = True
            images = chain([image], images)
            break
        yield image
    if dicom:  # each has to be opened, which in a bucket takes its time
        for _, names in mapped_ahead(images, _names_of):
            yield from names


def _names_of(image: Path | str) -> list[Path | str]:
    if Path(image).suffix.lower() not in DICOM_SUFFIXES:
        return [image]
    try:
        with open_file(image, most=None) as stream:
            count = 1 if isinstance(stream, FrameStream) else picture_count(stream)
    except (ImageError, OSError):  # one row with a reason
        count = 1
    return [image] if count == 1 else [path_or_address(frame_name(image, one)) for one in range(1, count + 1)]


def _pictures(path: Path, may_be_dicom: bool) -> Iterator[Path]:
    """A file, or a name for each of its pictures where it is a DICOM file of several."""
    count = 1
    if may_be_dicom:
        try:
            with open_file(path) as stream:
                count = 1 if isinstance(stream, FrameStream) else picture_count(stream)
        except (ImageError, OSError):  # one row with a reason
            count = 1
    yield from [path] if count == 1 else (Path(frame_name(path, number)) for number in range(1, count + 1))

"""Find photographs and open them as plain RGB, whatever camera or scanner wrote them.

`find` lists paths and `walk` goes through them, `open_image` gives pixels in sRGB, and a file that cannot be read is an
``ImageError`` whose message is one clause without the path, ready for the ``error`` column of a row.

All threads of a process share `MEMORY` bytes for decoding; what each image takes is reckoned from its header.
"""

from zsderm.images.archive import ArchivedFile, ArchiveLimits, PhotographArchive
from zsderm.images.decoding import (
    MAX_ASPECT_RATIO,
    MAX_PIXELS,
    VERSION,
    ImageSource,
    Undecoded,
    file_behind,
    open_image,
    read_header,
)
from zsderm.images.files import MAX_BYTES, file_hash, file_of, open_file
from zsderm.images.formats import FORMATS, SUFFIXES
from zsderm.images.frames import FrameStream, picture_count
from zsderm.images.memory import MEMORY
from zsderm.images.naming import ImageList, named
from zsderm.images.search import LINKED_FOLDER, find, find_classes, passed_over_text, walk
from zsderm.images.sources import NameList, Pattern, check_address

__all__ = [
    "FORMATS",
    "LINKED_FOLDER",
    "MAX_ASPECT_RATIO",
    "MAX_BYTES",
    "MAX_PIXELS",
    "MEMORY",
    "SUFFIXES",
    "VERSION",
    "ArchiveLimits",
    "ArchivedFile",
    "FrameStream",
    "ImageList",
    "ImageSource",
    "NameList",
    "Pattern",
    "PhotographArchive",
    "Undecoded",
    "check_address",
    "file_behind",
    "file_hash",
    "file_of",
    "find",
    "find_classes",
    "named",
    "open_file",
    "open_image",
    "passed_over_text",
    "picture_count",
    "read_header",
    "walk",
]

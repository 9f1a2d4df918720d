"""Rows by the million, found by inner product: an inverted file on disk, built in flat memory, mapped when it is asked.

cells       into which cell a row goes, and how it is written there
card        what an index is, and whose rows it holds
shards      stretches of rows on their way into it
building    an index is built, or the build goes on
disk_index  an index is asked
"""

from __future__ import annotations

from zsderm.embeddings.disk_index.building import build
from zsderm.embeddings.disk_index.card import Marks, clear
from zsderm.embeddings.disk_index.disk_index import DiskIndex

__all__ = ["DiskIndex", "Marks", "build", "clear"]

"""Folders that results of many files are written to and read from, wherever they are.

folders  what every such folder can do, and one on this machine's disks
"""

from __future__ import annotations

from zsderm.places.folders import Folder, LocalFolder, folder_at

__all__ = ["Folder", "LocalFolder", "folder_at"]

"""Memory of this process in megabytes, now and at its highest."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")
REFERENCES = Path("/proc/self/clear_refs")


def trim() -> None:
    """Give freed memory back and begin the high-water mark anew, where the system can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
        REFERENCES.write_text("5", encoding="ascii")  # 5 resets VmHWM


def resident() -> float:
    """Resident memory now (VmRSS); Linux only."""
    return _status("VmRSS")


def high_water() -> float:
    """Largest resident memory since `trim` (VmHWM); Linux only."""
    return _status("VmHWM")


def _status(field: str) -> float:
    lines = STATUS.read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) * 1024 / 1e6

"""One finding of a check."""

from __future__ import annotations

from dataclasses import dataclass

ERROR, WARNING = SEVERITIES = ("error", "warning")


@dataclass(frozen=True)
class Problem:
    """One thing to mend, or to look at."""

    disease: str  # its name; the place ("tumours.jsonl:12") where the line cannot be read, or the file
    reason: str
    check: str = "form"  # the kind of check that found it: "touch", "alias", ...
    severity: str = ERROR  # "error": has to be mended; "warning": should be looked at
    text: str = ""  # the description that it is about, if it is about one

"""The review of the bundled base: every finding has a decision, and none of the wrong ones is left."""

from __future__ import annotations

import csv

from zsderm.knowledge import library

REVIEW = library.bundled()["dermatology"] / "REVIEW.csv"
COLUMNS = ["file", "disease", "kind", "severity", "text", "why", "suggestion", "decision"]


def test_every_row_of_the_review_has_one_decision_and_what_was_wrong_is_mended() -> None:
    with REVIEW.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == COLUMNS and len(rows) == 429 + 305
    for row in rows:
        assert row["decision"].startswith(("mended: ", "left: ")) and len(row["decision"]) > 10, row
        assert row["severity"] != "wrong" or row["decision"].startswith("mended: "), row
        assert "elsewhere" not in row["decision"], row
    keys = ("file", "disease", "kind", "text", "why")
    assert len({tuple(row[key] for key in keys) for row in rows}) == len(rows), "each finding once"

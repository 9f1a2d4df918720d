"""The review of the bundled base: every finding has a decision, and none of the wrong ones is left."""

from __future__ import annotations

import csv
import re

from zsderm.knowledge import KnowledgeBase, library
from zsderm.knowledge.names import spelling

REVIEW = library.bundled()["dermatology"] / "REVIEW.csv"
# A whole sentence that a decision quotes: now 'One isolated spot in a skin fold, with normal skin all round.'
NEW_TEXT = re.compile(r"""(?:rewritten as|now) ['"]([A-Z][^"]*\.)['"](?:\s|$|,|;)""")
COLUMNS = ["file", "disease", "kind", "severity", "text", "why", "suggestion", "decision"]


def test_every_row_of_the_review_has_one_decision_and_what_was_wrong_is_mended() -> None:
    with REVIEW.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == COLUMNS and len(rows) == 429 + 305
    for row in rows:
        assert row["decision"].startswith(("mended: ", "left: ")) and len(row["decision"]) > 10, row
        assert row["severity"] != "wrong" or row["decision"].startswith("mended: "), row
        assert "elsewhere" not in row["decision"], row
    # What it says of aliases, modalities and new sentences is held against the base.
    base = KnowledgeBase.load("dermatology")
    aliases = {name: set(map(spelling, disease.aliases)) for name, disease in base.diseases.items()}
    texts = {text.text for text in base.descriptions}
    modality = {(text.disease, text.text): text.modality for text in base.descriptions}
    for row in rows:
        if row["text"].startswith("alias: ") and re.match("mended: (both aliases )?removed", row["decision"]):
            said = set(map(spelling, re.split(" / |; ", row["text"].removeprefix("alias: "))))
            assert not said & aliases.get(row["disease"], set()), row
        assert set(NEW_TEXT.findall(row["decision"])) <= texts, row
        if row["decision"].startswith(("mended: clinical", "mended: modality clinical")):
            assert modality.get((row["disease"], row["text"]), "clinical") == "clinical", row
    keys = ("file", "disease", "kind", "text", "why")
    assert len({tuple(row[key] for key in keys) for row in rows}) == len(rows), "each finding once"

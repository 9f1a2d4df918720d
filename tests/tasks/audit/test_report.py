from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from zsderm.tasks.audit import report as audit_report
from zsderm.tasks.audit.image_sets import ImageSet
from zsderm.tasks.audit.report import AuditReport, Overlap, Pair


@pytest.fixture
def report(tmp_path: Path) -> AuditReport:
    paths = tuple(tmp_path / f"{index}.png" for index in range(4))
    for path in paths:
        Image.new("RGB", (8, 8), "red").save(path)
    return AuditReport(
        sets=(
            ImageSet("train", paths[:2], {"patient_id": ("a", "b")}),
            ImageSet("test", paths[2:], {"patient_id": ("b", "")}),
        ),
        pairs=(Pair("exact", "across", 1, 2), Pair("perceptual", "within train", 0, 1, bits=7)),
        overlaps=(Overlap("patient_id", 2, 1, ("b",), 1),),
        errors={},
        bits=40,
        cosine=None,
        encoder="",
    )


def test_pairs_are_counted_by_place_and_kind(report: AuditReport) -> None:
    assert report.counts()["across"] == {"exact": 1, "perceptual": 0}
    assert report.counts()["within train"] == {"exact": 0, "perceptual": 1}
    assert json.loads(json.dumps(report.to_dict()))["overlaps"]["patient_id"]["shared"] == 1


def test_the_table_has_a_row_per_pair_and_says_who_is_shared(report: AuditReport, tmp_path: Path) -> None:
    report.to_csv(tmp_path / "pairs.csv")
    frame = report.to_frame()
    assert frame["same_patient_id"].tolist() == ["b", ""] and frame["bits"].tolist() == ["", 7]
    assert (tmp_path / "pairs.csv").read_text(encoding="utf-8").splitlines()[0] == ",".join(frame)


def test_the_summary_says_thresholds_and_overlaps(report: AuditReport) -> None:
    text = report.to_markdown()
    assert "| across | 1 | 0 |" in text and "Shared patient_id: 1 of 2 and 1 (b), 1 test images." in text
    assert "at most 40 of 256 bits differ" in text and "embedding" not in text


def test_the_page_shows_every_pair_up_to_a_limit(
    report: AuditReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report.sheet().write(tmp_path / "sheet.html")
    page = (tmp_path / "sheet.html").read_text(encoding="utf-8")
    assert page.count("<img ") == 4 and "same patient_id" in page and "7 of 256 bits differ" in page
    monkeypatch.setattr(audit_report, "SHOWN", 0)
    report.sheet().write(tmp_path / "sheet.html")
    page = (tmp_path / "sheet.html").read_text(encoding="utf-8")
    assert "<img " not in page and "the table has them all" in page


def test_the_headline_says_what_is_shared(report: AuditReport) -> None:
    assert report.headline == "1 pair and 1 shared patient_id across the sets"
    clean = replace(report, pairs=report.pairs[1:], overlaps=())
    assert clean.headline == "Nothing is shared" and not clean.leaks
    alone = replace(clean, sets=report.sets[:1])
    assert alone.headline == "1 pair within the set"
    assert replace(alone, pairs=()).headline == "Nothing is repeated"


def test_pairs_are_sorted_across_before_within_and_strongest_first() -> None:
    pairs = [
        Pair("embedding", "across", 0, 9, cosine=0.991),
        Pair("embedding", "across", 1, 9, cosine=0.999),
        Pair("perceptual", "across", 2, 9, bits=9),
        Pair("perceptual", "across", 3, 9, bits=2),
        Pair("exact", "within test", 8, 9),
        Pair("exact", "across", 4, 9),
    ]
    assert [pair.one for pair in sorted(pairs, key=Pair.order)] == [4, 3, 2, 1, 0, 8]


def test_cosines_near_1_are_told_apart() -> None:
    pairs = [Pair("embedding", "across", 0, 9, cosine=cosine) for cosine in (0.99995, 0.99996)]
    assert [pair.measure for pair in pairs] == ["cosine 0.99995", "cosine 0.99996"]

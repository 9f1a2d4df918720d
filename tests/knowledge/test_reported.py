from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from zsderm import InputError, KnowledgeBase
from zsderm.knowledge import Disease, Report, library
from zsderm.knowledge.base import KnowledgeCard
from zsderm.knowledge.reported import reported_lines
from zsderm.knowledge.store import write_base as write_whole_base

ITCHES = {"name": "wart", "reported": [{"about": "itch", "text": "It itches at night."}]}
HURTS = {"name": "corn", "reported": [{"about": "pain", "text": "It hurts in tight shoes."}]}


@pytest.fixture
def base(write_base, disease):
    """base(records of reports...) -> a folder with a wart and a corn, and with what patients report of them."""

    def make(*reports: dict, folder: str = "mine") -> Path:
        card = {"name": "mine", "groups": {"hard spots": ["wart", "corn"]}}
        place = write_base(
            disease("wart", "rough", aliases=["verruca"]), disease("corn", "hard"), folder=folder, card=card
        )
        (place / "reported").mkdir()
        (place / "reported" / "all.jsonl").write_text("\n".join(map(json.dumps, reports)), encoding="utf-8")
        return place

    return make


def test_reports_are_read_by_canonical_name_in_the_order_of_the_diseases(base):
    loaded = KnowledgeBase.load(base(HURTS, ITCHES))
    assert loaded.reported == {
        "wart": (Report("It itches at night.", "wart", "itch"),),
        "corn": (Report("It hurts in tight shoes.", "corn", "pain"),),
    }
    assert list(loaded.reported) == ["wart", "corn"]


def test_reports_of_an_alias_a_group_and_a_stranger(base):
    found = KnowledgeBase.load(base(HURTS, ITCHES)).reports_for(["Verrucae", "hard spots", "moon"])
    assert [[report.disease for report in found[name]] for name in found] == [["wart"], ["wart", "corn"], []]


def test_reports_are_no_descriptions_and_change_no_checksum_but_their_own(base):
    without, one, both = (
        KnowledgeBase.load(base(*reports, folder=f"mine{len(reports)}")) for reports in ((), (ITCHES,), (ITCHES, HURTS))
    )
    assert without.checksum == one.checksum == both.checksum
    assert len({without.reported_checksum, one.reported_checksum, both.reported_checksum}) == 3
    assert len(both) == len(without) == 2 and without.reported == {}
    turned = KnowledgeBase.load(base(HURTS, ITCHES, folder="turned"))
    assert turned.reported_checksum == both.reported_checksum


def test_a_base_of_one_file_and_one_without_the_folder_report_nothing(write_base, disease):
    folder = write_base(disease("wart", "rough"))
    for place in (folder, folder / "all.jsonl"):
        assert KnowledgeBase.load(place).reported == {} and not list(reported_lines(place))


def test_reports_are_read_when_they_are_asked_for(base):
    loaded = KnowledgeBase.load(base({"name": "wart", "reported": "It itches."}))
    assert loaded.find("wart").name == "wart"
    with pytest.raises(InputError, match=r"reported/all.jsonl:1: expected 'reported' to be a list of objects"):
        _ = loaded.reported


@pytest.mark.parametrize(
    ("reports", "message"),
    [
        ([{**ITCHES, "name": "moon"}], "'moon' is none of its canonical names"),
        ([{**ITCHES, "name": "verruca"}], "'verruca' is none of its canonical names"),
        ([ITCHES, ITCHES], "reported/all.jsonl:2: 'wart' has two lines"),
        ([{"name": "wart", "reported": [{"about": "itch"}]}], "expected 'text' to be a text"),
        ([{"name": "wart"}], "expected 'reported' to be a list"),
    ],
)
def test_reports_that_cannot_be_used_are_one_sentence(base, reports, message):
    with pytest.raises(InputError, match=message):
        _ = KnowledgeBase.load(base(*reports)).reported


def test_a_part_of_a_base_and_a_copy_of_it_keep_the_reports(base, tmp_path: Path):
    loaded = KnowledgeBase.load(base(HURTS, ITCHES))
    part = loaded.subset(lambda text: text.disease == "wart")
    assert part.reported == loaded.reported
    write_whole_base(tmp_path / "copy", loaded.card, loaded.diseases.values(), {}, loaded.reported)
    assert KnowledgeBase.load(tmp_path / "copy").reported_checksum == loaded.reported_checksum


def test_a_copy_is_not_written_with_reports_that_cannot_be_read_back(tmp_path: Path):
    stranger = {"moon": (Report("It shines.", "moon", "change"),)}
    with pytest.raises(InputError, match="none of its canonical names"):
        write_whole_base(tmp_path / "copy", KnowledgeCard("mine"), [Disease("wart")], {}, stranger)
    assert not (tmp_path / "copy").exists()


def test_the_sources_of_the_bundled_base_count_what_is_reported():
    base = KnowledgeBase.load("dermatology")
    page = (library.locate("dermatology") / "SOURCES.md").read_text("utf-8")
    counts = Counter(report.about for reports in base.reported.values() for report in reports)
    for about, count in counts.items():
        assert re.search(rf"\| {about}( \([^)]*\))? \| {count} \|", page), (about, count)
    fewest, most = min(map(len, base.reported.values())), max(map(len, base.reported.values()))
    assert f"{counts.total():,} sentences in a patient's voice" in page
    assert f"{fewest} to {most} for each of the {len(base.reported)} diseases" in page

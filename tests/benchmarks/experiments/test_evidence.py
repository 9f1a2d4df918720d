from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from zsderm.benchmarks.experiments.evidence import contradictions, main, tally
from zsderm.knowledge import Description


def told(text: str, modality: str = "clinical", shows: str = "lesion") -> Description:
    return Description(text, "wart", "colour", modality, "test", shows)


@pytest.mark.parametrize(
    ("description", "region", "skin_type", "expected"),
    [
        (told("A red dome."), "FACE", "1", set()),
        (told("A red dome on the shin."), "FACE", "1", {"another place"}),
        (told("A red dome on the cheek."), "FACE", "1", set()),
        (told("A red dome on the shin."), "", "1", set()),
        (told("Dots in a net.", "dermoscopic"), "FACE", "", {"other kind"}),
        (told("On brown and black skin, a plum dome."), "", "2", {"dark skin"}),
        (told("On brown and black skin, a plum dome."), "", "5", set()),
        (told("On brown and black skin, a plum dome."), "", "", set()),
        (told("A dark brown dome with skin lines."), "", "1", set()),
        (told("No scale.", shows="differs"), "", "", {"no sign"}),
        (told("On a cheek.", shows="place"), "FACE", "", set()),
        (told("On a cheek.", shows="place"), "", "", {"no sign"}),
    ],
)
def test_a_sentence_contradicts_what_is_known_of_the_photograph(description, region, skin_type, expected) -> None:
    assert contradictions(description, region, skin_type) == expected


def test_the_tally_counts_what_could_contradict_as_well() -> None:
    shin, net = told("A dome on the shin."), told("A net.", "dermoscopic")
    assert tally([[shin, net], [shin], []], ["FACE", "", "FACE"], ["", "3", "1"]) == {
        "listed": 3,
        "distinct": 2,
        "with a region": 2,
        "with a light skin type": 1,
        "another place": 1,
        "distinct first": 1,
        "other kind": 1,
        "dark skin": 0,
        "no sign": 0,
    }


@pytest.mark.slow
def test_the_command_measures_a_folder_and_writes_page_and_figures(tmp_path: Path) -> None:
    (tmp_path / "pad").mkdir()
    rows = [("a", "melanoma", "FACE", "1.0"), ("b", "nevus", "BACK", ""), ("c", "melanoma", "", "5.0")]
    for name, *_ in rows:
        Image.new("RGB", (32, 32), (60 * ord(name[0]) % 255, 90, 80)).save(tmp_path / "pad" / f"{name}.png")
    lines = [f"{name}.png,{label},dev,{region},{skin}" for name, label, region, skin in rows]
    table = "\n".join(["filename,label,split,region,fitspatrick", *lines, "d.png,nevus,train,,"])
    (tmp_path / "pad" / "index.csv").write_text(table)
    page = tmp_path / "page.md"
    page.write_text("<!-- evidence -->\n<!-- end of evidence -->\n")
    given = ["--data-root", str(tmp_path), "--output", str(tmp_path / "e.json"), "--document", str(page)]
    result = CliRunner().invoke(main, given, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / "e.json").read_text())
    assert figures["answered"] == [{"set": "pad", "n": 3}] and [row["listed"] for row in figures["rows"]] == [9] * 6
    assert all(row["other kind"] == row["no sign"] == 0 for row in figures["rows"][1:])
    assert [(row["set"], row["n"]) for row in figures["kinds"]] == [("pad", 3)]
    assert "| pad | clinical | 3 |" in page.read_text()


def test_a_folder_without_either_set_is_one_sentence(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--data-root", str(tmp_path)])
    assert result.exit_code == 1 and "neither pad/index.csv nor ham10000/index.csv" in result.output

"""The checks of what patients report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zsderm.knowledge import library
from zsderm.knowledge.authoring.validate import validate
from zsderm.knowledge.authoring.vocabulary import REPORTED
from zsderm.knowledge.reported import FOLDER

SAID = [
    "It itches at night.",
    "It grew within a week.",
    "It bleeds when I shave.",
    "My brother has it too.",
    "It is sore.",
]
NAMES = ("wart", "eczema", "pityriasis rosea")


def line(name: str, *texts: str, about: str = "itch", **more: object) -> dict:
    """A line with five sound sentences, of which the first ones are `texts`."""
    said = [*texts, *(f"{text[:-1]}, says {name.split(maxsplit=1)[0][:2]}." for text in SAID)][:5]
    return {"name": name, "reported": [{"about": about, "text": text, **more} for text in said]}


@pytest.fixture
def findings(write_base):
    """findings(lines...) -> what validate says of the reports of a base of three diseases."""

    def find(*lines: dict | str, profile: str = "full") -> list[str]:
        aliases = {"wart": ["verruca"], "eczema": ["ECZ"], "pityriasis rosea": ["burns"]}
        folder = write_base(*({"name": name, "aliases": aliases[name]} for name in NAMES), card={"profile": profile})
        (folder / FOLDER).mkdir()
        texts = [one if isinstance(one, str) else json.dumps(one) for one in lines]
        (folder / FOLDER / "all.jsonl").write_text("\n".join(texts), encoding="utf-8")
        found = [problem for problem in validate(folder) if problem.check == "reported"]
        assert all(problem.severity == "error" for problem in found)
        return [f"{problem.disease}: {problem.reason}" for problem in found]

    return find


def test_sound_reports_have_no_problems(findings):
    assert findings(*map(line, NAMES)) == []


@pytest.mark.parametrize("profile", ["full", "minimal"])
def test_a_file_without_a_line_is_an_error(findings, profile):
    assert findings("", "  ", profile=profile) == [
        "reported/all.jsonl: no line holds what patients report; write some, or remove it"
    ]


def test_a_base_without_the_folder_is_not_held_against_it(write_base):
    assert not [problem for problem in validate(write_base({"name": "wart"})) if problem.check == "reported"]


@pytest.mark.parametrize(
    ("wart", "reason"),
    [
        (line("wart", about="smell"), "wart: about 'smell' is not in the vocabulary: 'It itches at night, says wa.'"),
        (line("wart", "It itches much."), "wart: expected 4 to 30 words, but got 3: 'It itches much.'"),
        (line("wart", "so " * 31), f"wart: expected 4 to 30 words, but got 31: '{('so ' * 31).strip()}'"),
        (line("wart", "My Verrucae itch at night."), "wart: name 'verruca' in: 'My Verrucae itch at night.'"),
        (line("wart", "They say it is ecze-ma."), "wart: name 'eczema' in: 'They say it is ecze-ma.'"),
        (line("wart", "They call it ECZ here."), "wart: name 'ECZ' in: 'They call it ECZ here.'"),
        (line("wart", "I had a burn there."), "wart: name 'burns' in: 'I had a burn there.'"),
        (line("wart", "It is so sore.", "It is so sore!"), "wart: the same sentence twice: 'It is so sore!'"),
        (line("wart", weight=1), "wart: reported 1: key 'weight' is unknown"),
        ({**line("wart"), "look": 1}, "wart: reported: key 'look' is unknown"),
        ({"name": "wart", "reported": line("wart")["reported"][:4]}, "wart: expected at least 5 sentences"),
    ],
)
def test_what_breaks_a_rule_is_an_error(findings, wart, reason):
    found = findings(wart, line("eczema"), line("pityriasis rosea"))
    assert found and found[0].startswith(reason)
    assert len(found) == 1 or "key 'weight'" in reason or "vocabulary" in reason  # of each of its five sentences


def test_everyday_meanings_of_names_are_no_names(findings):
    sore = line("wart", "It burns and it itches.", "We ecz all day long.")
    assert findings(sore, line("eczema"), line("pityriasis rosea")) == []


def test_sentences_of_two_diseases_and_diseases_without_sentences(findings):
    assert findings(line("wart", "It is so very sore."), line("eczema", "It is so very sore.")) == [
        "pityriasis rosea: has no line in the folder reported",
        "eczema: the same sentence as 'wart': 'It is so very sore.'",
    ]


@pytest.mark.parametrize("profile", ["full", "minimal"])
@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("{", "reported/all.jsonl:4: expected a JSON object, but"),
        (line("moon"), "reported/all.jsonl:4: 'moon' is no canonical name of a disease of the base"),
        (line("wart"), "wart: has two lines in the folder reported; merge the two"),
        ({"name": "wart", "reported": [{"about": "itch"}]}, "reported/all.jsonl:4: expected 'text' to be a text"),
    ],
)
def test_what_cannot_be_used_is_an_error_in_both_profiles(findings, profile, broken, reason):
    found = findings(*map(line, NAMES), broken, profile=profile)
    assert len(found) == 1 and found[0].startswith(reason)


def test_the_minimal_profile_asks_no_more(findings):
    assert findings({"name": "wart", "reported": [{"about": "smell", "text": "A wart."}]}, profile="minimal") == []


def test_the_vocabulary_is_that_of_the_schema_beside_the_bundled_bases():
    file: Path = library.bundled()["dermatology"].parent / "schema_reported.json"
    schema = json.loads(file.read_text(encoding="utf-8"))
    assert schema["$defs"]["report"]["properties"]["about"]["enum"] == list(REPORTED)
    assert schema["properties"]["reported"]["minItems"] == 5

from __future__ import annotations

import json

import pytest

from zsderm.errors import UnknownKnowledgeBaseError
from zsderm.knowledge import KnowledgeBase, library
from zsderm.knowledge.authoring.checks.problem import ERROR
from zsderm.knowledge.authoring.validate import CARD_KEYS, CONCEPT_COUNT, FEW_CONCEPTS, Problem, validate
from zsderm.knowledge.authoring.vocabulary import ASPECTS, CONCEPTS, MODALITIES, SHOWS

SIGNS = [
    *("rough", "smooth", "shiny", "matt", "waxy", "velvety"),
    *("glassy", "crumbly", "leathery", "pebbled", "dry", "wet"),
]
CARD = {"name": "mine", "version": "1", "licence": "CC0", "language": "en", "description": "Two diseases."}


def sound(name: str, look: str, **fields: object) -> dict:
    """A disease with nothing wrong: twelve texts that differ, over all aspects."""
    descriptions = [
        {
            "aspect": (aspect := ASPECTS[number % len(ASPECTS)]),
            "modality": "dermoscopic" if aspect == "dermoscopic structures" else "clinical",
            "text": f"On close view a {sign} area with a {look} rim and centre.",
        }
        for number, sign in enumerate(SIGNS)
    ]
    fields = {"aliases": [], "ontology": ["benign"], "sites": ["hand"], "concepts": list(CONCEPTS[:4]), **fields}
    return {"name": name, **fields, "descriptions": descriptions}


def with_text(record: dict, number: int = 0, **changes: str) -> dict:
    changed = json.loads(json.dumps(record))
    changed["descriptions"][number].update(changes)
    return changed


def reasons(folder) -> list[str]:
    return [problem.reason for problem in validate(folder)]


def test_a_sound_base_has_no_problems(write_base):
    assert validate(write_base(sound("wart", "pink"), sound("corn", "yellow"), card=CARD)) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", library.bundled())
def test_the_bundled_bases_are_sound(name):
    assert [problem for problem in validate(name) if problem.severity == ERROR] == []


def test_the_vocabulary_is_that_of_the_schema_beside_the_bundled_bases():
    schema = json.loads((library.bundled()["dermatology"].parent / "schema.json").read_text(encoding="utf-8"))
    description = schema["$defs"]["description"]["properties"]
    assert set(schema["$defs"]["concept"]["enum"]) == set(CONCEPTS)
    assert set(description["aspect"]["enum"]) == set(ASPECTS)
    assert set(description["modality"]["enum"]) == set(MODALITIES)
    assert set(description["shows"]["enum"]) == set(SHOWS)
    assert (schema["properties"]["concepts"]["minItems"], schema["properties"]["concepts"]["maxItems"]) == (
        FEW_CONCEPTS,
        CONCEPT_COUNT[1],
    )


@pytest.mark.parametrize("key", ["aliases", "ontology", "sites", "concepts", "descriptions"])
def test_a_missing_key_is_a_problem(write_base, key):
    record = sound("wart", "pink")
    del record[key]
    assert f"key '{key}' is missing" in reasons(write_base(record, card=CARD))


def test_what_a_text_shows_may_be_said_in_the_words_of_the_vocabulary(write_base):
    record = with_text(sound("wart", "pink"), shows="place")
    assert validate(write_base(record, card=CARD)) == []
    record = with_text(record, number=1, shows="Lesion")
    assert [reason.partition(":")[0] for reason in reasons(write_base(record, card=CARD))] == [
        "what it shows, 'Lesion', is not in the vocabulary"
    ]


def test_an_unknown_key_is_a_problem(write_base):
    record = with_text(sound("wart", "pink", alias=["verruca"]), number=2, colour="red")
    found = validate(write_base(record, card=CARD))
    assert found == [
        Problem("wart", "key 'alias' is unknown"),
        Problem("wart", "description 3: key 'colour' is unknown"),
    ]


def test_a_source_of_its_own_is_no_problem(write_base):
    assert reasons(write_base(with_text(sound("wart", "pink"), source="Smith 2020"), card=CARD)) == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"concepts": ["papule", "scale", "crust", "shiny"]}, "concept 'shiny' is not in the vocabulary"),
        ({"concepts": ["papule", "scale", "crust"]}, "expected 4 to 12 concepts, but got 3"),
        ({"concepts": list(CONCEPTS[:13])}, "expected 4 to 12 concepts, but got 13"),
        ({"concepts": [*CONCEPTS[:4], CONCEPTS[0]]}, "concepts: 'macule' stands twice"),
        ({"ontology": []}, "expected 'ontology' to be a path, general to specific, but it is empty"),
        ({"sites": []}, "expected 'sites' to name at least one body site, but it is empty"),
        ({"sites": ["Left hand"]}, "'Left hand' is not in lower case"),
        ({"name": "Wart"}, "'Wart' is not in lower case"),
    ],
)
def test_a_field_that_breaks_a_rule_is_a_problem(write_base, fields, reason):
    assert reasons(write_base({**sound("wart", "pink"), **fields}, card=CARD)) == [reason]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"aspect": "smell"}, "aspect 'smell' is not in the vocabulary"),
        ({"modality": "x-ray"}, "modality 'x-ray' is not in the vocabulary"),
        ({"aspect": "dermoscopic structures"}, "aspect 'dermoscopic structures' with modality 'clinical'"),
        ({"text": "One two three four five six seven."}, "expected 8 to 30 words, but got 7"),
        ({"text": "word " * 31}, "expected 8 to 30 words, but got 31"),
    ],
)
def test_a_description_that_breaks_a_rule_is_a_problem(write_base, changes, reason):
    [found] = reasons(write_base(with_text(sound("wart", "pink"), **changes), card=CARD))
    assert found.startswith(reason)


@pytest.mark.parametrize("count", [8, 30])
def test_eight_and_thirty_words_are_allowed(write_base, count):
    assert reasons(write_base(with_text(sound("wart", "pink"), text="word " * count), card=CARD)) == []


@pytest.mark.parametrize(
    "text",
    [
        "The Melanomas of this back are dark and very uneven.",
        "A melanomatous lump that rises out of a flat patch.",
        "A dark grey-spot with an outline like a torn map.",
        "Gray spots with an outline that is like a torn map.",
    ],
)
def test_its_own_name_or_alias_in_a_text_is_a_problem(write_base, text):
    record = with_text(sound("melanoma", "pink", aliases=["grey spot"]), text=text)
    [found] = reasons(write_base(record, card=CARD))
    assert found.startswith("its own name")


def test_a_word_that_only_contains_a_short_name_is_no_problem(write_base):
    record = with_text(sound("wart", "pink"), text="A warty knob, awkward to see, thwarting a clear view of it.")
    assert reasons(write_base(record, card=CARD)) == []


def test_the_name_of_another_disease_in_a_text_is_a_problem(write_base):
    wart = with_text(sound("wart", "pink"), text="Rougher on its top than any Rodent-ulcers of the same size.")
    other = sound("basal cell carcinoma", "yellow", aliases=["rodent ulcer"])
    [found] = validate(write_base(wart, other, card=CARD))
    assert found.disease == "wart"
    assert found.reason.startswith("name of 'basal cell carcinoma' in: 'Rougher")


def test_the_same_text_twice_in_a_disease_is_a_problem(write_base):
    record = sound("wart", "pink")
    again = record["descriptions"][0]["text"].upper().rstrip(".")
    [found] = reasons(write_base(with_text(record, number=1, text=again), card=CARD))
    assert found.startswith("the same text twice: 'ON CLOSE VIEW")


def test_the_same_text_in_two_diseases_is_a_problem(write_base):
    wart, corn = sound("wart", "pink"), sound("corn", "yellow")
    shared = with_text(corn, text=wart["descriptions"][5]["text"])
    [found] = validate(write_base(wart, shared, card=CARD))
    assert found.disease == "corn"
    assert found.reason.startswith("same text as 'wart'")


def test_an_alias_that_points_to_two_diseases_is_a_problem(write_base):
    wart, corn = sound("wart", "pink", aliases=["verruca"]), sound("corn", "yellow", aliases=["Verrucae"])
    assert validate(write_base(wart, corn, card=CARD)) == [
        Problem("corn", "name or alias 'Verrucae' also stands for 'wart'", "alias")
    ]


def test_a_disease_that_comes_twice_is_a_problem(write_base):
    found = reasons(write_base(sound("wart", "pink"), sound("wart", "yellow"), card=CARD))
    assert found == ["comes twice; merge the two lines"]


def test_fewer_than_twelve_descriptions_are_a_problem(write_base):
    record = sound("wart", "pink")
    record["descriptions"] = record["descriptions"][:11]
    assert reasons(write_base(record, card=CARD)) == ["expected at least 12 descriptions, but got 11"]


def test_fewer_than_seven_aspects_are_a_problem_that_names_the_missing_ones(write_base):
    record = sound("wart", "pink")
    for item in record["descriptions"]:
        if item["aspect"] in ASPECTS[:4]:
            item["aspect"] = "evolution"
    [found] = reasons(write_base(record, card=CARD))
    assert found == (
        "expected at least 7 aspects, but got 6; missing: primary lesion, colour, border and shape, surface and scale"
    )


def test_a_broken_line_is_a_problem_with_its_place_and_the_others_are_still_checked(write_base):
    folder = write_base(sound("corn", "yellow", sites=[]), card=CARD)
    (folder / "a.jsonl").write_text('{"name": \n{"name": "wart", "aliases": "verruca"}\n')
    found = validate(folder)
    assert [problem.disease for problem in found] == ["a.jsonl:1", "a.jsonl:2", "corn"]
    assert found[1].reason == "expected 'aliases' to be a list of texts, but got 'verruca'."


@pytest.mark.parametrize("key", CARD_KEYS)
def test_an_incomplete_card_is_a_problem(write_base, key):
    card = {**CARD, key: ""}
    assert validate(write_base(sound("wart", "pink"), card=card)) == [
        Problem("base.json", f"expected '{key}' to be a text, but got ''")
    ]


def test_a_broken_card_is_a_problem(write_base):
    folder = write_base(sound("wart", "pink"))
    (folder / "base.json").write_text("[]")
    assert validate(folder) == [Problem("base.json", "base.json: expected a JSON object, but got list.")]


def test_a_single_file_needs_no_card(write_base):
    assert validate(write_base(sound("wart", "pink")) / "all.jsonl") == []


def test_a_base_that_does_not_exist_is_an_error():
    with pytest.raises(UnknownKnowledgeBaseError):
        validate("no-such-base")


def test_the_bundled_base_has_at_least_twenty_descriptions_per_disease():
    base = KnowledgeBase.load("dermatology")
    short = {name: len(d.descriptions) for name, d in base.diseases.items() if len(d.descriptions) < 20}
    assert not short


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ({"groups": {"lumps": ["zebra"]}}, "'lumps' speaks of 'zebra', which is not in the base"),
        ({"groups": {"Warts": ["wart"]}}, "'Warts' is asked back or pooled, but also stands for 'wart'"),
        ({"ambiguous": {"WW": ["wart", "zebra"]}}, "'WW' speaks of 'zebra', which is not in the base"),
        ({"groups": {"lumps": "wart"}}, "expected 'lumps' to be a list of texts"),
    ],
)
def test_the_names_of_the_card_are_checked_against_the_diseases(write_base, disease, card, reason):
    folder = write_base(disease("wart", "rough"), card={"name": "mine", **card})
    assert any(reason in problem.reason for problem in validate(folder) if problem.disease == "base.json")

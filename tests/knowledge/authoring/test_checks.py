"""What `zsderm kb validate` finds in the words of sentences, in names, and in what is missing."""

from __future__ import annotations

import json

import pytest

from zsderm.errors import InputError
from zsderm.knowledge.authoring.checks.expected import read_common_names, read_expected
from zsderm.knowledge.authoring.checks.reading import hard_sentences, readability
from zsderm.knowledge.authoring.checks.wording import dark_skin
from zsderm.knowledge.authoring.validate import FEW_CONCEPTS, validate
from zsderm.knowledge.base import Description, Disease

CARD = {"name": "mine", "version": "1", "licence": "CC0", "language": "en", "description": "For tests."}
TEXT = "A flat brown spot with an even edge and a dull top."


def line(text: str = TEXT, modality: str = "clinical", aspect: str = "colour", **fields: str) -> dict:
    return {"aspect": aspect, "modality": modality, "text": text, **fields}


def record(name: str, *lines: dict, **fields: object) -> dict:
    known = {"aliases": [], "ontology": ["benign"], "sites": ["hand"], "concepts": ["papule"]}
    return {"name": name, **known, **fields, "descriptions": list(lines)}


def found(folder, *checks: str) -> list[tuple[str, str]]:
    """Severity and kind of the findings of some kinds."""
    return [(problem.severity, problem.check) for problem in validate(folder) if problem.check in checks]


WORDS = ("touch", "manoeuvre", "symptom", "course", "laboratory", "history", "treatment")
KINDS = (*WORDS, "modality", "rival", "reading", "dark skin")


@pytest.mark.parametrize(
    ("text", "severity", "check"),
    [
        ("Firm, smooth weals with a dusky, bruised middle and a pale edge.", "error", "touch"),
        ("Soft, pale, fleshy bumps over the scarred pressure points.", "error", "touch"),
        ("Skin looks stiff and drawn over the bent joints of one finger.", "warning", "touch"),
        ("A dome that sinks inward like a button into its hole when pressed.", "warning", "manoeuvre"),
        ("Small scattered bumps that are very itchy on the bend of the arm.", "error", "symptom"),
        ("A red patch that has become wider over several weeks at its rim.", "error", "course"),
        ("Smooth, faintly swollen surface that later peels in a thin sheet.", "warning", "course"),
        ("White chalky clumps that a biopsy shows to be made of calcium.", "error", "laboratory"),
        ("Bright pink-red field, or in late stages a mottle of white and brown.", "error", "course"),
        ("Glassy dome whose grey roof is intact, before any thick cap forms.", "error", "course"),
        ("A pale spot lies in the violet net where it was pressed by hand.", "warning", "manoeuvre"),
        ("Under the pressure of the lens the purple field pales to pink.", "warning", "manoeuvre"),
        ("Tan to brown discs on the shins, each left by an insect's puncture.", "error", "history"),
        ("Red spots in a band which started after taking a syrup for a cold.", "error", "history"),
        ("Violet lumps as they are seen where CD4 counts are very low indeed.", "error", "laboratory"),
        ("Geometrically limited red, peeling skin in the shape of a treatment field.", "warning", "treatment"),
        ("Blood-red clods in a well marked dome with a whitish veil across.", "warning", "modality"),
        ("Raised juicy discs, unlike a deep hole with a violet undercut edge.", "warning", "rival"),
        ("Indistinguishable hyperpigmentation accompanying generalised depigmentation.", "warning", "reading"),
        ("Spongiosis of the upper layer beneath small clear beads on red.", "error", "laboratory"),
        ("Red weals and dry bends of the arm with a raised IgE in blood.", "error", "laboratory"),
        ("White scale from the rim, positive in a potassium hydroxide test.", "error", "laboratory"),
        ("Pale rings of flakes on the trunk in which spores are shown.", "error", "laboratory"),
        ("A crusted sore that heals in a fortnight and leaves a scar.", "error", "course"),
        ("Red spot that fades under finger pressure into the pale ground.", "warning", "manoeuvre"),
        ("Red spot that fades at a push of glass and then comes back.", "error", "course"),
        ("A rounded lump below smooth skin that moves under a fingertip.", "error", "touch"),
        ("No network, no blue colour and no dots in the whole spot.", "warning", "rival"),
        ("Not a wart, because the lines of the skin run on across it.", "warning", "rival"),
        ("On dark skin the redness is hard to see across the cheeks.", "warning", "dark skin"),
        ("Arborizing vessels in sharp focus across a pearly pink dome.", "warning", "modality"),
        ("Wet brown sheets between the toes that give off a foul odor.", "error", "symptom"),
    ],
)
def test_words_that_no_photograph_shows_are_found(write_base, text, severity, check):
    assert found(write_base(record("wart", line(text)), card=CARD), *KINDS) == [(severity, check)]


@pytest.mark.parametrize(
    "text",
    [
        "A firm-looking, soft-edged patch on the hard palate, hard to tell from its ground.",
        "Hot-pink sheet with soft, blurred edges that fade slowly into the skin.",
        "Burn-shaped mark that copies a hot iron, with a soft highlight on top.",
        "A rough-looking, sandpaper-like top with a gritty grain seen in side light.",
        "Rings like those of a year ring in wood, in a child under two years.",
        "Flecks as if wax had swollen and were about to drip, on a pale ground of even pink.",
        "Erosions of mouth and eyes together in one patient under a grey film.",
        "Bulky sore with a heaped edge and an ill-defined rim of dusky red.",
        "Spots in lumps of unlike size, at first sight black, stop suddenly at the fold.",
        "No bigger than a lentil, round and pale, with a fine collar of scale.",
        "Healed white streaks beside amber crusts of dried serum under a fingernail.",
        "On white skin beige and easily missed, on black skin dark chocolate brown.",
    ],
)
def test_words_that_mean_something_visible_are_let_pass(write_base, text):
    assert found(write_base(record("wart", line(text)), card=CARD), *KINDS) == []


def test_a_sentence_about_stages_may_speak_of_time_and_one_about_a_rival_of_a_rival(write_base):
    stages = line("Fresh red spots beside brown marks of the week before on one leg.", shows="course")
    rival = line("Raised juicy discs, unlike a deep hole with a violet undercut edge.", shows="differs")
    assert found(write_base(record("wart", stages, rival), card=CARD), *KINDS) == [("warning", "course")]


@pytest.mark.parametrize(
    ("modality", "severity"), [("either", "error"), ("dermoscopic", "warning"), ("clinical", None)]
)
def test_a_region_does_not_fit_into_a_dermatoscope(write_base, modality, severity):
    text = "Coffee-brown net on the upper back, with pink in the freshest strands."
    expected = [(severity, "modality")] if severity else []
    assert found(write_base(record("wart", line(text, modality)), card=CARD), *KINDS) == expected


@pytest.mark.parametrize(
    ("modality", "expected"), [("either", ["error"]), ("dermoscopic", ["error"]), ("clinical", [])]
)
def test_light_from_the_side_does_not_fall_under_a_dermatoscope(write_base, modality, expected):
    text = "Smooth red-brown disc, velvety in side light, with every pore and fine hair visible."
    findings = found(write_base(record("wart", line(text, modality)), card=CARD), *KINDS)
    assert findings == [(severity, "modality") for severity in expected]


def test_an_accepted_sentence_is_let_pass_and_an_unknown_name_in_the_file_is_found(write_base):
    text = "Firm, smooth weals with a dusky, bruised middle and a pale edge."
    folder = write_base(record("wart", line(text)), card=CARD)
    write(folder, "expected.json", {"accepted": {text: "it stays"}, "common": ["zebra"]})
    assert found(folder, "touch", "coverage") == [("error", "coverage")]


def test_reading_ease_leaves_dermoscopy_alone_and_rare_words_need_a_large_base():
    text = "Indistinguishable hyperpigmentation accompanying generalised depigmentation."
    assert readability([text]).reading_ease < 0 < readability([TEXT]).reading_ease
    texts = [Description(f"Plain text of some words here {n}.", "wart", "colour", "clinical", "") for n in range(1000)]
    odd = Description("A zeppelin over a yurt, seen by a heron, here.", "wart", "colour", "clinical", "")
    scoped = Description(text, "wart", "colour", "dermoscopic", "")
    assert [p.text for p in hard_sentences([Disease("wart", descriptions=(*texts, odd, scoped))])] == [odd.text]
    assert not list(hard_sentences([Disease("wart", descriptions=(odd, scoped))]))


@pytest.mark.parametrize(
    ("text", "speaks"),
    [
        ("On brown or black skin, violet-brown plaques with grey scale.", True),
        ("A pale yellow sore in dark brown inner lips with a rosy halo.", True),
        ("In dark-skinned people the rim is ash grey and dry.", True),
        ("On dark skin the redness is hard to see.", False),
        ("Easily missed on fair cheeks, a grey-brown haze on black skin.", True),
        ("A dark brown spot with a black rim on a pale ground.", False),
    ],
)
def test_sentences_on_brown_and_black_skin_are_told_apart(text, speaks):
    assert dark_skin(text) is speaks


def write(folder, name: str, content: object) -> None:
    (folder / name).write_text(json.dumps(content), encoding="utf-8")


def test_what_is_missing_by_the_base_itself_is_an_error(write_base):
    tumour = record("tumour", *(line(f"{TEXT} {n}", "dermoscopic") for n in range(7)), ontology=["neoplastic"])
    lump = {**tumour, "name": "lump"}
    eczema = record("eczema", line("On brown skin, a dark violet patch with grey scale at its rim."))
    folder = write_base(tumour, lump, eczema, card=CARD)
    assert found(folder, "dermoscopy", "dark skin") == []
    expected = {"common": ["eczema"], "dermoscopic": ["eczema"], "without_dermoscopy": {"lump": "it lies too deep"}}
    write(folder, "expected.json", expected)
    kinds = [(p.disease, p.check) for p in validate(folder) if p.check in ("dermoscopy", "dark skin")]
    assert kinds == [("tumour", "dermoscopy"), ("eczema", "dermoscopy"), ("eczema", "dark skin")]


def test_too_many_sentences_about_rivals_are_found_in_the_base_and_in_the_disease(write_base):
    rivals = [line(f"{TEXT} {n}", aspect="look-alikes", shows="differs") for n in range(3)]
    folder = write_base(record("wart", *rivals), card=CARD)
    write(folder, "expected.json", {})
    kinds = [(p.disease, p.severity) for p in validate(folder) if p.check == "rival"]
    assert kinds == [("expected.json", "error"), ("wart", "warning")]


def test_common_names_are_held_against_the_aliases_in_any_spelling(write_base):
    wart = record("wart", line(), aliases=["verruca"])
    folder = write_base(wart, record("corn", line(TEXT + " Twice.")), card={**CARD, "ambiguous": {"WW": ["wart"]}})
    names = {"wart": ["Verrucae", "WW", "papilloma"], "corn": ["verruca"], "zebra": ["stripes"]}
    write(folder, "common_names.json", {"lay names": names})
    kinds = [(p.disease, p.severity) for p in validate(folder) if p.check == "alias" and "lay names" in p.reason]
    assert kinds == [("base.json", "warning"), ("wart", "warning"), ("corn", "error")]


def test_aliases_with_the_same_words_in_another_order_are_a_warning(write_base):
    one, other = record("wart", line(), aliases=["lymphoma of the skin, B cell"]), record("corn", line(TEXT + " Two."))
    other["aliases"] = ["B-cell cutaneous lymphoma"]
    found_here = [p for p in validate(write_base(one, other, card=CARD)) if p.severity == "warning"]
    assert [(p.disease, p.check) for p in found_here] == [("corn", "alias")]
    assert "has the words of 'lymphoma of the skin, B cell', which stands for 'wart'" in found_here[0].reason


@pytest.mark.parametrize("name", ["expected.json", "common_names.json"])
@pytest.mark.parametrize("content", ["[]", '{"accepted": ["x"], "lay names": ["x"]}'])
def test_a_file_of_another_form_is_one_sentence(write_base, name, content):
    folder = write_base(record("wart", line()), card=CARD)
    (folder / name).write_text(content, encoding="utf-8")
    assert any(problem.reason.startswith(f"{name}: expected") for problem in validate(folder))
    with pytest.raises(InputError):
        (read_expected if name == "expected.json" else read_common_names)(folder)


@pytest.mark.parametrize(("ontology", "enough"), [(["nail disorder", "nail shape"], True), (["benign"], False)])
def test_nails_and_hair_need_fewer_concepts(write_base, ontology, enough):
    folder = write_base(
        record("wart", line(), ontology=ontology, concepts=["papule", "scale"][:FEW_CONCEPTS]), card=CARD
    )
    assert any("concepts, but got 2" in problem.reason for problem in validate(folder)) is not enough


def test_the_minimal_profile_gives_only_its_errors(write_base):
    text = "Firm, smooth weals with a dusky, bruised middle and a pale edge."
    folder = write_base(record("wart", line(text)), card=CARD)
    write(folder, "expected.json", {"common": ["zebra"]})
    assert validate(folder, "minimal") == []


def test_the_files_beside_the_bundled_base_speak_of_its_diseases():
    from zsderm.knowledge import library

    location = library.bundled()["dermatology"]
    known, expected = library.files_of_diseases(location), read_expected(location)
    assert expected is not None and len(set(expected.common)) == 100
    named = {*expected.common, *expected.dermoscopic, *expected.without_dermoscopy}
    assert not named - set(known)
    assert sum(len(n) for names in read_common_names(location).values() for n in names.values()) >= 600

"""Names in other languages: what they mean, what they may not take, and what is asked back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zsderm import InputError, KnowledgeBase
from zsderm.errors import AmbiguousClassError, UnknownClassError
from zsderm.knowledge.authoring.validate import validate
from zsderm.knowledge.class_names import ClassNames

LEFT_OPEN = "HERPES LABIAL; BULLÖSES PEMPHIGOID; MICOSIS FUNGOIDE; MYCOSE DES PIEDS; XERODERMA PIGMENTOSO"


@pytest.fixture(scope="module")
def bundled() -> KnowledgeBase:
    return KnowledgeBase.load("dermatology")


@pytest.mark.parametrize(
    ("name", "disease", "language"),
    [
        ("carcinoma basocelular", "basal cell carcinoma", "Spanish"),
        ("QUERATOSIS ACTINICA", "actinic keratosis", "Spanish"),
        ("carcinomas basocelulares", "basal cell carcinoma", "Spanish"),
        ("lunares", "melanocytic nevus", "Spanish"),
        ("Neurodermitis", "atopic dermatitis", "German"),
        ("Haemangiom", "hemangioma", "German"),
        ("Hämangiom", "hemangioma", "German"),
        ("Fusspilz", "tinea pedis", "German"),
        ("Basaliome", "basal cell carcinoma", "German"),
        ("Basalzellkarzinom (Basaliom)", "basal cell carcinoma", "German"),
        ("grain de beaute", "melanocytic nevus", "French"),
        ("oedeme de stase", "stasis edema", "French"),
        ("nævus bleu", "blue nevus", "French"),
        ("ceratose seborreica", "seborrheic keratosis", "Portuguese"),
        ("catapora photos", "varicella", "Portuguese"),
        ("基底细胞癌", "basal cell carcinoma", "Chinese (simplified)"),
        ("痣", "melanocytic nevus", "Chinese (simplified)"),
        ("esclerodermia", "scleroderma", "Spanish"),  # a group
        ("Narben", "scar", "German"),
        ("Dornwarzen", "plantar wart", "German"),
        ("aktinische Keratosen", "actinic keratosis", "German"),
        ("Warzen", "wart", "German"),
        ("Haarausfall", "alopecia", "German"),
        ("Hautpilz", "tinea", "German"),
        ("Hornhaut", "callus", "German"),
        ("leishmaniose", "cutaneous leishmaniasis", "Portuguese"),
        ("celulite", "cellulitis", "Portuguese"),
        ("eczema de contacto", "contact dermatitis", "Spanish"),
        ("paño", "melasma", "Spanish"),
        ("moluscos", "molluscum contagiosum", "Portuguese"),
    ],
)
def test_a_name_of_another_language_is_found_and_its_language_known(
    bundled: KnowledgeBase, name: str, disease: str, language: str
) -> None:
    assert bundled.find(name).name == disease and language in bundled.languages_of(name)


@pytest.mark.parametrize("name", ["MANCHA EM VINHO DO PORTO", "PSORIASIS EN PLACAS", *LEFT_OPEN.split("; ")])
def test_capitals_make_no_difference_where_a_word_could_be_a_code_or_is_open_by_itself(bundled, name: str) -> None:
    assert bundled.find(name) == bundled.find(name.lower())
    assert ClassNames.read([name, "melanoma"], bundled).canonical[0] == bundled.find(name).name


@pytest.mark.slow
def test_capitals_make_no_difference_to_any_name_of_the_base(bundled: KnowledgeBase) -> None:
    names = {name for listed in bundled.card.names.values() for of in listed.values() for name in of}
    names |= {name for disease in bundled.diseases.values() for name in (disease.name, *disease.aliases)}
    assert [name for name in sorted(names) if found(bundled, name.upper()) != found(bundled, name)] == []


def found(base: KnowledgeBase, name: str) -> str:
    try:
        return base.find(name).name
    except AmbiguousClassError:
        return "asked back"


def test_names_of_the_bases_own_language_come_first(bundled: KnowledgeBase) -> None:
    assert bundled.find("neurodermatitis").name == "lichen simplex chronicus"  # Spanish for it too
    assert bundled.languages_of("psoriasis") == bundled.languages_of("BCC") == ()
    with pytest.raises(AmbiguousClassError, match="herpes simplex' or 'herpes zoster"):
        bundled.find("Herpes")
    with pytest.raises(UnknownClassError):
        bundled.find("karzinom")
    with pytest.raises(UnknownClassError):
        bundled.find("Basaliom (Warze)")  # the brackets name another disease


@pytest.mark.parametrize(
    ("name", "meanings"),
    [
        ("kyste sébacé", ("epidermal cyst", "pilar cyst")),
        ("quistes sebáceos", ("epidermal cyst", "pilar cyst")),
        ("Atherome", ("epidermal cyst", "pilar cyst")),
        ("pénfigo", ("pemphigus vulgaris", "pemphigus foliaceus")),
        ("天疱疮", ("pemphigus vulgaris", "pemphigus foliaceus")),
        ("couperose", ("rosacea", "telangiectasia")),
        ("callo", ("callus", "corn")),
        ("frieira", ("tinea pedis", "chilblains")),
        ("micose", ("tinea corporis", "tinea versicolor")),
        ("piojos", ("pediculosis capitis", "phthiriasis palpebrarum")),
        ("poux", ("pediculosis capitis", "phthiriasis palpebrarum")),
        ("piolhos", ("pediculosis capitis", "phthiriasis palpebrarum")),
        ("neurodermite", ("atopic dermatitis", "lichen simplex chronicus")),
        ("cysts", ("epidermal cyst", "pilar cyst")),
        ("carbuncles", ("furuncle", "abscess")),
        ("St. Anthony's fire", ("erysipelas", "herpes zoster")),
        ("peeling skin", ("desquamation", "sunburn")),
        ("winter itch", ("xerotic eczema", "eczema craquelé")),
        ("lime burn", ("phytophotodermatitis", "burn")),
        ("red birthmark", ("hemangioma", "port wine stain")),
        ("blackheads", ("acne vulgaris", "nevus comedonicus")),
        ("comedones", ("acne vulgaris", "nevus comedonicus")),
        ("melanosis", ("mucosal melanotic macule", "riehl melanosis")),
    ],
)
def test_what_is_ambiguous_is_asked_back_in_every_language(
    bundled: KnowledgeBase, name: str, meanings: tuple[str, ...]
) -> None:
    with pytest.raises(AmbiguousClassError, match=f"may mean {' or '.join(map(repr, meanings))}"):
        bundled.find(name)


def test_every_disease_has_a_name_in_five_languages(bundled: KnowledgeBase) -> None:
    assert len(bundled.card.names) == 5
    for names in bundled.card.names.values():
        assert set(bundled.diseases) <= set(names) and all(names.values())


def named(folder: Path, **languages: object) -> Path:
    (folder / "names").mkdir(exist_ok=True)
    for language, names in languages.items():
        record = {"language": language, "names": names}
        (folder / "names" / f"{language}.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def test_a_name_that_two_languages_give_to_two_diseases_is_asked_back(write_base, disease) -> None:
    folder = named(
        write_base(disease("wart", "rough"), disease("corn", "hard"), disease("boil", "red")),
        Spanish={"wart": ["clavo"], "corn": ["callo"], "boil": ["divieso"]},
        Dutch={"wart": ["wrat"], "corn": ["clavo", "likdoorn"], "boil": ["steenpuist"]},
    )
    base = KnowledgeBase.load(folder)
    with pytest.raises(AmbiguousClassError, match=r"'corn' \(Dutch\) or 'wart' \(Spanish\)\. Write the English"):
        base.find("Clavos")
    assert base.find("likdoorn").name == "corn" and not [p for p in validate(folder, "minimal") if "names" in p.reason]


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ({"wart": ["wrat"], "corn": ["wrat"]}, "Dutch: 'wrat' means 'wart' and 'corn'"),
        ({"wart": ["wrat"], "corn": ["warts"]}, "'warts' is to mean 'corn', but the base has it for 'wart'"),
        ({"wart": ["wrat"], "corn": ["HPV"]}, "asked back"),
        ({"wart": ["wrat"], "corn": ["eksteroog"], "zebra": ["zebra"]}, "names 'zebra', which is not in the base"),
    ],
)
@pytest.mark.parametrize("profile", ["full", "minimal"])
def test_validate_says_what_is_wrong_with_the_names(write_base, disease, names, reason, profile) -> None:
    card = {"name": "mine", "ambiguous": {"HPV": ["wart", "corn"]}}
    folder = named(write_base(disease("wart", "rough"), disease("corn", "hard"), card=card), Dutch=names)
    assert any(problem.disease == "names" and reason in problem.reason for problem in validate(folder, profile))


@pytest.mark.parametrize("names", [{"wart": ["wrat"]}, {"wart": ["wrat"], "corn": []}])
def test_only_the_full_profile_asks_for_a_name_of_every_disease(write_base, disease, names) -> None:
    folder = named(write_base(disease("wart", "rough"), disease("corn", "hard"), card={"name": "mine"}), Dutch=names)
    reasons = {profile: [problem.reason for problem in validate(folder, profile)] for profile in ("full", "minimal")}
    assert {profile: reasons[profile].count("Dutch has no name of 'corn'") for profile in reasons} == {
        "full": 1,
        "minimal": 0,
    }


@pytest.mark.parametrize("content", ["[]", "{", '{"names": {}}', '{"language": "Dutch", "names": {"wart": "wrat"}}'])
def test_a_file_of_names_that_is_none_is_one_sentence(write_base, disease, content: str) -> None:
    folder = named(write_base(disease("wart", "rough")))
    (folder / "names" / "nl.json").write_text(content)
    with pytest.raises(InputError, match=r"names/nl\.json: expected"):
        KnowledgeBase.load(folder)
    assert any("nl.json" in problem.reason for problem in validate(folder))


def test_names_to_be_asked_back_stand_beside_the_names_of_a_language(write_base, disease) -> None:
    folder = named(write_base(disease("wart", "rough"), disease("corn", "hard")), Dutch={"wart": ["wrat"]})
    file = folder / "names" / "Dutch.json"
    before = KnowledgeBase.load(folder)
    record = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**record, "ambiguous": {"knobbel": ["wart", "corn"]}}))
    base = KnowledgeBase.load(folder)
    assert base.card.ambiguous == {"knobbel": ("wart", "corn")} and base.checksum != before.checksum
    file.write_text(json.dumps({**record, "ambiguous": ["knobbel"]}))
    with pytest.raises(InputError, match=r"names/Dutch\.json: expected 'ambiguous' to be an object"):
        KnowledgeBase.load(folder)


def test_names_change_the_checksum_and_a_base_without_any_keeps_its_own(write_base, disease) -> None:
    folder = write_base(disease("wart", "rough"))
    before = KnowledgeBase.load(folder).checksum
    after = KnowledgeBase.load(named(folder, Dutch={"wart": ["wrat"]}))
    assert after.checksum != before and after.has_checksum(before)

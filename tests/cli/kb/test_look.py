from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner, Result

from zsderm.cli import main
from zsderm.knowledge import KnowledgeBase


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["kb", *arguments])


@pytest.fixture
def folder(tmp_path):
    texts = ["a rough grey dome", "black pinpoints in a horny bump"]
    descriptions = [{"aspect": "colour", "modality": "clinical", "text": text} for text in texts]
    record = {"name": "wart", "aliases": ["verruca"], "descriptions": descriptions}
    (tmp_path / "all.jsonl").write_text(json.dumps(record))
    return tmp_path


@pytest.mark.slow
def test_list_prints_one_base_a_line_with_a_header():
    result = run("list")
    header, *rows = [line.split("\t") for line in result.stdout.splitlines()]
    base = KnowledgeBase.load("dermatology")
    assert header == ["name", "version", "diseases", "descriptions", "licence", "checksum"]
    assert ["dermatology", base.version, str(len(base.diseases)), str(len(base)), "CC BY 4.0", base.checksum] in rows
    assert result.exit_code == 0


def test_show_prints_one_disease_a_line_and_the_card_on_stderr():
    result = run("show", "dermatology")
    base = KnowledgeBase.load("dermatology")
    header, *rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert header == ["disease", "descriptions", "ontology", "aliases"]
    assert [row[0] for row in rows] == [*base.diseases, *base.groups]
    assert base.checksum in result.stderr


def test_show_prints_everything_about_one_disease(folder):
    result = run("show", str(folder), "Verrucae")
    assert result.stdout.splitlines() == [
        "name\twart",
        "aliases\tverruca",
        "ontology\t",
        "sites\t",
        "concepts\t",
        "colour\tclinical\tlesion\ta rough grey dome",
        "colour\tclinical\tlesion\tblack pinpoints in a horny bump",
    ]


@pytest.fixture
def reported(folder):
    (folder / "reported").mkdir()
    record = {"name": "wart", "reported": [{"about": "contacts", "text": "My son has it too."}]}
    (folder / "reported" / "told.jsonl").write_text(json.dumps(record))
    return folder


def test_show_prints_what_patients_report(reported):
    assert run("show", str(reported), "verruca").stdout.splitlines()[-1] == "reported\tcontacts\tMy son has it too."


def test_validate_names_the_file_of_what_patients_report(reported, tmp_path):
    result = run("validate", str(reported), "--output", str(tmp_path / "findings.csv"))
    assert "error\treported\twart\texpected at least 5 sentences that patients report, but got 1" in result.stdout
    with (tmp_path / "findings.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["check"] == "reported"]
    assert [(row["file"], row["disease"]) for row in rows] == [("reported/told.jsonl", "wart")]


def test_show_names_the_members_of_a_group():
    result = run("show", "dermatology", "Angiomas Photos")
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert rows[:2] == [["name", "angioma"], ["members", "hemangioma, cherry angioma"]]


def test_show_understands_another_language_and_names_kinds_and_translations():
    rows = [line.split("\t") for line in run("show", "dermatology", "Schuppenflechte").stdout.splitlines()]
    facts = {row[0]: row[1] for row in rows[:10]}
    assert facts["name"] == "psoriasis" and "guttate psoriasis" in facts["kinds"]
    assert facts["in German"].startswith("Psoriasis, Schuppenflechte")
    assert facts["only kinds"] == "plaque psoriasis"


def test_show_an_unknown_disease_is_one_sentence_with_what_to_do(folder):
    result = run("show", str(folder), "wrt")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "class 'wrt' is not in knowledge base" in result.stderr
    assert "Did you mean 'wart'?" in result.stderr


@pytest.mark.slow
def test_show_suggests_by_meaning_what_no_spelling_suggests(folder):
    names = ["wart", "corn", "blister", "sunburn"]
    (folder / "all.jsonl").write_text("\n".join(json.dumps({"name": name}) for name in names))
    result = run("show", str(folder), "flesh eating spot")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Did you mean" not in result.stderr
    suggested = result.stderr.partition("\nNearest in meaning: ")[2].strip(" .\n").replace("'", "").split(" or ")
    assert len(suggested) == 3
    assert set(suggested) < set(names)


@pytest.mark.parametrize(
    "arguments",
    [("wrt",), ("xylophone", "--no-semantic"), ("AK",)],
    ids=["spelling has a hint", "switched off", "ambiguous"],
)
def test_show_does_without_an_encoder_where_it_can(folder, arguments):
    (folder / "base.json").write_text(json.dumps({"name": "mine", "ambiguous": {"AK": ["wart", "corn"]}}))
    script = (
        "import sys, click; from zsderm.cli import main\n"
        f"try: main(['kb', 'show', *{[str(folder), *arguments]!r}], standalone_mode=False)\n"
        "except click.ClickException as error: sys.exit('torch' in sys.modules or 'meaning' in str(error))\n"
        "sys.exit('nothing was raised')"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, capture_output=True).returncode == 0


def test_show_an_unknown_disease_stays_the_mistake_without_weights(folder, monkeypatch, tmp_path):
    monkeypatch.setattr("zsderm.encoders.mini.FOLDER", tmp_path / "none")
    result = run("show", str(folder), "xylophone")
    assert "class 'xylophone' is not in knowledge base" in result.stderr
    assert "weights" not in result.stderr


def test_show_with_a_judge_that_cannot_be_loaded_says_so(folder, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    result = run("show", str(folder), "xylophone", "--judge", "nobody/nothing")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the sentence model 'nobody/nothing' cannot be loaded" in result.stderr


def test_show_an_unknown_base_is_one_sentence_with_what_to_do():
    result = run("show", "dermatolgy")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Did you mean 'dermatology'?" in result.stderr


@pytest.mark.slow
def test_search_looks_into_the_default_base():
    result = run("search", "pearly rolled border")
    score, disease, where, shows, _ = result.stdout.splitlines()[0].split("\t")
    assert (disease, where, shows) == ("basal cell carcinoma", "border and shape", "lesion")
    assert 0.5 <= float(score) <= 1


def test_search_looks_into_a_named_base(folder):
    result = run("search", str(folder), "grey dome", "--limit", "1")
    assert result.stdout == "1.000\twart\tcolour\tlesion\ta rough grey dome\n"


def test_search_that_finds_nothing_says_so_on_stderr(folder):
    result = run("search", str(folder), "xylophone")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "Try fewer words" in result.stderr


def test_search_with_unquoted_words_says_to_quote_them():
    assert run("search", "blue", "nests").exit_code == 1
    assert "goes in quotes" in run("search", "blue", "nests").stderr
    assert run("search", "blue", "grey", "nests").exit_code == 2
    assert run("search").exit_code == 2


def test_validate_prints_problems_and_ends_with_exit_code_1(folder):
    result = run("validate", str(folder))
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert ["error", "form", "wart", "expected at least 12 descriptions, but got 2"] in rows
    assert result.exit_code == 1
    assert result.stderr == f"{folder}: {len(rows)} errors\n"


WARNED = "Smooth, faintly swollen top that later peels off in a thin sheet."


@pytest.fixture
def warned(tmp_path):
    """A base of the full profile with nothing but a warning."""
    from zsderm.knowledge.authoring.vocabulary import ASPECTS

    lines = [
        {"aspect": aspect, "modality": "dermoscopic" if "dermoscopic" in aspect else "clinical", "text": text}
        for number in range(12)
        for aspect in [ASPECTS[number % len(ASPECTS)]]
        for text in [WARNED if number == 0 else f"A dull brown spot with an even edge, drawn as number {number}."]
    ]
    record = {"name": "wart", "aliases": [], "ontology": ["benign"], "sites": ["hand"], "descriptions": lines}
    record["concepts"] = ["papule", "scale", "crust", "brown"]
    base = tmp_path / "warned"
    base.mkdir()
    (base / "all.jsonl").write_text(json.dumps(record), encoding="utf-8")
    card = {"name": "mine", "version": "1", "licence": "CC0", "language": "en", "description": "One disease."}
    (base / "base.json").write_text(json.dumps(card), encoding="utf-8")
    return base


def test_validate_fails_on_warnings_only_when_strict_and_writes_its_findings(warned, tmp_path):
    table = tmp_path / "found.csv"
    plain, strict = run("validate", str(warned), "--output", str(table)), run("validate", str(warned), "--strict")
    assert (plain.exit_code, strict.exit_code, plain.stderr) == (0, 1, f"{warned}: 1 warning\n")
    assert plain.stdout.split("\t")[:3] == ["warning", "course", "wart"]
    with table.open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["severity"], row["file"], row["disease"], row["text"]) == ("warning", "all.jsonl", "wart", WARNED)


@pytest.mark.slow
def test_validate_the_bundled_base_ends_with_exit_code_0():
    result = run("validate", "dermatology")
    assert (result.exit_code, [line for line in result.stdout.splitlines() if line.startswith("error")]) == (0, [])


@pytest.mark.slow
def test_validate_with_report_prints_the_page_after_the_problems(folder):
    plain, reported = run("validate", str(folder)), run("validate", str(folder), "--report")
    assert plain.stdout
    page = reported.stdout.removeprefix(plain.stdout)
    assert page.startswith("\n# Quality of the knowledge base ")
    assert "2 in all; per disease at least 2" in page
    assert page.endswith(f"Written by `zsderm kb validate {folder} --report --model zsderm-mini`.\n")
    assert (reported.exit_code, reported.stderr) == (plain.exit_code, plain.stderr)


@pytest.mark.parametrize("command", ["list", "show", "search", "validate"])
def test_every_command_shows_an_example(command):
    assert f"zsderm kb {command}" in run(command, "--help").stdout


@pytest.mark.slow
def test_kb_commands_do_not_import_torch():
    script = (
        "import sys; from zsderm.cli import main; main(['kb', 'search', 'pearly'], standalone_mode=False);"
        "sys.exit('torch' in sys.modules or 'faiss' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, capture_output=True).returncode == 0


@pytest.mark.slow
def test_validate_with_a_judge_measures_with_that_model(folder, tmp_path):
    from zsderm.encoders.sentence_model import SentenceModel

    judge = tmp_path / "judge"
    SentenceModel()._model.save(str(judge))
    page = run("validate", str(folder), "--report", "--judge", str(judge)).stdout
    assert f"measured with {judge} (" in page
    assert page.endswith(f"--report --model zsderm-mini --judge {judge}`.\n")


@pytest.mark.slow
def test_a_difference_in_what_patients_report_is_told_with_its_own_checksum(folder):
    (folder / "reported").mkdir()
    (folder / "base.json").write_text(json.dumps({"name": "mine", "version": "1", "licence": "CC0"}))
    said = folder / "reported" / "all.jsonl"
    said.write_text(json.dumps({"name": "wart", "reported": [{"about": "pain", "text": "It hurts when I walk."}]}))
    before = KnowledgeBase.load(folder)
    other = folder.parent / "other"
    shutil.copytree(folder, other)
    (other / "reported" / "all.jsonl").write_text(said.read_text().replace("walk", "stand"))
    after = KnowledgeBase.load(other)
    told = run("diff", str(folder), str(other)).stderr
    assert f"{before.checksum} -> {before.checksum}: 2 differences" in told and before.checksum == after.checksum
    assert f"what patients report: {before.reported_checksum} -> {after.reported_checksum}" in told
    same = run("diff", str(folder), str(folder)).stderr
    assert "no differences" in same and "report" not in same

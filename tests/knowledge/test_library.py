from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from zsderm.errors import InputError, UnknownKnowledgeBaseError
from zsderm.knowledge import KnowledgeBase, library


def test_the_bundled_bases_are_folders_with_jsonl_files():
    bases = library.bundled()
    assert "dermatology" in bases
    assert all(any(folder.glob("*.jsonl")) for folder in bases.values())


def test_a_folder_of_other_data_is_no_base(tmp_path, monkeypatch):
    (tmp_path / "narratives").mkdir()
    (tmp_path / "narratives" / "stories.jsonl").write_text("{}")
    monkeypatch.setattr("zsderm.knowledge.library.resources.files", lambda name: tmp_path)
    assert library.bundled() == {}


def test_every_bundled_base_has_a_complete_card():
    for name, folder in library.bundled().items():
        card = library.read_card(folder)
        assert card["name"] == name
        assert set(card) - {"ambiguous", "groups", "pools", "kinds", "group_aliases", "subtypes"} == {
            "name",
            "version",
            "licence",
            "language",
            "description",
        }


def test_the_table_of_sources_counts_the_diseases_and_sentences_of_each_file():
    folder = library.bundled()["dermatology"]
    rows = re.findall(r"^\| `(\S+\.jsonl)` \|.*\| (\d+) \| (\d+) \|$", (folder / "SOURCES.md").read_text("utf-8"), re.M)
    files = {path.name: KnowledgeBase.load(path) for path in folder.glob("*.jsonl")}
    assert {name: (int(diseases), int(texts)) for name, diseases, texts in rows} == {
        name: (len(base.diseases), len(base)) for name, base in files.items()
    }


def test_a_base_is_located_by_name_folder_or_file(write_base, disease):
    folder = write_base(disease("wart", "rough"))
    assert library.locate("dermatology") == library.bundled()["dermatology"]
    assert library.locate(folder) == library.locate(str(folder)) == folder
    assert library.locate(folder / "all.jsonl") == folder / "all.jsonl"


def test_a_bundled_name_wins_over_a_folder_of_the_same_name(write_base, disease, monkeypatch):
    folder = write_base(disease("wart", "rough"), folder="dermatology")
    monkeypatch.chdir(folder.parent)
    assert library.locate("dermatology") == library.bundled()["dermatology"]
    assert library.locate("./dermatology") == Path("dermatology")
    assert library.locate(Path("dermatology")) == Path("dermatology")
    assert KnowledgeBase.load(Path("dermatology")).name == "dermatology"


def test_a_home_folder_is_expanded(write_base, disease, monkeypatch):
    folder = write_base(disease("wart", "rough"))
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("USERPROFILE", str(folder.parent))
    assert library.locate(f"~{os.sep}mine") == folder


@pytest.mark.parametrize("name", ["dermatolgy", "no/such/folder", "missing.jsonl", "", " "])
def test_an_unknown_base_is_an_error_with_what_to_do(name):
    with pytest.raises(UnknownKnowledgeBaseError, match="See: zsderm kb list") as caught:
        library.locate(name)
    assert ("Did you mean 'dermatology'?" in str(caught.value)) == (name == "dermatolgy")


def test_a_folder_without_jsonl_files_is_an_error(tmp_path):
    with pytest.raises(InputError, match="it holds none"):
        library.locate(tmp_path)


def test_a_file_of_another_kind_is_an_error(tmp_path):
    file = tmp_path / "base.csv"
    file.write_text("name\nwart\n")
    with pytest.raises(InputError, match=r"expected a folder or a \.jsonl file, but got"):
        library.locate(file)


def test_lines_come_with_their_place_and_files_in_alphabetical_order(tmp_path):
    (tmp_path / "b.jsonl").write_text('{"name": "b"}\n')
    (tmp_path / "a.jsonl").write_text('\n{"name": "a"}\n\n{"name": "c"}')
    (tmp_path / "base.json").write_text("{}")
    places = [place for place, _ in library.read_lines(tmp_path)]
    assert places == ["a.jsonl:2", "a.jsonl:4", "b.jsonl:1"]


def test_a_byte_order_mark_and_a_line_separator_inside_a_text_do_no_harm(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + '{"name": "café\u2028au lait"}\r\n'.encode())
    [(place, line)] = library.read_lines(file)
    assert library.parse_object(place, line) == {"name": "café\u2028au lait"}


def test_a_file_that_is_not_utf8_is_an_error(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_bytes('{"name": "café"}'.encode("latin-1"))
    with pytest.raises(InputError, match=r"UTF-8 text, but .* at byte \d+"):
        list(library.read_lines(file))


@pytest.mark.parametrize(("line", "reason"), [("{'name': 1}", "character 2"), ("[1]", "but got list"), ("3", "int")])
def test_a_line_that_is_no_json_object_is_an_error_with_its_place(line, reason):
    with pytest.raises(InputError, match=rf"a\.jsonl:7: expected a JSON object.*{reason}"):
        library.parse_object("a.jsonl:7", line)


def test_a_base_without_a_card_has_an_empty_one(write_base, disease):
    folder = write_base(disease("wart", "rough"))
    assert library.read_card(folder) == {}
    assert library.read_card(folder / "all.jsonl") == {}


@pytest.mark.parametrize("kind", ["device", "pipe", "endless file"])
@pytest.mark.parametrize("folder", ["", "reported"])
def test_what_may_never_end_is_no_file_of_a_base(tmp_path: Path, kind: str, folder: str) -> None:
    (tmp_path / "moles.jsonl").write_text(json.dumps({"name": "nevus", "descriptions": []}) + "\n", encoding="utf-8")
    (tmp_path / folder).mkdir(exist_ok=True)
    odd = tmp_path / folder / "odd.jsonl"
    if kind == "device":
        odd.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(odd)
    else:
        odd.touch()
        os.truncate(odd, 200 * 2**30)
    with pytest.raises(InputError, match=r"odd\.jsonl' cannot be read: it is (no regular file|larger than 1024 MiB)"):
        _ = KnowledgeBase.load(tmp_path).reported


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(InputError, match=r"a\.jsonl:1: expected a JSON object, but 'reported' stands twice"):
        library.parse_object("a.jsonl:1", '{"name": "nevus", "reported": [], "reported": [{"text": "It itches."}]}')

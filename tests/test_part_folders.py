"""A data set as a folder of numbered parts: what all kinds of them have in common."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from zsderm.errors import InputError, SettingsError
from zsderm.part_folders import PartFacts, PartFolder
from zsderm.stored_json import fields_of


@dataclass(frozen=True)
class PageFacts(PartFacts):
    """Of a data set of scanned pages."""

    title: str
    images: int
    begun: dict[str, Any]
    sheets: int = 3

    @property
    def part_length(self) -> int:
        return self.sheets


class Pages(PartFolder[PageFacts]):
    """Scanned pages, a kind of data set that has nothing but what all have."""

    MANIFEST = "pages.json"
    KIND = "zsderm pages"
    BESIDE = ("titles.csv",)
    CALLED = "data set of pages"
    STRANGER = "it is no data set of pages"
    MADE_WITH = "Make it with: scan"
    PART_OF = "of the book"
    MADE_AGAIN = "Scan it again."

    @classmethod
    def _checked(cls, said: dict[str, Any], finished: Any) -> PageFacts:
        return PageFacts(**fields_of(PageFacts, said))

    def _manifest_text(self, said: dict[str, Any]) -> str:
        return json.dumps({**said, "finished": self.finished})


class Letters(Pages):
    """Another kind, under the same name of the manifest."""

    KIND = "zsderm letters"
    CALLED = "data set of letters"
    STRANGER = "it is no data set of letters"


def begun(place: Path, kind: type[Pages] = Pages, **changed: Any) -> Pages:
    made = kind(place, PageFacts(**{"title": "Größe", "images": 7, "begun": {}, **changed}))
    made._write_manifest()
    return made


@pytest.mark.parametrize("images", [1, 2, 3, 4, 6, 7, 100])
@pytest.mark.parametrize("length", [1, 2, 3, 7, 200])
def test_every_image_is_in_one_part_in_order_and_only_the_last_part_is_shorter(images: int, length: int) -> None:
    facts = PageFacts("", images, {}, length)
    rows = [facts.rows(part) for part in range(facts.parts)]
    assert [image for of_part in rows for image in of_part] == list(range(images))
    assert all(len(of_part) == length for of_part in rows[:-1]) and 1 <= len(rows[-1]) <= length


def test_the_manifest_has_the_fields_of_the_facts_in_their_order_behind_the_kind(tmp_path: Path) -> None:
    made = begun(tmp_path)
    said = json.loads((tmp_path / "pages.json").read_text(encoding="utf-8"))
    assert list(said) == ["dataset", "title", "images", "begun", "sheets", "finished"]
    assert said["dataset"] == "zsderm pages"
    found = Pages.open(tmp_path)
    assert type(found) is Pages and found.facts == made.facts and found.finished is None


def test_one_kind_neither_reads_nor_replaces_the_manifest_of_another(tmp_path: Path) -> None:
    begun(tmp_path, Letters)
    before = (tmp_path / "pages.json").read_bytes()
    with pytest.raises(InputError, match=r"cannot read the data set of pages '.*': it is no data set of pages\. Make"):
        Pages.open(tmp_path)
    with pytest.raises(SettingsError, match="not what zsderm writes there"):
        begun(tmp_path)
    assert (tmp_path / "pages.json").read_bytes() == before


def test_only_what_may_stand_beside_a_manifest_may_be_there_before_it(tmp_path: Path) -> None:
    Pages.refuse_others(tmp_path / "new")
    (tmp_path / "titles.csv").touch()
    Pages.refuse_others(tmp_path)
    (tmp_path / "part-000000.parquet").touch()
    (tmp_path / "cover.png").touch()
    with pytest.raises(SettingsError, match=r"or a data set of pages, but it holds 'cover\.png'"):
        Pages.refuse_others(tmp_path)
    begun(tmp_path)
    Pages.refuse_others(tmp_path)


def test_parts_whose_manifest_was_deleted_are_told_from_a_folder_of_something_else(tmp_path: Path) -> None:
    made = begun(tmp_path)
    (tmp_path / made.part_name(1)).touch()
    (tmp_path / "titles.csv").touch()
    (tmp_path / "pages.json").unlink()
    assert Pages.lacks_manifest(tmp_path)
    for use, error in ((Pages.refuse_others, SettingsError), (Pages.open, InputError)):
        with pytest.raises(error, match=r"has parts, but not the manifest 'pages\.json', .* Put that file back"):
            use(tmp_path)
    (tmp_path / made.part_name(1)).unlink()
    assert not Pages.lacks_manifest(tmp_path)
    with pytest.raises(InputError, match=r"it has no 'pages\.json'\. Make it with: scan$"):
        Pages.open(tmp_path)


def test_a_link_to_itself_is_no_file_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    assert not Pages.lacks_manifest(tmp_path)
    Pages.refuse_others(tmp_path)


@pytest.mark.parametrize(
    ("run", "end"), [({}, "that began it"), ({"command": "scan book"}, "that began it: scan book")]
)
def test_a_data_set_is_finished_when_its_manifest_says_so(tmp_path: Path, run: dict[str, str], end: str) -> None:
    made = begun(tmp_path, begun=run)
    assert made.missing() == [0, 1, 2]
    (tmp_path / made.part_name(1)).touch()
    assert made.missing() == [0, 2]
    with pytest.raises(InputError) as error:
        Pages.open_finished(tmp_path)
    assert f"the data set of pages '{tmp_path}' is not finished: 2 of 3 parts are missing." in str(error.value)
    assert str(error.value).endswith(f"Run the command again {end}")
    made.finished = {"pages": 7}
    made._write_manifest()
    assert Pages.open_finished(tmp_path).finished == {"pages": 7}


def test_a_damaged_part_is_named_in_one_line(tmp_path: Path) -> None:
    said = str(begun(tmp_path).damaged(2, ValueError("torn\n  in two.")))
    assert said == f"cannot read 'part-000002.parquet' of the book '{tmp_path}': torn in two. Scan it again."

"""Which region of the body a photograph shows, from a table, and what it is used for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from zsderm.cli import main
from zsderm.cli.image_regions import read_regions
from zsderm.errors import FallbackWarning, InputError

IMAGES = ["photos/1.jpg", "photos/2.jpg", "photos/3.jpg", "4.jpg"]


@pytest.mark.parametrize("column", ["region", "Body Site", "localization", "anatom_site_general"])
def test_the_region_stands_in_a_column_with_a_usual_name(tmp_path: Path, column: str) -> None:
    (tmp_path / "sites.csv").write_text(f"image,{column}\n1.jpg,FACE\n2,anterior torso\n3.jpg,unknown\n")
    assert read_regions(IMAGES, tmp_path / "sites.csv", None) == ["FACE", "anterior torso", "", ""]


def test_what_is_no_part_of_the_body_counts_as_unknown_and_is_listed(tmp_path: Path) -> None:
    (tmp_path / "sites.csv").write_text("photo,site\n1.jpg,acral\n2.jpg,nose\n3.jpg,acral\n")
    with pytest.warns(FallbackWarning, match="'site' .* no known part of the body, and count as unknown: acral."):
        assert read_regions(IMAGES, tmp_path / "sites.csv", "photo") == ["", "nose", "", ""]


def test_a_table_without_such_a_column_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sites.csv").write_text("image,where\n1.jpg,nose\n")
    with pytest.raises(InputError, match=r"expected a column of body regions in .* its columns are: image, where"):
        read_regions(IMAGES, tmp_path / "sites.csv", None)


@pytest.mark.slow
def test_sentences_on_a_place_stand_beside_photographs_of_it_alone(tmp_path: Path, tiny_encoder, monkeypatch) -> None:
    monkeypatch.setattr("zsderm.classifier.load_encoder", lambda name, device=None: tiny_encoder)
    (tmp_path / "photos").mkdir()
    for name in "ab":
        Image.new("RGB", (16, 16), (70 + ord(name), 90, 80)).save(tmp_path / "photos" / f"{name}.png")
    told = [("On the nose, pink.", "place"), ("On a shin, red.", "place"), ("Many of them.", "number")]
    lines = [
        {
            "name": name,
            "ontology": ["x"],
            "descriptions": [
                {"aspect": "colour", "text": text, "modality": "clinical", "shows": shows} for text, shows in told
            ],
        }
        for name in ("wart", "corn")
    ]
    (tmp_path / "base.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "sites.csv").write_text("image,lesion,region\na.png,1,FACE\nb.png,1,\n")
    how = ["classify", "--images", "photos", "--classes", "wart, corn", "--knowledge", "base.jsonl", "--no-cache"]
    monkeypatch.chdir(tmp_path)
    for given in ([], ["--regions", "sites.csv", "--group-by", "lesion", "--group-table", "sites.csv"]):
        done = CliRunner().invoke(main, [*how, "--output", "out.jsonl", *given])
        assert done.exit_code == 0, done.output
        rows = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
        assert [row["evidence"] for row in rows] == ["On the nose, pink." if given else "", ""]
        assert rows[0]["manifest"].get("regions") == (1 if given else None)
    groups = [json.loads(line) for line in Path("out-groups.jsonl").read_text().splitlines()]
    assert [row["evidence"] for row in groups] == ["On the nose, pink."]
    assert CliRunner().invoke(main, [*how, "--regions", "nowhere.csv"]).exit_code == 2

from __future__ import annotations

from pathlib import Path

import numpy as np
from click.testing import CliRunner
from PIL import Image

from zsderm.benchmarks.experiments.look_alikes import HASHES, cosine_pairs, hash_pairs, main, markdown, right
from zsderm.tasks.audit.perceptual_hash import turned_hashes


def _pictures(count: int) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (16, 16, 3), np.uint8)).resize((64, 64)) for _ in range(count)]


def test_pairs_by_hash_equal_a_look_at_every_pair() -> None:
    for kept, limits in HASHES.items():
        hashes = np.stack([turned_hashes(picture, kept) for picture in _pictures(5)])
        rows, distances = hash_pairs(hashes)
        assert len(rows) == len({tuple(row) for row in rows.tolist()}) == 10  # five images, their nearest five
        for (one, other), distance in zip(rows, distances, strict=True):
            bits = [
                np.unpackbits(position ^ hashes[there, 0]).sum()
                for here, there in ((one, other), (other, one))
                for position in hashes[here]
            ]
            assert distance == min(bits)
        assert right((rows, distances), np.array(["a"] * 5), max(limits))[0] == (distances <= max(limits)).sum()


def test_pairs_by_cosine_are_those_of_the_audit(tiny_encoder, tmp_path: Path) -> None:
    files = [tmp_path / f"{index}.png" for index in range(4)]
    for file, picture in zip(files, _pictures(3), strict=False):
        picture.save(file)
    files[3].write_bytes(files[0].read_bytes())
    rows, distances = cosine_pairs(tiny_encoder, files, None)
    assert [0, 3] in rows.tolist() and distances[rows.tolist().index([0, 3])] == 0


def test_a_pair_of_one_lesion_is_right() -> None:
    pairs = np.array([[0, 1], [1, 2], [0, 2]]), np.array([1.0, 5.0, 9.0])
    assert right(pairs, np.array(["a", "a", "b"]), 5) == (2, 1)
    page = "\n".join(markdown(3, "00", [("hash", "at most 5", 2, 1), ("hash", "at most 0", 0, 0)]))
    assert "| hash | at most 5 | 2 | 1 | 0.50 |" in page


def test_the_table_fills_its_place_in_a_page(tmp_path: Path) -> None:
    folder, page = tmp_path / "ham10000", tmp_path / "page.md"
    folder.mkdir()
    for index, picture in enumerate(_pictures(3)):
        picture.save(folder / f"{index}.png")
    (folder / "index.csv").write_text("filename,lesion_id\n0.png,a\n1.png,a\n2.png,b\n")
    page.write_text("before\n<!-- look-alikes -->\nstale\n<!-- end of look-alikes -->\nafter\n")
    result = CliRunner().invoke(main, ["--data-root", str(tmp_path), "--document", str(page)], catch_exceptions=False)
    assert result.exit_code == 0 and "on the 3 images of HAM10000" in result.output
    text = page.read_text()
    assert text.startswith("before\n<!-- look-alikes -->\n\nWritten by") and "stale" not in text
    assert text.endswith("|\n\n<!-- end of look-alikes -->\nafter\n") and "| cosine, zsderm-mini |" in text

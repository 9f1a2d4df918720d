from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zsderm import ImageError
from zsderm.tasks.audit import near_duplicates as audit_module
from zsderm.tasks.audit.image_sets import ImageSet
from zsderm.tasks.audit.near_duplicates import Prints, audit, overlaps


def _picture(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 255, (24, 24, 3), np.uint8)).resize((120, 90), Image.Resampling.BICUBIC)


@pytest.fixture
def sets(tmp_path: Path) -> tuple[ImageSet, ImageSet]:
    """Train: 0 1 2 and a copy of 0. Test: 3, a copy of 0, 1 turned upside down and smaller, and no image."""
    train, test = tmp_path / "train", tmp_path / "test"
    train.mkdir()
    test.mkdir()
    for seed in range(3):
        _picture(seed).save(train / f"{seed}.png")
    (train / "copy.png").write_bytes((train / "0.png").read_bytes())
    _picture(3).save(test / "3.png")
    (test / "also0.png").write_bytes((train / "0.png").read_bytes())
    _picture(1).rotate(180).resize((80, 60)).save(test / "turned1.jpg", quality=80)
    (test / "broken.jpg").write_bytes(b"no image")
    return ImageSet.read(str(train)), ImageSet.read(str(test))


def _names(sets: tuple[ImageSet, ...], report) -> set[tuple[str, str, str, str]]:
    paths = [path.name for images in sets for path in images.paths]
    return {(pair.where, pair.kind, paths[pair.one], paths[pair.other]) for pair in report.pairs}


def test_copies_and_look_alikes_are_found_across_and_within(sets: tuple[ImageSet, ImageSet]) -> None:
    report = audit(*sets)
    assert _names(sets, report) == {
        ("within train", "exact", "0.png", "copy.png"),
        ("across", "exact", "0.png", "also0.png"),
        ("across", "perceptual", "1.png", "turned1.jpg"),
    }
    assert report.leaks and [Path(path).name for path in report.errors] == ["broken.jpg"]


def test_a_set_alone_is_searched_for_repeats(sets: tuple[ImageSet, ImageSet]) -> None:
    report = audit(sets[0])
    assert _names(sets[:1], report) == {("within train", "exact", "0.png", "copy.png")} and not report.leaks


def test_every_pair_is_there_once_with_its_strongest_reason(tiny_encoder, sets: tuple[ImageSet, ImageSet]) -> None:
    report = audit(*sets, encoder=tiny_encoder, cosine=0.9)
    pairs = [(pair.one, pair.other) for pair in report.pairs]
    assert len(set(pairs)) == len(pairs) and all(one < other for one, other in pairs)
    kinds = {names[2:]: names[1] for names in _names(sets, report)}
    assert kinds["0.png", "also0.png"] == "exact" and kinds["1.png", "turned1.jpg"] == "perceptual"


def test_embedding_pairs_equal_a_look_at_every_cosine(tiny_encoder, tmp_path: Path) -> None:
    for name, seeds in {"train": range(6), "test": range(6, 10)}.items():
        (tmp_path / name).mkdir()
        for seed in seeds:
            _picture(seed).save(tmp_path / name / f"{seed}.png")
    sets = ImageSet.read(str(tmp_path / "train")), ImageSet.read(str(tmp_path / "test"))
    features = tiny_encoder.encode_images([*sets[0].paths, *sets[1].paths]).numpy()
    cosines = features @ features.T
    least = float(np.sort(cosines[np.triu_indices(10, 1)])[-6])  # fewer than the nearest five of each
    expected = {(i, j) for i in range(10) for j in range(i + 1, 10) if cosines[i, j] >= least - 1e-6}
    report = audit(*sets, encoder=tiny_encoder, cosine=least - 1e-6, bits=0)
    assert {(pair.one, pair.other) for pair in report.pairs} == expected
    assert all(pair.cosine == pytest.approx(cosines[pair.one, pair.other], abs=1e-5) for pair in report.pairs)


def test_many_equal_files_give_a_pair_each_and_not_all_pairs(tmp_path: Path) -> None:
    for name in ("train", "test"):
        (tmp_path / name).mkdir()
        for index in range(30):
            Image.new("RGB", (8, 8)).save(tmp_path / name / f"{index}.png")
    report = audit(ImageSet.read(str(tmp_path / "train")), ImageSet.read(str(tmp_path / "test")))
    assert report.counts() == {
        "across": {"exact": 30, "perceptual": 0},
        "within train": {"exact": 29, "perceptual": 0},
        "within test": {"exact": 29, "perceptual": 0},
    }


def test_black_frames_that_differ_in_a_byte_give_a_bounded_number_of_pairs(tmp_path: Path) -> None:
    for index in range(30):
        Image.new("RGB", (8 + index, 8)).save(tmp_path / f"{index}.png")
    report = audit(ImageSet.read(str(tmp_path)))
    assert 0 < len(report.pairs) <= 30 * 8 * (audit_module.NEIGHBOURS + 1)


def test_unknown_patients_match_nobody() -> None:
    train = ImageSet("a", (Path("1"), Path("2"), Path("3")), {"patient_id": ("p1", "p2", "")})
    test = ImageSet("b", (Path("4"), Path("5"), Path("6")), {"patient_id": ("p2", "p2", "")})
    (found,) = overlaps(train, test)
    assert (found.train, found.test, found.shared, found.test_images) == (2, 1, ("p2",), 2)


def test_a_shared_patient_is_a_leak_without_any_pair(sets: tuple[ImageSet, ImageSet]) -> None:
    here, there = sets[0].paths[1:3], sets[1].paths[:1]  # 1.png and 2.png; 3.png
    report = audit(ImageSet("a", here, {"p": ("x", "y")}), ImageSet("b", there, {"p": ("y",)}))
    assert not report.pairs and report.leaks and report.overlaps[0].shared == ("y",)
    assert not audit(ImageSet("a", here, {"p": ("x", "y")}), ImageSet("b", there, {"p": ("z",)})).leaks


def test_nothing_to_read_is_refused(sets: tuple[ImageSet, ImageSet], tmp_path: Path) -> None:
    (broken := tmp_path / "broken").mkdir()
    (broken / "1.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match="the only image could not be read in"):
        audit(sets[0], ImageSet.read(str(broken)))


def test_a_missing_file_is_a_reason_and_not_a_crash(tmp_path: Path) -> None:
    prints = Prints.of([tmp_path / "gone.png"])
    assert prints.digests == ("",) and "no such file" in prints.errors[0]


def test_no_photograph_and_no_patient_of_pad_crosses_the_split(data_root: Path) -> None:
    index = data_root / "pad" / "index.csv"
    sets = [ImageSet.read(f"{index}:split={split}", ["patient_id"]) for split in ("train", "dev")]
    report = audit(*(ImageSet(s.source, s.paths[:60], {"patient_id": s.groups["patient_id"][:60]}) for s in sets))
    assert not report.leaks
    assert not next(overlaps(*sets)).shared  # of all, not only of the first 60

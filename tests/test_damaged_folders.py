"""Saved classifiers damaged in ninety ways, from a seed: the answer that was saved, or one sentence; nothing is run.

Another number in the environment variable ZSDERM_SEED damages other folders.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from zsderm import KnowledgeBase, ZeroShotClassifier
from zsderm.errors import ZsdermError
from zsderm.knowledge import Description, Disease, KnowledgeCard

CLASSES = ("melanoma", "nevus", "psoriasis")
FOLDERS = 90
SEED = int(os.environ.get("ZSDERM_SEED", "20"))
VALUES = [None, True, -1, 0, 10**9, 1e300, float("nan"), float("inf"), "", "x" * 300, [], [1], {}, {"a": 1}, [[[]]]]
Damage = Callable[[Path, Path, np.random.Generator], None]


def base() -> KnowledgeBase:
    words = ("red", "brown", "scaly", "round", "ragged", "flat")
    return KnowledgeBase(
        KnowledgeCard("small", ambiguous={"M": ("melanoma", "nevus")}),
        [
            Disease(name, descriptions=tuple(Description(f"{w} {name}", name, w, "either", "test") for w in words))
            for name in CLASSES
        ],
    )


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    points = np.random.default_rng(0).normal(size=(40, 32)).astype(np.float32)
    return points / np.linalg.norm(points, axis=1, keepdims=True)


class Stick:
    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.place),)


def one_file(folder: Path, random: np.random.Generator) -> Path:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return files[int(random.integers(len(files)))]


def flip_bits(folder: Path, other: Path, random: np.random.Generator) -> None:
    path = one_file(folder, random)
    content = bytearray(path.read_bytes())
    for _ in range(int(random.integers(1, 4))):
        content[int(random.integers(len(content)))] ^= 1 << int(random.integers(8))
    path.write_bytes(bytes(content))


def cut(folder: Path, other: Path, random: np.random.Generator) -> None:
    path = one_file(folder, random)
    content = path.read_bytes()
    path.write_bytes(content[: int(random.integers(len(content)))])


def remove(folder: Path, other: Path, random: np.random.Generator) -> None:
    one_file(folder, random).unlink()


def swap(folder: Path, other: Path, random: np.random.Generator) -> None:
    path = one_file(folder, random)
    shutil.copyfile(other / path.relative_to(folder), path)


def pickled(folder: Path, other: Path, random: np.random.Generator) -> None:
    one_file(folder, random).write_bytes(pickle.dumps(Stick(folder / "loot"), 2))


def by_hand(folder: Path, other: Path, random: np.random.Generator) -> None:
    """Another value in the facts, with and without the checksums that notice it."""
    path = folder / "classifier.json"
    facts = json.loads(path.read_text())
    if random.random() < 0.7:
        facts = {name: value for name, value in facts.items() if name not in ("files", "checksum")}
    inner, names = facts, sorted(facts)
    while True:
        name = names[int(random.integers(len(names)))]
        if not isinstance(inner[name], dict) or random.random() < 0.3:
            break
        inner, names = inner[name], sorted(inner[name])
    inner[name] = VALUES[int(random.integers(len(VALUES)))]
    path.write_text(json.dumps(facts))


def link(folder: Path, other: Path, random: np.random.Generator) -> None:
    path = one_file(folder, random)
    path.unlink()
    path.symlink_to([path.name, "/dev/zero", str(folder), "/dev/null"][int(random.integers(4))])


def queue(folder: Path, other: Path, random: np.random.Generator) -> None:
    path = one_file(folder, random)
    path.unlink()
    os.mkfifo(path)


DAMAGES: tuple[Damage, ...] = (flip_bits, flip_bits, cut, remove, swap, pickled, by_hand, by_hand, by_hand, link, queue)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, rows: np.ndarray, module_encoder) -> tuple[Path, Path]:
    """Two runs with the same classes and settings, on other images."""
    folder = tmp_path_factory.mktemp("saved")
    for name, part in (("one", rows[:20]), ("other", rows[20:])):
        ZeroShotClassifier(module_encoder, CLASSES, base(), prior="uniform").fit(part).save(folder / name)
    return folder / "one", folder / "other"


@pytest.fixture(scope="module")
def module_encoder():
    from tests.conftest import TinyEncoder

    return TinyEncoder()


def answers(classifier: ZeroShotClassifier, rows: np.ndarray) -> torch.Tensor:
    """(N, C) probabilities of embeddings, which spares the photographs."""
    fitted = classifier.fitted
    assert fitted is not None
    features = torch.from_numpy(rows)
    scores = fitted.scores(features) if fitted.refined else features @ fitted.text.T
    return (scores / fitted.temperature).softmax(dim=1)


@pytest.mark.slow
def test_a_damaged_folder_answers_as_before_or_says_so_in_one_sentence(
    saved: tuple[Path, Path], rows: np.ndarray, module_encoder, tmp_path: Path
) -> None:
    random = np.random.default_rng(SEED)
    whole = ZeroShotClassifier.load(saved[0], module_encoder)
    expected, refused = answers(whole, rows), 0
    for number in range(FOLDERS):
        folder = shutil.copytree(saved[0], tmp_path / f"{number}")
        damage = DAMAGES[number % len(DAMAGES)]
        damage(folder, saved[1], random)
        what = f"folder {number}, {damage.__name__}, seed {SEED}"
        try:
            found = ZeroShotClassifier.load(folder, module_encoder)
        except ZsdermError as error:
            refused += 1
            assert "\n" not in str(error), what
        else:
            unlike = (found.classes, found.prior, found.settings) != (whole.classes, whole.prior, whole.settings)
            if damage is not by_hand or not unlike:  # who changes settings by hand has changed them
                assert torch.equal(answers(found, rows), expected) and found.classes == whole.classes, what
        assert not (folder / "loot").exists(), what
    assert refused > FOLDERS / 2

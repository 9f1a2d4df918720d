from __future__ import annotations

import pytest
import torch

from zsderm import KnowledgeBase
from zsderm.pretrain.data.augmentation import COLUMNS
from zsderm.pretrain.data.captions import CAPTIONS_PER_IMAGE
from zsderm.pretrain.data.dataset import Batch, collate
from zsderm.pretrain.data.diagnoses import Diagnoses
from zsderm.pretrain.losses.shared_positives import HOLDS
from zsderm.pretrain.targets import Targets, targets_of, with_equal_wordings

B, T, K = 6, 4, 3
CPU = torch.device("cpu")
POOL = "benign keratosis-like lesion"


def holds(affinity: torch.Tensor, about: torch.Tensor, image: int, caption: tuple[int, int]) -> float:
    """How far a caption holds for an image, as the losses take it."""
    if caption[0] == image:
        return 1.0
    subject = int(about[caption])
    return float(affinity[image, subject]) if subject >= 0 else 0.0


@pytest.mark.parametrize("wordings", [1, 6, 40])
@pytest.mark.parametrize("seed", range(3))
def test_a_caption_holds_as_far_as_any_caption_of_its_wording(seed: int, wordings: int) -> None:
    random = torch.Generator().manual_seed(seed)
    affinity = torch.rand(B, K, generator=random).round(decimals=1)
    about = torch.randint(-1, K, (B, T), generator=random)
    wording = torch.randint(0, wordings + 1, (B, T), generator=random)  # 0: no caption
    about[wording == 0] = -1
    after = with_equal_wordings(affinity, about, wording)
    assert torch.equal(after.affinity[:, :K], affinity)
    captions = [(b, t) for b in range(B) for t in range(T)]
    for image in range(B):
        for caption in captions:
            alike = [other for other in captions if wording[other] == wording[caption] != 0] or [caption]
            expected = max(holds(affinity, about, image, other) for other in alike)
            assert holds(after.affinity, after.about, image, caption) == pytest.approx(expected)


def test_wordings_that_are_about_one_diagnosis_need_no_place_of_their_own() -> None:
    affinity, about = torch.tensor([[1.0, 0.5], [1.0, 0.0]]), torch.tensor([[0, 1], [0, -1]])
    after = with_equal_wordings(affinity, about, torch.tensor([[7, 8], [7, 0]]))
    assert torch.equal(after.affinity, affinity) and torch.equal(after.about, about)


def row(*texts: str) -> list[str]:
    return [*texts, *[""] * (CAPTIONS_PER_IMAGE - len(texts))]


def batch(labels: list[str], captions: list[list[str]], about: list[list[str]]) -> Batch:
    mask = torch.tensor([[bool(text) for text in texts] for texts in captions], dtype=torch.bool)
    return Batch(torch.zeros(len(labels), 3, 2, 2), torch.zeros(len(labels), COLUMNS), captions, mask, labels, about)


def shared(targets: Targets) -> list[list[list[bool]]]:
    """Per image and caption the images that it holds for."""
    images, places = targets.about.shape
    pairs = [[(b, t) for t in range(places)] for b in range(images)]
    return [
        [[holds(*targets, image, caption) >= HOLDS for image in range(images)] for caption in captions]
        for captions in pairs
    ]


@pytest.mark.parametrize("soft", [False, True])
def test_an_image_of_a_pool_has_the_captions_of_its_members_as_right_answers(soft: bool) -> None:
    labels = [POOL, "seborrheic keratosis", "melanoma"]
    diagnoses = Diagnoses(KnowledgeBase.load("dermatology"), labels)
    captions = [row("some pool"), row("waxy", "on the nose"), row("dark", "on the nose")]
    about = [row("benign keratosis"), row("seborrheic keratosis"), row("melanoma")]
    found = shared(targets_of(batch(labels, captions, about), diagnoses, soft, CPU))
    assert found[0][0] == [True, True, False], "the pool holds for its members"
    assert found[1][0] == [True, True, False], "and each of them for the pool"
    assert found[2][0] == [False, False, True]
    assert found[1][1] == found[2][1] == [False, True, True], "equal words hold for both that have them"


def test_captions_as_found_hold_for_their_image_and_for_those_with_the_same_words() -> None:
    diagnoses = Diagnoses(KnowledgeBase.load("dermatology"), [])
    captions = [row("a", "psoriasis"), row("b", "psoriasis"), row("c", "eczema")]
    targets = targets_of(batch(["", "", ""], captions, [row()] * 3), diagnoses, False, CPU)
    assert targets.affinity.shape == (3, 1) and targets.about.unique().tolist() == [-1, 0]
    found = shared(targets)
    assert found[0][1] == found[1][1] == [True, True, False] and found[2][1] == [False, False, True]


def test_a_batch_without_images_has_targets_of_no_rows() -> None:
    diagnoses = Diagnoses(KnowledgeBase.load("dermatology"), ["melanoma"])
    targets = targets_of(collate([None]), diagnoses, True, CPU)
    assert targets.affinity.shape == (0, len(diagnoses.nodes)) and targets.about.shape == (0, CAPTIONS_PER_IMAGE)

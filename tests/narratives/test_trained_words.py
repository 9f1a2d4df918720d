"""Stories read by a model that was really trained, beside photographs, hostile and odd stories among them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import TinyEncoder
from tests.narratives.test_answers import HOSTILE
from zsderm import KnowledgeBase, Predictions, ZeroShotClassifier
from zsderm.errors import CheckpointError, SettingsError, UnknownClassError, WrongTypeError
from zsderm.narratives.answers import with_words
from zsderm.narratives.given import TRAINED_WEIGHT
from zsderm.narratives.trained_words import TrainedWords
from zsderm.narratives.words_model import CARD_FILE, WordsModel

pytestmark = pytest.mark.slow
CLASSES = ("melanoma", "acne rosacea", "psoriasis", "scabies", "vitiligo")
NIGHT = "It itches at night and my brother has it too."
GREW = "On my neck: a dark spot that grew and bled this year."


@pytest.fixture
def model(words_folder: Path) -> WordsModel:
    return WordsModel.load(words_folder)


def _mixed(model: WordsModel, counts: dict[str, int] | None) -> WordsModel:
    """The same model, as if it had been trained with so many stories of each class."""
    return WordsModel(model.classifier, model.tokenizer, replace(model.card, training={"labels": counts}))


def _predictions(rows: list[list[float]], sets: torch.Tensor | None = None) -> Predictions:
    images = tuple(f"{n}.jpg" for n in range(len(rows)))
    failed = [name for name, row in zip(images, rows, strict=True) if np.isnan(row).any()]
    return Predictions(
        images=images,
        classes=CLASSES,
        probabilities=torch.tensor(rows),
        method="knowledge",
        prior="uniform",
        requested_method="knowledge",
        evidence=((),) * len(rows),
        errors=dict.fromkeys(failed, "torn"),
        sets=sets,
    )


def test_the_share_of_a_class_is_what_the_model_says_beside_how_often_it_was_shown(model: WordsModel) -> None:
    counts = {"melanoma": 1, "rosacea": 2, "scabies": 4, "vitiligo": 8}
    words = TrainedWords.of(_mixed(model, counts), CLASSES, first=4)
    assert words.model.prior is not None and words.model.prior.tolist() == [n / 15 for n in counts.values()]
    found = words.by_words([GREW, None], torch.full((2, 5), 0.2))
    order = ["melanoma", "rosacea", "scabies", "vitiligo"]
    odds = model.log_probabilities([GREW], [order]).exp()[0] / torch.tensor([*counts.values()])
    expected = 0.8 * odds / odds.sum()
    assert found[0, 2] == pytest.approx(0.2)  # psoriasis, which it does not know: as if nothing were told
    torch.testing.assert_close(found[0, [0, 1, 3, 4]], expected.float())
    assert found[1].isnan().all()


def test_classes_are_found_by_other_names_and_a_class_may_hold_several(model: WordsModel, base: KnowledgeBase) -> None:
    words = TrainedWords.of(model, ["Melanoma", "acne rosacea", "seven-year itch"], base)
    assert words.place.tolist() == [0, 1, 2, -1] and words.unknown == []
    assert words.read_as == {"rosacea": "acne rosacea", "scabies": "seven-year itch"}
    pooled = TrainedWords.of(model, ["acne and rosacea", "melanoma"], base)
    assert pooled.place.tolist() == [1, 0, -1, -1]


@pytest.mark.parametrize(
    ("by_image", "inside", "first", "expected"),
    [
        ([0.1, 0.2, 0.3, 0.25, 0.15], None, None, ["scabies", "rosacea", "vitiligo"]),  # psoriasis is left out
        ([0.1, 0.2, 0.3, 0.25, 0.15], None, 2, ["scabies", "rosacea"]),
        ([0.1, 0.2, 0.3, 0.25, 0.15], [1, 1, 1, 1, 0], None, ["scabies", "rosacea", "melanoma"]),
        ([0.1, 0.2, 0.3, 0.25, 0.15], [1, 1, 1, 1, 0], 2, ["scabies", "rosacea"]),
        ([0.1, 0.2, 0.3, 0.25, 0.15], [0, 0, 1, 0, 0], None, ["scabies", "rosacea"]),  # never fewer than two
        ([float("nan")] * 5, [0] * 5, None, ["melanoma", "rosacea", "scabies", "vitiligo"]),
    ],
)
def test_the_options_are_the_prediction_set_or_the_first_classes_by_photograph(
    model: WordsModel, by_image: list[float], inside: list[int] | None, first: int | None, expected: list[str]
) -> None:
    words = TrainedWords.of(model, CLASSES, first=first)
    within = None if inside is None else torch.tensor(inside, dtype=torch.bool)
    assert words.options(torch.tensor(by_image), within) == expected


def test_three_answers_and_what_the_model_is(model: WordsModel, base: KnowledgeBase, tiny_encoder: TinyEncoder) -> None:
    before = _predictions([[0.3, 0.1, 0.2, 0.3, 0.1], [0.2] * 5, [float("nan")] * 5])
    words = TrainedWords.of(model, CLASSES, base)
    found = with_words(before, [f"{GREW} They said melanoma.", None, NIGHT], base, model=tiny_encoder, trained=words)
    frame = found.to_frame()
    assert frame["label_by_words"].tolist() == ["melanoma", "", "scabies"] and found.labels[0] == "melanoma"
    assert frame["masked"].tolist() == ["melanoma", "", ""] and frame["matched"][0]
    assert torch.equal(found.probabilities[1], before.probabilities[1]) and not found.ok[2]
    assert found.manifest["narratives"]["words_model"] == {
        "name": "small",
        "fingerprint": model.fingerprint,
        "trained_with_options": "chain",
        "options": 3,
        "read_as": {"rosacea": "acne rosacea"},
        "unknown": ["psoriasis"],
    }
    assert [note for note in found.notes if "does not know psoriasis" in note]
    assert "among the first 4 classes" in next(TrainedWords.of(model, CLASSES, base, 99).remarks(sets=False))
    asked = replace(before, sets=torch.ones(3, 5, dtype=torch.bool))
    found = with_words(asked, [GREW, None, None], base, model=tiny_encoder, trained=words)
    assert found.manifest["narratives"]["words_model"]["options"] == "prediction set"


def test_odd_and_hostile_stories_never_fail_and_never_remove_a_class(
    model: WordsModel, base: KnowledgeBase, tiny_encoder: TinyEncoder
) -> None:
    rows = torch.randn(len(HOSTILE), 5, generator=torch.Generator().manual_seed(1)).softmax(dim=1)
    before = _predictions(rows.tolist())
    words = TrainedWords.of(model, CLASSES, base)
    found = with_words(before, list(HOSTILE.values()), base, model=tiny_encoder, trained=words)
    assert found.ok.all()
    assert (found.probabilities >= (0.3 / (0.3 + 0.7 * 5)) ** TRAINED_WEIGHT * before.probabilities - 1e-6).all()
    silent = [list(HOSTILE).index(odd) for odd in ("empty", "blank", "emoji", "class names", "brackets", "foreign")]
    assert torch.equal(found.probabilities[silent], before.probabilities[silent])
    nothing = with_words(before, list(HOSTILE.values()), base, 0, model=tiny_encoder, trained=words)
    assert torch.equal(nothing.probabilities, before.probabilities)


def test_without_a_base_the_model_reads_with_the_same_names_taken_out(model: WordsModel) -> None:
    before = _predictions([[0.2] * 5, [0.2] * 5])
    words = TrainedWords.of(_mixed(model, None), CLASSES)
    found = with_words(before, [f"{NIGHT} A shingles thing.", HOSTILE["foreign"]], None, trained=words)
    frame = found.to_frame()
    assert frame["label_by_words"].tolist() == ["scabies", ""] and frame["masked"][0] == "shingles"
    assert frame["matched"].tolist() == ["", ""] and found.manifest["narratives"]["sentence_model"] is None
    assert "does not say how often" in found.notes[-1]


def test_a_classifier_takes_the_folder_and_refuses_what_cannot_be_before_it_looks_at_a_photograph(
    words_folder: Path, base: KnowledgeBase, tiny_encoder: TinyEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zsderm.narratives.answers._bundled", lambda: tiny_encoder)
    classifier = ZeroShotClassifier(tiny_encoder, CLASSES, base)
    photo = Image.new("RGB", (8, 8), (120, 60, 50))
    found = classifier.predict([photo], narratives=[NIGHT], words_model=words_folder, words_options=4)
    assert found.to_frame()["label_by_words"].tolist() == ["scabies"]
    model = WordsModel.load(words_folder)
    again = classifier.predict([photo], narratives=[NIGHT], words_model=model, words_options=4)
    assert torch.equal(again.probabilities, found.probabilities)
    before = tiny_encoder.images_encoded
    for arguments, error, said in (
        ({"words_model": model}, SettingsError, "for the `words_model` to read"),
        ({"words_weight": 1.0}, SettingsError, "`narratives` beside `words_weight`"),
        ({"words_options": 2}, SettingsError, "`narratives` beside `words_options`"),
        ({"narratives": [NIGHT], "words_options": 2}, SettingsError, "`words_model` beside `words_options`"),
        ({"narratives": [NIGHT], "words_model": 3}, WrongTypeError, "a WordsModel or its folder"),
        ({"narratives": [NIGHT], "words_model": "nowhere"}, CheckpointError, "it holds no zsderm_words.json"),
        ({"narratives": [NIGHT], "words_model": model, "words_options": 1}, SettingsError, "2 or more, but got 1"),
        ({"narratives": [NIGHT], "words_model": model, "words_options": "3"}, SettingsError, "2 or more, but got '3'"),
    ):
        with pytest.raises(error, match=said):
            classifier.predict([photo], **arguments)  # type: ignore[arg-type]
    assert tiny_encoder.images_encoded == before


@pytest.mark.parametrize(
    ("classes", "said"),
    [(["psoriasis", "melanoma"], "knows only melanoma, and"), (["psoriasis", "acne"], "knows none, and")],
)
def test_fewer_than_two_common_classes_are_refused(model: WordsModel, classes: list[str], said: str) -> None:
    with pytest.raises(UnknownClassError, match=said):
        TrainedWords.of(model, classes)


@pytest.mark.parametrize("labels", [{"melanoma": 3}, {"melanoma": 0, "rosacea": 1, "scabies": 1, "vitiligo": 1}, [4]])
def test_counts_that_cannot_be_right_are_refused(words_folder: Path, tmp_path: Path, labels: object) -> None:
    folder = tmp_path / "words"
    shutil.copytree(words_folder, folder)
    card = json.loads((folder / CARD_FILE).read_text())
    (folder / CARD_FILE).write_text(json.dumps({**card, "training": {"labels": labels}}))
    with pytest.raises(CheckpointError, match="'labels'"):
        WordsModel.load(folder)


@pytest.mark.parametrize("said", [{"classes": None}, {"classes": "abcd"}, {"card": 3}, {"training": [1]}])
def test_a_card_of_another_shape_is_refused(words_folder: Path, tmp_path: Path, said: dict[str, object]) -> None:
    folder = tmp_path / "words"
    shutil.copytree(words_folder, folder)
    (folder / CARD_FILE).write_text(json.dumps({**json.loads((folder / CARD_FILE).read_text()), **said}))
    with pytest.raises(CheckpointError, match="'classes' to be a list, and 'card' and 'training' to be objects"):
        WordsModel.load(folder)


def test_a_fingerprint_is_that_of_weights_and_card(words_folder: Path, model: WordsModel) -> None:
    assert model.fingerprint == WordsModel.load(words_folder).fingerprint and len(model.fingerprint) == 16
    assert _mixed(model, None).fingerprint != model.fingerprint
    other = WordsModel.load(words_folder)
    with torch.no_grad():
        other.classifier.head.bias += 0.5
    assert other.fingerprint != model.fingerprint

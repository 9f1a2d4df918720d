"""An explanation says which texts spoke for the winner and for the runner-up, and where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zsderm import KnowledgeBase, ZeroShotClassifier
from zsderm.class_texts import ClassTexts
from zsderm.errors import ImageError, InputError, SettingsError
from zsderm.evidence import on_the_same_aspects
from zsderm.knowledge import Description, Disease, KnowledgeCard
from zsderm.predictions import Evidence, Predictions
from zsderm.tasks.explanation.explain import (
    Explanation,
    explain,
    explain_images,
    explain_predictions,
)

CLASSES = ("nevus", "wart", "melanoma")
SIGNS = {"colour": "brown or black", "border": "sharp or ragged", "surface": "smooth or rough", "size": "small"}


@pytest.fixture
def texts(tiny_encoder) -> ClassTexts:
    diseases = [
        Disease(
            name,
            descriptions=tuple(
                Description(f"{words} {name}", name, aspect, "either", "test") for aspect, words in SIGNS.items()
            ),
        )
        for name in CLASSES
    ]
    return ClassTexts.build(tiny_encoder, CLASSES, "knowledge", KnowledgeBase(KnowledgeCard("mine"), diseases))


@pytest.fixture
def proxies(tiny_encoder) -> torch.Tensor:
    return tiny_encoder.encode_texts(CLASSES)


def _evidence(aspect: str, score: float, text: str = "") -> Evidence:
    return Evidence(text or f"{aspect} {score}", score, aspect, "test")


def _folder(folder: Path, photo: Image.Image) -> list[str]:
    for index, picture in enumerate([photo, photo.rotate(90, expand=True), photo.resize((30, 20))]):
        picture.save(folder / f"{index}.png")
    (folder / "3.png").write_bytes(b"")
    return [str(folder / f"{index}.png") for index in range(4)]


def _answers(encoder, names: list[str], proxies: torch.Tensor) -> Predictions:
    table = torch.full((4, 3), torch.nan)
    table[:3] = (10 * encoder.encode_images(names[:3]) @ proxies.T).softmax(dim=1)
    return Predictions(names, CLASSES, table, "knowledge", "none", "kpl", ((),) * 4, {names[3]: "empty"})


def test_winner_and_runner_up_are_the_nearest_proxies(tiny_encoder, photo, proxies) -> None:
    found = explain(tiny_encoder, photo, proxies, CLASSES)
    scores = (tiny_encoder.encode_images([photo]) @ proxies.T)[0]
    first, second = scores.topk(2).indices.tolist()
    assert (found.winner, found.runner_up) == (CLASSES[first], CLASSES[second])
    assert found.margin == pytest.approx(float(scores[first] - scores[second]), abs=1e-5)
    assert found.evidence == found.runner_up_evidence == ()
    assert found.heat.size == photo.size and found.scale > 0


def test_evidence_is_what_each_class_says_that_is_most_like_the_photograph(tiny_encoder, photo, proxies, texts) -> None:
    found = explain(tiny_encoder, photo, proxies, CLASSES, texts=texts, evidence=2)
    feature = tiny_encoder.encode_images([photo])[0]
    own = [i for i, sentence in enumerate(texts.sentences) if CLASSES[sentence.class_index] == found.winner]
    cosines = sorted((float(texts.features[i] @ feature) for i in own), reverse=True)
    assert [text.score for text in found.evidence] == pytest.approx(cosines[:2], abs=1e-5)
    assert {text.aspect for text in found.runner_up_evidence} == {text.aspect for text in found.evidence}
    assert all(found.runner_up in text.text for text in found.runner_up_evidence)


def test_only_the_rows_that_were_retrieved_speak(tiny_encoder, photo, proxies, texts) -> None:
    rows = torch.arange(0, len(texts.sentences), 4)  # one description of each class
    found = explain(tiny_encoder, photo, proxies, CLASSES, texts=texts, rows=rows)
    assert len(found.evidence) == len(found.runner_up_evidence) == 1


def test_what_ranked_the_classes_decides_not_the_proxies(tiny_encoder, photo, proxies) -> None:
    found = explain(tiny_encoder, photo, proxies, CLASSES, ranked=(2, 0))
    assert (found.winner, found.runner_up) == ("melanoma", "nevus")


def test_a_single_class_has_no_runner_up(tiny_encoder, photo, proxies) -> None:
    found = explain(tiny_encoder, photo, proxies[:1], CLASSES[:1])
    assert found.winner == "nevus" and found.runner_up == "" and found.runner_up_evidence == ()
    assert found.pair(60).width == 2 * 60 + 36


def test_the_photograph_is_left_unchanged_and_kept_small(tiny_encoder, photo, proxies) -> None:
    large = photo.resize((1500, 1000))
    found = explain(tiny_encoder, large, proxies, CLASSES)
    assert large.size == (1500, 1000) and found.picture.size == (512, 341) and found.heat.size == (1500, 1000)
    assert found.overlay(100).size == (100, 67)


def test_an_explanation_goes_by_the_name_of_its_file(tiny_encoder, photo, proxies, tmp_path: Path) -> None:
    photo.save(tmp_path / "mole.png")
    assert explain(tiny_encoder, tmp_path / "mole.png", proxies, CLASSES).image == str(tmp_path / "mole.png")
    assert explain(tiny_encoder, photo, proxies, CLASSES, name="first").image == "first"


def test_what_does_not_fit_is_refused(tiny_encoder, photo, proxies, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a row for each of 2 classes, but got \(3, 32\)"):
        explain(tiny_encoder, photo, proxies, CLASSES[:2])
    with pytest.raises(SettingsError, match="occlusion or patches"):
        explain(tiny_encoder, photo, proxies, CLASSES, method="gradients")
    with pytest.raises(ImageError, match="no such file"):
        explain(tiny_encoder, tmp_path / "nothing.png", proxies, CLASSES)


def test_a_folder_is_explained_one_at_a_time_with_gaps_where_images_failed(
    tiny_encoder, photo, proxies, texts, tmp_path: Path
) -> None:
    names = _folder(tmp_path, photo)
    predictions = _answers(tiny_encoder, names, proxies)
    encoded = tiny_encoder.images_encoded
    found = explain_images(tiny_encoder, predictions, proxies, texts=texts)
    assert tiny_encoder.images_encoded == encoded, "nothing happens before the first is asked for"
    first = next(found)
    per_image = tiny_encoder.images_encoded - encoded
    rest = list(found)
    assert tiny_encoder.images_encoded == encoded + 3 * per_image
    assert isinstance(first, Explanation) and [item is None for item in rest] == [False, False, True]
    assert [item.image for item in (first, *rest) if item] == names[:3]
    for item, ranked in zip((first, *rest[:2]), predictions.top_k(2), strict=False):
        assert [item.winner, item.runner_up] == [name for name, _ in ranked]


def test_a_file_that_vanished_since_is_a_gap(tiny_encoder, photo, proxies, tmp_path: Path) -> None:
    names = _folder(tmp_path, photo)
    predictions = _answers(tiny_encoder, names, proxies)
    Path(names[1]).unlink()
    found = explain_images(tiny_encoder, predictions, proxies)
    assert [item is None for item in found] == [False, True, False, True]


def test_pictures_can_be_given(tiny_encoder, photo, proxies, tmp_path: Path) -> None:
    predictions = _answers(tiny_encoder, _folder(tmp_path, photo), proxies)
    found = list(explain_images(tiny_encoder, predictions, proxies, pictures=[photo] * 4))
    assert found[2].picture.size == photo.size and found[3] is None
    with pytest.raises(InputError, match="one entry for each of 4 images, but got 1"):
        next(explain_images(tiny_encoder, predictions, proxies, pictures=[photo]))


def test_the_same_aspects_come_first_then_the_best_left() -> None:
    spoken = [_evidence("colour", 0.5), _evidence("border", 0.4), _evidence("size", 0.3)]
    others = [_evidence("surface", 0.9), _evidence("surface", 0.8), _evidence("border", 0.2), _evidence("colour", 0.1)]
    found = on_the_same_aspects(spoken, others, 3)
    assert [(text.aspect, text.score) for text in found] == [("surface", 0.9), ("border", 0.2), ("colour", 0.1)]
    assert on_the_same_aspects(spoken, [], 3) == ()
    assert len(on_the_same_aspects([], others, 2)) == 2


def test_no_description_answers_twice() -> None:
    spoken = [_evidence("colour", 0.5), _evidence("colour", 0.4)]
    others = [_evidence("colour", 0.3, "red"), _evidence("colour", 0.2, "brown"), _evidence("size", 0.1)]
    assert [text.text for text in on_the_same_aspects(spoken, others, 3)] == ["red", "brown", "size 0.1"]


@pytest.mark.parametrize("changes", [{"method": "knowledge"}, {"method": "knowledge", "retrieval": "image"}])
def test_a_classifier_explains_its_own_answers(tiny_encoder, photo, tmp_path: Path, changes: dict[str, str]) -> None:
    names = _folder(tmp_path, photo)
    classifier = ZeroShotClassifier.from_pretrained(tiny_encoder, classes=["mole", "psoriasis", "melanoma"], **changes)
    predictions = classifier.predict(names)
    found = list(explain_predictions(classifier, predictions, evidence=2))
    assert found[3] is None
    for item, ranked, told in zip(found[:3], predictions.top_k(2), predictions.evidence, strict=False):
        assert [item.winner, item.runner_up] == [name for name, _ in ranked]
        assert item.evidence == told[:2]
        temperature = predictions.manifest["temperature"]
        lead = torch.tensor([share for _, share in ranked]).log()
        assert item.margin / temperature == pytest.approx(float(lead[0] - lead[1]), abs=1e-3)


@pytest.mark.slow
def test_a_map_looks_at_the_image_as_it_is_and_a_margin_is_of_all_views(tiny_encoder, photo, tmp_path) -> None:
    photo.save(tmp_path / "a.png")
    one, several = (
        ZeroShotClassifier.from_pretrained(tiny_encoder, classes=CLASSES, method="templates", views=views)
        for views in (1, 4)
    )
    answer = several.predict(tmp_path / "a.png")
    found, expected = (next(explain_predictions(subject, answer)) for subject in (several, one))
    assert found is not None and expected is not None
    assert (found.winner, found.margin, found.scale) == (expected.winner, expected.margin, expected.scale)
    assert found.margin == pytest.approx(margin_of(answer, 0), abs=1e-4)


def margin_of(answer: Predictions, row: int) -> float:
    """The lead of the first class over the second that the probabilities state, in units of cosine."""
    first, second = answer.probabilities[row].log().topk(2).values.tolist()
    return (first - second) * answer.manifest["temperature"]


@pytest.mark.slow
@pytest.mark.parametrize("centre", [True, False])
@pytest.mark.parametrize("views", [1, 4])
@pytest.mark.parametrize("retrieval", ["batch", "image"])
def test_no_margin_is_below_zero_whatever_the_path_of_the_answer(
    tiny_encoder, tmp_path, centre: bool, views: int, retrieval: str
) -> None:
    random = np.random.default_rng(3)
    for number in range(20):
        pixels = np.clip(random.integers(0, 255, 3) + random.normal(0, 30, (24, 32, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number:02d}.png")
    classifier = ZeroShotClassifier.from_pretrained(
        tiny_encoder, classes=CLASSES, prior="uniform", centre=centre, views=views, retrieval=retrieval
    )
    answer = classifier.predict(tmp_path)
    assert answer.method == "kpl"
    margins = [found.margin for found in explain_predictions(classifier, answer, method="occlusion")]
    assert margins == pytest.approx([margin_of(answer, row) for row in range(20)], abs=1e-3)
    assert min(margins) > -1e-6

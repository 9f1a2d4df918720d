from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import load_file

from zsderm.encoders import load_encoder
from zsderm.encoders.views import views_of
from zsderm.errors import (
    CheckpointError,
    ClassListError,
    InputError,
    SettingsError,
    UnknownClassError,
    UnknownModelError,
    WrongTypeError,
    ZsdermWarning,
)
from zsderm.supervised import SupervisedClassifier, is_supervised

CLASSES = ("melanoma", "nevus", "psoriasis")
Make = Callable[..., Path]


@pytest.fixture
def images(photo: Image.Image, tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{n}.png" for n in range(3)]
    for turn, path in enumerate(paths):
        photo.rotate(90 * turn, expand=True).save(path)
    return paths


def test_probabilities_are_those_of_the_network(supervised_folder: Make, images: list[Path]) -> None:
    folder = supervised_folder(CLASSES)
    classifier = SupervisedClassifier.load(folder)
    network = timm.create_model("test_efficientnet", num_classes=3).eval()
    network.load_state_dict(load_file(folder / "model.safetensors"))
    pixels = torch.stack([classifier.tower.preprocess(Image.open(path)) for path in images])
    with torch.inference_mode():
        expected = network(pixels).softmax(dim=1)
    found = classifier.probabilities(images)
    assert found.shape == (3, 3) and classifier.classes == CLASSES
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(3))


def test_some_of_the_classes_in_another_order_share_the_probability(
    supervised_folder: Make, images: list[Path]
) -> None:
    classifier = SupervisedClassifier.load(supervised_folder(CLASSES))
    whole = classifier.probabilities(images)
    part = classifier.for_classes(["Psoriasis", "melanoma"]).probabilities(images)
    torch.testing.assert_close(part, whole[:, [2, 0]] / whole[:, [2, 0]].sum(dim=1, keepdim=True))


def test_another_name_of_a_trained_class_is_that_class_and_said(supervised_folder: Make, images: list[Path]) -> None:
    classifier = SupervisedClassifier.load(supervised_folder(CLASSES))
    with pytest.warns(ZsdermWarning, match="melanocytic nevus = nevus"):
        named = classifier.for_classes(["melanocytic nevus", "melanoma"])
    assert named.places == (1, 0) and named.classes == ("melanocytic nevus", "melanoma")


def test_accents_written_in_the_other_way_and_capitals_are_the_same_class(supervised_folder: Make) -> None:
    trained = ("Caf\u00e9-au-lait macule", "nevus")
    named = SupervisedClassifier.load(supervised_folder(trained), classes=["NEVUS", "cafe\u0301-au-lait  macule"])
    assert named.places == (1, 0)


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (["melanoma", "vitiligo"], "was not trained on vitiligo: it answers only melanoma, nevus, psoriasis"),
        (["nevus", "melanocytic nevus"], "has only one class for nevus, melanocytic nevus"),
    ],
)
def test_a_class_that_it_was_not_trained_on_is_refused(supervised_folder: Make, classes: list[str], said: str) -> None:
    with pytest.raises(UnknownClassError, match=said):
        SupervisedClassifier.load(supervised_folder(CLASSES), classes=classes)


@pytest.mark.parametrize("classes", ["nevus, melanoma", ["nevus"], [], ["Nevus", "nevus"]])
def test_a_class_list_is_held_to_the_rules_of_every_other(supervised_folder: Make, classes: object) -> None:
    classifier = SupervisedClassifier.load(supervised_folder(CLASSES))
    with pytest.raises(ClassListError):
        classifier.for_classes(classes)  # type: ignore[arg-type]


def test_classes_are_spelt_as_labels_of_tables_are(supervised_folder: Make) -> None:
    classifier = SupervisedClassifier.load(supervised_folder(("basal cell carcinoma", "café-au-lait macule", "nevus")))
    assert classifier.for_classes([" NEVUS ", "basal_cell_carcinoma", "cafe\u0301-au-lait macule"]).places == (2, 0, 1)


def test_a_class_that_only_holds_the_asked_disease_is_no_answer_to_it(supervised_folder: Make) -> None:
    classifier = SupervisedClassifier.load(supervised_folder(("benign keratosis", "nevus")))
    with pytest.raises(UnknownClassError, match="was not trained on solar lentigo"):
        classifier.for_classes(["solar lentigo", "nevus"])


def test_views_are_the_mean_of_roots_made_a_unit_row(supervised_folder: Make, images: list[Path]) -> None:
    classifier = SupervisedClassifier.load(supervised_folder(CLASSES), views=4)
    pixels = torch.stack([classifier.tower.preprocess(Image.open(path)) for path in images])
    rows = torch.stack([classifier.tower.encode_pixels(view) for view in views_of(pixels, 4)]).mean(dim=0)
    expected = rows.square() / rows.square().sum(dim=1, keepdim=True)
    torch.testing.assert_close(classifier.probabilities(images), expected, atol=1e-5, rtol=1e-4)


def test_an_image_that_cannot_be_read_is_a_row_with_a_reason(supervised_folder: Make, images: list[Path]) -> None:
    images[1].write_bytes(b"no image")
    found = SupervisedClassifier.load(supervised_folder(CLASSES)).predict(images)
    assert found.ok.tolist() == [True, False, True] and list(found.errors) == [str(images[1])]
    assert found.method == "supervised" and found.manifest["trained_on"] == list(CLASSES)


def test_a_group_is_answered_as_one_photograph_is_by_its_views(supervised_folder: Make, images: list[Path]) -> None:
    classifier = SupervisedClassifier.load(supervised_folder(CLASSES))
    roots = classifier.probabilities(images[:2]).sqrt().mean(dim=0)
    images[2].write_bytes(b"no image")
    found = classifier.predict_groups(images, ["a", "a", ""], by="lesion_id")
    torch.testing.assert_close(found.answers.probabilities[0], roots.square() / roots.square().sum())
    assert found.answers.ok.tolist() == [True, False] and found.answers.manifest["groups"]["by"] == "lesion_id"
    assert found.to_frame()["images"].tolist() == [2, 1]
    with pytest.raises(InputError, match="one name for each"):
        classifier.predict_groups(images, ["a"])


def test_rows_are_kept_in_a_cache(supervised_folder: Make, images: list[Path], tmp_path: Path) -> None:
    classifier = SupervisedClassifier.load(supervised_folder(CLASSES), cache=tmp_path / "cache")
    first = classifier.probabilities(images)
    assert len(list((tmp_path / "cache").rglob("*.npy"))) == 3
    torch.testing.assert_close(classifier.probabilities(images), first)


def test_a_card_may_recommend_views(supervised_folder: Make) -> None:
    folder = supervised_folder(CLASSES, views=8)
    assert SupervisedClassifier.load(folder).views == 8 and SupervisedClassifier.load(folder, views=1).views == 1
    with pytest.raises(SettingsError, match="`views` to be one of 1, 4, 8"):
        SupervisedClassifier.load(folder, views=3)


def test_it_is_no_encoder(supervised_folder: Make) -> None:
    name = f"supervised:{supervised_folder(CLASSES)}"
    assert is_supervised(name) and not is_supervised("zsderm-mini") and not is_supervised(None)
    with pytest.raises(UnknownModelError, match="embeds nothing"):
        load_encoder(name)
    with pytest.raises(WrongTypeError, match="reads no texts: it answers the classes of its training alone"):
        SupervisedClassifier.load(name).tower.encode_texts(["a photo of melanoma"])
    with pytest.raises(CheckpointError, match=r"It holds a supervised classifier: write supervised:"):
        load_encoder(name.partition(":")[2])


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"tower": "hf-hub:somebody/network"}, "a network that timm knows"),
        ({"tower": 3}, "a network that timm knows"),
        ({"tower": "resnet18"}, "are not those of resnet18 with 3 classes"),
        ({"classes": ["a", "a", "b"]}, "a list of distinct names"),
        ({"classes": ["Nevus", "nevus ", "melanoma"]}, "a list of distinct names"),
        ({"classes": ["a", "b"]}, "are not those of test_efficientnet with 2 classes"),
        ({"classes": None}, "a list of distinct names"),
        ({"views": 2}, "views"),
        ({"preprocess_cfg": {"size": "large"}}, "preprocess_cfg.size"),
        ({"preprocess_cfg": {"size": 32, "mean": 0.5, "std": [0.5] * 3}}, "preprocess_cfg.mean"),
    ],
)
def test_a_card_that_cannot_be_right_is_refused(supervised_folder: Make, said: dict[str, object], reason: str) -> None:
    with pytest.raises(CheckpointError, match=reason):
        SupervisedClassifier.load(supervised_folder(CLASSES, **said))


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"has no supervised\.json"):
        SupervisedClassifier.load(tmp_path)


@pytest.mark.parametrize("name", ["supervised:", "supervised: ", ""])
def test_a_name_without_a_folder_is_not_the_folder_of_the_command(
    supervised_folder: Make, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(supervised_folder(CLASSES))
    assert SupervisedClassifier.load("supervised:.").classes == CLASSES
    with pytest.raises(CheckpointError, match=r"got no folder\. zsderm pretrain supervised writes one"):
        SupervisedClassifier.load(name)

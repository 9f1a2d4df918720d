from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from zsderm import (
    AmbiguousClassError,
    CheckpointError,
    ClassListError,
    FallbackWarning,
    ImageError,
    InputError,
    KnowledgeBase,
    SettingsError,
    WrongTypeError,
    ZeroShotClassifier,
)
from zsderm.class_list import checked_classes, checked_prior
from zsderm.class_texts import ClassTexts
from zsderm.config import METHODS, NAMES, Settings
from zsderm.embeddings import embed_dataset, write_embeddings
from zsderm.fitted import Fitted
from zsderm.images import find
from zsderm.knowledge.class_names import names_of
from zsderm.knowledge.prompts import described, template_prompts
from zsderm.learning_notes import learning_notes, refinement_sentence
from zsderm.prompt_templates import given_templates
from zsderm.proxies.guard import HeldOutGain, RefinementTestResult
from zsderm.saved_classifier import read

CLASSES = ["melanoma", "psoriasis", "mole"]
FEW = (
    "The probabilities were moved until their mean over the 24 photographs was about the class mix that was stated; "
    "the labels may have another mix. Among so few, chance alone makes the real mix another one, and right answers may "
    "become wrong. State it for a larger folder of the same kind, and fit on that."
)


@pytest.fixture(scope="module")
def knowledge() -> KnowledgeBase:
    return KnowledgeBase.load("dermatology")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 photographs in three colours, and one file that is no photograph."""
    place = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for n in range(24):
        colour = np.array([(70, 40, 30), (200, 120, 110), (150, 100, 80)][n % 3])
        pixels = np.clip(colour + rng.normal(0, 25, (32, 32, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(place / f"{n:02d}.png")
    (place / "99.png").write_bytes(b"not an image")
    return place


def classifier(encoder, knowledge, classes=CLASSES, **changes) -> ZeroShotClassifier:
    return ZeroShotClassifier.from_pretrained(encoder, classes=classes, knowledge=knowledge, **changes)


def cosine_means(encoder, images: torch.Tensor, sentences: list[list[str]]) -> torch.Tensor:
    """The slow twin of the text methods: one class at a time, one sentence at a time, as often as it counts."""
    columns = []
    for texts in sentences:
        rows = {text: encoder.encode_texts([text])[0] for text in texts}
        mean = sum(rows[text] for text in texts) / len(texts)
        columns.append(images @ (mean / mean.norm()))
    return torch.stack(columns, dim=1)


@pytest.mark.parametrize("method", METHODS)
def test_one_image_in_one_row_out_and_rows_sum_to_1(tiny_encoder, knowledge, folder, method) -> None:
    predictions = classifier(tiny_encoder, knowledge, method=method).predict(folder)
    assert len(predictions) == 25 and predictions.classes == tuple(CLASSES)
    assert predictions.probabilities.shape == (25, 3) and predictions.probabilities.dtype == torch.float32
    torch.testing.assert_close(predictions.probabilities[:24].sum(dim=1), torch.ones(24))
    assert predictions.requested_method == method
    assert list(predictions.errors) == [str(folder / "99.png")]
    assert predictions.labels[24] == "" and predictions.probabilities[24].isnan().all()


@pytest.mark.parametrize("names", NAMES)
def test_class_name_and_templates_equal_the_slow_twin(tiny_encoder, knowledge, folder, names) -> None:
    spoken = {
        "known": [names_of(knowledge.find(name)) for name in CLASSES],
        "canonical": [(knowledge.find(name).name,) for name in CLASSES],
        "typed": [(name,) for name in CLASSES],
    }[names]
    images = tiny_encoder.encode_images([folder / f"{n:02d}.png" for n in range(24)])
    paths = [str(folder / f"{n:02d}.png") for n in range(24)]
    for method, sentences in {
        "class-name": [[*[first] * max(len(others), 1), *others] for first, *others in spoken],
        "templates": [
            [
                *[prompt for prompt in template_prompts(first) for _ in range(max(len(others), 1))],
                *[template_prompts(name)[n % 12] for n, name in enumerate(others) for _ in range(12)],
            ]
            for first, *others in spoken
        ],
        "descriptions": [
            [described(knowledge.find(name).name, d.text) for d in knowledge.find(name).descriptions]
            for name in CLASSES
        ],
    }.items():
        actual = classifier(tiny_encoder, knowledge, method=method, names=names).predict(paths)
        cosines = cosine_means(tiny_encoder, images, sentences)
        expected = (cosines / actual.manifest["temperature"]).softmax(dim=1)
        torch.testing.assert_close(actual.probabilities, expected, rtol=1e-4, atol=1e-5)
        if method == "class-name" and names != "known":
            assert actual.manifest["temperature"] == pytest.approx(tiny_encoder.temperature)
        energies = tiny_encoder.temperature * (cosines / tiny_encoder.temperature).logsumexp(dim=1)
        torch.testing.assert_close(actual.familiarity, energies, rtol=1e-4, atol=1e-5)


def test_knowledge_keeps_the_k_descriptions_nearest_to_the_mean_image(tiny_encoder, knowledge, folder) -> None:
    paths = [str(folder / f"{n:02d}.png") for n in range(24)]
    images = tiny_encoder.encode_images(paths)
    kept = []
    for name in CLASSES:
        disease = knowledge.find(name)
        texts = [described(disease.name, d.text) for d in disease.descriptions]
        cosines = [(images @ tiny_encoder.encode_texts([text])[0]).mean().item() for text in texts]
        order = sorted(range(len(texts)), key=lambda row: -cosines[row])
        kept.append([texts[row] for row in order[:4]])
    predictions = classifier(
        tiny_encoder, knowledge, method="knowledge", retrieval="batch", k=4, name_weight=0
    ).predict(paths)
    expected = (cosine_means(tiny_encoder, images, kept) / predictions.manifest["temperature"]).softmax(dim=1)
    torch.testing.assert_close(predictions.probabilities, expected, rtol=1e-4, atol=1e-5)
    for label, evidence in zip(predictions.labels, predictions.evidence, strict=True):
        assert {e.text for e in evidence} <= {d.text for d in knowledge.find(label).descriptions}
        assert len(evidence) == 3 and all(e.shows == "lesion" for e in evidence)


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("retrieval", ["batch", "image"])
def test_names_are_blended_into_the_proxies_of_retrieved_descriptions(
    tiny_encoder, knowledge, folder, retrieval, names
) -> None:
    """Weight 0 is the descriptions alone, weight 1 the templates, and between them both are heard."""
    path = folder / "00.png"

    def answer(**changes) -> torch.Tensor:
        subject = classifier(tiny_encoder, knowledge, retrieval=retrieval, names=names, **changes)
        return subject.predict(path).probabilities

    canonical = [knowledge.find(name).name for name in CLASSES]  # spoken beside descriptions, whatever was typed
    prompts = classifier(tiny_encoder, knowledge, canonical, method="templates", names=names)
    templates = prompts.predict(path).probabilities
    torch.testing.assert_close(answer(method="knowledge", name_weight=1.0), templates, rtol=1e-4, atol=1e-5)
    alone, half = answer(method="knowledge", name_weight=0.0), answer(method="knowledge", name_weight=0.5)
    assert not torch.allclose(alone, half) and not torch.allclose(templates, half)


@pytest.mark.parametrize("method", METHODS)
def test_two_names_of_one_disease_give_the_same_answer(tiny_encoder, knowledge, folder, method) -> None:
    path = folder / "00.png"
    one, other = (
        classifier(tiny_encoder, knowledge, classes, method=method).predict(path)
        for classes in (["melanoma", "BCC", "mole"], ["Malignant melanomas", "basalioma", "naevus"])
    )
    torch.testing.assert_close(one.probabilities, other.probabilities, rtol=1e-5, atol=1e-6)
    typed = classifier(tiny_encoder, knowledge, ["melanoma", "BCC", "mole"], method="templates", names="typed")
    assert not torch.allclose(typed.predict(path).probabilities, one.probabilities)


def test_the_manifest_lists_the_names_that_stood_for_a_class_and_says_what_codes_were_read(
    tiny_encoder, knowledge, folder
) -> None:
    codes = ["AKIEC", "BCC", "BKL", "DF", "MEL", "NV", "VASC"]
    answer = classifier(tiny_encoder, knowledge, codes, method="templates").predict(folder / "00.png")
    assert answer.classes == tuple(codes)  # as the user typed them
    assert answer.manifest["names"]["DF"][:2] == ["dermatofibroma", "fibrous histiocytoma"]
    assert any("codes of HAM10000" in note and "DF = dermatofibroma" in note for note in answer.manifest["notes"])
    typed = classifier(tiny_encoder, knowledge, codes, method="templates", names="typed").predict(folder / "00.png")
    assert typed.manifest["names"]["DF"] == ["DF"] and not any("codes" in note for note in typed.manifest["notes"])


def test_ambiguous_codes_are_described_where_their_list_makes_them_plain(tiny_encoder, knowledge, folder) -> None:
    for names in NAMES:
        subject = classifier(tiny_encoder, knowledge, ["ACK", "SEK", "BCC"], method="descriptions", names=names)
        answer = subject.predict(folder / "00.png")
        assert {e.source for e in answer.evidence[0]} == {knowledge.name}
        assert any("ACK = actinic keratosis" in note for note in answer.manifest["notes"])
    with pytest.raises(AmbiguousClassError):
        classifier(tiny_encoder, knowledge, ["PG", "acne"], method="descriptions").predict(folder / "00.png")


@pytest.mark.parametrize("method", ["class-name", "knowledge"])
def test_a_class_and_its_kind_asked_for_at_once_are_warned_of(tiny_encoder, knowledge, folder, method) -> None:
    subject = classifier(tiny_encoder, knowledge, ["melanoma", "nodular melanoma", "BCC"], method=method)
    with pytest.warns(FallbackWarning, match=r"overlap \('melanoma' holds 'nodular melanoma'\): a photo.*Leave one"):
        answer = subject.predict(folder / "00.png")
    assert any("classes overlap" in note for note in answer.manifest["notes"])


def test_classes_in_another_language_answer_as_in_english_and_the_language_is_said(
    tiny_encoder, knowledge, folder, tmp_path
) -> None:
    names = ["melanoma", "nevo", "carcinoma basocelular"], ["melanoma", "nevus", "basal cell carcinoma"]
    subjects = [classifier(tiny_encoder, knowledge, classes, method="knowledge") for classes in names]
    spanish, english = (subject.predict(folder / "00.png") for subject in subjects)
    assert np.array_equal(spanish.probabilities, english.probabilities)
    said = "nevo = melanocytic nevus (Spanish, Portuguese), carcinoma basocelular = basal cell carcinoma (Spanish, Por"
    assert said in spanish.manifest["notes"][0] and "nevo" not in spanish.manifest["names"]["nevo"]
    subjects[0].fit(folder).save(tmp_path / "fitted")
    again = ZeroShotClassifier.load(tmp_path / "fitted", model=tiny_encoder)  # the folder keeps the names
    assert again.texts.digest == subjects[0].texts.digest


def test_what_was_fitted_with_an_older_base_keeps_it_and_is_refused_beside_newer_texts(
    tiny_encoder, knowledge, folder, tmp_path
) -> None:
    card = replace(knowledge.card, version="0.4.0", pools={}, kinds={}, names={})
    older = [replace(disease, descriptions=disease.descriptions[:4]) for disease in knowledge.diseases.values()]
    old = KnowledgeBase(card, older)
    subjects = [classifier(tiny_encoder, base, ["melanoma", "nevus"], method="knowledge") for base in (old, knowledge)]
    subjects[0].fit(folder).save(tmp_path / "fitted")
    with pytest.warns(FallbackWarning, match="'dermatology' 0.4.0, which its folder holds"):
        loaded = ZeroShotClassifier.load(tmp_path / "fitted", model=tiny_encoder)
    assert (loaded.knowledge.version, loaded.knowledge.checksum) == ("0.4.0", old.checksum)
    with pytest.raises(InputError, match="class texts have changed since the classifier was saved"):
        read(tmp_path / "fitted").check(tiny_encoder, subjects[1].texts)


def test_the_digest_of_the_texts_changes_with_names_that_are_blended_in(tiny_encoder, knowledge) -> None:
    known, typed = (
        classifier(tiny_encoder, knowledge, method="knowledge", names=names).texts.digest
        for names in ("known", "typed")
    )
    assert known != typed


def test_what_was_fitted_on_one_folder_answers_for_a_single_photo(tiny_encoder, knowledge, folder) -> None:
    """After fit, a photograph gets the same answer alone as in any folder."""
    together = classifier(tiny_encoder, knowledge, prior="uniform").predict(folder)
    subject = classifier(tiny_encoder, knowledge, prior="uniform").fit(folder)
    assert subject.fitted is not None and subject.fitted.images == 24
    for n in (0, 11, 23):
        alone = subject.predict(folder / f"{n:02d}.png")
        assert alone.method == together.method == "kpl"
        torch.testing.assert_close(alone.probabilities[0], together.probabilities[n], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"prior": "uniform"}, {"prior": [1, 2, 7]}, {"method": "templates"}, {}])
def test_a_saved_classifier_answers_as_before(tiny_encoder, knowledge, folder, tmp_path, changes) -> None:
    subject = classifier(tiny_encoder, knowledge, **changes).fit(folder)
    subject.save(tmp_path / "saved")
    loaded = ZeroShotClassifier.load(tmp_path / "saved", tiny_encoder)
    before, after = subject.predict(folder), loaded.predict(folder)
    torch.testing.assert_close(after.probabilities, before.probabilities, equal_nan=True)
    assert after.evidence == before.evidence and after.method == before.method
    assert after.manifest == before.manifest


@pytest.mark.slow
@pytest.mark.parametrize("streamed_from", [10, 100_000])
def test_fitting_on_embeddings_equals_fitting_on_photographs(
    tiny_encoder, knowledge, folder, tmp_path, streamed_from
) -> None:
    """Also from a file or a data set, and also where there are so many that they are read in chunks."""
    on_photographs = classifier(tiny_encoder, knowledge, prior="uniform").fit(folder).fitted
    write_embeddings(tmp_path / "rows.npy", tiny_encoder, find(folder))
    rows = np.load(tmp_path / "rows.npy", mmap_mode="r")  # the last is NaN
    embed_dataset(tmp_path / "rows", tiny_encoder, find(folder), part_rows=7)
    for given in (tmp_path / "rows.npy", tmp_path / "rows", rows, torch.from_numpy(np.array(rows))):
        settings = Settings(streamed_from=streamed_from)
        subject = ZeroShotClassifier(tiny_encoder, CLASSES, knowledge, settings, "uniform").fit(given)
        assert subject.fitted.images == 24 and subject.fitted.refined
        assert torch.equal(subject.fitted.kept, on_photographs.kept)
        torch.testing.assert_close(subject.fitted.proxies, on_photographs.proxies, atol=1e-2, rtol=0)
        torch.testing.assert_close(subject.fitted.mix, on_photographs.mix)
        torch.testing.assert_close(subject.fitted.temperature, on_photographs.temperature)


def test_photographs_are_answered_from_stored_rows_without_being_opened(
    tiny_encoder, knowledge, folder, tmp_path
) -> None:
    subject, images = classifier(tiny_encoder, knowledge), find(copytree(folder, tmp_path / "photos"))
    before = subject.predict(images)
    embed_dataset(tmp_path / "rows", tiny_encoder, images, part_rows=7)
    for image in images:
        image.unlink()
    after = subject.predict_stored(tmp_path / "rows", images)
    torch.testing.assert_close(after.probabilities, before.probabilities, equal_nan=True)
    assert (after.images, dict(after.errors)) == (before.images, dict(before.errors))


def test_without_refinement_many_images_are_read_in_chunks_too(tiny_encoder, knowledge, folder) -> None:
    settings = [Settings(method="knowledge", streamed_from=count) for count in (10, 100)]
    one, other = (ZeroShotClassifier(tiny_encoder, CLASSES, knowledge, each).predict(folder) for each in settings)
    torch.testing.assert_close(one.probabilities, other.probabilities, equal_nan=True)


def test_embeddings_of_another_encoder_or_width_are_refused(tiny_encoder, knowledge, folder, tmp_path) -> None:
    write_embeddings(tmp_path / "rows.npy", type(tiny_encoder)("fedcba9876543210"), find(folder))
    with pytest.raises(InputError, match="expected embeddings of 'tiny'"):
        classifier(tiny_encoder, knowledge).fit(tmp_path / "rows.npy")
    write_embeddings(tmp_path / "views.npy", tiny_encoder, find(folder), views=4)
    with pytest.raises(InputError, match="expected embeddings of 1 views"):
        classifier(tiny_encoder, knowledge).fit(tmp_path / "views.npy")
    assert classifier(tiny_encoder, knowledge, views=4).fit(tmp_path / "views.npy").fitted.images == 24
    with pytest.raises(SettingsError, match=r"shape \(N, 32\), as tiny makes them, but got \(20, 5\)"):
        classifier(tiny_encoder, knowledge).fit(np.ones((20, 5), np.float32))
    with pytest.raises(ImageError, match="nothing to learn from"):
        classifier(tiny_encoder, knowledge).fit(np.full((20, 32), np.nan, np.float32))


@pytest.mark.parametrize("changes", [{"prior": "uniform"}, {"method": "templates"}, {"retrieval": "image"}])
def test_predictions_carry_the_proxies_that_made_them(tiny_encoder, knowledge, folder, changes) -> None:
    predictions = classifier(tiny_encoder, knowledge, **changes).predict(folder)
    if changes.get("retrieval") == "image":
        assert predictions.proxies is None
        return
    scores = tiny_encoder.encode_images(find(folder)[:24]) @ predictions.proxies.T
    expected = (scores / predictions.manifest["temperature"]).softmax(dim=1)
    torch.testing.assert_close(predictions.probabilities[:24], expected, rtol=1e-4, atol=1e-5)


def test_without_knowledge_a_classifier_is_saved_too(tiny_encoder, folder, tmp_path) -> None:
    classifier(tiny_encoder, None).fit(folder).save(tmp_path / "saved")
    assert ZeroShotClassifier.load(tmp_path / "saved", tiny_encoder).knowledge is None


def test_nothing_is_saved_before_a_fit_nor_fitted_without_images(tiny_encoder, knowledge, folder, tmp_path) -> None:
    with pytest.raises(SettingsError, match="fit first"):
        classifier(tiny_encoder, knowledge).save(tmp_path / "saved")
    with pytest.raises(ImageError, match="nothing to learn from"):
        classifier(tiny_encoder, knowledge).fit(folder / "99.png")


@pytest.mark.slow
def test_a_saved_classifier_refuses_another_encoder(tiny_encoder, knowledge, folder, tmp_path) -> None:
    classifier(tiny_encoder, knowledge).fit(folder).save(tmp_path / "saved")
    with pytest.raises(CheckpointError, match="was fitted with encoder tiny"):
        ZeroShotClassifier.load(tmp_path / "saved", "zsderm-mini")


def test_with_image_retrieval_a_photo_gives_the_same_answer_alone_as_in_a_folder(
    tiny_encoder, knowledge, folder
) -> None:
    subject = classifier(tiny_encoder, knowledge, method="knowledge", retrieval="image", k=3)
    together = subject.predict(folder)
    for n in (0, 7, 23):
        alone = subject.predict(folder / f"{n:02d}.png")
        torch.testing.assert_close(alone.probabilities[0], together.probabilities[n], rtol=1e-4, atol=1e-5)
        assert [e.text for e in alone.evidence[0]] == [e.text for e in together.evidence[n]]


def test_a_tiny_batch_falls_back_to_text_proxies_and_says_so(tiny_encoder, knowledge, folder) -> None:
    predictions = classifier(tiny_encoder, knowledge).predict(folder / "00.png")
    assert (predictions.requested_method, predictions.method) == ("kpl", "knowledge")
    (note,) = predictions.manifest["notes"]
    assert predictions.refinement == "Not refined: only 1 photograph; at least 100 are needed."
    assert note.startswith(predictions.refinement) and note.endswith("nothing needs to be done.")
    (note,) = classifier(tiny_encoder, knowledge).predict(folder).manifest["notes"]
    assert note.startswith("Not refined: only 24 photographs; at least 100 are needed. The answers come from ")
    assert "What may help: fit on a larger folder of the same kind" in note and "nats" not in note
    same = classifier(tiny_encoder, knowledge, method="knowledge").predict(folder / "00.png")
    torch.testing.assert_close(predictions.probabilities, same.probabilities)


@pytest.mark.parametrize(("prior", "least"), [("auto", 100), ("uniform", 16)])
def test_one_least_number_of_images_is_told_whatever_their_number(tiny_encoder, knowledge, folder, prior, least):
    subject = classifier(tiny_encoder, knowledge, prior=prior)
    for paths in ([folder / "00.png"], [folder / f"{n:02d}.png" for n in range(24)]):
        notes = subject.predict(paths).manifest["notes"]
        told = [note for note in notes if f"; at least {least} are needed." in note]
        assert len(told) == (len(paths) < least)
        assert [note for note in notes if note not in told] == ([FEW] if len(paths) >= least else [])


@pytest.mark.parametrize("method", ["kpl", "knowledge", "class-name"])
@pytest.mark.parametrize("prior", ["auto", "uniform", [3.0, 2.0, 1.0]])
def test_a_stated_prior_that_is_not_used_is_told_with_the_reason(tiny_encoder, knowledge, folder, method, prior):
    found = classifier(tiny_encoder, knowledge, method=method, prior=prior).predict(folder / "00.png")
    notes = found.manifest["notes"]
    assert found.prior == "none" and not (prior == "auto" and "was not used" in str(notes))
    if prior != "auto":
        (note,) = notes
        assert "The prior " in note and ("'uniform'" in note) == (prior == "uniform")
        assert "Nothing is wrong" not in note, "not what was asked for"
        reason = "Not refined: only 1 photograph; at least 16 are needed. The" if method == "kpl" else "Only 'kpl'"
        assert "was not used" in note and reason in note
        assert bool(found.refinement) == (method == "kpl")


@pytest.mark.parametrize(
    ("classes", "described", "source"),
    [
        (CLASSES, True, "from what is written about the classes alone."),
        ([*CLASSES, "frumious bandersnatch"], True, "or from a name alone where nothing is written."),
        (CLASSES, False, "from the names of the classes alone."),
    ],
    ids=["all described", "one not described", "no base"],
)
@pytest.mark.filterwarnings("ignore:.*bandersnatch")
def test_a_note_says_where_the_answers_come_from(tiny_encoder, knowledge, folder, classes, described, source) -> None:
    subject = classifier(tiny_encoder, knowledge if described else None, classes)
    note = subject.predict(folder / "00.png").notes[-1]
    assert "The answers come from " in note and source in note


@pytest.mark.parametrize("prior", ["auto", "uniform"])
def test_a_note_of_a_fit_speaks_of_the_photographs_of_the_fit(tiny_encoder, knowledge, folder, tmp_path, prior) -> None:
    paths = [folder / f"{n:02d}.png" for n in range(24 if prior == "auto" else 8)]
    classifier(tiny_encoder, knowledge, prior=prior).fit(paths).save(tmp_path / "saved")
    (note,) = ZeroShotClassifier.load(tmp_path / "saved", tiny_encoder).predict(folder / "00.png").notes
    least = 100 if prior == "auto" else 16
    assert note.startswith(f"Not refined by the fit: only {len(paths)} photographs; at least {least} are needed.")
    assert ("fit again" in note) == (prior == "auto") and "among them" not in note


def test_whether_kpl_is_used_is_said_and_the_method_used_made_the_probabilities(
    tiny_encoder, knowledge, folder
) -> None:
    predictions = classifier(tiny_encoder, knowledge, prior="uniform").predict(folder)
    plain = classifier(tiny_encoder, knowledge, method="knowledge").predict(folder)
    assert plain.unrefined_labels is None
    if predictions.method == "knowledge":
        torch.testing.assert_close(predictions.probabilities, plain.probabilities, equal_nan=True)
        assert predictions.manifest["notes"]
    else:
        assert predictions.method == "kpl" and predictions.prior == "uniform"
        assert predictions.manifest["refinement"]["accepted"]
        assert [name or "" for name in predictions.unrefined_labels] == plain.labels
        told = predictions.manifest["refinement"]
        differ = [old != new for old, new in zip(plain.labels, predictions.labels, strict=True)]
        assert predictions.changed.tolist() == differ and told["changed"] == sum(differ) > 0
        assert told["answers"] == int(predictions.ok.sum()) == 24
        count = f"{sum(differ)} of {told['answers']} answers changed."
        assert predictions.refinement == f"Refined: every class was stated to be equally common. {count}"
        assert told["summary"] == predictions.refinement


@pytest.mark.parametrize("prior", ["uniform", [6.0, 1.0, 1.0]], ids=["uniform", "given"])
def test_after_a_fit_it_is_said_which_answers_are_not_those_of_the_text_proxies(
    tiny_encoder, knowledge, folder, tmp_path, prior
) -> None:
    images = [folder / f"{n:02d}.png" for n in range(24)]
    classifier(tiny_encoder, knowledge, prior=prior).fit(images[:18]).save(tmp_path / "saved")
    loaded = ZeroShotClassifier.load(tmp_path / "saved", tiny_encoder)
    found = loaded.predict([*images[18:], folder / "99.png"])
    before = tiny_encoder.encode_images(images[18:]) @ loaded.fitted.text.T  # the slow twin: text proxies of the fit
    assert found.unrefined_labels == [*(CLASSES[place] for place in before.argmax(dim=1).tolist()), None]
    differ = [old is not None and old != new for old, new in zip(found.unrefined_labels, found.labels, strict=True)]
    assert found.changed.tolist() == differ
    stated = "every class was stated to be equally common" if prior == "uniform" else "a class mix was stated"
    assert found.refinement == (
        f"Refined on the 18 photographs of the fit: {stated}. {sum(differ) or 'None'} of 6 answers changed."
    )
    assert found.manifest["refinement"]["changed"] == sum(differ)
    assert found.notes == (FEW.replace("24 photographs", "18 photographs of the fit"),)
    table = found.to_frame()
    assert table["unrefined_label"].tolist() == [name or "" for name in found.unrefined_labels]


def test_nothing_is_said_of_a_refinement_that_nobody_asked_for(tiny_encoder, knowledge, folder) -> None:
    found = classifier(tiny_encoder, knowledge, method="knowledge").predict(folder)
    assert found.refinement == "" and found.manifest["refinement"] is None and not found.changed.any()
    assert "unrefined_label" not in found.to_frame()
    nothing = classifier(tiny_encoder, knowledge).predict(folder / "99.png")
    assert nothing.refinement == "" and nothing.notes == ("No image could be read.",)


@pytest.mark.parametrize(
    ("changed", "answered", "beforehand", "sentence"),
    [
        (
            37,
            312,
            False,
            "Refined: the photographs form groups that fit the refined answers better. 37 of 312 answers changed.",
        ),
        (
            0,
            1,
            True,
            "Refined on the 500 photographs of the fit: the photographs form groups that fit the refined "
            "answers better. The answer did not change.",
        ),
    ],
)
def test_a_refinement_is_told_in_plain_words(changed: int, answered: int, beforehand: bool, sentence: str) -> None:
    sure = HeldOutGain(2.0, 0.1)
    judged = RefinementTestResult(sure, sure, changed=0.2)
    rows = torch.eye(2)
    fitted = replace(Fitted.on_text(torch.arange(2), rows, 500, 0.01), refined=True, prior="estimated")
    fitted = replace(fitted, reason=judged.reason, figures=judged.figures)
    assert refinement_sentence(fitted, changed, answered, beforehand=beforehand) == sentence


def test_a_note_says_in_words_why_nothing_was_learned_and_the_manifest_has_the_figures(
    tiny_encoder,
) -> None:
    judged = RefinementTestResult(HeldOutGain(-0.3, 0.12), HeldOutGain(2.0, 0.1), changed=0.2)
    rows = torch.eye(2)
    fitted = replace(Fitted.on_text(torch.arange(2), rows, 500, 0.01), reason=judged.reason, figures=judged.figures)
    how = Settings(), "auto", ClassTexts.build(tiny_encoder, ("a", "b"), "class-name", None)
    (note,) = learning_notes(fitted, *how, beforehand=False)
    assert note.startswith(
        "Not refined: it is not clear that refined answers fit the groups of photographs any better."
    )
    assert note.endswith("say so (prior): then the method learns from them."), "there are enough of them"
    uniform = replace(fitted, refined=True, prior="uniform")
    assert learning_notes(uniform, Settings(), "uniform", how[2], beforehand=False) == []
    assert "-0.30 nats an image, standard error 0.12" in fitted.history(("a", "b"))["refinement"]["reason"]
    shares = {"a": 0.5, "b": 0.5}
    kept, moved = (found.history(("a", "b"))["refinement"] for found in (fitted, uniform))
    assert kept["text_shares"] == moved["prior"] == shares and "prior" not in kept and "text_shares" not in moved


@pytest.mark.parametrize(("weights", "named"), [((0.0, 2.0, 1.0), "psoriasis"), ((0.0, 1.0, 0.0), "psoriasis, eczema")])
def test_a_class_that_the_stated_prior_rules_out_is_named(tiny_encoder, knowledge, folder, weights, named: str) -> None:
    classes = ("psoriasis", "melanoma", "eczema")
    subject = classifier(tiny_encoder, knowledge, classes=classes, prior=list(weights))
    found = subject.predict([folder / f"{n:02d}.png" for n in range(24)])
    (note,) = [note for note in found.manifest["notes"] if "weight of 0" in note]
    assert note.startswith(f"The prior that was given has a weight of 0 for {named}. Such a class is hardly ever")
    out = [index for index, weight in enumerate(weights) if weight == 0]
    assert not np.isin(found.probabilities.argmax(dim=1), out).any()
    smooth = classifier(tiny_encoder, knowledge, classes=classes, prior=list(weights), smooth=0.3)
    photographs = [folder / f"{n:02d}.png" for n in range(24)]
    notes = smooth.predict(photographs).manifest["notes"]
    assert any(note.startswith("Before they were smoothed, the probabilities were moved") for note in notes)
    notes = smooth.fit(photographs).predict(folder / "00.png").manifest["notes"]
    assert any("If it may occur, fit again and state" in note for note in notes)
    assert any(note.startswith("The probabilities were moved") and "of the fit" in note for note in notes)
    few = subject.predict(folder / "00.png").manifest["notes"]
    assert not any("weight of 0" in note for note in few) and any("was not used" in note for note in few)


def test_a_class_that_the_base_does_not_hold_falls_back_to_templates_with_a_warning(
    tiny_encoder, knowledge, folder
) -> None:
    subject = classifier(tiny_encoder, knowledge, ["melanoma", "zebra stripe disease"], method="knowledge")
    with pytest.warns(FallbackWarning, match="zebra stripe disease"):
        predictions = subject.predict(folder)
    assert any("zebra stripe disease" in note for note in predictions.manifest["notes"])


@pytest.mark.parametrize(
    ("known", "method", "undescribed"),
    [("melanoma", "kpl", [1]), ("quagga disease", "descriptions", [0, 1]), ("melanoma", "templates", [])],
)
def test_a_template_is_never_offered_as_typical_of_a_class(
    tiny_encoder, knowledge, folder, known: str, method: str, undescribed: list[int]
) -> None:
    classes = [known, "zebra stripe disease"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FallbackWarning)
        found = classifier(tiny_encoder, knowledge, classes, method=method).predict(folder)
    assert found.manifest["knowledge"]["undescribed"] == [classes[index] for index in undescribed]
    told = [one for row in (*found.evidence, *found.runner_up_evidence) for one in row]
    assert {one.source for one in told} == ({knowledge.name} if undescribed == [1] else set())


def test_two_names_of_one_disease_keep_their_names_with_a_warning(tiny_encoder, knowledge, folder) -> None:
    with pytest.warns(FallbackWarning, match="all 'melanocytic nevus'"):
        classifier(tiny_encoder, knowledge, ["mole", "nevus"], method="knowledge").predict(folder)


def test_without_a_knowledge_base_templates_answer(tiny_encoder, folder) -> None:
    predictions = classifier(tiny_encoder, None, method="knowledge").predict(folder)
    assert predictions.method == "templates"
    assert predictions.manifest["knowledge"] is None


def test_pil_images_are_named_by_their_place(tiny_encoder, knowledge) -> None:
    photo = Image.new("RGB", (20, 20), (120, 80, 60))
    subject = classifier(tiny_encoder, knowledge, method="templates")
    assert subject.predict(photo).images == ("image_0",)
    assert subject.predict([photo, photo]).images == ("image_0", "image_1")


@pytest.mark.parametrize("classes", [["PG", "acne"], ["AK photos", "AKs"]])
def test_a_class_that_cannot_be_told_is_refused_before_any_image_is_encoded(tiny_encoder, knowledge, folder, classes):
    for act in ("predict", "fit"):
        with pytest.raises((AmbiguousClassError, ClassListError), match=r"may mean|two spellings"):
            getattr(classifier(tiny_encoder, knowledge, classes), act)(folder)
    assert tiny_encoder.images_encoded == 0


def test_pixels_get_the_answer_of_their_picture(tiny_encoder, knowledge, folder) -> None:
    subject = classifier(tiny_encoder, knowledge, method="templates")
    pictures = [Image.open(folder / f"{n:02d}.png") for n in range(3)]
    expected = subject.predict(pictures).probabilities
    torch.testing.assert_close(subject.predict(list(map(np.asarray, pictures))).probabilities, expected)
    torch.testing.assert_close(subject.predict(np.asarray(pictures[0])).probabilities, expected[:1])
    assert subject.fit(list(map(np.asarray, pictures))).fitted.images == 3
    with pytest.raises(TypeError, match=r"an array of \(H, W, 3\) uint8, but got \(32, 32, 3\) float64"):
        subject.predict(np.asarray(pictures[0]) / 255)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"model": None}, "a name such as 'zsderm-mini', a folder, or a loaded encoder, but got None"),
        ({"model": 5}, "but got int"),
        ({"model": object}, "but got type"),
        ({"knowledge": 5}, "knowledge base by its name, its folder, or loaded, or None, but got int"),
    ],
    ids=repr,
)
def test_a_model_or_base_of_another_kind_is_a_type_error_and_a_sentence(tiny_encoder, given, said) -> None:
    arguments = {"model": tiny_encoder, "knowledge": None, "classes": CLASSES} | given
    with pytest.raises(TypeError, match=said) as caught:
        ZeroShotClassifier.from_pretrained(arguments.pop("model"), **arguments)
    assert isinstance(caught.value, InputError)


def test_when_no_image_can_be_read_every_row_has_its_reason(tiny_encoder, knowledge, folder) -> None:
    predictions = classifier(tiny_encoder, knowledge).predict(folder / "99.png")
    assert not predictions.ok.any() and predictions.method == "none"
    assert predictions.errors[str(folder / "99.png")]


def test_a_prior_may_be_words_weights_or_a_mapping(tiny_encoder, knowledge) -> None:
    weights = {"melanoma": 1, "psoriasis": 2, "mole": 7}
    by_name, by_place = (classifier(tiny_encoder, knowledge, prior=p).prior for p in (weights, [1, 2, 7]))
    torch.testing.assert_close(by_name, by_place)
    torch.testing.assert_close(by_name, torch.tensor([0.1, 0.2, 0.7], dtype=torch.float64))


@pytest.mark.parametrize("prior", ["flat", [1, 2], [1, -1, 1], [0, 0, 0], [1, float("nan"), 1], {"melanoma": 1}])
def test_a_prior_that_does_not_fit_is_refused_before_anything_is_loaded(prior) -> None:
    with pytest.raises(SettingsError, match="prior"):
        ZeroShotClassifier.from_pretrained("no-such-model", classes=CLASSES, prior=prior)


@pytest.mark.parametrize("classes", [[], ["melanoma", "Melanoma"], ["", "mole"], "melanoma"])
def test_a_class_list_that_cannot_be_used_is_refused(tiny_encoder, knowledge, classes) -> None:
    with pytest.raises(ClassListError):
        classifier(tiny_encoder, knowledge, classes)


@pytest.mark.parametrize(
    "changes", [{"method": "kpll"}, {"retrieval": "all"}, {"k": 0}, {"batch_size": 0}, {"views": 2}]
)
def test_a_setting_without_meaning_is_refused(tiny_encoder, knowledge, changes) -> None:
    with pytest.raises(SettingsError, match=next(iter(changes))):
        classifier(tiny_encoder, knowledge, **changes)


def test_a_missing_folder_and_an_empty_list_are_refused(tiny_encoder, knowledge, tmp_path) -> None:
    subject = classifier(tiny_encoder, knowledge)
    for images in (tmp_path / "missing", tmp_path, []):
        with pytest.raises(ImageError):
            subject.predict(images)


def test_the_manifest_is_enough_to_repeat_the_run(tiny_encoder, knowledge, folder) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        manifest = classifier(tiny_encoder, knowledge, k=5).predict(folder).manifest
    unknown = {
        "never_shown": None,
        "not_known": None,
        "shown_as": None,
        "familiarity_threshold": None,
    }  # nothing is claimed of such an encoder
    told = {"name": "tiny", "fingerprint": tiny_encoder.fingerprint, "temperature": 0.05}
    assert manifest["encoder"] == told | unknown
    assert manifest["knowledge"]["checksum"] == knowledge.checksum
    assert manifest["settings"]["k"] == 5 and manifest["settings"]["prior"] == "auto"
    assert {"zsderm", "torch", "python"} <= manifest["versions"].keys()


def test_a_second_prediction_encodes_no_text_and_with_a_cache_no_image(
    tiny_encoder, knowledge, folder, tmp_path
) -> None:
    subject = classifier(tiny_encoder, knowledge, cache=tmp_path / "cache")
    first = subject.predict(folder)
    counts = tiny_encoder.images_encoded, tiny_encoder.texts_encoded
    second = subject.predict(folder)
    third = classifier(tiny_encoder, knowledge, cache=tmp_path / "cache").predict(folder)  # as another process would
    assert (tiny_encoder.images_encoded, tiny_encoder.texts_encoded) == counts
    torch.testing.assert_close(first.probabilities, third.probabilities, equal_nan=True)
    torch.testing.assert_close(first.probabilities, second.probabilities, equal_nan=True)


# views


@pytest.mark.parametrize("views", [4, 8])
def test_a_classifier_of_several_views_equals_the_slow_twin(tiny_encoder, folder, views) -> None:
    paths = [folder / f"{n:02d}.png" for n in range(24)]
    rows = []
    for path in paths:  # pictures of the encoder's size turned by Pillow, one view at a time
        opened = Image.open(path).convert("RGB").resize((8, 8), Image.Resampling.BOX)
        turns = [opened, opened.rotate(180), opened.rotate(90), opened.rotate(270)][: views // 2]
        every = [*turns, *(ImageOps.mirror(turned) for turned in turns)]
        mean = sum(tiny_encoder.encode_images([view])[0] for view in every) / views
        rows.append(mean / mean.norm())
    rows = torch.stack(rows)
    actual = classifier(tiny_encoder, None, method="class-name", views=views).predict(paths)
    expected = (cosine_means(tiny_encoder, rows, [[name] for name in CLASSES]) / tiny_encoder.temperature).softmax(1)
    torch.testing.assert_close(actual.probabilities, expected, rtol=1e-4, atol=1e-5)
    assert actual.manifest["settings"]["views"] == views


def test_views_may_be_asked_for_in_one_prediction(tiny_encoder, knowledge, folder) -> None:
    subject = classifier(tiny_encoder, knowledge, method="knowledge")
    plain, several = subject.predict(folder), subject.predict(folder, views=4)
    texts = tiny_encoder.texts_encoded
    again = subject.predict(folder, views=4)
    assert tiny_encoder.texts_encoded == texts
    expected = classifier(tiny_encoder, knowledge, method="knowledge", views=4).predict(folder)
    for found in (several, again):
        torch.testing.assert_close(found.probabilities, expected.probabilities, equal_nan=True)
        assert found.manifest == expected.manifest
    assert not torch.allclose(plain.probabilities[:24], several.probabilities[:24])
    assert subject.settings.views == 1 and plain.manifest["settings"]["views"] == 1
    with pytest.raises(SettingsError, match="`views`"):
        subject.predict(folder, views=3)


@pytest.mark.slow
def test_what_was_fitted_on_one_number_of_views_answers_for_no_other(tiny_encoder, knowledge, folder, tmp_path) -> None:
    subject = classifier(tiny_encoder, knowledge, prior="uniform", views=4).fit(folder)
    subject.save(tmp_path / "saved")
    loaded = ZeroShotClassifier.load(tmp_path / "saved", tiny_encoder)
    assert loaded.settings.views == 4
    torch.testing.assert_close(
        loaded.predict(folder).probabilities, subject.predict(folder, views=4).probabilities, equal_nan=True
    )
    with pytest.raises(SettingsError, match="fitted on 4 views of each image, so it cannot answer for 1"):
        loaded.predict(folder, views=1)


def test_views_are_those_of_the_encoders_card_unless_a_number_is_given(tiny_encoder, folder) -> None:
    paths = [folder / f"{n:02d}.png" for n in range(4)]
    one, four = (
        classifier(tiny_encoder, None, method="class-name", views=views).predict(paths).probabilities
        for views in (1, 4)
    )
    tiny_encoder.card = replace(tiny_encoder.card, views=4)
    subjects = [
        classifier(tiny_encoder, None, method="class-name"),
        ZeroShotClassifier(tiny_encoder, CLASSES, settings=Settings(method="class-name")),
    ]
    for subject in subjects:
        found = subject.predict(paths)
        torch.testing.assert_close(found.probabilities, four, rtol=0, atol=0)
        assert found.manifest["settings"]["views"] == subject.settings.views == subject.views == 4
        torch.testing.assert_close(subject.predict(paths, views=1).probabilities, one, rtol=0, atol=0)
    plain = classifier(tiny_encoder, None, method="class-name", views=1)
    torch.testing.assert_close(plain.predict(paths).probabilities, one, rtol=0, atol=0)
    assert ZeroShotClassifier(tiny_encoder, CLASSES).settings.views == 4


def test_an_old_fit_keeps_its_number_of_views_whatever_the_card_says_now(tiny_encoder, folder, tmp_path) -> None:
    classifier(tiny_encoder, None, method="class-name").fit(folder).save(tmp_path / "one")
    (tmp_path / "older").mkdir()
    for file in (tmp_path / "one").iterdir():  # as before there were views
        (tmp_path / "older" / file.name).write_bytes(file.read_bytes())
    facts = json.loads((tmp_path / "one" / "classifier.json").read_text(encoding="utf-8"))
    assert facts["settings"].pop("views") == 1
    assert facts.pop("files") and facts.pop("checksum")
    (tmp_path / "older" / "classifier.json").write_text(json.dumps(facts), encoding="utf-8")
    tiny_encoder.card = replace(tiny_encoder.card, views=4)
    for name in ("one", "older"):
        loaded = ZeroShotClassifier.load(tmp_path / name, tiny_encoder)
        assert loaded.predict(folder).manifest["settings"]["views"] == 1
        with pytest.raises(SettingsError, match="fitted on 1 views"):
            loaded.predict(folder, views=4)


@pytest.mark.parametrize("streamed_from", [10, 100_000], ids=["streamed", "in memory"])
@pytest.mark.parametrize("prior", ["uniform", "auto"])
def test_fewer_images_than_the_settings_ask_for_teach_nothing(tiny_encoder, streamed_from: int, prior: str) -> None:
    rows = torch.nn.functional.normalize(torch.randn(60, 32, generator=torch.Generator().manual_seed(0)), dim=1)
    settings = Settings(method="kpl", min_images=100, streamed_from=streamed_from)
    fitted = ZeroShotClassifier(tiny_encoder, CLASSES, None, settings, prior).fit(rows.numpy()).fitted
    assert fitted is not None and not fitted.refined and fitted.temperature == tiny_encoder.temperature
    assert fitted.reason == "only 60 photographs; at least 100 are needed"


# groups

LESIONS = [f"{n // 3:03d}" for n in range(24)]  # "000", "000", "000", "001", ...


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "class-name"},
        {"method": "knowledge"},
        {"prior": "uniform"},
        {"prior": "uniform", "centre": True},
        {"method": "knowledge", "retrieval": "image", "k": 3},
    ],
)
def test_a_group_is_answered_as_a_photograph_with_the_mean_embedding_would_be(
    tiny_encoder, knowledge, folder, changes
) -> None:
    """The slow twin: mean rows made one by one, and answered by what answers for the photographs."""
    subject = classifier(tiny_encoder, knowledge, **changes)
    found = subject.predict_groups(folder, [*LESIONS, "lost"], by="lesion_id")
    alone = subject.predict(folder)
    torch.testing.assert_close(found.photographs.probabilities, alone.probabilities, equal_nan=True)
    assert found.photographs.labels == alone.labels
    assert found.answers.images == tuple(dict.fromkeys([*LESIONS, "lost"]))

    rows = tiny_encoder.encode_images([folder / f"{n:02d}.png" for n in range(24)])
    means = torch.stack([rows[start : start + 3].mean(dim=0) for start in range(0, 24, 3)])
    means = means / means.norm(dim=1, keepdim=True)
    if found.photographs.proxies is None:  # each has proxies of its own: those nearest to the mean
        scores = subject.texts.scores_by_image(means, 3, subject.settings.name_weight)
    else:
        centre = rows.mean(dim=0) if changes.get("centre") and found.photographs.method == "kpl" else 0
        scores = (means - centre) @ found.photographs.proxies.T
    expected = (scores / found.photographs.manifest["temperature"]).softmax(dim=1)
    torch.testing.assert_close(found.answers.probabilities[:8], expected, rtol=1e-3, atol=1e-4)
    assert found.answers.method == alone.method and found.answers.errors == {
        "lost": alone.errors[str(folder / "99.png")]
    }
    facts = {"by": "lesion_id", "groups": 9, "images_alone": 0}
    if alone.method == "kpl":
        text = means @ subject._batch_answers.fitted_for(rows).text.T
        differ = text.argmax(dim=1) != scores.argmax(dim=1)
        assert found.answers.changed[:8].tolist() == differ.tolist()
        facts["changed_by_refinement"] = int(differ.sum())
    assert found.answers.manifest["groups"] == found.photographs.manifest["groups"] == facts


def test_a_photograph_without_a_group_is_a_group_of_its_own_and_answered_as_itself(
    tiny_encoder, knowledge, folder
) -> None:
    subject = classifier(tiny_encoder, knowledge, method="knowledge")
    found = subject.predict_groups(folder, ["a"] * 20 + [""] * 5, views=4)
    paths = [str(folder / f"{n:02d}.png") for n in (20, 21, 22, 23, 99)]
    assert found.answers.images == ("a", *paths) and found.members.alone == 5
    torch.testing.assert_close(found.answers.probabilities[1:5], found.photographs.probabilities[20:24])
    assert [found.sizes.tolist(), found.unreadable.tolist()] == [[20, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 1]]
    assert found.photographs.manifest["settings"]["views"] == 4


def test_groups_that_do_not_fit_the_images_are_refused_before_the_work(tiny_encoder, knowledge, folder) -> None:
    for wrong in (["a"], [""] * 24 + [str(folder / "00.png")], "a" * 25):
        with pytest.raises(InputError, match="group"):
            classifier(tiny_encoder, knowledge).predict_groups(folder, wrong)
    assert tiny_encoder.images_encoded == 0


def test_groups_none_of_which_can_be_read_have_their_reasons(tiny_encoder, knowledge, folder) -> None:
    found = classifier(tiny_encoder, knowledge).predict_groups([folder / "99.png", folder / "98.png"], ["a", "a"])
    assert found.answers.errors == {"a": "none of its 2 photographs could be read"}
    assert found.answers.labels == [""] and found.agreement.isnan().all()


def test_one_class_would_be_the_answer_for_everything(tiny_encoder) -> None:
    with pytest.raises(ClassListError, match="at least two classes, but got only 'melanoma'"):
        ZeroShotClassifier.from_pretrained(tiny_encoder, classes=["melanoma"])


def test_sentences_that_are_not_there_are_refused(tiny_encoder, knowledge) -> None:
    texts = ZeroShotClassifier(tiny_encoder, ["melanoma", "nevus"], knowledge).texts
    feature = torch.zeros(1, tiny_encoder.card.width)
    for rows, winner in ((torch.tensor([len(texts.sentences)]), 0), (torch.tensor([-1]), 0), (None, 2)):
        with pytest.raises(InputError, match=r"Expected `(rows|winners)` to be from 0 to"):
            next(texts.evidence_for(feature, torch.tensor([winner]), rows, 1))


@pytest.mark.parametrize(
    "prior",
    [
        {**dict.fromkeys(CLASSES, 1.0), "eczema": 2.0},
        {**dict.fromkeys(CLASSES, 1.0), CLASSES[0]: "much"},
        {**dict.fromkeys(CLASSES, 1.0), CLASSES[0]: float("nan")},
        ["a", "b", "c", "d"],
        [[1.0] * len(CLASSES)],
        [None] * len(CLASSES),
        [-1.0, *[1.0] * (len(CLASSES) - 1)],
        [0.0] * len(CLASSES),
        "Uniform",
    ],
    ids=repr,
)
def test_a_prior_that_is_none_is_one_sentence(prior: object) -> None:
    with pytest.raises(SettingsError, match=r"[Pp]rior"):
        checked_prior(prior, CLASSES)


@pytest.mark.parametrize("twin", ["NEVUS CAFÉ", "nevus cafe\u0301", "nevus  café"])
def test_two_spellings_that_look_alike_are_one_class(twin: str) -> None:
    """Labels and columns are matched by these spellings, so that one of the two would get the figures of both."""
    with pytest.raises(ClassListError, match="more than once"):
        checked_classes(["nevus café", "melanoma", twin])


def test_no_list_of_classes_is_a_sentence() -> None:
    with pytest.raises(ClassListError, match="to be a list of names, but got None"):
        checked_classes(None)


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (lambda: ZeroShotClassifier("zsderm-mini", CLASSES), WrongTypeError, "from_pretrained('zsderm-mini'"),
        (lambda: ZeroShotClassifier(None, CLASSES), WrongTypeError, "but got None"),
        (lambda: Settings(k="5"), SettingsError, "`k` to be a whole number, but got '5'"),
        (lambda: Settings(batch_size=2.5), SettingsError, "`batch_size` to be a whole number"),
        (lambda: Settings(name_weight="half"), SettingsError, "`name_weight` to be a number"),
        (lambda: Settings(proxy_temperature=None), SettingsError, "`proxy_temperature` to be a number"),
        (lambda: KnowledgeBase.load(5), WrongTypeError, "but got int"),
        (lambda: given_templates(""), SettingsError, "an empty text"),
        (lambda: Settings(smooth="a bit"), SettingsError, "`smooth` to be a number, but got 'a bit'"),
        (lambda: Settings(smooth=True), SettingsError, "`smooth` to be a number, but got True"),
        (lambda: Settings(smooth=-0.1), SettingsError, "`smooth` to be 0 or more"),
        (lambda: Settings(smooth=np.inf), SettingsError, "`smooth` to be 0 or more"),
    ],
    ids=["a name", "none", "k", "batch size", "name weight", "temperature", "a base", "templates", *"1234"],
)
def test_a_wrong_kind_of_argument_is_one_sentence_of_ours(wrong, error, words) -> None:
    with pytest.raises(error) as raised:
        wrong()
    assert type(raised.value) is error and words in str(raised.value)


def test_a_base_by_its_name_serves_where_one_is_loaded(tiny_encoder) -> None:
    assert ZeroShotClassifier(tiny_encoder, CLASSES, "dermatology").knowledge.name == "dermatology"


@pytest.mark.parametrize("kind", [object, str])
def test_an_array_of_paths_is_a_list_of_them(tiny_encoder, knowledge, folder, kind) -> None:
    paths = np.array([str(folder / "00.png"), str(folder / "01.png")], dtype=kind)
    subject = classifier(tiny_encoder, knowledge)
    assert subject.predict(paths).images == tuple(paths)
    assert subject.fit(paths).fitted.images == 2


@pytest.mark.parametrize(("given", "words"), [({"a": 1, "b": 1}, "but c has none"), ({"a": 1}, "but b, c have none")])
def test_classes_without_a_prior_weight_are_named(given, words) -> None:
    with pytest.raises(SettingsError, match=words):
        checked_prior(given, ["a", "b", "c"])
    with pytest.raises(
        SettingsError, match=rf"{words}\. There are weights for C, d: write each name as the class list"
    ):
        checked_prior({**given, "C": 1, "d": 2}, ["a", "b", "c"])

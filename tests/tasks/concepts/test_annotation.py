from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zsderm.tasks.concepts.annotation import annotate, concept_directions
from zsderm.tasks.concepts.concept_list import Concept, ConceptVocabulary, PromptPair


@pytest.fixture
def vocabulary() -> ConceptVocabulary:
    prompts = (PromptPair("skin showing {term}", "skin"), PromptPair("a photo of {term}", "a photo"))
    return ConceptVocabulary("mine", (Concept("red", ("red", "erythema")), Concept("blue", ("blue",))), prompts)


@pytest.fixture
def files(tmp_path: Path, photo: Image.Image) -> list[Path]:
    paths = [tmp_path / f"{index}.png" for index in range(3)]
    for path, angle in zip(paths, (0, 90, 180), strict=True):
        photo.rotate(angle).save(path)
    return paths


def test_a_score_is_the_log_odds_of_target_against_reference(tiny_encoder, vocabulary, files) -> None:
    scores = annotate(tiny_encoder, vocabulary, files).scores
    image = tiny_encoder.encode_images(files)[1].numpy()

    def mean_cosine(prompts: list[str]) -> float:
        return float(np.mean([tiny_encoder.encode_texts([prompt])[0].numpy() @ image for prompt in prompts]))

    target = mean_cosine(["skin showing red", "skin showing erythema", "a photo of red", "a photo of erythema"])
    pair = np.exp(np.array([target, mean_cosine(["skin", "a photo"])]) / tiny_encoder.temperature)
    probability = pair[0] / pair.sum()  # the softmax of the two
    assert scores[1, 0] == pytest.approx(np.log(probability / (1 - probability)), abs=1e-4)


def test_a_concept_with_another_side_is_held_against_that_side(tiny_encoder, vocabulary) -> None:
    regular = Concept("network", ("an irregular network",), contrast=("a regular network", "an even network"))
    plain = Concept("network", ("an irregular network",))

    def mean(*prompts: str) -> np.ndarray:
        return np.mean([tiny_encoder.encode_texts([prompt])[0].numpy() for prompt in prompts], axis=0)

    rows = [
        concept_directions(tiny_encoder, ConceptVocabulary("a", (c,), vocabulary.prompts)) for c in (regular, plain)
    ]
    other = [p.format(term=c) for p in ("skin showing {term}", "a photo of {term}") for c in regular.contrast]
    expected = (mean("skin", "a photo") - mean(*other)) / tiny_encoder.temperature
    np.testing.assert_allclose(rows[0][0] - rows[1][0], expected, atol=1e-3)


def test_the_scores_of_an_image_do_not_depend_on_the_others(tiny_encoder, vocabulary, files) -> None:
    together = annotate(tiny_encoder, vocabulary, files, batch_size=2).scores
    alone = [annotate(tiny_encoder, vocabulary, [file]).scores[0] for file in files]
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_an_unreadable_image_is_a_row_with_a_reason(tiny_encoder, vocabulary, files, tmp_path: Path) -> None:
    (broken := tmp_path / "broken.jpg").write_bytes(b"no image")
    scores = annotate(tiny_encoder, vocabulary, [files[0], broken])
    frame = scores.to_frame()
    assert list(frame) == ["image", "red", "blue", "error"]
    assert frame["error"].tolist()[0] == "" and "not an image" in frame["error"].tolist()[1]
    assert frame[["red", "blue"]].isna().all(axis=1).tolist() == [False, True]


def test_names_may_be_given_for_images_in_memory(tiny_encoder, vocabulary, photo: Image.Image) -> None:
    assert annotate(tiny_encoder, vocabulary, [photo], names=["mine"]).images == ("mine",)


def test_the_table_is_written_as_csv(tiny_encoder, vocabulary, files, tmp_path: Path) -> None:
    annotate(tiny_encoder, vocabulary, files).to_csv(tmp_path / "new" / "scores.csv")
    lines = (tmp_path / "new" / "scores.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "image,red,blue,error" and len(lines) == 4


def test_more_copies_of_a_term_do_not_move_a_direction(tiny_encoder, vocabulary) -> None:
    twice = ConceptVocabulary("mine", (Concept("red", ("red", "erythema") * 2),), vocabulary.prompts)
    np.testing.assert_allclose(
        concept_directions(tiny_encoder, twice)[0], concept_directions(tiny_encoder, vocabulary)[0], atol=1e-5
    )

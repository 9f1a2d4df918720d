from __future__ import annotations

from pathlib import Path

import pytest

from zsderm import load_encoder
from zsderm.asking import Question
from zsderm.asking.concept_answers import ConceptQuestions, answered_by_concepts
from zsderm.tasks.concepts import ConceptVocabulary, annotate

EXAMPLES = Path(__file__).parents[2] / "examples" / "images"


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("Is there scale?", "scale"),
        ("Does the photograph show an ulcer?", "ulcer"),
        ("Are vesicles present in this image?", "vesicle"),
        ("Is the lesion brown?", "brown(hyperpigmentation)"),
        ("Is there evidence of scaly skin?", "scale"),
        ("Is there a large ulcer?", ""),
        ("Is there no scale?", ""),
        ("Is the ulcer without crusts?", ""),
        ("Is this melanoma?", ""),
        ("Is there a lesion?", ""),
    ],
)
def test_only_a_question_whether_a_concept_is_there_is_taken(text: str, concept: str) -> None:
    assert ConceptQuestions(ConceptVocabulary.load("skincon")).concept(text) == concept


@pytest.mark.slow
def test_answers_are_the_sign_of_the_scores_and_others_are_not_given(tmp_path: Path) -> None:
    encoder, images = load_encoder("zsderm-mini"), [str(path) for path in sorted(EXAMPLES.glob("*.jpg"))[:4]]
    questions = [Question(image, image, "Is there scale?", form="closed") for image in images]
    questions += [
        Question("open", images[0], "What is it?"),
        Question("tissue", images[0], "Is there scale?", form="closed", modality="pathological"),
        Question("dermoscopic", images[0], "Is there a blue-whitish veil?", form="closed", modality="dermoscopic"),
        Question("gone", str(tmp_path / "no.jpg"), "Is there scale?", form="closed"),
    ]
    rows = answered_by_concepts(questions, encoder, cache=tmp_path)
    scores = annotate(encoder, ConceptVocabulary.load("skincon"), images, cache=tmp_path)
    column = scores.scores[:, scores.concepts.index("scale")]
    assert [row.prediction for row in rows[:4]] == ["yes" if value > 0 else "no" for value in column]
    assert [row.prediction for row in rows[4:6]] == ["no answer"] * 2
    assert rows[6].prediction in ("yes", "no") and rows[7].prediction == "" and rows[7].reason
    never = answered_by_concepts(questions[:4], encoder, cache=tmp_path, threshold=float(column.max()) + 0.01)
    assert {row.prediction for row in never} == {"no"}

from __future__ import annotations

import pytest

from zsderm.pretrain.questions.facts import FactReader
from zsderm.pretrain.questions.grounding import Grounding
from zsderm.pretrain.questions.question import Pair, Question
from zsderm.pretrain.questions.verdicts import Verdicts

CAPTION = "Psoriasis. Red plaques with silvery scale on the elbow, no ulceration."
NOTHING = "it does not name exactly one term that can be checked against the caption"
OPTIONS = "its answer is not one of its options, or an option is repeated"
NAMED = "it names a diagnosis but asks about something else"
SHORT = "the answer to an open question must be more than yes or no"


@pytest.mark.parametrize(
    ("kind", "form", "text", "answer", "options", "reason"),
    [
        ("disease", "open", "What is it?", "psoriasis", (), ""),
        ("disease", "open", "What is it?", "lichen planus", (), "the caption states no such diagnosis"),
        ("disease", "closed", "Is this psoriasis?", "yes", (), ""),
        ("disease", "closed", "Is this psoriasis?", "no", (), "nothing justifies the answer no"),
        ("morphology", "open", "What is seen?", "red plaques with silvery scale", (), ""),
        ("morphology", "open", "What is seen?", "plaques with pustules", (), "the caption does not state it"),
        ("morphology", "open", "What is seen?", "ulceration", (), "the caption denies it"),
        ("morphology", "open", "What is seen?", "Yes, scale", (), SHORT),
        ("morphology", "open", "How large is it?", "3 cm", (), "it is about a size, which a picture does not show"),
        ("morphology", "open", "How many?", "12 plaques", (), "it contains a number that is not in the caption"),
        ("morphology", "open", "What do plaques of psoriasis show?", "scale", (), NAMED),
        ("morphology", "closed", "Is there scale?", "yes", (), ""),
        ("morphology", "closed", "Is there ulceration?", "no", (), ""),
        ("morphology", "closed", "Is there ulceration?", "yes", (), "the caption does not state it"),
        ("morphology", "closed", "Is there anything?", "yes", (), NOTHING),
        ("morphology", "closed", "Is there scale?", "maybe", (), "the answer to a closed question must be yes or no"),
        ("morphology", "choice", "Which?", "scale", ("ulcer", "scale"), ""),
        ("morphology", "choice", "Which?", "scale", ("plaque", "scale"), "nothing justifies the answer no"),
        ("morphology", "choice", "Which?", "scale", ("ulcer", "crust"), OPTIONS),
        ("site", "closed", "Is this on the arm?", "yes", (), ""),
        ("site", "closed", "Is this on the face?", "no", (), ""),
        ("age", "open", "How old?", "old", (), "its kind or form is not one of those requested"),
    ],
)
def test_a_question_is_held_against_the_caption(
    facts_of: FactReader,
    verdicts: Verdicts,
    grounding: Grounding,
    kind: str,
    form: str,
    text: str,
    answer: str,
    options: tuple[str, ...],
    reason: str,
) -> None:
    pair = Pair(2, "a.jpg", CAPTION, "clinical")
    term = verdicts.term(kind, text if form == "closed" else answer) if kind != "age" else ""
    question = Question(pair, kind, form, term, text, answer, options)
    assert grounding.flaw(question, facts_of.read(pair))[0] == reason

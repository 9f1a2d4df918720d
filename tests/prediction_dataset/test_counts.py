from __future__ import annotations

import json

import pytest
import torch

from zsderm import Predictions
from zsderm.prediction_dataset.counts import REASONS, AnswerCounts, minimum_note


def answers(count: int, failed: int, minimum: float | None = None) -> Predictions:
    """So many answers, the last of which failed."""
    table = torch.tensor([[0.7, 0.3], [0.4, 0.6]]).repeat(count, 1)[:count]
    table[count - failed :] = torch.nan
    names = [f"{count}-{number}.png" for number in range(count)]
    errors = {name: "torn" for name in names[count - failed :]}
    return Predictions(names, ("a", "b"), table, "kpl", "auto", "kpl", ((),) * count, errors, minimum=minimum)


def test_the_counts_of_parts_add_up_to_those_of_all() -> None:
    found = AnswerCounts.of(answers(5, 1, 0.65)) + AnswerCounts.of(answers(4, 2, 0.65))
    assert found == AnswerCounts(
        9, 3, {"a": 3, "b": 3}, None, 3, None, dict.fromkeys(("5-4.png", "4-2.png", "4-3.png"), "torn")
    )
    assert AnswerCounts() + found == found + AnswerCounts() == found
    assert (AnswerCounts.of(answers(5, 1)) + found).below_minimum is None


def test_only_the_first_reasons_are_kept() -> None:
    found = AnswerCounts.of(answers(20, 12)) + AnswerCounts.of(answers(3, 3))
    assert found.failed == 15 and list(found.reasons) == [f"20-{number}.png" for number in range(8, 8 + REASONS)]


def test_counts_come_back_from_json_and_others_are_refused() -> None:
    found = AnswerCounts.of(answers(5, 1, 0.5))
    assert AnswerCounts.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    for wrong in ({"images": -1}, {"labels": {"a": 1.5}}, {"photographs": 3}, []):
        with pytest.raises(ValueError, match=r"."):
            AnswerCounts.from_dict(wrong)


def test_the_note_agrees_with_its_number() -> None:
    assert minimum_note(1, 0.5) == "1 answer is less probable than 0.5: see the column below_minimum."
    assert minimum_note(2, 0.25).startswith("2 answers are")

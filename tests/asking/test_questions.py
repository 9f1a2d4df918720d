from __future__ import annotations

import json
from pathlib import Path

import pytest

from zsderm.asking import Question, of_all_images, read_questions
from zsderm.asking.asking import Answered, answers_frame
from zsderm.asking.phrasing import phrased
from zsderm.errors import InputError


def test_a_table_says_what_is_asked_of_which_image(tmp_path: Path) -> None:
    table = tmp_path / "q.csv"
    table.write_text(
        "id,image,question,answer,kind,form,modality,options\n"
        "a,1.jpg,Is there scale?,yes,morphology,,Dermoscopy,\n"
        'b,1.jpg,Which colour?,red,colour,,,"[""red"", ""blue; grey""]"\n'
        ",2.jpg,What is it?,,,,,\n"
    )
    assert read_questions(table) == [
        Question("a", "1.jpg", "Is there scale?", "yes", "morphology", "closed", "dermoscopic"),
        Question("b", "1.jpg", "Which colour?", "red", "colour", "choice", "", ("red", "blue; grey")),
        Question("3", "2.jpg", "What is it?", ""),
    ]


def test_conversations_of_llava_are_a_question_a_round(tmp_path: Path) -> None:
    entry = {
        "id": "7",
        "image": "1.jpg",
        "conversations": [
            {"from": "human", "value": "<image>\nWhat is it?"},
            {"from": "gpt", "value": "A nevus."},
            {"from": "human", "value": "Is it round?"},
            {"from": "gpt", "value": "Yes."},
        ],
    }
    file = tmp_path / "q.json"
    file.write_text(json.dumps([entry]))
    first, second = read_questions(file)
    assert first == Question("7", "1.jpg", "What is it?", "A nevus.")
    assert (second.id, second.text, second.answer, second.form) == ("7.2", "Is it round?", "Yes.", "closed")


def test_a_conversation_may_say_its_form_and_options(tmp_path: Path) -> None:
    said = [{"from": "human", "value": "<image>\nWhich?"}, {"from": "gpt", "value": "red"}]
    entry = {"image": "1.jpg", "conversations": said, "form": "choice", "options": ["red", "blue"], "kind": "colour"}
    (tmp_path / "q.json").write_text(json.dumps([entry, {**entry, "form": "closed", "options": None}]))
    first, second = read_questions(tmp_path / "q.json")
    assert (first.form, first.options, first.kind, second.form) == ("choice", ("red", "blue"), "colour", "closed")


def test_options_are_read_back_as_they_were(tmp_path: Path) -> None:
    options = [("red", "blue"), ("red; brown", "blue"), ("[1]", "a|b")]
    asked = [Question(str(n), "1.jpg", "Which?", form="choice", options=of) for n, of in enumerate(options)]
    answers_frame([Answered(question) for question in asked]).to_csv(tmp_path / "a.csv", index=False)
    assert [question.options for question in read_questions(tmp_path / "a.csv")] == options


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("q.csv", "image,question\n1.jpg,\n", "a question in every row"),
        ("q.csv", "image,query\n1.jpg,x\n", "the columns image and question"),
        ("q.csv", "image,question,form\n1.jpg,x,round\n", "row 2 has the form 'round'"),
        ("q.csv", "image,question,form,options\n1.jpg,x,choice,red\n", "fewer than two options"),
        ("q.csv", "id,image,question\n1,1.jpg,x\n1,2.jpg,y\n", "'1' occurs twice"),
        ("q.json", "[{]", "the file cannot be read"),
        ("q.json", '[{"image": "1.jpg"}]', "entry 1: it lacks 'conversations'"),
        ("q.json", '[{"conversations": [{"from": "gpt", "value": "x"}]}]', "do not alternate between human and gpt"),
        ("q.json", '[{"image": 3, "conversations": []}]', "its image is not a file name"),
    ],
)
def test_a_file_that_asks_nothing_is_refused(tmp_path: Path, name: str, text: str, told: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=told):
        read_questions(tmp_path / name)


def test_every_question_of_every_image() -> None:
    found = of_all_images(["a", "b"], ["Is it?", "What?"])
    assert [(q.id, q.image, q.text, q.answer, q.form) for q in found] == [
        ("1", "a", "Is it?", None, "closed"),
        ("2", "a", "What?", None, "open"),
        ("3", "b", "Is it?", None, "closed"),
        ("4", "b", "What?", None, "open"),
    ]


def test_a_choice_lists_its_options_unless_the_question_does() -> None:
    choice = Question("1", "a", "Which colour?", form="choice", options=("red", "blue"))
    assert phrased(choice) == ("Which colour?\nAnswer with one of the options and nothing else.\nA. red\nB. blue")
    assert phrased(choice, plain=True) == "Which colour?\nA. red\nB. blue"
    told = Question("1", "a", "Red or blue?", form="choice", options=("red", "blue"))
    assert phrased(told, plain=True) == "Red or blue?"
    assert phrased(told) == "Red or blue?\nAnswer with one of the options and nothing else."

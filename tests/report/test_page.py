"""The page shows what was predicted and why, needs nothing else, and does not grow in memory with the images."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import tracemalloc
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zsderm import report
from zsderm.calibration import calibrate_on
from zsderm.errors import InputError, SettingsError
from zsderm.metrics import confusion_matrix
from zsderm.narratives.word_answers import WordAnswers
from zsderm.predictions import Evidence, Predictions
from zsderm.report import write_report
from zsderm.report.pictures import side_for

CLASSES = ("melanoma", "nevus", "<b>wart</b> & co")


def _answers(folder: Path, count: int = 4, broken: int = 1, side: int = 40) -> Predictions:
    """``count`` noisy photographs on disk and answers for them; the last ``broken`` ones failed."""
    rng = np.random.default_rng(0)
    names = [str(folder / f"photo {index}.jpg") for index in range(count)]
    for name in names[: count - broken]:
        Image.fromarray(rng.integers(0, 255, (side, side, 3), dtype=np.uint8)).save(name)
    table = torch.tensor(rng.dirichlet(np.ones(3), count), dtype=torch.float32)
    table[count - broken :] = torch.nan
    texts = tuple(Evidence(f"sign {rank} <i>", 0.5 - rank / 10, "colour", "dermatology") for rank in range(5))
    return Predictions(
        images=tuple(names),
        classes=CLASSES,
        probabilities=table,
        method="knowledge",
        prior="uniform",
        requested_method="kpl",
        evidence=(*[texts] * (count - broken), *[()] * broken),
        errors={name: "the file is <empty>" for name in names[count - broken :]},
        manifest={
            "encoder": {"name": "zsderm-mini"},
            "settings": {"k": None, "sizes": [1, 2]},
            "notes": ["only 4 images"],
        },
    )


def _page(predictions: Predictions, path: Path, **options: object) -> str:
    report.write_report(predictions, path, **options)
    return path.read_text(encoding="utf-8")


class _Tags(HTMLParser):
    """Checks that every element that opens also closes, and keeps the attributes."""

    VOID = frozenset({"meta", "img", "link", "br", "hr", "input"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_shows_pictures_answers_evidence_and_how_it_was_made(tmp_path: Path) -> None:
    predictions = _answers(tmp_path)
    page = _page(predictions, tmp_path / "report.html")
    assert page.count('src="data:image/jpeg;base64,') == 3
    assert all(f"photo {index}.jpg" in page for index in range(4))
    top = predictions.top_k(3)[0]
    assert all(f"{100 * probability:.1f} %" in page for _, probability in top)
    assert page.count('class="aspect">colour') == 3 * 5 and page.count("2 more</summary>") == 3
    assert (
        "Encoder <b>zsderm-mini</b>" in page
        and "<b>knowledge</b> (asked for: kpl)" in page
        and "<b>uniform</b>" in page
        and "only 4 images" in page
    )
    assert "encoder › name" in page and "zsderm-mini" in page and "1, 2" in page
    assert "not a medical device" in page
    assert "Beside the true labels" not in page


@pytest.mark.parametrize(
    ("modality", "said"),
    [("auto", "unless the encoder is sure"), ("dermoscopic", "signs for dermoscopic pictures, as"), (None, "one")],
)
def test_the_page_says_that_nobody_saw_the_signs_and_which_they_are(tmp_path: Path, modality: str, said: str) -> None:
    answers = _answers(tmp_path, count=1, broken=0)
    texts = (
        Evidence("a net", 0.5, "colour", "dermatology", "dermoscopic", "lesion"),
        Evidence("on the cheek", 0.4, "site", "dermatology", "clinical", "place"),
    )
    manifest = {"settings": {"modality": modality} if modality else {}}
    page = _page(replace(answers, evidence=(texts,), manifest=manifest), tmp_path / "report.html")
    assert "typical of that class: a machine chose them, and nobody" in page and said in page
    assert f"<h4>Typical of {escape(answers.labels[0])}</h4>" in page
    assert ">colour, dermoscopy</span>" in page and ">site</span>" in page
    assert _Tags(page).open == []


def test_a_class_that_the_base_does_not_describe_is_said_to_be_so(tmp_path: Path) -> None:
    answers = _answers(tmp_path, count=2, broken=0)
    first, said = answers.labels[0], "The knowledge base does not describe "
    manifest = {"knowledge": {"name": "mine", "undescribed": [first]}}
    page = _page(replace(answers, evidence=((), ()), manifest=manifest), tmp_path / "report.html")
    assert page.count(said) == answers.labels.count(first) and said + str(escape(first)) in page
    assert "Typical of" not in page and _Tags(page).open == []


def test_answers_below_the_minimum_are_marked(tmp_path: Path) -> None:
    answers = _answers(tmp_path)
    chances = answers.confidence[:3].sort().values
    page = _page(replace(answers, minimum=float(chances[:2].mean())), tmp_path / "report.html")
    said = f"Less probable than {100 * float(chances[:2].mean()):.3g} %"
    assert page.count(said) == 1 and page.count('"is": ["below"]') == 1 and _Tags(page).open == []
    assert "Less probable" not in _page(answers, tmp_path / "report.html")


@pytest.mark.parametrize(("familiarity", "said"), [(None, ""), (0.5, '<p class="lead-of muted">familiarity 0.50</p>')])
def test_one_class_is_ahead_of_no_other(tmp_path: Path, familiarity: float | None, said: str) -> None:
    known = None if familiarity is None else torch.tensor([familiarity])
    answers = Predictions(("1.jpg",), ("a",), torch.ones(1, 1), "", "", "", ((),), familiarity=known)
    page = _page(answers, tmp_path / "report.html")
    assert "ahead of the next" not in page and said in page and page.count('class="lead-of') == bool(said)
    assert ("The higher the familiarity" in page) == bool(said)


def test_every_element_that_opens_also_closes(tmp_path: Path) -> None:
    assert _Tags(_page(_answers(tmp_path), tmp_path / "report.html", true=[0, 1, 2, 0])).open == []


def test_the_page_needs_no_other_file_and_no_network(tmp_path: Path) -> None:
    page = _page(_answers(tmp_path), tmp_path / "report.html")
    links = [value for key, value in _Tags(page).attributes if key in {"src", "href"}]
    assert links and all(str(value).startswith(("data:", "#")) for value in links)
    assert not re.search(r"https?://|@import|url\(", page)


def test_one_script_may_run_and_nothing_may_be_fetched(tmp_path: Path) -> None:
    page = _page(_answers(tmp_path), tmp_path / "report.html", true=[2, 2, 2, 2])
    (script,) = re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL)
    (policy,) = (value for key, value in _Tags(page).attributes if key == "content" and "default-src" in str(value))
    assert policy is not None and policy.startswith("default-src 'none'; ") and "img-src data:;" in policy
    assert f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in policy
    assert not re.search(r"\son[a-z]+=|javascript:", page), "the policy would refuse it"


def test_text_from_outside_is_escaped(tmp_path: Path) -> None:
    page = _page(_answers(tmp_path), tmp_path / "report.html", true=[2, 2, 2, 2])
    assert "<b>wart" not in page and "&lt;b&gt;wart&lt;/b&gt; &amp; co" in page
    assert "sign 0 <i>" not in page and "<empty>" not in page


def test_what_waits_for_the_script_is_escaped_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zsderm.report.page.READY", 1)
    bad = "it's </noscript></script><img src=x onerror=alert(1)> \"&amp;"
    images = (f"{bad} 1.jpg", f"{bad} 2.jpg")
    predictions = Predictions(images, (bad, "nevus"), torch.full((2, 2), 0.5), "", "", "", ((),) * 2)
    page = _page(predictions, tmp_path / "report.html", true=[0, 1])
    assert page.count("<noscript>") == page.count("</noscript>") == 1 and page.count("<script") == 1
    assert "<img" not in page and "</script><" not in page
    tags = _Tags(page)
    assert tags.open == []
    facts = [json.loads(str(value)) for key, value in tags.attributes if key == "data-photo"]
    assert [fact["image"] for fact in facts] == list(images)
    (known,) = (json.loads(str(value)) for key, value in tags.attributes if key == "data-facts")
    assert known["classes"] == [bad, "nevus"]


def test_a_failed_image_shows_its_reason_and_no_picture(tmp_path: Path) -> None:
    page = _page(_answers(tmp_path, count=2, broken=2), tmp_path / "report.html")
    assert page.count("no picture") == 2 and page.count("Not classified: the file is &lt;empty&gt;") == 2
    assert "2 images could not be read" in page.replace("\n      ", " ")


def test_true_labels_bring_figures_verdicts_and_a_confusion_matrix(tmp_path: Path) -> None:
    predictions = _answers(tmp_path)
    answers = predictions.probabilities[:3].argmax(dim=1).tolist()
    true = np.array([answers[0], (answers[1] + 1) % 3, -1, 0])
    page = _page(predictions, tmp_path / "report.html", true=true)
    assert page.count("✓ as labelled") == 1 and page.count("✗ labelled") == 1
    assert re.search(r"accuracy</th><td class=\"number\">0\.500 \(", page)
    matrix = confusion_matrix(true[:2], answers[:2], 3)
    assert matrix.sum() == 2 and matrix[true[0], answers[0]] >= 1 and matrix[true[1], answers[1]] >= 1
    shown = re.search(r"Confusion.*?</table>", page, re.DOTALL)
    assert shown and sum(map(int, re.findall(r">(\d+)</td>", shown[0]))) == 2


def test_labels_for_failed_images_only_give_no_figures(tmp_path: Path) -> None:
    page = _page(_answers(tmp_path), tmp_path / "report.html", true=[-1, -1, -1, 0])
    assert "Beside the true labels" not in page


def test_pictures_can_be_given_and_are_left_unchanged(tmp_path: Path, photo: Image.Image) -> None:
    predictions = _answers(tmp_path)
    large = photo.resize((600, 400))
    page = _page(predictions, tmp_path / "report.html", pictures=[large] * 4)
    assert large.size == (600, 400)
    assert page.count(report.thumbnail(large, side_for(4))) == 3


def test_a_picture_that_cannot_be_opened_any_more_is_left_out(tmp_path: Path) -> None:
    predictions = _answers(tmp_path)
    Path(predictions.images[0]).unlink()
    assert _page(predictions, tmp_path / "report.html").count('src="data:image/jpeg') == 2


def test_top_k_says_how_many_classes_are_shown(tmp_path: Path) -> None:
    assert _page(_answers(tmp_path), tmp_path / "report.html", top_k=1).count('<span class="class">') == 3


@pytest.mark.slow
def test_memory_does_not_grow_with_the_images(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        predictions = _answers(tmp_path, count=count, broken=0, side=128)
        tracemalloc.start()
        try:
            report.write_report(predictions, tmp_path / "report.html")
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1)  # the first run also loads the template
    few = peak(20), (tmp_path / "report.html").stat().st_size  # more than are decoded ahead
    many = peak(60), (tmp_path / "report.html").stat().st_size
    assert many[0] - few[0] < (many[1] - few[1]) / 3


def test_the_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "new folder" / "report.html"
    _page(_answers(tmp_path), target)
    before = target.read_bytes()
    with pytest.raises(InputError, match="`true` to have one entry for each of 4 images, but got 1"):
        report.write_report(_answers(tmp_path), target, true=[0])
    assert target.read_bytes() == before and [path.name for path in target.parent.iterdir()] == ["report.html"]


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot write"):
        report.write_report(_answers(tmp_path), tmp_path / "file" / "report.html")


class _Reason:
    """What an explanation has to bring, and nothing else."""

    winner, runner_up, scale = "nevus", "<i>wart</i>", 0.125
    runner_up_evidence = tuple(Evidence(f"other sign {rank}", 0.3, "border", "dermatology") for rank in range(5))

    def overlay(self, side: int) -> Image.Image:
        return Image.new("RGB", (side, side // 2), "purple")


def test_an_explanation_brings_a_heat_map_and_the_texts_of_the_runner_up(tmp_path: Path) -> None:
    page = _page(_answers(tmp_path), tmp_path / "report.html", explanations=[_Reason(), None, None, None])
    assert page.count('<figure class="heat">') == 1 and page.count('src="data:image/jpeg') == 4
    assert "full colour: ±0.12" in page and "Typical of the runner-up, &lt;i&gt;wart&lt;/i&gt;" in page
    assert page.count("other sign") == 3 and "not the outline of a lesion" in " ".join(page.split())
    assert _Tags(page).open == []
    alone = _page(_answers(tmp_path), tmp_path / "report.html")
    assert '<figure class="heat">' not in alone and "outline of a lesion" not in alone


def test_what_is_typical_of_the_runner_up_unfolds_without_an_explanation(tmp_path: Path) -> None:
    answers = _answers(tmp_path, count=2, broken=0)
    sign = Evidence("a sign of <b>the</b> other", 0.2, "colour", "dermatology")
    page = _page(replace(answers, runner_up_evidence=((sign,), ())), tmp_path / "report.html")
    name = escape(answers.top_k(2)[0][1][0])
    assert page.count("Typical of the runner-up") == 1 and f"<summary>Typical of the runner-up, {name}<" in page
    assert page.count("a sign of &lt;b&gt;the&lt;/b&gt; other") == 1 and _Tags(page).open == []


def test_explanations_are_taken_one_at_a_time(tmp_path: Path) -> None:
    predictions, alive, most = _answers(tmp_path, count=6, broken=0), [0], [0]

    class Counted(_Reason):
        def __init__(self) -> None:
            alive[0] += 1
            most[0] = max(most[0], alive[0])

        def __del__(self) -> None:
            alive[0] -= 1

    _page(predictions, tmp_path / "report.html", explanations=(Counted() for _ in range(6)))
    assert most[0] <= 3 and alive[0] == 0


def test_too_few_explanations_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"`explanations` to have one entry for each of 4 images .*but got 1"):
        report.write_report(_answers(tmp_path), tmp_path / "report.html", explanations=[None])
    assert not (tmp_path / "report.html").exists()


def test_prediction_sets_and_abstention_are_shown(tmp_path: Path) -> None:
    predictions = _answers(tmp_path)
    order = predictions.probabilities[0].argsort(descending=True).tolist()
    sets = np.array([[True] * 3, [True, False, False], [False] * 3, [True] * 3])
    abstained = torch.tensor([False, True, False, True])
    predictions = replace(predictions, sets=torch.tensor(sets), abstained=abstained)
    page = _page(predictions, tmp_path / "report.html")
    escaped = [CLASSES[c].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for c in order]
    assert f"Could be:</span> {', '.join(escaped)}" in page, "most probable first"
    assert page.count("Could be:") == 3 and "none of the listed classes" in page
    assert page.count("None of these?") == 1, "a failed image does not abstain"
    assert "<b>1</b> image marked" in page and "could be <b>1.3</b> classes on average" in page


def test_sets_and_abstention_are_by_default_those_of_the_predictions(tmp_path: Path) -> None:
    sets, abstained = torch.tensor([[True, False, True]] * 4), torch.tensor([True, False, False, False])
    predictions = replace(_answers(tmp_path), sets=sets, abstained=abstained)
    page = _page(predictions, tmp_path / "report.html")
    assert page.count("Could be:") == 3 and page.count("None of these?") == 1


def test_the_page_says_what_probabilities_were_calibrated_on(tmp_path: Path) -> None:
    answers = _answers(tmp_path)
    assert "calibrated on" not in _page(answers, tmp_path / "report.html")
    record = {"calibration": {"n": 113, "source": "<labels>.csv"}}
    page = _page(replace(answers, manifest={**answers.manifest, **record}), tmp_path / "report.html")
    assert "Probabilities are calibrated on <b>113 labelled images</b> (&lt;labels&gt;.csv)." in page
    table = answers.probabilities
    nothing: tuple[()] = ()
    told = WordAnswers(answers.classes, table, table * torch.nan, ("",) * 4, (nothing,) * 4, (nothing,) * 4, ("",) * 4)
    page = _page(replace(answers, words=told, manifest={**answers.manifest, **record}), tmp_path / "report.html")
    assert "Probabilities by image alone are calibrated on" in page


def test_with_labels_the_page_says_how_often_the_truth_is_in_the_set(tmp_path: Path) -> None:
    sets = [[True, False, False]] * 4
    predictions = replace(_answers(tmp_path), sets=torch.tensor(sets))
    page = _page(predictions, tmp_path / "report.html", true=[0, 1, -1, 0])
    assert "the true one is among them for <b>1 of 2</b>" in page


def test_sets_of_another_shape_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"`sets` to be of shape \(4, 3\), but got \(4, 2\)"):
        replace(_answers(tmp_path), sets=torch.ones((4, 2), dtype=torch.bool))
    with pytest.raises(InputError, match=r"`abstained` to be of shape \(4,\), but got \(3,\)"):
        replace(_answers(tmp_path), abstained=torch.ones(3, dtype=torch.bool))


def test_true_labels_bring_a_reliability_plot_that_can_be_read_without_eyes(tmp_path: Path) -> None:
    page = _page(_answers(tmp_path), tmp_path / "report.html", true=[0, 1, 2, -1])
    assert '<svg class="reliability"' in page and 'role="img"' in page and "<desc" in page
    assert "The numbers</summary>" in page and "The 3 answers are on average" in page
    assert _Tags(page).open == []
    assert "<svg" not in _page(_answers(tmp_path), tmp_path / "report.html")


@pytest.mark.parametrize("true", [[0, 0, 9], [0, 0, 0.5], ["a", "b", "a"], [[0], [0], [0]]])
def test_labels_that_are_no_classes_are_refused(tmp_path: Path, true: list[object]) -> None:
    probabilities = torch.tensor([[0.4, 0.6], [0.3, 0.7], [torch.nan, torch.nan]])
    predictions = Predictions(("a", "b", "c"), ("x", "y"), probabilities, "", "", "", ((),) * 3, {"c": "torn"})
    with pytest.raises(InputError, match="integers that index the 2 classes"):
        write_report(predictions, tmp_path / "report.html", true=true)
    with pytest.raises(InputError):
        calibrate_on(predictions, true)


def test_a_page_shows_names_that_would_steer_it_written_out(tmp_path: Path) -> None:
    names = ("\u202egpj.exe\x1b", "<b>b</b>")
    predictions = Predictions(names, ("x", "y\x9b"), torch.full((2, 2), 0.5), "", "", "", ((),) * 2)
    write_report(predictions, tmp_path / "report.html", true=[0, 1])
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "\\u202egpj.exe\\x1b" in page and "&lt;b&gt;" in page and "y\\x9b" in page
    assert not any(sign in page for sign in "\u202e\x1b\x9b")


def test_a_column_named_like_an_argument_has_its_figures_and_a_line_for_the_unknown(tmp_path: Path) -> None:
    predictions = _answers(tmp_path, count=6, broken=1)
    by = {"pictures": ["I", "", "I", "<b>", "", "never"]}
    page = _page(predictions, tmp_path / "report.html", true=[0, 1, 2, 0, 1, 2], by=by, clusters=list("aabbcc"))
    (table,) = re.findall(r"<h2>By pictures</h2>.*?</table>", page, re.DOTALL)
    lines = re.findall(r'<th scope="row">(.*?)</th>\s*<td class="number">(\d+)', table)
    assert lines == [("&lt;b&gt;", "1"), ("I", "2"), ("never", "0"), ("unknown", "2")]
    assert "patients or lesions (drawn by the bootstrap)" in page and "which draws by what they belong to" in page
    with pytest.raises(InputError, match=r"`by\['pictures'\]` to have one entry for each of 6 images, but got 1"):
        _page(predictions, tmp_path / "report.html", by={"pictures": ["I"]})


def test_answers_that_the_refinement_changed_are_listed_with_their_pictures(tmp_path: Path) -> None:
    predictions = _answers(tmp_path)
    now = predictions.labels
    other = {index: CLASSES[(CLASSES.index(label) + 1) % 3] for index, label in enumerate(now) if label}
    predictions = replace(predictions, unrefined_labels=[other[0], now[1], None, None])
    page = _page(predictions, tmp_path / "report.html", true=[CLASSES.index(now[0]), 0, 0, 0])
    assert "<b>1 of 2</b> answers changed" in page and "<b>1</b> became right, <b>0</b> became wrong" in page
    said = f"Changed:</span> {html.escape(other[0])} → {html.escape(now[0])}</p>"
    assert said in page and page.count('class="set changed"') == 1
    assert 'data-go="show=changed">1</td>' in page
    assert "Changed" not in _page(_answers(tmp_path), tmp_path / "report.html")


def test_the_sentence_on_the_refinement_stands_above_what_it_changed(tmp_path: Path) -> None:
    predictions = _answers(tmp_path)
    sentence = "Refined: a class mix was stated. None of 2 answers changed."
    facts = {"refinement": {"summary": sentence, "changed": 0, "answers": 2}}
    predictions = replace(predictions, unrefined_labels=[*predictions.labels[:2], None, None], manifest=facts)
    page = _page(predictions, tmp_path / "report.html", true=[0, 1, 2, 0])
    assert f"<p>{sentence}</p>" in page and "became right" not in page


def test_a_wrong_answer_stands_beside_the_right_ones_that_are_most_like_it(tmp_path: Path) -> None:
    table = [[0.8, 0.2], [0.7, 0.3], [0.1, 0.9], [0.95, 0.05], [0.4, 0.6]]
    names = tuple(f"{number}.jpg" for number in range(5))
    predictions = Predictions(names, ("a", "b"), torch.tensor(table), "", "", "", ((),) * 5)
    page = _page(predictions, tmp_path / "report.html", true=[1, 0, 1, 0, -1])
    assert page.count("Most similar photographs with a right answer") == 1
    assert '<a href="#photo-2">1.jpg</a> <span>✓ a</span>' in page and '<a href="#photo-3">2.jpg</a>' in page


def test_a_calibrated_page_says_what_was_asked_and_what_came_of_it(tmp_path: Path) -> None:
    sets, withheld = torch.tensor([[True, False, False]] * 4), torch.tensor([True, False, False, False])
    promised = {"conformal": {"coverage": 0.9, "class_conditional": False}, "abstention": {"rate": 0.05}}
    record = {"n": 9, "source": "", **promised}
    answers = _answers(tmp_path)
    answers = replace(answers, sets=sets, abstained=withheld, manifest={**answers.manifest, "calibration": record})
    page = _page(
        answers, tmp_path / "report.html", true=[0, 1, 1, 0], clusters=["p", "q", "r", "s"], clustered_by="<p>"
    )
    assert "asked 90 %, got 33 % (1 of 3; 95 % interval 0 to 100 %)" in page
    assert "<b>asked at most 5 %, got 33 % (1 of 3;" in page and "Intervals draw by &lt;p&gt;." in page

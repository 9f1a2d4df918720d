"""What ``zsderm evaluate --answers`` reports: figures of files of answers, and of baselines on the same questions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from zsderm.embeddings import embed_images
from zsderm.encoders import load_encoder
from zsderm.errors import InputError
from zsderm.image_table import ImageTable, known_column
from zsderm.metrics.answers import (
    AnsweredQuestion,
    AnswerScores,
    BertSimilarity,
    ScoredAnswers,
    by_caption,
    by_majority,
    by_text,
    read_answers,
    score_answers,
)
from zsderm.metrics.answers.scores import HEADINGS
from zsderm.wording import counted

MAJORITY, NO_IMAGE, CAPTION = "majority answer", "no image", "caption of the most similar image"
_NONE = "–"
_CAPTIONS = ("caption", "truncated_caption")
# Columns of the first table, which has what is right and wrong, and of the second, which has texts.
_RIGHT = ("exact_match", "word_f1", "closed_accuracy", "closed_balanced", "choice_accuracy", "not_read")


@dataclass(frozen=True)
class AnswersReport:
    """The figures, by the name of the file or of the baseline.

    Attributes:
        scores: files first, in their order.
        baselines: which of these are baselines.
        talk: what stderr says.
        bert: the model of BERTScore and its layer; empty without one.
    """

    scores: Mapping[str, ScoredAnswers]
    baselines: tuple[str, ...]
    talk: tuple[str, ...]
    bert: str = ""

    def to_dict(self) -> dict[str, object]:
        """Ready for JSON."""
        return {
            "answers": {name: scored.to_dict() for name, scored in self.scores.items() if name not in self.baselines},
            "baselines": {name: self.scores[name].to_dict() for name in self.baselines},
            "bert_score": self.bert or None,
            "meteor": "equal words and equal stems, without synonyms",
        }

    def to_markdown(self) -> str:
        """Two tables of all questions, then one of each kind and each modality; baselines in italics."""
        overall = {name: scored.overall for name, scored in self.scores.items()}
        first = next(iter(overall.values()))
        forms = ", ".join(f"{count} {form}" for form, count in first.questions.items() if count)
        parts = [f"{counted(sum(first.questions.values()), 'question')} ({forms}) on {counted(first.images, 'image')}."]
        parts.append(self._table(overall, [name for name in HEADINGS if name in _RIGHT]))
        parts.append(self._table(overall, [name for name in HEADINGS if name not in _RIGHT]))
        for title, which in (("kind", "by_kind"), ("modality", "by_modality")):
            for part in getattr(next(iter(self.scores.values())), which):
                own = {n: getattr(s, which)[part] for n, s in self.scores.items() if part in getattr(s, which)}
                count = counted(sum(next(iter(own.values())).questions.values()), "question")
                parts.append(f"{title} {part}: {count}")
                parts.append(self._table(own, [*_RIGHT, "bleu4", "rougeL", "bert_f1"]))
        if self.bert:
            parts.append(f"BERTScore: {self.bert}, not rescaled.")
        return "\n\n".join(part for part in parts if part)

    def _table(self, rows: Mapping[str, AnswerScores], figures: Sequence[str]) -> str:
        """A Markdown table of the figures that at least one row has; empty without any."""
        shown = [
            f for f in figures if any(f in s.figures and not math.isnan(s.figures[f].value) for s in rows.values())
        ]
        if not shown:
            return ""
        lines = [f"| | {' | '.join(HEADINGS[name] for name in shown)} |", "|---|" + "---|" * len(shown)]
        for name, scores in rows.items():
            cells = [_cell(scores, figure) for figure in shown]
            lines.append(f"| {f'*{name}*' if name in self.baselines else name} | {' | '.join(cells)} |")
        return "\n".join(lines)


def score_files(
    files: Sequence[Path],
    *,
    train: Path | None = None,
    captions: Path | None = None,
    images: Path | None = None,
    bert: Path | None = None,
    bert_layer: int | None = None,
) -> AnswersReport:
    """Read files of answers to the same questions, and score them beside baselines.

    Args:
        files: tables, see `zsderm.metrics.answers.read_answers`; the questions of the first are those that count.
        train: questions with answers from which the baselines learn; without them, they learn from the questions on
            other images, in five folds.
        captions: a table of images and captions, for the baseline by the most similar image.
        images: the folder that the images of the answers are in; None: the folder of their table.
        bert: a folder with a text model, for BERTScore.
        bert_layer: see `BertSimilarity`.

    Raises:
        InputError: a file that cannot be read, or files with other questions than the first.
        CheckpointError: the folder of the text model cannot be read.
        MissingDependencyError: without the packages of zsderm[vqa].
    """
    first = read_answers(files[0])
    answers = {str(path): _same_questions(path, first) if number else first for number, path in enumerate(files)}
    if len(answers) < len(files):
        raise InputError("expected each file of --answers once, but one is given twice")
    talk = []
    learned = read_answers(train, answered=False) if train else []
    if shared := {q.image for q in learned} & {q.image for q in first}:
        raise InputError(
            f"expected different images in {train} and {files[0]}, but {counted(len(shared), 'image')} "
            f"{'is' if len(shared) == 1 else 'are'} in both, such as {sorted(shared)[0]}. Remove them from one file."
        )
    baselines = {MAJORITY: by_majority(first, learned)}
    if learned or len({question.image for question in first}) > 1:
        baselines[NO_IMAGE] = by_text(first, learned)
    else:
        talk.append(
            "The baseline without the image is left out: there are no questions about other images to learn from."
        )
    if captions:
        baselines[CAPTION] = by_caption(first, _found_captions(first, captions, images or files[0].parent))
    if unanswered := sum(not question.prediction for question in first):
        talk.append(f"{counted(unanswered, 'question')} of {files[0]} without an answer count as wrong.")
    similarity = BertSimilarity(bert, bert_layer) if bert else None
    told = f"{similarity.name}, layer {similarity.layer} of {similarity.layers}" if similarity else ""
    scores = {name: score_answers(own, similarity=similarity) for name, own in (answers | baselines).items()}
    return AnswersReport(scores, tuple(baselines), tuple(talk), told)


def _same_questions(path: Path, first: Sequence[AnsweredQuestion]) -> list[AnsweredQuestion]:
    """The answers of another file to the questions of the first."""
    found = {question.id: question for question in read_answers(path)}
    if missing := [question.id for question in first if question.id not in found]:
        raise InputError(
            f"expected answers to the same questions in {path}, but {counted(len(missing), 'question')} of the first "
            f"file {'is' if len(missing) == 1 else 'are'} not there, such as {missing[0]}. Score the file by itself."
        )
    for question in first:
        other = found[question.id]
        if (other.question, other.answer) != (question.question, question.answer):
            raise InputError(
                f"expected the same question and answer under the id {question.id!r} in {path} and in the first file, "
                "but they differ. Score the file by itself."
            )
    return [replace(question, prediction=found[question.id].prediction) for question in first]


def _found_captions(questions: Sequence[AnsweredQuestion], captions: Path, folder: Path) -> list[str]:
    """The caption of the image of a table that is most like that of each question, by the bundled encoder."""
    table = ImageTable.read(captions)
    column = known_column(table.frame.columns, _CAPTIONS)
    if not column:
        raise InputError(f"expected a column caption in {captions}. Its columns: {', '.join(table.frame.columns)}.")
    encoder = load_encoder("zsderm-mini")
    known = [path.resolve() for path in table.files]
    asked = {name: (folder / name).resolve() for name in dict.fromkeys(question.image for question in questions)}
    rows = embed_images(encoder, [*known, *asked.values()])
    for which, ok, place in (
        (captions, rows.ok[: len(known)], table.path.parent),
        (None, rows.ok[len(known) :], folder),
    ):
        if not ok.any():
            raise InputError(
                f"expected the images of {which or 'the answers'} in {place}, but none of them can be read"
            )
    cosines = rows.features[len(known) :] @ rows.features[: len(known)].T  # (asked, known)
    cosines[:, ~rows.ok[: len(known)]] = -2.0
    for row, path in enumerate(asked.values()):
        cosines[row, [other == path for other in known]] = -2.0  # its own caption would be the answer
    texts = table.column(column)
    nearest = dict(zip(asked, cosines.argmax(axis=1), strict=True))
    return [texts[int(nearest[question.image])] for question in questions]


def _cell(scores: AnswerScores, figure: str) -> str:
    one = scores.figures.get(figure)
    if one is None or math.isnan(one.value):
        return _NONE
    interval = "" if math.isnan(one.low) else f" ({one.low:.3f}–{one.high:.3f})"
    return f"{one.value:.3f}{interval}"

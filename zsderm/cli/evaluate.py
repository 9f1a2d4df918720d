"""``zsderm evaluate``: predictions beside true labels, or answers beside right ones, one or several side by side."""

from __future__ import annotations

import json
from pathlib import Path

import click

from zsderm.cli.help import CLASSES, IMAGES, Command, option
from zsderm.cli.options import FILE, group_by_option, image_column_or_order_option, json_option
from zsderm.cli.parameters import ClassList
from zsderm.cli.stored_images import PredictionsPlace
from zsderm.cli.talk import say
from zsderm.places import local_path

FIGURES = "Figures"
ANSWERS = "Answers to questions"
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
# Parameters of the one use that mean nothing in the other.
_OF_PREDICTIONS = ("labels", "image_column", "classes", "maps", "groups", "cluster", "group_by", "published")
_OF_ANSWERS = ("train_questions", "captions", "images", "bert", "bert_layer")


class ClassMap(click.ParamType):
    """``MAP``, or ``PREDICTIONS=MAP`` for one of several files of predictions."""

    name = "[predictions=]map"

    def convert(
        self, value: str | tuple[str, tuple[str, ...]], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, tuple[str, ...]]:
        """The file it is for, empty for all of them, and the names in order."""
        if isinstance(value, tuple):
            return value
        target, _, order = value.rpartition("=")
        return local_path(target) or target, ClassList(least=1).convert(order, param, ctx)


@click.command(cls=Command)
@option(
    "--predictions",
    multiple=True,
    type=PredictionsPlace(),
    heading=IMAGES,
    help="A table that zsderm classify or another tool wrote: .csv, .jsonl or .parquet; or the folder that zsderm "
    "classify wrote, also in a bucket. May be repeated to compare.",
)
@option(
    "--labels",
    type=FILE,
    heading=IMAGES,
    help="A table with an image column and a column true_label, label or dx (a class name or code, or its index).",
)
@image_column_or_order_option
@option(
    "--classes",
    type=ClassList(),
    heading=CLASSES,
    help='The classes in their order: a file with one class per line, or "a, b, c".',
)
@option(
    "--class-map",
    "maps",
    multiple=True,
    type=ClassMap(),
    heading=CLASSES,
    help="The classes that probability_class_0, 1, ... stand for, where their order is another one.",
)
@option(
    "--groups",
    multiple=True,
    heading=FIGURES,
    help="A column of --labels: figures for each group, and how far the groups are apart. May be repeated.",
)
@option(
    "--cluster",
    heading=FIGURES,
    help="A column of --labels such as patient_id: intervals draw patients, not images; none: images.  "
    "[default: patient_id or lesion_id]",
)
@group_by_option("--labels", FIGURES)
@option(
    "--answers",
    multiple=True,
    type=FILE,
    heading=ANSWERS,
    help="Instead of --predictions: a table with the columns image, question, answer and prediction. May be repeated, "
    "to compare models.",
)
@option(
    "--train-questions",
    type=FILE,
    heading=ANSWERS,
    help="Questions and answers about other images, from which the baselines learn.  [default: the other images of "
    "--answers, in five folds]",
)
@option(
    "--captions",
    type=FILE,
    heading=ANSWERS,
    help="A table of images and captions. It adds a baseline that answers with the caption of the most similar image.",
)
@option(
    "--images",
    type=FOLDER,
    heading=ANSWERS,
    help="The folder with the images of --answers; needed for --captions only.  [default: the folder of the table]",
)
@option(
    "--bert",
    type=FOLDER,
    heading=ANSWERS,
    help="A folder with a text model with which BERTScore is computed. Nothing is downloaded.",
)
@option(
    "--bert-layer",
    type=click.IntRange(1),
    heading=ANSWERS,
    help="The layer of the --bert model whose hidden states are compared.  [default: the layer at three quarters of "
    "the depth]",
)
@option("--published", heading=FIGURES, help="A data set: show what others have published on it, in italics.")
@json_option
@click.pass_context
def evaluate(
    context: click.Context,
    predictions: tuple[Path | str, ...],
    labels: Path | None,
    image_column: str | None,
    classes: tuple[str, ...] | None,
    maps: tuple[tuple[str, tuple[str, ...]], ...],
    groups: tuple[str, ...],
    cluster: str | None,
    group_by: str | None,
    answers: tuple[Path, ...],
    train_questions: Path | None,
    captions: Path | None,
    images: Path | None,
    bert: Path | None,
    bert_layer: int | None,
    published: str | None,
    as_json: bool,
) -> None:
    """Compare predictions with the true labels, or answers to questions with the right answers.

    Images are matched by name. Images without a label are left out, and stderr says how many. Without --labels the
    predictions need a column true_label. Where a class includes other diseases, a label of one of
    these ("solar lentigo" in "benign keratosis") counts for the class, and a warning says so.

    Predictions of other tools need one column of probabilities (not logits) for each class: named after the class
    ("probability: melanoma", prob_melanoma or melanoma), or probability_class_0, 1, ... in the order of --classes or of
    --class-map. A column label has to name the most probable class. Several predictions are each compared with
    the first, on its images: the difference, its 95 % interval and p, from a bootstrap that draws the same images, or
    patients, for both.

    With --group-by there are also figures for one answer per lesion or patient. The answers are those of the table that
    zsderm classify --group-by wrote beside the predictions; without it, the mean of the log probabilities. All
    photographs of a group need the same label.

    With --answers, answers to questions about pictures are scored. Closed questions (yes or no) and multiple-choice
    questions are scored by accuracy; open questions by BLEU, METEOR, ROUGE, word recall and, with --bert, BERTScore.
    The tables show the figures by kind and modality, with bootstrap intervals over images, beside baselines that do not
    see the picture. This needs zsderm[vqa].

    \b
    zsderm evaluate --predictions predictions.csv --labels labels.csv --classes classes.txt
    zsderm evaluate --predictions answers/ --labels labels.csv --classes classes.txt
    zsderm evaluate --predictions s3://bucket/answers/ --labels labels.csv --classes classes.txt
    zsderm evaluate --predictions ours.csv --predictions theirs.csv --class-map theirs.csv=order.json \\
        --labels labels.csv --classes classes.txt --cluster patient_id --groups fitzpatrick --published pad
    zsderm evaluate --predictions predictions.csv --labels labels.csv --classes classes.txt --group-by lesion_id
    zsderm evaluate --answers answers.csv --train-questions train/questions.csv --bert FOLDER
    """
    _refuse_mixed(context, bool(answers))
    if answers:
        from zsderm.cli.answer_scores import score_files

        report = score_files(
            answers, train=train_questions, captions=captions, images=images, bert=bert, bert_layer=bert_layer
        )
        for line in report.talk:
            say(line)
        click.echo(json.dumps(report.to_dict(), indent=2) if as_json else report.to_markdown())
        return
    from zsderm.cli import scores
    from zsderm.cli.answer_tables import addresses_whole

    assert classes is not None
    with addresses_whole(*predictions):
        scored = scores.score(predictions, labels, classes, dict(maps), groups, cluster, image_column, group_by)
    for line in scored.talk:
        say(line)
    click.echo(json.dumps(scored.to_dict(), indent=2) if as_json else scored.to_markdown())
    if published is not None and not as_json:
        click.echo("\n" + _published(published))


def _refuse_mixed(context: click.Context, answers: bool) -> None:
    """Refuse options of the other use, and the lack of what predictions need."""
    given = {name: value for name, value in context.params.items() if value not in (None, (), False)}
    names = {parameter.name: parameter.opts[0] for parameter in context.command.params}
    other = ("predictions", *_OF_PREDICTIONS) if answers else _OF_ANSWERS
    if wrong := [names[name] for name in other if name in given]:
        used = "--answers" if answers else "--predictions"
        raise click.UsageError(f"{wrong[0]} cannot be used with {used}; leave it out.")
    for name in () if answers else ("predictions", "classes"):
        if name not in given:
            parameter = next(one for one in context.command.params if one.name == name)
            raise click.MissingParameter(ctx=context, param=parameter)


def _published(dataset: str) -> str:
    from zsderm.benchmarks.published import published, to_markdown

    return to_markdown(published(dataset, task=None)) or f"Nothing published on {dataset!r} is on record."

"""A supervised classifier in the place of a zero-shot one, and the options that it leaves without a meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import click
from click.core import ParameterSource

from zsderm.cli.talk import timed

if TYPE_CHECKING:
    from zsderm import ZeroShotClassifier
    from zsderm.knowledge import KnowledgeBase
    from zsderm.supervised import SupervisedClassifier

# What rests on descriptions, on a class prior, on learning from a batch, or on an encoder of images and texts.
MEANINGLESS = (
    "fitted",
    "fit",
    "method",
    "prior",
    "retrieval",
    "names",
    "templates",
    "k",
    "name_weight",
    "centre",
    "smooth",
    "modality",
    "regions",
    "explain",
    "explain_method",
)


def supervised_classifier_of(context: click.Context, options: dict[str, Any]) -> SupervisedClassifier:
    """The supervised classifier that --model names.

    Args:
        context: of the command; it knows what was said and what is a default.
        options: the values of `zsderm.cli.options.classifier_options`.

    Raises:
        UsageError: an option that means nothing to it.
        CheckpointError, UnknownClassError: see `zsderm.supervised.SupervisedClassifier.load`.
    """
    given = [name for name in context.params if context.get_parameter_source(name) is not ParameterSource.DEFAULT]
    if said := [f"--{name.replace('_', '-')}" for name in MEANINGLESS if name in given]:
        raise click.UsageError(
            f"{said[0]} cannot be given with --model supervised:FOLDER: a supervised classifier answers by its network "
            "alone, without descriptions, prior, learning from the images, or heat maps."
        )
    if "knowledge" in given and not any(context.params.get(name) for name in ("narratives", "narrative")):
        raise click.UsageError(
            "--knowledge with --model supervised:FOLDER needs --narratives or --narrative: a supervised classifier "
            "reads no descriptions, so the knowledge base would be used for stories only."
        )
    if context.params.get("abstain_rate") is not None and context.params["abstain_score"] == "energy":
        raise click.UsageError(
            "--abstain-rate with --model supervised:FOLDER needs --abstain-score max-probability or margin: a "
            "supervised classifier has no energy."
        )

    def load() -> SupervisedClassifier:
        from zsderm.supervised import SupervisedClassifier

        settings = {name: options[name] for name in ("classes", "views", "device", "cache", "batch_size")}
        return SupervisedClassifier.load(options["model"], **settings)

    return cast("SupervisedClassifier", timed(f"Loading {options['model']}", load))


def knowledge_of(classifier: ZeroShotClassifier | SupervisedClassifier, name: str) -> KnowledgeBase | None:
    """The knowledge base that stories are read with: the classifier's, or the named one beside a supervised classifier.

    Args:
        classifier: that answers the photographs.
        name: --knowledge.

    Raises:
        UnknownKnowledgeBaseError, InputError: there is no such base.
    """
    from zsderm import ZeroShotClassifier
    from zsderm.knowledge import KnowledgeBase

    if isinstance(classifier, ZeroShotClassifier):
        return classifier.knowledge
    return None if name == "none" else KnowledgeBase.load(name)

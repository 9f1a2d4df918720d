"""What is to be run: every combination of model, method, prior, k, retrieval, wording and views, each of them once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from zsderm.asking.classes import METHOD as GENERATIVE
from zsderm.asking.classes import is_generative
from zsderm.config import DEFAULT_KNOWLEDGE, DEFAULT_PRIOR, Settings
from zsderm.supervised import METHOD as SUPERVISED
from zsderm.supervised import is_supervised

if TYPE_CHECKING:
    from zsderm.benchmarks.labelled import LabelledImages

METHODS = ("class-name", "templates", "descriptions", "knowledge", "kpl")  # from the plainest to the whole method
WORDINGS = ("all", "unseen")
RETRIEVING = ("knowledge", "kpl")  # methods for which k and the kind of retrieval matter
WITH_PRIOR = ("kpl",)
WITHOUT_DESCRIPTIONS = ("class-name", "templates")


@dataclass(frozen=True)
class Run:
    """One cell of the grid, by names."""

    model: str
    method: str
    prior: str = ""  # a word, or the name of a prior file; empty where the method has none
    k: int | None = None  # None for the default, and where nothing is retrieved
    retrieval: str = "batch"
    knowledge: str = DEFAULT_KNOWLEDGE
    wording: str = "all"  # "unseen": only descriptions held out of the bundled encoder's training
    views: int | None = None  # how many views of each image are averaged; None for as many as the encoder's card says
    names: str = Settings.names  # under which names classes are read, one of zsderm.config.NAMES

    @property
    def variant(self) -> str:
        """The method with what sets it apart from its default, as tables show it."""
        extras = [f"prior {self.prior}"] if self.prior not in ("", "auto") else []
        extras += [f"k = {self.k}"] if self.k is not None else []
        extras += [f"{self.retrieval} retrieval"] if self.retrieval != "batch" else []
        extras += [PurePath(self.knowledge).name] if self.knowledge != DEFAULT_KNOWLEDGE else []
        extras += [f"{self.wording} wording"] if self.wording != "all" else []
        extras += [f"{self.views} view{'s' * (self.views > 1)}"] if self.views is not None else []
        extras += [f"names {self.names}"] if self.names != Settings.names else []
        return ", ".join([self.method, *extras])

    @property
    def encoder(self) -> str:
        """The model without the place it comes from, see `encoder_name`."""
        return encoder_name(self.model)

    def stem(self, title: str) -> str:
        """The name of its files on the data set ``title``, in letters that every disk takes."""
        return stem_of(title, self.encoder, self.variant)

    def facts(self, dataset: LabelledImages) -> dict[str, Any]:
        """What its result on a data set says of it, ready for JSON."""
        names = {"dataset": dataset.name, "split": dataset.split, "title": dataset.title}
        own = {"stem": self.stem(dataset.title), "variant": self.variant, "encoder": self.encoder}
        return {**names, **own, **asdict(self)}


def encoder_name(model: str) -> str:
    """A model without the place it comes from: "hf-hub:org/name" is "org/name", a folder its last two parts."""
    # Of a language model the name may hold a colon: "openai:llava:7b".
    name = model.partition(":")[2] if is_generative(model) else model.rpartition(":")[2]
    return "/".join(part for part in PurePath(name).parts[-2:] if part != "/")


def stem_of(title: str, encoder: str, variant: str) -> str:
    """The name of the files of a run, in letters that every disk takes."""
    parts = [title, encoder, variant.replace(" = ", "")]
    plain = ("".join(c if c.isalnum() or c in ".-" else "-" for c in part.lower()) for part in parts)
    return "--".join(part.replace("--", "-") for part in plain)


def grid(
    models: Sequence[str],
    methods: Sequence[str],
    priors: Sequence[str] = (DEFAULT_PRIOR,),
    ks: Sequence[int | None] = (None,),
    retrievals: Sequence[str] = ("batch",),
    wordings: Sequence[str] = ("all",),
    knowledge: str = DEFAULT_KNOWLEDGE,
    views: Sequence[int | None] = (None,),
    names: Sequence[str] = (Settings.names,),
) -> list[Run]:
    """Every combination once: a method without a prior is not repeated for each prior, nor one without k for each k.

    A supervised classifier is one run for each number of views, and a model that answers in words is one run, whatever
    the methods are.
    """
    runs: dict[Run, None] = {}
    combinations = product(models, views, names, wordings, methods, retrievals, ks, priors)
    for model, count, spoken, wording, method, retrieval, k, prior in combinations:
        if is_supervised(model):  # it has its own classes, and neither descriptions nor a prior
            runs[Run(model, SUPERVISED, views=count)] = None
            continue
        if is_generative(model):
            runs[Run(model, GENERATIVE, knowledge=knowledge)] = None
            continue
        retrieves = method in RETRIEVING
        run = Run(
            model,
            method,
            prior=prior if method in WITH_PRIOR else "",
            k=k if retrieves else None,
            retrieval=retrieval if retrieves else "batch",
            knowledge=knowledge,
            wording="all" if method in WITHOUT_DESCRIPTIONS else wording,
            views=count,
            names=spoken,
        )
        runs[run] = None
    return list(runs)

"""From the embeddings of a batch to what they teach, and with that to `Predictions`.

Letters: N images, n of them readable, C classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from zsderm.calibration import familiarity
from zsderm.class_texts import ClassTexts
from zsderm.config import Settings
from zsderm.embeddings import NamedEmbeddings
from zsderm.encoders.base import home_of
from zsderm.encoders.home import StrangeImages
from zsderm.evidence import Company, CompanyTotals
from zsderm.fitted import Fitted, learn, text_scores
from zsderm.home_prior import crowded_home, home_prior
from zsderm.knowledge.base import KnowledgeBase
from zsderm.knowledge.class_names import BARE
from zsderm.knowledge.shown import ShownClasses
from zsderm.learning_notes import learning_notes, refinement_sentence
from zsderm.manifest import prediction_manifest
from zsderm.predictions import Evidence, Predictions
from zsderm.proxies.chunks import KnownRows
from zsderm.smoothed_answers import SmoothedAnswers

if TYPE_CHECKING:
    from zsderm.encoders import Encoder

Told = tuple[tuple[Evidence, ...], tuple[Evidence, ...]]  # what is typical of the answer, and of the runner-up


@dataclass(frozen=True, eq=False)
class BatchFacts:
    """What answers for single images say of all images of their batch.

    Attributes:
        company: against which each image is held for its evidence; None where each is taken as if it were alone.
        strange: a sentence on the images that look like nothing the encoder was trained with; may be empty.
        regions: of how many images the region of the body is known; None where nobody said any.
        answered: how many images could be read.
        changed: how many of their answers are not those of the text proxies.
    """

    company: Company | None = None
    strange: str = ""
    regions: int | None = None
    answered: int = 0
    changed: int = 0


@dataclass(frozen=True, eq=False)
class BatchAnswers:
    """All that an answer rests on besides the images and what was learned from them.

    Attributes:
        encoder: of images and texts.
        classes: C names.
        knowledge: descriptions of the classes.
        settings: of the run.
        prior: as the user asked for it: a word, or (C,) shares.
        texts: the sentences of all classes.
        shown: which classes the encoder was never shown in training.
        fit: what was learned beforehand, for any images; None where each batch is learned from by itself.
        retrieves: whether descriptions are retrieved.
        note: what a reader should know of all answers; may be empty.
    """

    encoder: Encoder
    classes: tuple[str, ...]
    knowledge: KnowledgeBase | None
    settings: Settings
    prior: str | torch.Tensor
    texts: ClassTexts
    shown: ShownClasses | None
    fit: Fitted | None
    retrieves: bool
    note: str = ""

    def learned(self, features: torch.Tensor | KnownRows, tempered: bool, progress: bool = False) -> Fitted:
        """The method on one batch: retrieve, average, refine.

        Args:
            features: (N, D) unit rows.
            tempered: whether the temperature may be learned from them.
            progress: show a bar on stderr while many images are refined.
        """
        how: dict[str, Any] = {"temperature": self.encoder.temperature, "retrieves": self.retrieves}
        how["home"] = home_prior(self.prior, self.settings, self.encoder, self.classes, self.knowledge)
        return learn(features, self.texts, self.settings, self.prior, tempered=tempered, progress=progress, **how)

    def fitted_for(self, features: torch.Tensor | KnownRows, progress: bool = False) -> Fitted | None:
        """What answers for (n, D) images: what was learned beforehand, or what they teach; None where there are none.

        Args:
            features: (n, D) unit rows.
            progress: see `learned`.
        """
        if len(features) == 0:
            return None
        # With retrieval by image a photo gets the same answer alone as in a folder, down to its probability.
        return self.fit or self.learned(features, tempered=not self._retrieves_by_image, progress=progress)

    def to(self, batch: NamedEmbeddings, fitted: Fitted | None, regions: Sequence[str] | None = None) -> Predictions:
        """One row for each name; what could not be read has NaN, no evidence, and a reason.

        Args:
            batch: N images.
            fitted: what answers; None where no image could be read.
            regions: N regions of the body, empty where not known; None where nobody said any.
        """
        return self.part(batch, fitted, self.facts_of([batch], fitted, regions), regions)

    def facts_of(
        self, parts: Iterable[NamedEmbeddings], fitted: Fitted | None, regions: Sequence[str] | None = None
    ) -> BatchFacts:
        """What is said of a whole batch, which is gone through once.

        Args:
            parts: the N images, a part at a time.
            fitted: what answers; None where no image could be read.
            regions: see `to`.
        """
        known = None if regions is None else sum(map(bool, regions))
        if fitted is None:
            return BatchFacts(regions=known)
        home = home_of(self.encoder)
        totals = None if self._alone else CompanyTotals(len(self.classes), self.encoder.card.width)
        strange = None if home is None else StrangeImages(home)
        answered = changed = 0
        for batch in parts:
            answered += len(batch.features)
            if home is not None and strange is not None:
                strange.add(batch.names, with_gaps(home.familiarity(batch.features), batch.ok))
            if totals is None and not fitted.refined:
                continue
            by_text, probabilities = self._scored(batch.features, fitted)
            final = SmoothedAnswers.of(batch.features, probabilities, self.settings).probabilities
            changed += int((by_text.argmax(dim=1) != final.argmax(dim=1)).sum()) if fitted.refined else 0
            if totals is not None:
                totals.add(batch.features, _winners(final))
        return BatchFacts(
            None if totals is None else totals.company(),
            "" if strange is None else strange.note(self.encoder.card.name),
            known,
            answered,
            changed,
        )

    def part(
        self,
        batch: NamedEmbeddings,
        fitted: Fitted | None,
        facts: BatchFacts,
        regions: Sequence[str] | None = None,
        brief: bool = False,
    ) -> Predictions:
        """As `to`, for images that are a part of a batch.

        Args:
            batch: n images.
            fitted: what answers.
            facts: what is said of the whole batch.
            regions: n regions of the body.
            brief: with only one description of each answer, as tables have it, and none of the runner-up.
        """
        if fitted is None:
            empty = torch.empty(0, len(self.classes)), torch.empty(0)
            return self._predictions(batch, *empty, iter(()), None, facts)
        by_text, probabilities = self._scored(batch.features, fitted)
        smoothed = SmoothedAnswers.of(batch.features, probabilities, self.settings)
        energy = familiarity(by_text, "energy", self.encoder.temperature).float()  # (n,)
        how, known = self.settings, None if regions is None else list(compress(regions, batch.ok))
        told = self.texts.evidence_beside(  # among all sentences, not only those retrieved
            batch.features,
            smoothed.probabilities,
            how.evidence,
            how.modality,
            known,
            alone=self._alone,
            company=facts.company,
            brief=brief,
        )
        found = smoothed.told_by(self._predictions(batch, smoothed.probabilities, energy, told, fitted, facts))
        if fitted.refined:
            names = iter(by_text.argmax(dim=1).tolist())
            found = replace(found, unrefined_labels=[self.classes[next(names)] if ok else None for ok in batch.ok])
        if regions is None:
            return found
        return replace(found, manifest={**found.manifest, "regions": facts.regions})

    def _scored(self, features: torch.Tensor, fitted: Fitted) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, C) scores by the text proxies, and (n, C) probabilities, of n readable images (n, D)."""
        by_text = text_scores(features, fitted.text, self.texts, self.settings, self.retrieves)
        scores = fitted.scores(features) if fitted.refined else by_text
        return by_text, (scores / fitted.temperature).softmax(dim=1)

    @property
    def _alone(self) -> bool:
        """Whether a photograph has the same answer alone as in a folder; then it has the same evidence too."""
        return self.fit is not None or self._retrieves_by_image

    @property
    def _retrieves_by_image(self) -> bool:
        return self.retrieves and self.settings.retrieval == "image"

    def _predictions(
        self,
        batch: NamedEmbeddings,
        probabilities: torch.Tensor,
        energy: torch.Tensor,
        told: Iterator[Told],
        fitted: Fitted | None,
        facts: BatchFacts,
    ) -> Predictions:
        beside = [next(told) if readable else ((), ()) for readable in batch.ok]
        home = home_of(self.encoder)
        familiar = with_gaps(energy if home is None else home.familiarity(batch.features), batch.ok)  # (N,)
        return Predictions(
            images=batch.names,
            classes=self.classes,
            probabilities=with_gaps(probabilities, batch.ok),
            familiarity=familiar,
            energy=with_gaps(energy, batch.ok),
            method="none" if fitted is None else fitted.method(self.settings.method, self.knowledge is not None),
            prior="none" if fitted is None else fitted.prior,
            requested_method=self.settings.method,
            evidence=tuple(own for own, _ in beside),
            runner_up_evidence=tuple(others for _, others in beside),
            errors=batch.errors,
            proxies=None if fitted is None or (self._retrieves_by_image and not fitted.refined) else fitted.rows,
            centre=fitted.centre if fitted is not None and fitted.refined else None,
            manifest=prediction_manifest(
                self.encoder,
                self.knowledge,
                self.settings,
                self.prior if isinstance(self.prior, str) else dict(zip(self.classes, self.prior, strict=True)),
                None if fitted is None else self._learned(fitted, facts),
                dict(zip(self.classes, self.texts.spoken, strict=True)),
                ["No image could be read."] if fitted is None else self._notes(fitted, facts.strange),
                batch.passed_over,
                self.shown,
                self._undescribed,
            ),
        )

    @property
    def _undescribed(self) -> list[str]:
        """Classes that the base was asked for and does not describe."""
        asked = self.settings.method not in BARE
        return [self.classes[index] for index in sorted(self.texts.undescribed)] if asked else []

    def _notes(self, fitted: Fitted, strange: str) -> list[str]:
        """What a reader of the result should know, first what the encoder does not."""
        unseen = "" if self.shown is None else self.shown.note(self.encoder.card.name)
        how = {"beforehand": self.fit is not None, "crowded": crowded_home(self.encoder, self.shown)}
        learned = learning_notes(fitted, self.settings, self.prior, self.texts, classes=self.classes, **how)
        return [*filter(None, (self.note, unseen, strange)), *self.texts.notes, *learned]

    def _learned(self, fitted: Fitted, of_batch: BatchFacts) -> dict[str, Any]:
        """What the manifest says of what was learned, with what that changed of the answers of the batch."""
        changed, answered = of_batch.changed, of_batch.answered
        facts = {**fitted.history(self.classes), **self._identity()}
        if "refinement" in facts:
            how = {"beforehand": self.fit is not None, "smoothed": SmoothedAnswers.possible(answered, self.settings)}
            words = refinement_sentence(fitted, changed, answered, **how)
            facts["refinement"] = {"summary": words, "changed": changed, "answers": answered, **facts["refinement"]}
        return facts

    def _identity(self) -> dict[str, str | None]:
        """Digests that show later whether another answer used the same texts and the same fit."""
        texts = {"sentences": self.texts.digest, "class_texts": self.texts.digest_of(self.classes)}
        return {**texts, "fitted": None if self.fit is None else self.fit.digest}


def _winners(probabilities: torch.Tensor) -> torch.Tensor:
    """(N,) int64, the answers that (N, C) probabilities give: the first of equal ones."""
    return probabilities.argsort(dim=1, descending=True, stable=True)[:, 0]


def with_gaps(rows: torch.Tensor, ok: Sequence[bool] | np.ndarray) -> torch.Tensor:
    """Rows in the place of the images that could be read, NaN in the place of the others.

    Args:
        rows: (n, ...) float32, one row for each image that could be read.
        ok: (N,) which images could be read; n of them are true.

    Returns:
        (N, ...) float32.
    """
    table = torch.full((len(ok), *rows.shape[1:]), torch.nan)
    table[torch.as_tensor(ok)] = rows
    return table

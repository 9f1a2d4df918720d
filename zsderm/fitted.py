"""What was learned from one batch of images, ready to be applied to others.

Letters: N images, C classes, M sentences, D embedding width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from zsderm.arrays import UNIT_TOLERANCE
from zsderm.class_texts import ClassTexts
from zsderm.config import HOME_PRIOR, Settings
from zsderm.home_prior import HomePrior, home_digest
from zsderm.progress import progress_bar
from zsderm.proxies import FeatureChunks, KnownRows, Refinement, refine
from zsderm.proxies.chunks import CHUNK_SIZE
from zsderm.proxies.guard import MIN_EVIDENCE_IMAGES, MIN_EVIDENCE_PER_CLASS
from zsderm.proxies.refinement import SAMPLE_SIZE
from zsderm.stored_json import fields_of

USED_PRIORS = ("none", "uniform", "given", "estimated", "text", HOME_PRIOR)


@dataclass(frozen=True, eq=False)
class Fitted:
    """The sentences that suit a batch, and the class proxies learned on it.

    Attributes:
        kept: (M',) int64, rows of the class texts that were retrieved for the batch.
        text: (C, D) float32 unit rows, the text proxies.
        proxies: (C, D) float32 unit rows to score with when `refined`.
        centre: (D,) float32, taken from features before they are scored; zeros unless asked for.
        mix: (C,) float32 class shares that the proxies rest on.
        images: N, how many images were in the batch.
        temperature: what scores are divided by, in units of cosine.
        refined: whether `proxies` and `centre` answer; when not, the text proxies do.
        prior: the class prior really used, "none" when nothing was refined.
        reason: why it was refined or not; empty when it was not asked for.
        figures: of the test that the reason rests on; empty where there was none.
        iterations: of the descent that made the proxies.
        converged: whether transport and descent met their tolerance.
        held_back: (C,) float32, what prior "home" takes off beside `centre`; empty with every other one.
    """

    kept: torch.Tensor
    text: torch.Tensor
    proxies: torch.Tensor
    centre: torch.Tensor
    mix: torch.Tensor
    images: int
    temperature: float
    refined: bool = False
    prior: str = "none"
    reason: str = ""
    iterations: int = 0
    converged: bool = True
    figures: str = ""  # those who wrote a file without them had them at the end of the reason
    held_back: torch.Tensor = field(default_factory=lambda: torch.empty(0))

    @classmethod
    def on_text(cls, kept: torch.Tensor, text: torch.Tensor, images: int, temperature: float) -> Fitted:
        """Text proxies without refinement."""
        shares = torch.full((len(text),), 1 / len(text))
        return cls(kept, text, text, torch.zeros(text.shape[1]), shares, images, temperature)

    def refined_by(self, refinement: Refinement, temperature: float) -> Fitted:
        """The same after a refinement: what it learned, or why it was not used.

        Args:
            refinement: of `text`.
            temperature: of the refined proxies, used where they were accepted.
        """
        return replace(
            self,
            proxies=refinement.proxies,
            centre=refinement.centre,
            mix=refinement.prior,
            temperature=temperature if refinement.accepted else self.temperature,
            refined=refinement.accepted,
            prior=refinement.prior_name if refinement.accepted else "none",
            reason=refinement.reason,
            figures=refinement.figures,
            iterations=refinement.iterations,
            converged=refinement.converged,
        )

    def from_home(self, home: HomePrior) -> Fitted:
        """The same text proxies, less what they score at home."""
        held_back = home.held_back(self.text)
        return replace(self, centre=home.mean, held_back=held_back, refined=True, prior=HOME_PRIOR, reason=home.reason)

    @property
    def rows(self) -> torch.Tensor:
        """(C, D) float32 unit rows: the proxies that answer."""
        return self.proxies if self.refined else self.text

    @property
    def digest(self) -> str:
        """16 hex digits that change with the proxies that answer and with their temperature."""
        digest = hashlib.sha256(repr(self.temperature).encode())
        for array in (self.rows, self.centre, self.held_back):
            digest.update(array.contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def scores(self, features: torch.Tensor) -> torch.Tensor:
        """(N, C) float32 inner products of features (N, D) and refined proxies."""
        scores = (features - self.centre) @ self.proxies.T
        return scores - self.held_back if len(self.held_back) else scores

    def method(self, requested: str, described: bool) -> str:
        """The method really used.

        Args:
            requested: the method that was asked for.
            described: whether there was a knowledge base.
        """
        if self.refined:
            return "kpl"
        plain = "knowledge" if requested == "kpl" else requested
        return plain if described or plain == "class-name" else "templates"

    def history(self, classes: Sequence[str]) -> Mapping[str, Any]:
        """What was learned, for the manifest."""
        facts: dict[str, Any] = {"images": self.images, "temperature": self.temperature}
        if self.reason:
            facts["refinement"] = {
                "accepted": self.refined,
                "reason": f"{self.reason} ({self.figures})" if self.figures else self.reason,
                **self._moved_by(classes),
                "iterations": self.iterations,
                "converged": self.converged,
            }
        return facts

    def _moved_by(self, classes: Sequence[str]) -> dict[str, Any]:
        """What the answers were moved by: class shares, or what was taken off each score, in units of cosine.

        Where nothing moved them: the shares that the text proxies give.
        """
        by_home = self.prior == HOME_PRIOR
        numbers = self.text @ self.centre + self.held_back if by_home else self.mix
        rounded = dict(zip(classes, (round(number, 4) for number in numbers.tolist()), strict=True))
        if by_home:
            return {"taken off": rounded, HOME_PRIOR: home_digest(self.centre)}
        return {"prior" if self.refined else "text_shares": rounded}

    def tensors(self) -> dict[str, torch.Tensor]:
        """The arrays, for a file; `from_parts` takes them back."""
        names = ("kept", "text", "proxies", "centre", "mix", *(("held_back",) if len(self.held_back) else ()))
        return {name: getattr(self, name).contiguous().clone() for name in names}

    def facts(self) -> dict[str, Any]:
        """Everything but the arrays, ready for JSON."""
        names = ("images", "temperature", "refined", "prior", "reason", "figures", "iterations", "converged")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_parts(cls, tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> Fitted:
        """Put together what `tensors` and `facts` gave, checked.

        Raises:
            ValueError: a part is missing or of another kind or shape, or holds values that no fit gives.
        """
        found = cls(**fields_of(cls, {**tensors, **facts}))
        found._check()
        return found

    def check_texts(self, class_of: torch.Tensor, width: int) -> None:
        """Refuse class texts that cannot be those of the fit.

        Args:
            class_of: (M,) int64, the class of each sentence.
            width: D.

        Raises:
            ValueError: another number of classes, another width, or a class without a sentence that was kept.
        """
        classes = int(class_of.max()) + 1
        if self.text.shape != (classes, width):
            raise ValueError(f"its arrays are not of {classes} classes and {width} columns")
        if self.kept.numel() and int(self.kept.max()) >= len(class_of):
            raise ValueError(f"it points at sentence {int(self.kept.max())} of {len(class_of)}")
        if len(class_of[self.kept].unique()) != classes:
            raise ValueError("it keeps no sentence of some class")

    def _check(self) -> None:
        """Refuse arrays and numbers that no fit gives."""
        floats = ("text", "proxies", "centre", "mix", "held_back")
        kinds = {name: torch.float32 for name in floats} | {"kept": torch.int64}
        for name, kind in kinds.items():
            array = getattr(self, name)
            if not isinstance(array, torch.Tensor) or array.dtype != kind:
                raise ValueError(f"the array {name!r} is not of {kind}")
            if not array.isfinite().all():
                raise ValueError(f"the array {name!r} is not finite")
        count, width = self.text.shape if self.text.ndim == 2 else (-1, -1)
        shapes = {"proxies": (count, width), "centre": (width,), "mix": (count,), "kept": (len(self.kept),)}
        shapes["held_back"] = (count if self.prior == HOME_PRIOR else 0,)
        if count < 1 or any(tuple(getattr(self, name).shape) != shape for name, shape in shapes.items()):
            raise ValueError("its arrays do not fit each other")
        for name in ("text", "proxies"):
            if ((getattr(self, name).norm(dim=1) - 1).abs() > UNIT_TOLERANCE).any():
                raise ValueError(f"the rows of {name!r} are not of length 1")
        if self.centre.norm() > 1 + UNIT_TOLERANCE or (self.mix < 0).any() or abs(self.mix.sum() - 1) > UNIT_TOLERANCE:
            raise ValueError("its mean image or class shares are out of range")
        if (self.kept < 0).any() or len(self.kept.unique()) != len(self.kept):
            raise ValueError("the sentences that it keeps are no distinct rows")
        if self.temperature <= 0 or self.images < 1 or self.iterations < 0 or self.prior not in USED_PRIORS:
            raise ValueError("its temperature, number of images, iterations or prior is out of range")
        if (self.held_back < 0).any():
            raise ValueError("what it takes off classes that were never shown is below 0")
        if self.refined == (self.prior == "none"):
            raise ValueError(f"it says refined {self.refined} and prior {self.prior!r}")


def learn(
    features: torch.Tensor | KnownRows,
    texts: ClassTexts,
    settings: Settings,
    prior: str | torch.Tensor,
    *,
    temperature: float,
    retrieves: bool,
    tempered: bool = True,
    home: HomePrior | None = None,
    progress: bool = False,
) -> Fitted:
    """The method on one batch: retrieve, average, refine.

    From `settings.streamed_from` images on, features are read in chunks, and what needs them at once (the test of
    "auto", the temperature) sees a random sample of them.

    Args:
        features: (N, D) float32 unit rows, in memory or in their file.
        texts: the sentences of the classes.
        settings: method, retrieval, K and the rest.
        prior: a word, or (C,) shares.
        temperature: the encoder's.
        retrieves: whether descriptions are chosen by the images, and not all of them kept.
        tempered: whether the temperature may be learned from the images.
        home: what the prior "home" takes off; None for another prior.
        progress: show a bar on stderr while chunks are read.
    """
    by_image = retrieves and settings.retrieval == "image"
    streamed = len(features) >= settings.streamed_from and not by_image
    with progress_bar(len(features), progress and streamed) as announce:
        images = FeatureChunks(features, CHUNK_SIZE if streamed else None, announce)
        kept = texts.kept_for(images.mean()[None], settings.k if retrieves else None)  # (M',) rows
        text = texts.proxies(kept, settings.name_weight)  # (C, D)
        sample = images.sampled(SAMPLE_SIZE, seed=0).load()  # (n, D); all images where they are not streamed
        scores = text_scores(sample, text, texts, settings, retrieves)  # (n, C)
        if tempered and len(images) >= settings.min_images:
            temperature = texts.temperature(temperature, scores, sample, kept)
        fitted = Fitted.on_text(kept, text, len(images), temperature)
        if settings.method != "kpl":
            return fitted
        if home is not None:
            return fitted.from_home(home)
        refinement = refine(
            images,
            text,
            prior,
            scores=None if streamed else scores,
            proxy_temperature=settings.proxy_temperature,
            centre=settings.centre,
            min_images=least_images(prior, texts.class_count, settings),
        )
    return fitted.refined_by(refinement, settings.proxy_temperature)


def least_images(prior: str | torch.Tensor, class_count: int, settings: Settings) -> int:
    """With how many images something is learned from a batch at least: the one number that a user hears of.

    Args:
        prior: a word, or (C,) shares.
        class_count: C.
        settings: what they name as the least number counts for every prior.
    """
    if isinstance(prior, str) and prior == "auto":  # whose class mix has to be found from the images, too
        return max(settings.min_images, MIN_EVIDENCE_IMAGES, MIN_EVIDENCE_PER_CLASS * class_count)
    return settings.min_images


def text_scores(
    features: torch.Tensor, text: torch.Tensor, texts: ClassTexts, settings: Settings, retrieves: bool
) -> torch.Tensor:
    """(N, C) cosines of images (N, D) with the batch's text proxies (C, D), or with each image's own."""
    if retrieves and settings.retrieval == "image":
        return texts.scores_by_image(features, settings.k, settings.name_weight)
    return features @ text.T

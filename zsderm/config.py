"""The settings of a classification, with their meaning, their range and where their values come from."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from numbers import Integral, Real

from zsderm import modalities
from zsderm.errors import SettingsError, did_you_mean
from zsderm.prompt_templates import checked_templates

METHODS = ("kpl", "knowledge", "descriptions", "templates", "class-name")
RETRIEVALS = ("batch", "image")
NAMES = ("known", "canonical", "typed")
# What kind of pictures the images are; "auto": photographs or dermoscopic ones, as far as the encoder is sure of it.
MODALITIES = ("auto", *modalities.MODALITIES)
# The words that may stand for a class mix, see zsderm.proxies.prior.resolve_prior.
MIXES = ("uniform", "auto")
# Takes off what each class scores on the encoder's average training image, see zsderm.fitted.Fitted.from_home.
HOME_PRIOR = "home"
# The words that a user may say for a class prior.
PRIORS = (HOME_PRIOR, *MIXES)
# How many mirrored and turned views of an image may be embedded, see zsderm.encoders.views.
VIEWS = (1, 4, 8)
# What is used where the user names nothing, by the library, the commands and the benchmarks.
DEFAULT_MODEL = "zsderm-mini"
DEFAULT_KNOWLEDGE = "dermatology"
DEFAULT_PRIOR = "auto"
USUAL_SMOOTHING = 0.3  # gamma where smoothing is asked for without a number; by default nothing is smoothed


@dataclass(frozen=True)
class Settings:
    """How classes become proxies, and proxies become probabilities. None of these values was chosen on test labels."""

    method: str = "kpl"  # one of METHODS, from the whole method to its plainest ablation
    retrieval: str = "batch"  # "batch": one query for the folder; "image": each image asks for itself
    names: str = "known"  # "known": all that the base has for a class; "canonical": its own for it; "typed": as typed
    templates: tuple[str, ...] | None = None  # sentences with {name} that names are read in; None: the bundled ones
    k: int = 10  # descriptions kept per class, at least 1; a class with fewer keeps them all
    name_weight: float = 0.5  # share of the class name in a text proxy of retrieved descriptions; 0 is KPL as published
    centre: bool = False  # subtract the mean image before proxies are learned and applied
    # With fewer images nothing is learned from the batch, and text proxies answer. With prior "auto", which finds out
    # how common the classes are, the least number is 100, and three for each class (zsderm.fitted.least_images).
    min_images: int = 16
    evidence: int = 3  # descriptions listed for each image
    modality: str = "auto"  # one of MODALITIES; chooses listed descriptions, and "pathological" the prompts too
    views: int | None = None  # one of VIEWS, mirrored and turned, whose mean is taken; None: as the encoder's card says
    proxy_temperature: float = 0.04  # softmax temperature of refined proxies; tau_i in KPL (arXiv 2501.11231)
    smooth: float = 0.0  # gamma: how strongly answers of a folder are drawn to those of similar images; 0: not at all
    batch_size: int = 64  # images encoded at a time; changes memory, not the result
    streamed_from: int = (
        100_000  # with so many images refinement goes chunk by chunk: flat memory, the same answers but for rounding
    )

    def __post_init__(self) -> None:
        """Refuse what has no meaning, before anything is loaded.

        Raises:
            SettingsError: a word that is not known, or a number out of range.
        """
        words = {"method": METHODS, "retrieval": RETRIEVALS, "names": NAMES, "modality": MODALITIES}
        for name, known in words.items():
            value = getattr(self, name)
            if value not in known:
                raise SettingsError(
                    f"Expected setting `{name}` to be one of {', '.join(known)}, but got {value!r}."
                    f"{did_you_mean(str(value), known)}"
                )
        if self.templates is not None:
            object.__setattr__(self, "templates", checked_templates(self.templates, "setting `templates`"))
            if self.method == "class-name":
                raise SettingsError(
                    "method class-name reads bare names, without templates. Leave out the templates, or ask for method "
                    "templates."
                )
        if self.views is not None:
            check_views(self.views)
        for name, least in (("k", 1), ("min_images", 1), ("evidence", 0), ("batch_size", 1), ("streamed_from", 1)):
            value = getattr(self, name)
            if not isinstance(value, Integral) or isinstance(value, bool):
                raise SettingsError(f"Expected setting `{name}` to be a whole number, but got {value!r}.")
            if value < least:
                raise SettingsError(f"Expected setting `{name}` to be at least {least}, but got {value}.")
        self._check_numbers()

    def _check_numbers(self) -> None:
        for name in ("name_weight", "proxy_temperature", "smooth"):
            if not isinstance(getattr(self, name), Real) or isinstance(getattr(self, name), bool):
                raise SettingsError(f"Expected setting `{name}` to be a number, but got {getattr(self, name)!r}.")
        if not 0 <= self.name_weight <= 1:
            raise SettingsError(f"Expected setting `name_weight` to be from 0 to 1, but got {self.name_weight}.")
        if not 0 <= self.smooth < inf:
            raise SettingsError(f"Expected setting `smooth` to be 0 or more, such as 0.3, but got {self.smooth}.")
        if not self.proxy_temperature > 0:
            raise SettingsError(
                f"Expected setting `proxy_temperature` to be above 0, but got {self.proxy_temperature}."
            )


def check_views(views: int) -> None:
    """Refuse a number of views that there is no set of.

    Raises:
        SettingsError: not one of `VIEWS`.
    """
    if views not in VIEWS:
        raise SettingsError(f"Expected `views` to be one of {', '.join(map(str, VIEWS))}, but got {views!r}.")

"""The decoding settings of a language model."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from zsderm.errors import SettingsError


@dataclass(frozen=True)
class Sampling:
    """Decoding settings.

    Those published for SkinVL (arXiv 2505.06152) are temperature 0.2, top-p 0.9, 5 beams, and 20 to 256 tokens.
    """

    temperature: float = 0.0  # 0: the most likely answer, the same each time
    top_p: float = 1.0  # share of the probability from which a token is drawn; 1: all of it
    beams: int = 1  # beginnings of an answer that are followed side by side; local models only
    min_tokens: int = 0  # of an answer, at least; local models only
    max_tokens: int = 256  # of an answer, at most
    seed: int = 0  # of what is drawn

    def __post_init__(self) -> None:
        """Refuse what no model takes."""
        if not 0 <= self.temperature <= 2:
            raise SettingsError(f"Expected the temperature to be from 0 to 2, but got {self.temperature}.")
        if not 0 < self.top_p <= 1:
            raise SettingsError(f"Expected top-p to be above 0 and at most 1, but got {self.top_p}.")
        if self.beams < 1 or not 0 <= self.min_tokens <= self.max_tokens or self.max_tokens < 1:
            raise SettingsError(
                "Expected at least 1 beam, max-tokens at least 1, and min-tokens from 0 to max-tokens, but got "
                f"{self.beams} beams, min-tokens {self.min_tokens} and max-tokens {self.max_tokens}."
            )

    def facts(self) -> dict[str, float]:
        """The settings by name, for manifests and for the key under which an answer is kept."""
        return asdict(self)

    def fields(self) -> dict[str, float]:
        """The fields of a request in the OpenAI protocol, without the maximum number of tokens.

        Raises:
            SettingsError: the protocol has no field for one of the settings.
        """
        if self.beams > 1 or self.min_tokens:
            raise SettingsError(
                "An endpoint has no setting for the number of beams or the minimum number of tokens. Leave out --beams "
                "and --min-tokens, or use --model transformers:FOLDER."
            )
        own: dict[str, float] = {"temperature": self.temperature}
        return {**own, "top_p": self.top_p, "seed": self.seed} if self.temperature else own

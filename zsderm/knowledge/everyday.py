"""Words that are names of diseases and words of every day as well: "it burns", "a burn"; "eu tinha", "uma tinha".

They stand for the disease only after certain words. The lists are closed and short: what is not in them is a name.
"""

from __future__ import annotations

from collections.abc import Mapping


def _listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ENGLISH = _listed(
    """
    a an the my his her our your their this that these those some any another many several few of bad old deep small
    big little nasty itchy red first second third degree chemical cigarette electrical friction rope
    """
)

# Word as `zsderm.knowledge.names.words` folds it -> the words before it that make it the name of a disease.
NAMED_AFTER: Mapping[str, frozenset[str]] = {
    "burn": _ENGLISH,
    "bite": _ENGLISH,
    "wen": _ENGLISH,  # German "whom"
    "tinha": _listed("uma com de da minha tenho essa esta tem pela"),  # Portuguese "had"
    "cor": _listed("un le du mon des les mes ce ces aux"),  # Portuguese "colour"
}
# Word -> the words before it that make it something else: Spanish and Portuguese "zona" is a place.
NOT_NAMED_AFTER: Mapping[str, frozenset[str]] = {
    "zona": _listed(
        """
        la una esta esa toda misma mi otra cada cualquier na da a uma essa nessa desta dessa minha outra qualquer pela
        nesta mesma
        """
    ),
    "brulure": _listed("de"),  # French "sensation de brûlure", which is no burn
}
# Word -> the spellings in which it is a name, where accents tell: "Krätze" is scabies, "ich kratze" is "I scratch".
WRITTEN: Mapping[str, frozenset[str]] = {
    "kratze": _listed("krätze kraetze"),
    "peca": _listed("peca pecas"),  # freckles; Portuguese "peça" is a piece
    "tina": _listed("tiña tiñas"),
    "pano": _listed("paño paños"),
}


def is_name(word: str, before: str, written: str = "") -> bool:
    """Whether a word that is the name of a disease stands for it.

    Args:
        word: folded.
        before: the folded word before it; empty at the start of a text.
        written: the word as it stands in the text; empty where that does not matter.

    >>> is_name("burn", "it"), is_name("burn", "a"), is_name("acne", "it")
    (False, True, True)
    """
    if written and word in WRITTEN:
        return written.casefold() in WRITTEN[word]
    if word in NAMED_AFTER:
        return before in NAMED_AFTER[word]
    return before not in NOT_NAMED_AFTER.get(word, ())

"""What is wrong with the lists beside the diseases of a base: names in other languages, pools and kinds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from zsderm.errors import InputError
from zsderm.knowledge import library
from zsderm.knowledge.base import Disease
from zsderm.knowledge.card import KnowledgeCard
from zsderm.knowledge.languages import FOLDER
from zsderm.knowledge.names import spelling
from zsderm.knowledge.pools import members_of


def list_problems(location: Path, diseases: Iterable[Disease], *, complete: bool) -> Iterator[tuple[str, str]]:
    """Names of one language that mean two diseases, or another one in the base's own; lists of what is not there.

    Names that two languages give to different diseases are asked back when somebody types them, and are no mistake.

    Args:
        location: of the base.
        diseases: all of them.
        complete: whether each language has to have a name of every disease.

    Yields:
        The file, and what is wrong in it.
    """
    try:
        card = KnowledgeCard.read(location)
    except InputError:
        return  # said by the check of base.json
    diseases = list(diseases)
    canonical = {disease.name for disease in diseases}
    yield from _pool_problems(card, canonical)
    own = {spelling(name): disease.name for disease in diseases for name in (disease.name, *disease.aliases)}
    own |= {spelling(name): name for name in card.groups}
    own |= {spelling(name): f"{name}, which is asked back" for name in card.ambiguous}
    for language, names in card.names.items():
        missing = {name for name in canonical if not names.get(name)} if complete else ()
        yield from ((FOLDER, f"{language} has no name of {name!r}") for name in sorted(missing))
        unknown = names.keys() - canonical - card.groups.keys()
        yield from ((FOLDER, f"{language} names {name!r}, which is not in the base") for name in sorted(unknown))
        owners: defaultdict[str, dict[str, str]] = defaultdict(dict)  # spelling -> disease -> as it is written
        for disease, listed in names.items():
            for name in listed:
                owners[spelling(name)][disease] = name
        for key, found in owners.items():
            if len(found) > 1:
                yield FOLDER, f"{language}: {next(iter(found.values()))!r} means {' and '.join(map(repr, found))}"
            for disease, name in found.items():
                if (known := own.get(key, disease)) != disease:
                    yield FOLDER, f"{language}: {name!r} is to mean {disease!r}, but the base has it for {known!r}"


def _pool_problems(card: KnowledgeCard, canonical: set[str]) -> Iterator[tuple[str, str]]:
    subtypes = {kind for kinds in card.subtypes.values() for kind in kinds}
    for key, lists, known in (("pools", card.pools, canonical), ("kinds", card.kinds, canonical | subtypes)):
        for name, members in lists.items():
            for member in dict.fromkeys((name, *members)):
                if member not in known:
                    yield library.CARD_FILE, f"{key}: {name!r} speaks of {member!r}, which is no disease of the base"
            if any(name in members_of(card, member) for member in members):
                yield library.CARD_FILE, f"{key}: {name!r} holds itself"

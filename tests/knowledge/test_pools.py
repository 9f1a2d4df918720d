"""What a class holds: groups, pooled labels and diseases with kinds, all of base.json."""

from __future__ import annotations

import pytest

from zsderm import KnowledgeBase
from zsderm.knowledge.authoring.validate import validate
from zsderm.knowledge.pools import holds, members_of, overlaps, owner_of


@pytest.fixture(scope="module")
def base() -> KnowledgeBase:
    return KnowledgeBase.load("dermatology")


def test_every_pool_and_kind_is_a_disease_of_the_base_and_none_holds_itself(base: KnowledgeBase) -> None:
    subtypes = {kind for kinds in base.card.subtypes.values() for kind in kinds}
    for lists, known in ((base.card.pools, set(base.diseases)), (base.card.kinds, {*base.diseases, *subtypes})):
        for name, members in lists.items():
            assert {name, *members} <= known and name not in members, name
            assert not any(name in members_of(base.card, member) for member in members)
    assert not set(base.card.pools) & set(base.card.kinds)


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        ("benign keratosis", "solar lentigo"),
        ("benign keratosis", "stucco keratosis"),
        ("melanocytic nevus", "halo nevus"),
        ("melanoma, skin cancer, nevi and moles", "nodular melanoma"),
        ("vascular lesion", "angioma"),
        ("eczema", "poison ivy and other contact dermatitis"),
        ("eczema", "seborrheic dermatitis"),
        ("lichen planus", "frontal fibrosing alopecia"),
        ("wart", "plantar wart"),
        ("wart", "condyloma acuminatum"),
    ],
)
def test_a_class_holds_its_members_their_kinds_and_groups_of_them(base: KnowledgeBase, owner: str, name: str) -> None:
    assert holds(base.card, owner, name) and not holds(base.card, name, owner)
    assert overlaps(base, ["acne vulgaris", name, owner]) == [(2, 1)]


def test_what_is_no_member_is_not_held(base: KnowledgeBase) -> None:
    assert not holds(base.card, "benign keratosis", "melanoma")
    assert not holds(base.card, "melanoma", "melanoma") and not members_of(base.card, "zebra")
    assert not holds(base.card, "vascular lesion", "vascular tumors")  # only some of them
    assert overlaps(base, ["melanoma", "melanocytic nevus", "zebra"]) == []


def test_the_narrowest_class_counts_and_two_that_only_cross_do_not(base: KnowledgeBase) -> None:
    assert owner_of(base.card, "poison ivy dermatitis", ["eczema", "contact dermatitis"]) == 1
    assert owner_of(base.card, "solar lentigo", ["lentigo", "benign keratosis"]) is None
    assert owner_of(base.card, "psoriasis", ["lentigo", "benign keratosis"]) is None


@pytest.mark.parametrize(
    ("lists", "reason"),
    [
        ({"pools": {"wart": ["zebra"]}}, "pools: 'wart' speaks of 'zebra'"),
        ({"kinds": {"zebra": ["wart"]}}, "kinds: 'zebra' speaks of 'zebra'"),
        ({"kinds": {"wart": ["corn"], "corn": ["wart"]}}, "kinds: 'wart' holds itself"),
    ],
)
def test_validate_says_what_is_wrong_with_the_lists(write_base, disease, lists, reason) -> None:
    folder = write_base(disease("wart", "rough"), disease("corn", "hard"), card={"name": "mine", **lists})
    assert any(reason in problem.reason for problem in validate(folder))

from __future__ import annotations

import numpy as np
import pytest

from zsderm import KnowledgeBase, PretrainingDataError, UnknownClassError
from zsderm.knowledge.base import Disease
from zsderm.knowledge.card import KnowledgeCard
from zsderm.pretrain.data.diagnoses import Diagnoses, bundled_pools

POOL = "benign keratosis-like lesion"
LABELS = [POOL, "seborrheic keratosis", "nevus", "melanoma", "NV", "actinic keratosis / intraepithelial carcinoma"]


@pytest.fixture(scope="module")
def knowledge() -> KnowledgeBase:
    return KnowledgeBase.load("dermatology")


@pytest.fixture(scope="module")
def diagnoses(knowledge: KnowledgeBase) -> Diagnoses:
    return Diagnoses(knowledge, [*LABELS, "melanoma", ""])


def held(diagnoses: Diagnoses, label: str, soft: bool = False) -> set[str]:
    return {name for name, value in zip(diagnoses.nodes, diagnoses.affinity(label, soft), strict=True) if value == 1}


def test_bundled_pools_are_classes_of_the_base_and_so_are_their_members(knowledge: KnowledgeBase) -> None:
    for pool, members in bundled_pools().items():
        assert {pool, *members} <= set(knowledge.diseases) and len(set(members)) == len(members) > 1, pool
        assert pool not in members and not set(members) & set(bundled_pools()), "no pool inside a pool"


def test_of_a_pooled_label_each_member_and_the_pool_hold(diagnoses: Diagnoses) -> None:
    members = {"seborrheic keratosis", "solar lentigo", "lichen planus-like keratosis"}
    assert set(diagnoses.members(POOL)) == members
    groups = {"neoplasm", "benign neoplasm", "benign keratinocytic neoplasm"}
    assert held(diagnoses, POOL) == {"benign keratosis", *members, *groups}
    in_situ = held(diagnoses, "actinic keratosis / intraepithelial carcinoma")
    assert {"actinic keratosis", "bowen disease", "carcinoma in situ"} <= in_situ


def test_of_a_disease_its_pool_and_the_groups_above_it_hold_and_no_other_member(diagnoses: Diagnoses) -> None:
    assert diagnoses.members("seborrheic keratosis") == ("seborrheic keratosis",)
    groups = {"neoplasm", "benign neoplasm", "benign keratinocytic neoplasm"}
    assert held(diagnoses, "seborrheic keratosis") == {"seborrheic keratosis", "benign keratosis", *groups}


def test_labels_of_one_disease_are_alike_and_stand_once(diagnoses: Diagnoses) -> None:
    assert np.array_equal(diagnoses.affinity("nevus"), diagnoses.affinity("NV"))
    assert diagnoses.index("melanocytic nevus") == diagnoses.nodes.index("melanocytic nevus")
    assert len(set(diagnoses.nodes)) == len(diagnoses.nodes) and "" not in diagnoses.nodes
    with pytest.raises(PretrainingDataError, match="'nevus'"):
        diagnoses.index("nevus")  # a diagnosis has one name


def test_soft_affinities_fall_with_the_steps_between_two_diseases(diagnoses: Diagnoses) -> None:
    # neoplasm > malignant neoplasm > malignant melanocytic neoplasm > melanoma; the deepest disease is five deep.
    near = dict(zip(diagnoses.nodes, diagnoses.affinity("melanoma", soft=True), strict=True))
    steps = {"melanoma": 0, "malignant melanocytic neoplasm": 0, "neoplasm": 0}
    steps |= {"benign neoplasm": 4, "benign melanocytic neoplasm": 5, "melanocytic nevus": 6, "bowen disease": 7}
    for name, count in steps.items():
        assert near[name] == pytest.approx(np.exp(-count / 10 / 0.07)), name
    assert near["benign keratosis"] == near["seborrheic keratosis"], "a pool is as near as its nearest member"
    pool = dict(zip(diagnoses.nodes, diagnoses.affinity(POOL, soft=True), strict=True))
    assert pool["melanoma"] == near["seborrheic keratosis"]


@pytest.mark.parametrize("label", LABELS)
def test_what_holds_is_the_same_in_both_forms(diagnoses: Diagnoses, label: str) -> None:
    hard, soft = diagnoses.affinity(label), diagnoses.affinity(label, soft=True)
    assert hard.dtype == soft.dtype == np.float32 and hard.shape == (len(diagnoses.nodes),)
    assert set(hard) == {0.0, 1.0} and held(diagnoses, label) == held(diagnoses, label, soft=True)
    assert (soft[hard == 0] > 0).all() and (soft[hard == 0] < 1).all()


def test_a_group_of_the_base_is_a_pool(knowledge: KnowledgeBase) -> None:
    diagnoses = Diagnoses(knowledge, ["angioma", "cherry angioma"])
    assert diagnoses.members("angioma") == ("hemangioma", "cherry angioma")
    assert {"angioma", "hemangioma", "cherry angioma"} <= held(diagnoses, "angioma")
    assert held(diagnoses, "cherry angioma") & {"angioma", "hemangioma"} == {"angioma"}


def test_a_disease_holds_for_an_image_of_its_kind_and_no_kind_for_an_image_of_the_disease(
    knowledge: KnowledgeBase,
) -> None:
    diagnoses = Diagnoses(knowledge, ["melanoma", "nodular melanoma", "lentigo maligna"])
    assert diagnoses.members("melanoma") == ("melanoma",)
    kinds = {"melanoma", "nodular melanoma", "lentigo maligna"}
    assert held(diagnoses, "nodular melanoma") & kinds == {"melanoma", "nodular melanoma"}
    assert held(diagnoses, "melanoma") & kinds == {"melanoma"}


def test_a_base_without_the_members_of_a_pool_has_no_such_pool() -> None:
    diseases = [Disease("vascular lesion", ontology=("red",)), Disease("hemangioma", ontology=("red", "deep"))]
    diagnoses = Diagnoses(KnowledgeBase(KnowledgeCard("two"), diseases), ["vascular lesion", "hemangioma"])
    assert diagnoses.members("vascular lesion") == ("vascular lesion",)
    assert held(diagnoses, "vascular lesion") == {"vascular lesion", "red"}
    assert held(diagnoses, "hemangioma") == {"hemangioma", "red", "deep"}


def test_an_image_without_a_label_has_no_diagnosis_and_a_caption_of_its_own_has_no_place(diagnoses: Diagnoses) -> None:
    assert not diagnoses.affinity("").any() and not diagnoses.affinity("", soft=True).any()
    assert diagnoses.index("") == -1


def test_labels_that_are_not_known_are_refused(knowledge: KnowledgeBase, diagnoses: Diagnoses) -> None:
    with pytest.raises(UnknownClassError, match="melanoma"):
        Diagnoses(knowledge, ["melanma"])
    for ask in (diagnoses.affinity, diagnoses.members):
        with pytest.raises(PretrainingDataError, match="label of the training data, but got 'psoriasis'"):
            ask("psoriasis")

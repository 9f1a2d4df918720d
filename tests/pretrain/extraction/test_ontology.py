from __future__ import annotations

import pytest

from zsderm import InputError, KnowledgeBase
from zsderm.pretrain.extraction.ontology import Ontology

DISEASES = KnowledgeBase.load("dermatology").diseases.values()


def test_every_group_has_one_parent_and_its_path_begins_at_the_top() -> None:
    for name, path in Ontology.load().paths.items():
        assert path[-1] == name and len(set(path)) == len(path)
        assert len(path) == 1 or Ontology.load().paths[path[-2]] == path[:-1]


def test_every_disease_of_the_base_has_a_place() -> None:
    ontology = Ontology.load()
    lost = [d.name for d in DISEASES if ontology.path(d.ontology)[-1] not in ontology.paths]
    assert not lost


def test_diseases_of_one_kind_meet_whatever_their_path_in_the_base() -> None:
    path, base = Ontology.load().path, KnowledgeBase.load("dermatology")
    kinds = {
        "malignant keratinocytic neoplasm": ["basal cell carcinoma", "squamous cell carcinoma"],
        "benign melanocytic neoplasm": ["melanocytic nevus", "blue nevus"],
        "malignant melanocytic neoplasm": ["melanoma"],
        "fungal infection": ["onychomycosis", "tinea corporis"],
        "premalignant keratinocytic neoplasm": ["actinic keratosis"],
    }
    for group, names in kinds.items():
        assert {path(base.find(name).ontology)[-1] for name in names} == {group}


def test_a_path_below_a_known_one_takes_its_place_and_an_unknown_one_is_kept() -> None:
    path = Ontology.load().path
    assert path(("neoplastic", "malignant", "melanocytic", "new kind"))[-1] == "malignant melanocytic neoplasm"
    assert path(("birds", "owls")) == ("birds", "owls")


def test_a_place_that_leads_nowhere_is_refused() -> None:
    with pytest.raises(InputError, match="'nowhere' is none"):
        Ontology({"a": ("a",)}, {("x",): "nowhere"})

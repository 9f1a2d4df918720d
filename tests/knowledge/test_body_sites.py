from __future__ import annotations

import pytest

from zsderm.knowledge.body_sites import agrees, body_parts, contradicts


@pytest.mark.parametrize(
    "region",
    [  # of PAD-UFES-20 and HAM10000
        *("FACE", "CHEST", "BACK", "FOREARM", "NECK", "ARM", "HAND", "EAR", "ABDOMEN", "THIGH", "NOSE", "SCALP", "LIP"),
        *("FOOT", "HEAD", "trunk", "genital", "lower extremity", "upper extremity"),
    ],
)
def test_the_regions_of_data_sets_are_known(region: str) -> None:
    assert body_parts(region)


@pytest.mark.parametrize(
    ("text", "region", "agreeing", "contradicting"),
    [
        ("Bumps on the cheeks and nose.", "FACE", True, False),
        ("Bumps on the cheeks and nose.", "NOSE", True, False),
        ("Bumps on the cheeks and nose.", "FOREARM", False, True),
        ("A brown patch on a shin.", "lower extremity", True, False),
        ("A brown patch on a shin.", "upper extremity", False, True),
        ("Spots on the trunk and upper arms.", "BACK", True, False),
        ("Spots on the trunk and upper arms.", "FOREARM", False, True),
        ("Spots on the trunk.", "", False, False),
        ("Spots on the trunk.", "unknown", False, False),
        ("A brown rim that comes back on itself around a black head.", "FOOT", False, False),
        ("Cracks on the backs of the hands.", "BACK", False, True),
        ("Finger-like streaks around a bull's-eye.", "BACK", False, False),
        ("Red trunks branching like a tree.", "FACE", False, False),
        ("Pink zones flank a patch; hairline cracks.", "FOOT", False, False),
        ("A dome with a collar around its foot.", "FACE", False, False),
    ],
)
def test_a_sentence_agrees_with_a_region_contradicts_it_or_neither(text, region, agreeing, contradicting) -> None:
    assert (agrees(text, region), contradicts(text, region)) == (agreeing, contradicting)

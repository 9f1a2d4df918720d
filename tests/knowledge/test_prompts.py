from __future__ import annotations

import pytest

from zsderm.knowledge import KnowledgeBase
from zsderm.knowledge.prompts import DESCRIPTION_TEMPLATE, TEMPLATES, described, template_prompts


def test_there_are_ten_to_fourteen_distinct_templates():
    assert 10 <= len(TEMPLATES) <= 14
    assert len(set(TEMPLATES)) == len(TEMPLATES)


def test_every_template_names_the_disease_once_and_nothing_else():
    assert all(template.count("{name}") == 1 and template.count("{") == 1 for template in TEMPLATES)


def test_clinical_and_dermoscopic_wording_are_both_there():
    text = " ".join(TEMPLATES)
    assert "clinical" in text
    assert "dermoscopic" in text


def test_no_template_puts_an_article_before_the_name():
    assert not any(f"{article} {{name}}" in template for template in TEMPLATES for article in ("a", "an", "the"))


def test_template_prompts_are_the_templates_with_the_name_in_them():
    prompts = template_prompts("melanoma")
    assert len(prompts) == len(TEMPLATES)
    assert all("melanoma" in prompt for prompt in prompts)


@pytest.mark.parametrize("name", ["{odd}", "100 % benign", "naevus (blue)"])
def test_a_name_may_hold_any_character(name):
    assert all(name in prompt for prompt in template_prompts(name))
    assert name in described(name, "a {b} c")


def test_described_joins_name_and_description():
    sentence = described("melanoma", "Edges notched like a coastline.")
    assert sentence == DESCRIPTION_TEMPLATE.format(name="melanoma", description="Edges notched like a coastline.")
    assert sentence.index("melanoma") < sentence.index("Edges")
    assert sentence.endswith("coastline.")


def test_sentences_of_the_bundled_base_stay_short_enough_for_a_text_tower():
    base = KnowledgeBase.load("dermatology")
    lengths = [len(described(text.disease, text.text).split()) for text in base.descriptions]
    assert max(lengths) <= 45  # words; a context of 77 tokens holds about 50 of plain English

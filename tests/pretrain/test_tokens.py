from __future__ import annotations

from zsderm.pretrain.tokens import token_limit


def test_clip_counts_its_two_marks_and_reads_77() -> None:
    limit = token_limit({"text_cfg": {}})
    assert limit.most == 77
    assert limit.count("a red plaque") == 5
    assert limit.count("red " * 76) == 78


def test_minilm_counts_its_two_marks_and_reads_what_the_configuration_says() -> None:
    limit = token_limit(
        {"text_cfg": {"hf_tokenizer_name": "sentence-transformers/all-MiniLM-L6-v2", "context_length": 64}}
    )
    assert limit.most == 64
    assert limit.count("a red plaque") == 5
    assert limit.count("red " * 1000) == 1002

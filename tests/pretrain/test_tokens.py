from __future__ import annotations

from pathlib import Path

import pytest

from zsderm import CheckpointError
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


def test_a_tokenizer_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"not to be had.*without --config"):
        token_limit({"text_cfg": {"hf_tokenizer_name": str(tmp_path / "none")}})

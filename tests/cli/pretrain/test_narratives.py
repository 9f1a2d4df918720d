"""What ``zsderm pretrain narratives`` says beside its epochs."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from click.testing import CliRunner

from zsderm.cli import main


def test_the_folder_into_which_the_bundled_model_is_unpacked_is_not_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = logging.getLogger("sentence_transformers")
    monkeypatch.setattr(log, "level", logging.NOTSET)
    caplog.set_level(logging.INFO)  # as the command says outside of a test
    config = tmp_path / "wrong.yaml"
    config.write_text("options: wrong\n", encoding="utf-8")
    assert CliRunner().invoke(main, ["pretrain", "narratives", "--config", str(config)]).exit_code == 1
    assert not log.isEnabledFor(logging.INFO)

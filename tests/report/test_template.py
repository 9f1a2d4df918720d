from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import UndefinedError

from zsderm.report.template import write_page


def test_a_page_that_cannot_be_filled_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("old")
    with pytest.raises(UndefinedError):
        write_page("contact_sheet.html.j2", tmp_path / "page.html")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]

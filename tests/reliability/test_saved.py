"""What was saved and came to harm gives the answer of before, or a sentence; what a pickle says is never done."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.reliability.saved_things import KINDS, harmed
from zsderm.errors import ZsdermError

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_harmed_folder_is_refused_or_answers_as_before(kind: str, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    KINDS[kind].write(whole)
    before = KINDS[kind].use(whole)
    refused = 0
    for seed in range(8):
        folder = tmp_path / str(seed)
        shutil.copytree(whole, folder)
        done = harmed(random.Random(f"{kind} {seed}"), folder)
        try:
            after = KINDS[kind].use(folder)
        except ZsdermError as error:
            refused += 1
            assert 20 < len(str(error)) < 1000, (done, error)
        except BaseException as error:
            raise AssertionError(f"{done}: {error!r}") from error
        else:
            if KINDS[kind].exact:
                np.testing.assert_array_equal(before, after, err_msg=done)
    assert refused

"""The script for a GPU, at toy size on the processor."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from zsderm.benchmarks.speed import gpu
from zsderm.benchmarks.speed.gpu_make import FORMS, MakeStep
from zsderm.benchmarks.speed.gpu_refinement import RefinementOnCard
from zsderm.benchmarks.speed.stopwatch import COLUMNS, Figure, Stopwatch, Timing

CPU = torch.device("cpu")
_, MAKE, KPL = gpu.SIZES[True]
LINES = {"embed": 6, "make": 8, "kpl": 4}


def watch(seconds: float = 600, repeats: int = 1) -> Stopwatch:
    return Stopwatch(CPU, seconds, repeats)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the peers: open_clip on a processor without pinned memory, forks
@pytest.mark.parametrize("section", gpu.SECTIONS)
def test_every_line_of_a_section_is_measured(section: str, tmp_path: Path) -> None:
    output = tmp_path / "gpu.json"
    options = ["--toy", "--only", section, "--repeats", "1", "--seconds", "600", "--output", str(output)]
    done = CliRunner().invoke(gpu.main, options, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    written = json.loads(output.read_text("utf-8"))
    assert written["machine"]["torch"] == torch.__version__
    rows = written["rows"]
    assert {row["section"] for row in rows} == {section}
    assert len(rows) >= LINES[section]
    assert [row["note"] for row in rows if row["value"] is None] == []
    assert all(row["value"] > 0 for row in rows)
    table = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert len(table) == len(rows) + 2
    assert all(line.count("|") == len(COLUMNS) + 1 for line in table)


def test_a_line_that_fails_says_why_and_the_others_come_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Figure:
        raise RuntimeError("no kernel image | for\nthis card")

    def jobs(self: object) -> Iterator[tuple[str, object]]:
        yield from [("one", fail), ("two", lambda: Figure(value=2.0))]

    monkeypatch.setattr(RefinementOnCard, "jobs", jobs)
    found = dict(gpu.measured("kpl", watch(), toy=True))
    assert found["one"].value is None
    assert found["one"].note == "failed: RuntimeError: no kernel image / for this card"
    assert found["two"].value == 2.0


def test_what_comes_after_the_time_is_left_out() -> None:
    found = dict(gpu.measured("make", watch(seconds=0), toy=True))
    assert len(found) == LINES["make"]
    assert {figure.note for figure in found.values()} == {"left out: the time was used up"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="here is one")
def test_without_a_gpu_and_without_toy_it_says_so() -> None:
    done = CliRunner().invoke(gpu.main, [])
    assert done.exit_code == 2
    assert "There is no GPU that torch can use here." in done.output


def test_the_batch_is_halved_until_it_fits() -> None:
    tried: list[int] = []

    def run(batch: int) -> Timing:
        tried.append(batch)
        if batch > 12:
            raise torch.cuda.OutOfMemoryError("no memory")
        return Timing((1.0,), None)

    step = MakeStep(MAKE, watch())
    assert step._largest(40, run)[0] == 10
    assert tried == [40, 20, 10]
    with pytest.raises(torch.cuda.OutOfMemoryError):
        step._largest(3, lambda _: run(40))


def test_both_forms_have_one_loss_and_its_gradients() -> None:
    step = MakeStep(MAKE, watch())
    features, mask = step.features(6), step._mask(6)
    gradients = []
    for form in FORMS:
        step._gradients(form, features, mask)
        gradients.append([leaf.grad.float() for leaf in features if leaf.grad is not None])
    assert len(gradients[0]) == 3
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=0.02, atol=1e-6)  # those of images and patches are rounded to half
    assert step._difference(6) < 1e-5


def test_losses_and_features_are_made_where_they_are_told_to() -> None:
    expected = MakeStep(MAKE, watch())._difference(4), RefinementOnCard(KPL, watch()).features
    with torch.device("meta"):  # what is made without a device has no storage there, and would fail
        found = MakeStep(MAKE, watch())._difference(4), RefinementOnCard(KPL, watch()).features
    assert found[0] == expected[0]
    assert torch.equal(found[1], expected[1])


@pytest.mark.slow
def test_every_refinement_runs_where_it_is_told_to() -> None:
    with torch.device("meta"):
        notes = [run().note for _, run in RefinementOnCard(KPL, watch()).jobs()]
    assert all("objective 0." in note for note in notes)

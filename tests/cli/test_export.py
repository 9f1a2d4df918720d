"""``zsderm export`` with the bundled encoder: what is printed, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from zsderm.cli import main
from zsderm.encoders import load_encoder

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples" / "images").iterdir())


def run(output: Path, *arguments: str, images: int = 20) -> Result:
    names = ["--classes", "melanoma, nevus", "--output", str(output)]
    names += [part for path in EXAMPLES[:images] for part in ("--images", str(path))]
    return CliRunner().invoke(main, ["export", *names, *arguments])


@pytest.mark.slow
def test_cosines_and_agreement_are_printed_and_the_folder_loads(tmp_path):
    done = run(tmp_path / "out", "--precision", "fp32")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("20 images: cosine 1.00000 at least, 1.00000 on average; the same first answer of 2")
    assert f"Use it with: --model {tmp_path / 'out'}" in done.stderr
    assert load_encoder(tmp_path / "out").card.width == load_encoder("zsderm-mini").card.width


def test_a_refusal_is_one_sentence_and_exit_code_1(tmp_path):
    done = run(tmp_path / "out", "--precision", "fp32", images=3)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: expected at least 20 photographs to compare on, but got 3\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("engine", "precision"), [("torch", "int8"), ("onnx", "bf16"), ("openvino", "int8")])
def test_a_precision_that_an_engine_does_not_offer_is_refused(tmp_path, engine, precision):
    done = run(tmp_path / "out", "--engine", engine, "--precision", precision)
    assert done.exit_code == 1 and f"but got {engine}, {precision}" in done.stderr

"""A folder of answers, so that no question is paid for twice."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from zsderm.atomic_files import atomic_file
from zsderm.errors import ZsdermWarning
from zsderm.language_model.client import Ask
from zsderm.language_model.json_in_talk import is_text

MOST_BYTES = 4_000_000  # of a file; questions and answers are far shorter


@dataclass(frozen=True)
class Answers:
    """A folder that keeps every answer that can be used, under the hash of what was asked.

    Attributes:
        folder: made when the first answer comes.
        model: name of the model; another model is another answer.
    """

    folder: Path
    model: str

    def file(self, system: str, request: str) -> Path:
        """The file of the answer to a request, whether it exists or not."""
        asked = f"{self.model}|{system}|{request}".encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(asked).hexdigest()[:24]
        return self.folder / digest[:2] / f"{digest}.json"  # hundreds of thousands are too many for one folder

    def get(self, ask: Ask, system: str, request: str, flaw: Callable[[str], str] = lambda answer: "") -> str:
        """The answer that is kept, or else the one that `ask` gives, which is then kept.

        A file that holds no answer to this request is ignored with a warning.

        Args:
            ask: sends a request.
            system: what the model is told first.
            request: what it is asked.
            flaw: says why an answer cannot be used, or nothing. One that cannot is given back but not kept, and one
                that was kept is asked for again.

        Raises:
            InputError: there is no answer.
        """
        kept = self.kept(system, request)
        if kept is not None and not flaw(kept):
            return kept
        answer = ask(system, request)
        if not flaw(answer):
            self.keep(system, request, answer)
        return answer

    def kept(self, system: str, request: str) -> str | None:
        """The answer that is kept; None where there is none, or a file without it, which a warning names."""
        return self._kept(self.file(system, request), request)

    def keep(self, system: str, request: str, answer: str) -> None:
        """Keep an answer, in the place of an earlier one to the same request."""
        content = {"model": self.model, "request": request, "answer": answer}
        with atomic_file(self.file(system, request)) as draft:
            # A name that is not UTF-8 becomes \udcXX, which is how JSON writes it.
            draft.write_bytes(json.dumps(content, ensure_ascii=False, indent=1).encode("utf-8", "backslashreplace"))

    def _kept(self, file: Path, request: str) -> str | None:
        if not file.is_file():
            return None
        try:
            if file.stat().st_size > MOST_BYTES:
                raise ValueError("it is too large")
            content = json.loads(file.read_bytes())
            answer = content["answer"]
            if (content["model"], content["request"]) != (self.model, request):
                raise ValueError("it answers another question")
            if not isinstance(answer, str) or not is_text(answer):
                raise ValueError("its answer is no text")
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            text = f"{file} does not hold the answer to what is asked; it is ignored, and the question asked again."
            warnings.warn(text, ZsdermWarning, stacklevel=4)
            return None
        return answer

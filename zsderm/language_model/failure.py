"""Why a question has no answer, for the code that decides whether to ask again."""

from __future__ import annotations


class Failure(Exception):
    """A question without an answer that can be used.

    Args:
        reason: what happened; may hold words of the server, so it is not shown as it stands.
        again: whether the same question may fare better a moment later.
        after: seconds that the server asks to wait first.
        of_this_question: the server is there; other questions may fare better.
    """

    def __init__(
        self, reason: str, *, again: bool = False, after: float | None = None, of_this_question: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.again = again
        self.after = after
        self.of_this_question = of_this_question


class CutOff(Failure):
    """An answer that ends before its end, because it may not be longer."""

    def __init__(self) -> None:
        super().__init__("it is cut off at the most tokens that are asked for", again=True, of_this_question=True)

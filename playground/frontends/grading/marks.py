"""Marks of checks: points, parts of them, and what is said where they are lost.

Standard library only: the pytest plugin imports this wherever pytest runs.

"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

# What became of a check.
PASSED, FAILED, BROKEN, NOT_TRIED = "passed", "failed", "broken", "not tried"


# Less than what the clock, and the sum of a class, can take.
_LARGE = 1e9


def refuse_number(call: str, value: object, *, zero: bool = False) -> None:
    """Raise `BadArgument` for what is no number above 0, or 0 itself where ``zero`` is true.

    >>> refuse_number("points", 2.5)
    >>> refuse_number("points", float("nan"))
    Traceback (most recent call last):
        ...
    playground.errors.BadArgument: points(nan): write a number above 0, such as points(2)

    """
    from playground.errors import BadArgument
    from playground.model.arguments import shown

    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and (0 < value < _LARGE or (zero and value == 0)):  # type: ignore[operator]
        return
    least = "of 0 or more" if zero else "above 0"
    raise BadArgument(f"{call}({shown(value)}): write a number {least}, such as {call}(2)")


class MarkedPart(NamedTuple):
    """A part of a check: what it is worth, and what was said where it is not earned ("")."""

    title: str
    points: float
    said: str = ""
    earned: bool = False


class Mark:
    """The mark of one check, which is one test.

    ``hidden`` checks are told to the teacher only; ``feedback`` is what a student reads who
    does not earn all points.

    """

    def __init__(
        self,
        title: str,
        points: float,
        *,
        hidden: bool = False,
        feedback: str = "",
        limit_s: float | None = None,
    ) -> None:
        self.title = title
        self.points = points
        self.hidden = hidden
        self.feedback = feedback
        self.limit_s = limit_s
        self.state = NOT_TRIED
        self.said = ""
        self.parts: list[MarkedPart] = []

    @property
    def got(self) -> float:
        """The points that are earned: those of parts, and of a check that passes all the rest."""
        if self.state == PASSED:
            return self.points - sum(part.points for part in self.parts if not part.earned)
        return sum(part.points for part in self.parts if part.earned)

    @property
    def whole(self) -> bool:
        """Whether nothing is lost."""
        return self.state == PASSED and all(part.earned for part in self.parts)


class Points:
    """The fixture `points`: gives a part of a check's points.

    >>> with points(1, "h1 reaches www"):
    ...     lab.check.reaches("h1", "www")

    What fails in the block costs these points, and the check goes on behind it.

    """

    def __init__(self, mark: Mark) -> None:
        self._mark = mark

    @contextlib.contextmanager
    def __call__(self, points: float, title: str) -> Iterator[None]:
        """Earn ``points`` of the check's by the block; ``title`` says for what."""
        from playground.errors import BadArgument, PlaygroundError

        mark = self._mark
        refuse_number("points", points)
        given = sum(part.points for part in mark.parts) + points
        if not points > 0 or given > mark.points:
            raise BadArgument(
                f"the parts of {mark.title!r} are worth {given:g} by {title!r}, and the whole "
                f"{mark.points:g}: write @pytest.mark.points({given:g}) above it"
            )
        try:
            yield
        except (AssertionError, PlaygroundError) as error:
            mark.parts.append(MarkedPart(title, points, str(error) or "it is not so"))
        else:
            mark.parts.append(MarkedPart(title, points, earned=True))

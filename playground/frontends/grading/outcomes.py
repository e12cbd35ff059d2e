"""Outcomes of submissions, as data: what was checked, what it earned, what was said and seen.

They travel from the process that checks to the one that writes marks, and are kept in a file
beside the marks, as JSON.

"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from playground.frontends.grading.marks import NOT_TRIED, PASSED
from playground.model.records import dataclass


@dataclass(frozen=True)
class Tried:
    """One thing that a check asked of the network: in a line, and whether it was so."""

    text: str
    ok: bool = True


@dataclass(frozen=True)
class PartMark:
    """A part of a check, with its points; ``said`` is why it is not earned."""

    title: str
    points: float
    earned: bool = False
    said: str = ""


@dataclass(frozen=True)
class CheckMark:
    """A check and its mark; ``state`` is one of those of `marks`."""

    id: str
    title: str
    points: float = 1
    got: float = 0
    hidden: bool = False
    state: str = NOT_TRIED
    said: str = ""
    feedback: str = ""
    parts: tuple[PartMark, ...] = ()
    tried: tuple[Tried, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether all its points are earned."""
        return self.state == PASSED and self.got >= self.points


@dataclass(frozen=True)
class StudentMarks:
    """All that became of one submission.

    ``refusal`` is the sentence why it could not be checked, or not to its end; ``printed`` what
    it printed while it was read; ``picture`` its network as SVG; ``cheats`` what looks as if it
    were made to please the checks; ``problem`` the traceback of a mistake that is not the
    student's.  The last two are for the teacher alone.

    """

    student: str
    checks: tuple[CheckMark, ...] = ()
    refusal: str = ""
    printed: str = ""
    warnings: tuple[str, ...] = ()
    cheats: tuple[str, ...] = ()
    picture: str = ""
    seconds: float = 0.0
    problem: str = ""

    @property
    def points(self) -> float:
        """The points that there are."""
        return sum(check.points for check in self.checks)

    @property
    def got(self) -> float:
        """The points that are earned."""
        return sum(check.got for check in self.checks)


def check_data(check: CheckMark) -> dict[str, Any]:
    """Return a check's mark as data of JSON."""
    return dataclasses.asdict(check)


def check_from(data: Mapping[str, Any]) -> CheckMark:
    """Return a check's mark of `check_data`."""
    parts = tuple(PartMark(**part) for part in data["parts"])
    tried = tuple(Tried(**one) for one in data["tried"])
    return CheckMark(**{**data, "parts": parts, "tried": tried})


def outcome_data(outcome: StudentMarks) -> dict[str, Any]:
    """Return an outcome as data of JSON."""
    return dataclasses.asdict(outcome)


def outcome_from(data: Mapping[str, Any]) -> StudentMarks:
    """Return an outcome of `outcome_data`; raises `TypeError` or `KeyError` for other data."""
    checks = tuple(check_from(check) for check in data["checks"])
    texts = {name: tuple(data[name]) for name in ("warnings", "cheats")}
    return StudentMarks(**{**data, **texts, "checks": checks})

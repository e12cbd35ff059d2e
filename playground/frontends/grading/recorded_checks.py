"""A lab whose checks are written down, each with what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from playground.errors import CheckFailed
from playground.frontends.grading.outcomes import Tried
from playground.lab.lab import Lab
from playground.model.parts import NodeBase
from playground.operations.diagnosis.checks import Checks
from playground.operations.diagnosis.evidence.explanation import Explanation

_MOST_TRIED = 100
_MOST_CHARACTERS = 400


class RecordedLab(Lab):
    """A lab that tells a list of each check that it is asked for."""

    tried: list[Tried]

    @property
    def check(self) -> Checks:
        """The checks of the lab: see `Lab.check`."""
        return cast(Checks, _RecordedChecks(super().check, self.tried))


class _RecordedChecks:
    def __init__(self, checks: Checks, tried: list[Tried]) -> None:
        self._checks = checks
        self._tried = tried

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._checks, name)
        return self._recorded(name, found) if callable(found) else found

    def _recorded(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def check(*arguments: Any, **named: Any) -> Any:
            words = [_word(one) for one in arguments]
            words += [f"{key}={_word(value)}" for key, value in named.items()]
            asked = f"{name.replace('_', ' ')}: {', '.join(words)}"
            try:
                answer = function(*arguments, **named)
            except CheckFailed:
                self._write(asked, False)
                raise
            way = f" ({' - '.join(answer.path)})" if isinstance(answer, Explanation) else ""
            self._write(f"{asked}{way}", True)
            return answer

        return check

    def _write(self, text: str, ok: bool) -> None:
        if len(self._tried) < _MOST_TRIED:
            self._tried.append(Tried(text[:_MOST_CHARACTERS], ok))


def _word(value: Any) -> str:
    if isinstance(value, NodeBase):
        return value.name
    if isinstance(value, (list, tuple)):
        return " - ".join(_word(one) for one in value) or "nobody"
    return str(value)

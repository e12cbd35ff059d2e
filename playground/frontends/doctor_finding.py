"""One thing that `playground doctor` looked at."""

from __future__ import annotations

from typing import Literal

from playground.model.records import dataclass

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    ``status`` is "ok", "warn" (some of playground will not work, or badly) or
    "fail" (no lab can start).  ``detail`` says what was found and what that
    means, ``advice`` what to do about it; an "ok" needs none.

    """

    name: str
    status: Status
    detail: str
    advice: str = ""

"""A class of made-up marks, for those who write them."""

from __future__ import annotations

from playground.frontends.grading.outcomes import CheckMark, PartMark, StudentMarks, Tried

PAGE = CheckMark("t.py::page", "h1 reads the page", 2, 2, state="passed", tried=(Tried("serves"),))
LOST = CheckMark(
    "t.py::reach",
    "Both homes are connected",
    3,
    1,
    state="passed",
    feedback="Look at the modem.",
    parts=(PartMark("h1", 1, True), PartMark("h4", 2, False, "h4 has no route")),
)
HIDDEN = CheckMark("t.py::hidden", "A secret", 1, 0, hidden=True, state="failed", said="psst")

EVIL = "=cmd|'/C calc'!A1 <script>alert(1)</script>\x1b[2J\udc80"

CLASS = [
    StudentMarks("anna", (PAGE, LOST, HIDDEN), picture="<svg><text>net</text></svg>"),
    StudentMarks(EVIL, (PAGE,), refusal=EVIL, cheats=(EVIL,), printed=EVIL, warnings=(EVIL,)),
]

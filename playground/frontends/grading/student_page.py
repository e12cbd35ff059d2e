"""The page of one student: points, the network, each check and what it says."""

from __future__ import annotations

from collections.abc import Iterator

from playground.frontends.grading.marks import BROKEN, NOT_TRIED
from playground.frontends.grading.outcomes import CheckMark, StudentMarks
from playground.frontends.grading.page_parts import number, page, picture, text, track


def student_page(title: str, outcome: StudentMarks) -> str:
    """Return the page for a student; of hidden checks it tells the points only."""
    return page(f"{outcome.student}: {title}", "\n".join(_parts(title, outcome)))


def _parts(title: str, outcome: StudentMarks) -> Iterator[str]:
    got, of = number(outcome.got), number(outcome.points)
    yield f"<h1>{text(outcome.student)}</h1><div class=soft>{text(title)}</div>"
    yield f"<p class=points>{got} <small>of {of} points</small></p>"
    yield track(outcome.got / outcome.points if outcome.points else 0.0)
    if outcome.refusal:
        yield f'<div class="note">{text(_sentence(outcome.refusal))}</div>'
    for warning in outcome.warnings:
        yield f'<div class="note hint">{text(warning)}</div>'
    yield "<h2>Checks</h2>"
    for check in outcome.checks:
        if not check.hidden:
            yield _check(check, outcome.refusal)
    hidden = [check for check in outcome.checks if check.hidden]
    if hidden:
        yield _hidden(hidden)
    if outcome.picture:
        yield "<h2>Your network</h2>"
        yield picture(outcome.picture, f"The network of {outcome.student}")
    if outcome.printed:
        yield f"<h2>What your file printed</h2><pre>{text(outcome.printed)}</pre>"


def _sentence(refusal: str) -> str:
    # What begins with the name of a file or of a host keeps it.
    word = refusal.partition(" ")[0]
    return f"{refusal[:1].upper()}{refusal[1:]}" if word in _BEGINNINGS else refusal


_BEGINNINGS = ("it", "its", "this", "the", "there")


def _check(check: CheckMark, refusal: str) -> str:
    points = f"{number(check.got)} of {number(check.points)}"
    head = (
        f"{_sign(check)}<span class=title>{text(check.title)}</span><span class=num>{points}</span>"
    )
    inside = "".join(_inside(check, refusal))
    if not inside:
        return f'<div class="card"><div class="head">{head}</div></div>'
    opened = "" if check.whole else " open"
    return f'<details class="card"{opened}><summary>{head}</summary>{inside}</details>'


def _sign(check: CheckMark) -> str:
    if check.whole:
        return '<span class="sign good">✓</span>'
    if check.got:
        return '<span class="sign part">◐</span>'
    return f'<span class="sign bad">{"·" if check.state == NOT_TRIED else "✗"}</span>'


def _inside(check: CheckMark, refusal: str) -> Iterator[str]:
    if check.feedback and not check.whole:
        yield f'<div class="note hint">{text(check.feedback)}</div>'
    if check.state == BROKEN:
        yield "<p>This check could not be made, and your teacher sees why.</p>"
    elif check.said and check.said != refusal:
        yield f"<pre>{text(check.said)}</pre>"
    for part in check.parts:
        sign = '<span class="good">✓</span>' if part.earned else '<span class="bad">✗</span>'
        points = f"{number(part.points if part.earned else 0)} of {number(part.points)}"
        yield f"<p>{sign} {text(part.title)} <span class=soft>{points}</span></p>"
        if part.said:
            yield f"<pre>{text(part.said)}</pre>"
    if check.tried:
        yield "<p class=soft>What was tried:</p><ul>"
        for one in check.tried:
            sign = '<span class="good">✓</span>' if one.ok else '<span class="bad">✗</span>'
            yield f"<li>{sign} {text(one.text)}</li>"
        yield "</ul>"


def _hidden(checks: list[CheckMark]) -> str:
    got, of = sum(one.got for one in checks), sum(one.points for one in checks)
    words = "A hidden check" if len(checks) == 1 else f"{len(checks)} hidden checks"
    sign = "good" if got >= of else "part" if got else "bad"
    mark = {"good": "✓", "part": "◐", "bad": "✗"}[sign]
    return (
        f'<div class="card"><div class="head"><span class="sign {sign}">{mark}</span>'
        f"<span class=title>{words}</span><span class=num>{number(got)} of {number(of)}</span>"
        "</div></div>"
    )

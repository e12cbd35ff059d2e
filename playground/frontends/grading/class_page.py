"""The teacher's page: how the class did, which checks failed most, each student."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote

from playground.frontends.grading.marks import BROKEN
from playground.frontends.grading.outcomes import CheckMark, StudentMarks
from playground.frontends.grading.page_parts import number, page, text, track
from playground.frontends.grading.spreadsheets import checks_of

_BARS = 10


def class_page(title: str, outcomes: Sequence[StudentMarks], links: Mapping[str, str]) -> str:
    """Return the page of a class; ``links`` are the pages of its students."""
    return page(title, "\n".join(_parts(title, outcomes, links)))


def _parts(title: str, outcomes: Sequence[StudentMarks], links: Mapping[str, str]) -> Iterator[str]:
    yield f"<h1>{text(title)}</h1>"
    yield f"<div class=facts>{''.join(_facts(outcomes))}</div>"
    yield "<h2>How many earned how much</h2>"
    yield _distribution(outcomes)
    yield "<h2>What was lost most</h2>"
    yield _checks_table(outcomes)
    if broken := [*_broken(outcomes)]:
        yield "<h2>Checks that have a mistake themselves</h2>"
        yield from broken
    yield "<h2>Students</h2>"
    yield _students_table(outcomes, links)


def _facts(outcomes: Sequence[StudentMarks]) -> Iterator[str]:
    got = [one.got for one in outcomes]
    most = max((one.points for one in outcomes), default=0)
    facts = {
        "students": str(len(outcomes)),
        f"mean, of {number(most)}": number(statistics.fmean(got)) if got else "-",
        "median": number(statistics.median(got)) if got else "-",
        "with all points": str(sum(one.got >= one.points for one in outcomes)),
        "could not be checked": str(sum(bool(one.refusal) for one in outcomes)),
    }
    if cheats := sum(bool(one.cheats) for one in outcomes):
        facts["look like cheating"] = str(cheats)
    for word, value in facts.items():
        yield f"<div><b>{value}</b><span>{text(word)}</span></div>"


def bins(outcomes: Sequence[StudentMarks]) -> list[int]:
    """Return how many earned up to a tenth of the points, up to two tenths, and so on.

    >>> bins([])
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]

    """
    counts = [0] * _BARS
    for one in outcomes:
        share = one.got / one.points if one.points else 0.0
        counts[min(_BARS - 1, int(share * _BARS))] += 1
    return counts


def _distribution(outcomes: Sequence[StudentMarks]) -> str:
    counts = bins(outcomes)
    most = max(*counts, 1)
    width, height, bar = 640, 150, 52
    drawn = []
    for place, count in enumerate(counts):
        x, tall = 20 + place * 60, round(98 * count / most)
        shown = max(tall, 2)
        kind = "" if count else ' class="zero"'
        drawn.append(
            f'<rect{kind} x="{x}" y="{124 - shown}" width="{bar}" height="{shown}" rx="3"/>'
        )
        if count:
            drawn.append(
                f'<text x="{x + bar / 2:g}" y="{118 - shown}" text-anchor="middle">{count}</text>'
            )
        label = f"{place * 10}-{place * 10 + 10} %"
        drawn.append(f'<text x="{x + bar / 2:g}" y="142" text-anchor="middle">{label}</text>')
    return (
        f'<svg class="bars" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="Students by their share of the points">{"".join(drawn)}</svg>'
    )


def _checks_table(outcomes: Sequence[StudentMarks]) -> str:
    tried = [one for one in outcomes if one.checks]
    rows = []
    for check in checks_of(outcomes).values():
        found = [mark for one in tried for mark in one.checks if mark.id == check.id]
        lost = sum(mark.points - mark.got for mark in found)
        failed = sum(not mark.whole for mark in found)
        rows.append((lost, failed, len(found), check))
    rows.sort(key=lambda row: (-row[1] / max(row[2], 1), -row[0]))
    body = "".join(_check_row(*row) for row in rows)
    return (
        "<table><tr><th>Check</th><th class=num>Failed by</th><th></th>"
        f"<th class=num>Points lost</th></tr>{body}</table>"
    )


def _check_row(lost: float, failed: int, count: int, check: CheckMark) -> str:
    hidden = " <span class=soft>(hidden)</span>" if check.hidden else ""
    share = failed / count if count else 0.0
    return (
        f"<tr><td>{text(check.title)}{hidden}</td><td class=num>{failed} of {count}</td>"
        f"<td>{track(share, 'bad')}</td><td class=num>{number(lost)}</td></tr>"
    )


def _broken(outcomes: Sequence[StudentMarks]) -> Iterator[str]:
    found: dict[str, tuple[CheckMark, str]] = {}
    for one in outcomes:
        for check in one.checks:
            if check.state == BROKEN:
                found.setdefault(check.id, (check, one.student))
    for check, student in found.values():
        yield (
            f'<div class="note">{text(check.title)} (with {text(student)}): '
            f"{text(check.said)}</div>"
        )


def _students_table(outcomes: Sequence[StudentMarks], links: Mapping[str, str]) -> str:
    body = "".join(_student_row(one, links[one.student]) for one in outcomes)
    return (
        "<table><tr><th>Student</th><th class=num>Points</th><th></th><th>Remarks</th></tr>"
        f"{body}</table>"
    )


def _student_row(one: StudentMarks, link: str) -> str:
    share = one.got / one.points if one.points else 0.0
    remarks = [f"<span class=bad>{text(_short(one.refusal))}</span>"] * bool(one.refusal)
    if one.problem:
        remarks.append(f"<details><summary>Where</summary><pre>{text(one.problem)}</pre></details>")
    remarks += [f"<span class=part>{text(cheat)}</span>" for cheat in one.cheats]
    return (
        f'<tr><td><a href="{quote(link)}">{text(one.student)}</a></td>'
        f"<td class=num>{number(one.got)} of {number(one.points)}</td><td>{track(share)}</td>"
        f"<td>{'<br>'.join(remarks)}</td></tr>"
    )


def _short(refusal: str) -> str:
    first = refusal.strip().partition("\n")[0]
    return first if len(first) < 300 else f"{first[:300]} ..."

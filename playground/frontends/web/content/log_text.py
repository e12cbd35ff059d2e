"""The end of a log as it grows: cut where it is long, and what came since the last look."""

from __future__ import annotations

from playground.display.safe_text import visible

# A look asks for so many lines.
LINES = 300

_MOST_CHARACTERS = 64_000
_LONGEST_LINE = 1000


def cut_log(text: str) -> str:
    """Return the end of a log that a page shows: whole lines, none of them endless.

    >>> cut_log("x" * 5000)[-20:]
    'xxxxxxxxxxxxxxxxxx …'

    """
    lines: list[str] = []
    left = _MOST_CHARACTERS
    end = text[-4 * _MOST_CHARACTERS :].replace("\r\n", "\n")
    for line in reversed(end.split("\n")[-LINES - 1 :]):
        shown = visible(line)
        if len(shown) > _LONGEST_LINE:
            shown = f"{shown[:_LONGEST_LINE]} …"
        left -= len(shown) + 1
        if left < 0:
            break
        lines.append(shown)
    return "\n".join(reversed(lines)).rstrip("\n")


def added(before: str, now: str) -> str | None:
    r"""Return the lines that came behind those of ``before``; None where it is another log.

    Of a log whose beginning is cut off as it grows, the end of what was there is looked for.

    >>> added("a\nb", "a\nb\nc")
    'c'
    >>> added("a\nb\nc", "b\nc\nd\ne")
    'd\ne'
    >>> added("a\nb", "x\ny") is None
    True

    """
    old, new = before.split("\n") if before else [], now.split("\n") if now else []
    # The longest beginning of the new that is an end of the old: few begin alike.
    for start in range(len(old)):
        kept = len(old) - start
        if kept <= len(new) and old[start] == new[0] and old[start:] == new[:kept]:
            return "\n".join(new[kept:])
    return None if old else now

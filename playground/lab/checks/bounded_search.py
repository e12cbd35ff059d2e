"""A regular expression, looked for in what a lab's host has said, for no longer than is told.

The text is whatever the host likes it to be, and an expression such as ``(a+)+$`` takes for ever
with some; `re` cannot be interrupted, so that a process of its own looks, which can.

"""

from __future__ import annotations

import json
import subprocess
import sys

# Of a text so much is looked at, from its beginning.
MOST_CHARACTERS = 1 << 16
LIMIT_S = 5.0

_LOOK = """
import json, re, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))  # where nobody is left who would end it
pattern, text = json.load(sys.stdin)
print("found" if re.search(pattern, text) else "none")
"""


def is_found(pattern: str, text: str, limit_s: float = LIMIT_S) -> bool:
    """Tell whether an expression, which is a sound one, is found in a text.

    Raises `TimeoutError` where that is not known after ``limit_s`` seconds.

    >>> is_found("^h", "hi")
    True

    """
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _LOOK],
            input=json.dumps([pattern, text[:MOST_CHARACTERS]]),
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"not known after {limit_s:g} s") from None
    if done.returncode:
        raise TimeoutError(f"not known: {done.stderr.strip().rpartition(chr(10))[2][:200]}")
    return done.stdout.strip() == "found"

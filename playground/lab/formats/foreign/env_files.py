"""Files of environment variables, a line ``NAME=VALUE`` for each."""

from __future__ import annotations

import re
from pathlib import Path

from playground.errors import TopologyError
from playground.lab.formats.foreign.text_files import lines_of
from playground.model.arguments import shown

_LINE = re.compile(
    r"""(?:export\s+)?(?P<name>[A-Za-z_]\w*)\s*=\s*
        (?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^#]*?))\s*(?:\#.*)?""",
    re.VERBOSE | re.ASCII,
)


def read_env_file(path: Path) -> dict[str, str]:
    """Return the variables of a file; raises `TopologyError`, with the line, for what is none."""
    found: dict[str, str] = {}
    for place, line in lines_of(path):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            raise TopologyError(f"{place}: {shown(text)} sets no variable; write NAME=VALUE")
        said = (match[one] for one in ("double", "single", "bare"))
        found[match["name"]] = next(one for one in said if one is not None)
    return found

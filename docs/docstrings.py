"""Docstrings of the package as Markdown, for mkdocstrings (an extension of griffe).

They are plain prose: ``>>>`` begins an example, ``::`` at the end of a line an indented block,
and `Name` between single backticks is something of the package.

"""

from __future__ import annotations

import re
from typing import Any

import griffe

from docs import pages


class PlainDocstrings(griffe.Extension):
    """Rewrites each docstring, once all of the package is read."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Walk through the package and what is in it."""
        self._package = pkg
        self._links = {name: pages.path_of(name) for name in pages.documented()}
        self._walk(pkg)

    def _walk(self, here: griffe.Object) -> None:
        for member in list(here.members.values()):
            if member.is_alias:
                continue
            if member.is_attribute and here.is_class and member.value is not None:
                member = self._as_function(here, member) or member
                here.members[member.name] = member
            if member.is_class and member.docstring is None:
                self._take_from_base(member)
            if member.docstring is not None:
                member.docstring.value = as_markdown(member.docstring.value, self._links)
            if member.is_class or member.is_module:
                self._walk(member)

    def _as_function(self, here: griffe.Class, member: griffe.Attribute) -> griffe.Object | None:
        """Return a method where the class says ``run = commands.run``: it is that function."""
        wrapped = re.fullmatch(r"(?:(property|staticmethod)\()?([\w.]+)\)?", str(member.value))
        if wrapped is None:
            return None
        first, _, rest = wrapped[2].partition(".")
        try:
            # The module's own name, not a member of the class that is called likewise.
            path = here.module.resolve(first).removeprefix(f"{self._package.path}.")
            found = self._package[f"{path}.{rest}" if rest else path]
            found = found.final_target if found.is_alias else found
        except (griffe.NameResolutionError, griffe.AliasResolutionError, KeyError):
            return None
        if not found.is_function:
            return None
        text = found.docstring.value if found.docstring else ""
        lines = {"lineno": member.lineno, "endlineno": member.endlineno, "parent": here}
        if wrapped[1] == "property":
            method = griffe.Attribute(member.name, annotation=found.returns, **lines)
            method.labels.add("property")
        else:
            own = list(found.parameters)[0 if wrapped[1] else 1 :]
            method = griffe.Function(
                member.name, parameters=griffe.Parameters(*own), returns=found.returns, **lines
            )
        method.docstring = griffe.Docstring(text, parent=method)
        return method

    def _take_from_base(self, here: griffe.Class) -> None:
        # ``__doc__ = topology.Host.__doc__`` is nothing that reading alone could follow.
        for base in here.resolved_bases:
            if base.docstring is not None and base.name == here.name:
                here.docstring = griffe.Docstring(base.docstring.value, parent=here)


def as_markdown(text: str, links: dict[str, str]) -> str:
    """Return a docstring with its examples fenced, and with names as links.

    >>> print(as_markdown("Say so::\\n\\n    a\\n\\n>>> b\\nc", {}))
    Say so:
    <BLANKLINE>
        a
    <BLANKLINE>
    ```pycon
    >>> b
    c
    ```

    """
    if "```" in text:  # it has been here already
        return text
    text = re.sub(r"(?m)^>>> .*(?:\n.*\S.*)*", r"```pycon\n\g<0>\n```", text)
    text = re.sub(r"(?m)^::$\n", "", text)
    text = re.sub(r"(?m)(\S)::$", r"\1:", text)
    parts = re.split(r"(?m)(^```pycon\n(?:.*\n)*?```|^    .*$)", text)
    for number in range(0, len(parts), 2):
        parts[number] = re.sub(
            r"(?<!`)`([\w.]+)`(?!`)", lambda m: _link(m[1], links), parts[number]
        )
    return "".join(parts)


def _link(name: str, links: dict[str, str]) -> str:
    return f"[`{name}`][{links[name]}]" if name in links else f"`{name}`"

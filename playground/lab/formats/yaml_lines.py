"""YAML as data, and the line on which each part of it stands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playground.errors import TopologyError

# Where something stands in a document: ("services", "web", "ports", 0).
Place = tuple[str | int, ...]


def read_yaml(path: Path, extra: str) -> tuple[Any, dict[Place, int]]:
    """Return what is in a file, and the line of each part, from 1 on.

    ``extra`` is what installs PyYAML, for who lacks it.  Raises `TopologyError` for what
    cannot be read.

    """
    try:
        import yaml
    except ImportError:
        raise TopologyError(
            f"{path} can be read with PyYAML, which is not installed: pip install "
            f"'network-playground[{extra}]'"
        ) from None
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise TopologyError(f"{path} cannot be read: {reason}") from error
    try:
        node = yaml.compose(text, yaml.SafeLoader)
        return yaml.safe_load(text), dict(_lines(node, ()))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}" if mark is not None else ""
        reason = getattr(error, "problem", None) or type(error).__name__
        raise TopologyError(f"{path}{where}: this is no YAML: {reason}") from error


def _lines(node: Any, place: Place, seen: frozenset[int] = frozenset()) -> Iterator[Any]:
    import yaml

    if node is None or id(node) in seen:  # an anchor within itself
        return
    yield place, node.start_mark.line + 1
    seen |= {id(node)}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*place, str(key.value))
            yield from _lines(value, inner, seen)
            # The key's own line is what a reader looks for, where the value begins below it.
            yield inner, key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _lines(value, (*place, number), seen)

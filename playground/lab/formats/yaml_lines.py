"""YAML as data, and the line on which each part of it stands."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from playground.errors import TopologyError
from playground.lab.files.bounded_files import read_bounded
from playground.model.arguments import shown

# Where something stands in a document: ("services", "web", "ports", 0).
Place = tuple[str | int, ...]

# A file of a hundred services has some 5,000.
_MOST_PARTS = 100_000
_MOST_BYTES = 4 << 20
_MOST_DIGITS = 100


class YamlFile(NamedTuple):
    """What is in a file, the line of each part, from 1 on, and the tags of parts that have one."""

    data: Any
    lines: dict[Place, int]
    tags: dict[Place, str]


def read_yaml(path: Path, extra: str, tags: Collection[str] = ()) -> YamlFile:
    """Return what is in a file.

    ``extra`` is what installs PyYAML, for who lacks it.  ``tags`` are those of its own that the
    format has ("!reset"); a part that has one is read as if it had none.  Raises `TopologyError`
    for what cannot be read, and for more than 100,000 parts with all aliases written out.

    """
    try:
        import yaml
    except ImportError:
        raise TopologyError(
            f"{path} can be read with PyYAML, which is not installed: pip install "
            f"'network-playground[{extra}]'"
        ) from None
    try:
        text = read_bounded(path, _MOST_BYTES).decode("utf-8")
    except UnicodeDecodeError as error:
        raise TopologyError(f"{path} cannot be read: it is no text in UTF-8") from error
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        _refuse_circle(path, node, (), set())
        _refuse_bomb(path, node)
        _refuse_twice(path, node)
        lines, found = dict(_lines(node, ())), _take_tags(loader, node, tags)
        data = loader.construct_document(node) if node is not None else None
        return YamlFile(data, lines, found)
    except TopologyError:  # a ValueError too
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}" if mark is not None else ""
        reason = getattr(error, "problem", None) or type(error).__name__
        raise TopologyError(f"{path}{where}: this is no YAML: {reason}") from error


def _refuse_circle(path: Path, node: Any, around: tuple[int, ...], known: set[int]) -> None:
    """Raise `TopologyError` for an alias within what it stands for, and for a number too long.

    ``known`` are the parts that have been looked at: each is once, however many aliases it has.

    """
    if node is None or (id(node) in known and id(node) not in around):
        return
    known.add(id(node))
    where = f"{path}:{node.start_mark.line + 1}"
    if id(node) in around:
        raise TopologyError(f"{where}: an alias (*name) stands within itself")
    if isinstance(node.value, str):
        if str(node.tag).endswith(":int") and len(node.value) > _MOST_DIGITS:
            raise TopologyError(
                f"{where}: a number of {len(node.value):,} digits is none that anybody needs"
            )
        return
    for item in node.value:
        for part in item if isinstance(item, tuple) else (item,):
            _refuse_circle(path, part, (*around, id(node)), known)


def _refuse_bomb(path: Path, node: Any) -> None:
    """Raise `TopologyError` where aliases of aliases would make a file endless.

    Each alias is read as what its anchor stands for: nine in each of nine lines are 9^9 parts.

    """
    for part, size in _sizes(node, {}):
        if size > _MOST_PARTS:
            raise TopologyError(
                f"{path}:{part.start_mark.line + 1}: what begins here has more than "
                f"{_MOST_PARTS:,} parts with all its aliases (*name) written out; write fewer "
                "aliases of what has aliases itself"
            )


def _refuse_twice(path: Path, node: Any) -> None:
    """Raise `TopologyError` for a key that a mapping has twice: YAML 1.2.2, section 3.2.1.1."""
    import yaml

    for part, _ in _sizes(node, {}):
        lines: dict[tuple[str, str], int] = {}
        for key, _ in part.value if isinstance(part, yaml.MappingNode) else ():
            if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
                continue
            line, same = key.start_mark.line + 1, (key.tag, key.value)
            if same in lines:
                raise TopologyError(
                    f"{path}:{line}: the key {shown(key.value)} is there twice, first on line "
                    f"{lines[same]}; leave one out"
                )
            lines[same] = line


def _sizes(node: Any, known: dict[int, int]) -> Iterator[tuple[Any, int]]:
    """Yield each part of a document once, inner ones first, and of how many parts it is made."""
    if node is None or id(node) in known:
        return
    known[id(node)] = 1  # what an anchor within itself counts
    value = node.value if isinstance(node.value, list) else ()
    inner = [part for item in value for part in (item if isinstance(item, tuple) else (item,))]
    for part in inner:
        yield from _sizes(part, known)
    known[id(node)] = 1 + sum(known[id(part)] for part in inner)
    yield node, known[id(node)]


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


def _take_tags(loader: Any, node: Any, tags: Collection[str]) -> dict[Place, str]:
    """Return the parts that have one of these tags, which are read as if they had none."""
    found = [(place, part) for place, part in _parts(node, ()) if part.tag in tags]
    taken = {place: str(part.tag) for place, part in found}
    for _, part in found:
        is_text = getattr(part, "style", None) in ("'", '"')
        value = part.value if isinstance(part.value, str) else None
        part.tag = loader.resolve(type(part), value, (not is_text, is_text))
    return taken


def _parts(node: Any, place: Place, around: frozenset[int] = frozenset()) -> Iterator[Any]:
    """Yield each part of a document with its place; what "<<" merges stands where it comes to."""
    import yaml

    if node is None or id(node) in around:
        return
    yield place, node
    around |= {id(node)}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = place if key.value == "<<" else (*place, str(key.value))
            yield from _parts(value, inner, around)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _parts(value, (*place, number), around)

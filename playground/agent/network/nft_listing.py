"""All rules that nftables has in a node, as data: read from nft's JSON, libnftables-json(5).

Words are there to be shown only: nft writes each rule down a second time as it is typed,
and the two are joined by the rule's handle.

"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from playground.agent.network.nft_rulesets import ended_nft, start_nft
from playground.agent.protocol import Request

Listing = tuple[tuple[int, int], tuple[int, int]]

# The counts of named counters and quotas, which change by themselves.
_VOLATILE = ("packets", "bytes", "used")
_NAMES = ("family", "table", "name", "handle", "elem", "comment", *_VOLATILE)


def start_listing() -> Listing:
    """Have nft list all rules of the present network namespace, without what they counted."""
    # Without elements of sets, which may come and go by themselves: the JSON says which.
    return start_nft(["-s", "-j", "-a", "list", "ruleset"]), start_nft(
        ["-s", "-t", "-a", "list", "ruleset"]
    )


def ended_listing(listing: Listing) -> list[Request]:
    """Wait for both; return the rules, none where nft cannot list them."""
    (status, said), (_, words) = (ended_nft(*started) for started in listing)
    return list(rows(json.loads(said)["nftables"], words)) if status == 0 else []


def rows(objects: list[dict[str, Any]], words: str) -> Iterator[Request]:
    """Yield rules, chains and sets in their order, each with its text as nft writes it."""
    texts = _texts(words)
    hooks: dict[tuple[str, str, str], str] = {}
    for [(kind, found)] in (one.items() for one in objects):
        if kind in ("metainfo", "table"):
            continue
        family, table = found["family"], found["table"]
        chain = found["chain"] if kind == "rule" else found["name"]
        row = {"family": family, "table": table, "chain": chain}
        if kind == "rule":
            expressions = found.get("expr", [])
            yield row | {
                "handle": found["handle"],
                "comment": found.get("comment", ""),
                "hook": hooks.get((family, table, chain), ""),
                "statements": [_statement(one) for one in expressions],
                "text": texts.get((family, table, found["handle"])) or json.dumps(expressions),
            }
            continue
        row |= {"handle": None, "comment": "", "hook": "", "statements": []}
        if kind != "chain":
            for text in _properties(found):
                yield row | {"text": text}
        elif "hook" in found:
            hooks[family, table, chain] = row["hook"] = found["hook"]
            text = f"type {found['type']} hook {found['hook']} priority {found['prio']};"
            yield row | {"text": f"{text} policy {found.get('policy', 'accept')};"}


def _texts(words: str) -> dict[tuple[str, str, int], str]:
    """Return the rules of a listing by family, table and handle, which nft puts last."""
    family = table = ""
    found = {}
    for line in words.splitlines():
        text, _, handle = line.strip().rpartition(" # handle ")
        if text.startswith("table ") and text.endswith(" {"):
            _, family, table, _ = text.split(" ")
        elif text and not text.endswith(" {") and handle.isdigit():
            found[family, table, int(handle)] = text
    return found


def _statement(expression: dict[str, Any]) -> str:
    """Return what a part of a rule is: "match", "counter", "drop", "snat" and so on."""
    [(name, value)] = expression.items()
    # A target of iptables, whose names are those of nft in capitals.
    if name == "xt" and isinstance(value, dict) and value.get("type") == "target":
        return str(value.get("name", name)).lower()
    return name


def _properties(found: dict[str, Any]) -> Iterator[str]:
    """Yield what a set, map or other object is, without what comes and goes by itself."""
    for name, value in found.items():
        if name not in _NAMES:
            yield f"{name} {_value(value)}"
    elements = [one for one in found.get("elem", []) if not _expires(one)]
    if elements:
        yield f"elements = {{ {', '.join(map(_element, elements))} }}"


def _expires(element: Any) -> bool:
    key = element[0] if isinstance(element, list) else element
    return isinstance(key, dict) and "expires" in key.get("elem", {})


def _element(element: Any) -> str:
    return " : ".join(map(_value, element)) if isinstance(element, list) else _value(element)


def _value(value: Any) -> str:
    match value:
        case {"elem": {"val": inner}}:
            return _value(inner)
        case {"concat": list(parts)}:
            return " . ".join(map(_value, parts))
        case {"range": [low, high]}:
            return f"{low}-{high}"
        case {"prefix": {"addr": address, "len": length}}:
            return f"{address}/{length}"
        case list():
            return ",".join(map(_value, value))
        case str() | int():
            return str(value)
    return json.dumps(value)

"""Policies in FRR's words: prefix lists, community lists, lists of AS paths, route maps.

Each daemon reads its own: a `PolicyTexts` gathers what one of them needs, for one version of IP.

"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from playground.errors import TopologyError
from playground.model.routing.policy import Clause, Permit, PrefixList, RouteMap

# What only bgpd has words for.
_OF_BGP = (
    "community",
    "as_path",
    "set_local_preference",
    "prepend",
    "set_community",
    "add_community",
    "set_weight",
)


Policy = TypeVar("Policy", PrefixList, RouteMap)


class PolicyTexts:
    """The policies of one daemon for one version of IP, each under its name once.

    ``as_number`` is what ``prepend`` puts into paths, None for a daemon that is not BGP's.
    ``beside`` is what the same daemon is told for the other version.

    """

    def __init__(
        self,
        router: str,
        version: int,
        as_number: int | None = None,
        beside: PolicyTexts | None = None,
    ) -> None:
        self._router = router
        self._version = version
        self._as_number = as_number
        # Route maps of both families share their names; lists do not.
        self._lists: dict[str, PrefixList] = {}
        self._maps: dict[str, RouteMap] = {} if beside is None else beside._maps
        self.lines: list[str] = []

    def prefix_list(self, policy: PrefixList) -> str:
        """Return what FRR calls a list, once it is among the lines."""
        if self._is_new(self._lists, policy.name, policy):
            self.lines += self._prefixes(policy.name, policy)
        return policy.name

    def route_map(self, policy: RouteMap) -> str:
        """Return what FRR calls a route map, once it is among the lines."""
        name = policy.name if self._version == 4 else f"{policy.name}-ipv6"
        if self._is_new(self._maps, name, policy):
            for number, clause in enumerate(policy.clauses, 1):
                self.lines += self._clause(name, 10 * number, clause)
        return name

    def _is_new(self, policies: dict[str, Policy], name: str, policy: Policy) -> bool:
        known = policies.get(name)
        if known is None:
            policies[name] = policy
        elif known != policy:
            raise TopologyError(
                f"router {self._router} is given two policies of one name, {name!r}: "
                f"{known!r} and {policy!r}; give one of them another name"
            )
        return known is None

    def _prefixes(self, name: str, policy: PrefixList) -> Iterator[str]:
        words = "ip" if self._version == 4 else "ipv6"
        own = [rule for rule in policy.rules if rule.network.version == self._version]
        for number, rule in enumerate(own, 1):
            kind = "permit" if rule.permit else "deny"
            text = str(rule).removeprefix("deny ")
            yield f"{words} prefix-list {name} seq {5 * number} {kind} {text}"
        if not own:  # a list that is not there would let everything pass
            yield f"{words} prefix-list {name} seq 5 deny any"

    def _clause(self, name: str, number: int, clause: Clause) -> Iterator[str]:
        self._refuse_words_of_bgp(name, clause)
        own = f"{name}-{number}"
        if (prefixes := clause.prefix_list) is not None:
            if not prefixes.name:
                prefixes = PrefixList(own, *map(str, prefixes.rules))
            if self._is_new(self._lists, prefixes.name, prefixes):
                yield from self._prefixes(prefixes.name, prefixes)
        for place, community in enumerate(clause.community, 1):
            yield f"bgp community-list standard {own} seq {5 * place} permit {community}"
        if clause.as_path is not None:
            yield f"bgp as-path access-list {own} seq 5 permit {clause.as_path}"
        yield f"route-map {name} {'permit' if clause.permit else 'deny'} {number}"
        if prefixes is not None:
            family = "ip" if self._version == 4 else "ipv6"
            yield f" match {family} address prefix-list {prefixes.name}"
        if clause.community:
            yield f" match community {own}"
        if clause.as_path is not None:
            yield f" match as-path {own}"
        if clause.tag is not None:
            yield f" match tag {clause.tag}"
        if isinstance(clause, Permit):
            yield from self._changes(clause)
        yield "exit"

    def _changes(self, clause: Permit) -> Iterator[str]:
        for words, value in (
            ("local-preference", clause.set_local_preference),
            ("metric", clause.set_metric),
            ("weight", clause.set_weight),
            ("tag", clause.set_tag),
            ("metric-type type-", clause.set_metric_type),
        ):
            if value is not None:
                yield f" set {words}{'' if words.endswith('-') else ' '}{value}"
        if clause.prepend:
            yield f" set as-path prepend {' '.join([str(self._as_number)] * clause.prepend)}"
        if clause.set_community:
            yield f" set community {' '.join(clause.set_community)}"
        if clause.add_community:
            yield f" set community {' '.join(clause.add_community)} additive"

    def _refuse_words_of_bgp(self, name: str, clause: Clause) -> None:
        if self._as_number is not None:
            return
        for word in _OF_BGP:
            if getattr(clause, word, None) not in (None, (), 0):
                raise TopologyError(
                    f"router {self._router}: the route map {name!r} has {word}=, which only routes "
                    f"of BGP have; leave it out"
                )

"""Policies as data: lists of prefixes, and route maps that choose and change routes.

A policy is declared once and applied where a router tells or hears of routes: to a peer of BGP
(`Router.bgp_peer`), to a border between areas of OSPF (`Router.ospf_area`), to what one
protocol tells of another (``redistribute=``).

"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import ClassVar

from playground.errors import TopologyError
from playground.model.addresses import Network, network_from
from playground.model.arguments import is_list, shown
from playground.model.records import dataclass
from playground.model.routing.sessions import check_whole

# The words of a list of prefixes, as in "deny 10.0.0.0/8 ge 16 le 24".
_RULE = re.compile(
    r"(?:(?P<kind>permit|deny) +)?(?P<network>\S+)(?: +ge +(?P<ge>\d+))?(?: +le +(?P<le>\d+))?"
)
# A name is one word of a line of FRR, and no number, which would be another kind of list.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,59}")
_MOST_RULES = 1000

# RFC 1997 and, of the last two, RFC 8326 and RFC 7999, as FRR calls them.
WELL_KNOWN_COMMUNITIES = {
    "no-export": (65535, 65281),
    "no-advertise": (65535, 65282),
    "local-AS": (65535, 65283),
    "graceful-shutdown": (65535, 0),
    "blackhole": (65535, 666),
}
_COMMUNITY = re.compile(r"(\d{1,5}):(\d{1,5})")
# What FRR takes for a regular expression of AS paths: digits, and signs of POSIX 1003.2.
_AS_PATH = re.compile(r"[0-9_^$.*+?()\[\]|{},: -]{1,200}")


@dataclass(frozen=True)
class PrefixRule:
    """One line of a list of prefixes: ``network`` itself, or what lies in it.

    With ``ge`` and ``le`` it fits prefixes in the network whose lengths are from the first to
    the second; without both, the network alone.

    """

    network: Network
    permit: bool = True
    ge: int | None = None
    le: int | None = None

    def fits(self, network: Network) -> bool:
        """Whether it says something of a network."""
        if not covers(self.network, network):
            return False
        if self.ge is None and self.le is None:
            return network.prefixlen == self.network.prefixlen
        least = self.network.prefixlen if self.ge is None else self.ge
        most = self.network.max_prefixlen if self.le is None else self.le
        return least <= network.prefixlen <= most

    def __str__(self) -> str:
        words = [str(self.network)]
        words += [] if self.ge is None else [f"ge {self.ge}"]
        words += [] if self.le is None else [f"le {self.le}"]
        return " ".join(words if self.permit else ["deny", *words])


@dataclass(frozen=True)
class PrefixList:
    """Prefixes that pass, and prefixes that do not: the first line that fits decides.

    Each line is a prefix, "10.1.0.0/16", which fits itself alone, or one with lengths:
    "10.1.0.0/16 le 24" fits it and all in it down to /24, "0.0.0.0/0 ge 25" all that is longer
    than /24.  "deny 10.1.9.0/24" lets what it fits not pass; what no line fits does not either.
    Lines of IPv4 and IPv6 may stand in one list: each family of routes meets its own.

    The name is what FRR calls it (`vtysh("show ip prefix-list")`).  Raises `TopologyError` for a
    line that is none.

    >>> PrefixList("customers", "deny 10.1.9.0/24", "10.1.0.0/16 le 24")
    PrefixList('customers', 'deny 10.1.9.0/24', '10.1.0.0/16 le 24')

    """

    # https://docs.frrouting.org/en/stable-10.3/filter.html, "IP Prefix List"

    name: str
    rules: tuple[PrefixRule, ...]

    def __init__(self, name: str, *lines: str) -> None:
        here = f"PrefixList({shown(name)}, ...)"
        object.__setattr__(self, "name", check_policy_name(here, name))
        if not lines or len(lines) > _MOST_RULES:
            raise TopologyError(
                f"{here} has {len(lines)} lines; give it one to {_MOST_RULES:,}, such as "
                f'"10.1.0.0/16 le 24"'
            )
        object.__setattr__(self, "rules", tuple(_rule(here, line) for line in lines))

    def passes(self, network: Network) -> bool:
        """Whether a network passes.

        >>> from ipaddress import ip_network
        >>> PrefixList("some", "10.1.0.0/16 le 24").passes(ip_network("10.1.2.0/24"))
        True

        """
        return next((rule.permit for rule in self.rules if rule.fits(network)), False)

    def __repr__(self) -> str:
        return f"PrefixList({', '.join(map(repr, [self.name, *map(str, self.rules)]))})"


@dataclass(frozen=True)
class Clause:
    """One clause of a route map; it fits a route that all that is said of it fits."""

    prefixes: PrefixList | Sequence[str] | str | None = None
    community: Sequence[str] | str = ()
    as_path: str | None = None
    tag: int | None = None

    permit: ClassVar[bool] = True

    def __post_init__(self) -> None:
        here = f"{type(self).__name__}(...)"
        communities = check_communities(here, "community", self.community)
        object.__setattr__(self, "community", communities)
        if isinstance(self.prefixes, str) or is_list(self.prefixes):
            lines = [self.prefixes] if isinstance(self.prefixes, str) else self.prefixes
            # Its name comes from the route map that it is in.
            object.__setattr__(self, "prefixes", _without_name(PrefixList("unnamed", *lines)))
        elif not (self.prefixes is None or isinstance(self.prefixes, PrefixList)):
            raise TopologyError(
                f"{here}: prefixes={shown(self.prefixes)} is no PrefixList, and no prefix such as "
                f'"10.1.0.0/16 le 24"'
            )
        if self.as_path is not None:
            _check_as_path(here, self.as_path)
        check_whole(here, "tag", self.tag, 1, 2**32 - 1)

    @property
    def prefix_list(self) -> PrefixList | None:
        """The list that the prefix of a route must pass."""
        assert self.prefixes is None or isinstance(self.prefixes, PrefixList)
        return self.prefixes

    def __repr__(self) -> str:
        said = [
            f"{name}={_said(value)}"
            for name, value in vars(self).items()
            if value not in (None, (), 0)
        ]
        return f"{type(self).__name__}({', '.join(said)})"


@dataclass(frozen=True, repr=False)
class Permit(Clause):
    """A clause of a route map that lets routes pass, and changes them on their way.

    It fits a route that all of these fit; a clause of which nothing is said fits every route.

    * ``prefixes``: lines as those of `PrefixList`, or such a list.
    * ``community``: it carries one of these, "65001:100" or "no-export" (RFC 1997).
    * ``as_path``: its path fits a regular expression in FRR's words: "^65002_" begins
      with that AS, "_65002$" ends there, "^$" is a route of this AS itself.
    * ``tag``: the number that OSPF or RIP carries with it.

    What passes is changed: ``set_local_preference`` (of several ways to a prefix, the AS takes
    the one with the highest, 100 where nothing is said; it is told inside the AS only),
    ``set_metric`` (the MED that BGP tells a neighbouring AS of, of which the lowest is taken;
    the cost of what OSPF tells, the hops of what RIP tells), ``prepend`` (this AS's number, so
    many times more in the path, which looks longer), ``set_community`` (these and no others),
    ``add_community`` (these too), ``set_weight`` (as the local preference, for this router
    alone), ``set_tag``, and ``set_metric_type`` (1 or 2: whether OSPF adds its own cost).

    Raises `TopologyError` for what is none of these.

    >>> Permit(prefixes="10.1.0.0/16 le 24", set_local_preference=200)
    Permit(prefixes='10.1.0.0/16 le 24', set_local_preference=200)

    """

    # RFC 4271 section 5.1 has these attributes, RFC 1997 communities.

    set_local_preference: int | None = None
    set_metric: int | None = None
    prepend: int = 0
    set_community: Sequence[str] | str = ()
    add_community: Sequence[str] | str = ()
    set_weight: int | None = None
    set_tag: int | None = None
    set_metric_type: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        here = "Permit(...)"
        for name in ("set_local_preference", "set_metric"):
            check_whole(here, name, getattr(self, name), 0, 2**32 - 1)
        check_whole(here, "prepend", self.prepend, 0, 20)
        check_whole(here, "set_weight", self.set_weight, 0, 65535)
        check_whole(here, "set_tag", self.set_tag, 1, 2**32 - 1)
        check_whole(here, "set_metric_type", self.set_metric_type, 1, 2)
        for name in ("set_community", "add_community"):
            object.__setattr__(self, name, check_communities(here, name, getattr(self, name)))
        if self.set_community and self.add_community:
            raise TopologyError(
                f"{here}: set_community= replaces all that a route carries, and add_community= "
                f"adds to it; leave one of the two out"
            )


@dataclass(frozen=True, repr=False)
class Deny(Clause):
    """A clause of a route map that lets no route pass that it fits; it fits as `Permit` does.

    >>> Deny(community="no-export")
    Deny(community='no-export')

    """

    permit: ClassVar[bool] = False


@dataclass(frozen=True)
class RouteMap:
    """A policy: clauses, of which the first that fits a route decides what becomes of it.

    A route that no clause fits does not pass; end with ``Permit()`` where it shall.  The
    name is what FRR calls it (`vtysh("show route-map")`).

    >>> RouteMap("to-peer", Deny(prefixes="10.1.9.0/24"), Permit(community="65001:1"))
    RouteMap('to-peer', Deny(prefixes='10.1.9.0/24'), Permit(community='65001:1'))

    """

    # https://docs.frrouting.org/en/stable-10.3/routemap.html

    name: str
    clauses: tuple[Clause, ...]

    def __init__(self, name: str, *clauses: Clause) -> None:
        here = f"RouteMap({shown(name)}, ...)"
        object.__setattr__(self, "name", check_policy_name(here, name))
        wrong = [one for one in clauses if not isinstance(one, (Permit, Deny))]
        if wrong or not clauses or len(clauses) > _MOST_RULES:
            what = shown(wrong[0]) if wrong else f"{len(clauses)} of them"
            raise TopologyError(
                f"{here} is made of Permit(...) and Deny(...), one to {_MOST_RULES:,}, not of "
                f"{what}; for example RouteMap({shown(name)}, "
                f'Permit(prefixes="10.1.0.0/16 le 24"))'
            )
        object.__setattr__(self, "clauses", tuple(clauses))

    def passes(self, network: Network) -> bool:
        """Whether a route that has nothing but its prefix passes, as one of the kernel's."""
        for clause in self.clauses:
            fits = clause.prefix_list is None or clause.prefix_list.passes(network)
            if fits and not (clause.community or clause.as_path is not None or clause.tag):
                return clause.permit
        return False

    def __repr__(self) -> str:
        return f"RouteMap({', '.join(map(repr, [self.name, *self.clauses]))})"


RoutePolicy = PrefixList | RouteMap


def covers(outer: Network, inner: Network) -> bool:
    """Whether a network is another, or contains it; of two families none does."""
    if isinstance(outer, IPv4Network):
        return isinstance(inner, IPv4Network) and inner.subnet_of(outer)
    return isinstance(inner, IPv6Network) and inner.subnet_of(outer)


def check_policy(here: str, name: str, value: object) -> RoutePolicy | None:
    """Return a policy as it was given; None for none."""
    if value is None or isinstance(value, (PrefixList, RouteMap)):
        return value
    raise TopologyError(
        f"{here}: {name}={shown(value)} is no policy; give a PrefixList or a RouteMap, such as "
        f'PrefixList("some", "10.1.0.0/16 le 24")'
    )


def as_route_map(policy: RoutePolicy) -> RouteMap:
    """Return a policy as a route map: of a list, one that lets pass what the list does."""
    if isinstance(policy, RouteMap):
        return policy
    return RouteMap(policy.name, Permit(prefixes=policy))


def check_policy_name(here: str, name: object) -> str:
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise TopologyError(
        f"{here}: a policy's name is a word of letters, digits, dots, hyphens and underscores that "
        f'begins with a letter, such as "to-peer"'
    )


def check_communities(here: str, name: str, value: object) -> tuple[str, ...]:
    """Return communities as FRR writes them; they are one, or several in a list."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, Iterable) or (given and not is_list(given)):
        given = [value]
    return tuple(dict.fromkeys(_community(here, name, item) for item in given))


def _community(here: str, name: str, item: object) -> str:
    known = {word.lower(): word for word in WELL_KNOWN_COMMUNITIES}
    if isinstance(item, str):
        if item.lower() in known:
            return known[item.lower()]
        if (match := _COMMUNITY.fullmatch(item)) and max(map(int, match.groups())) <= 65535:
            high, low = map(int, match.groups())
            by_number = {numbers: word for word, numbers in WELL_KNOWN_COMMUNITIES.items()}
            return by_number.get((high, low), f"{high}:{low}")
    raise TopologyError(
        f"{here}: {name}={shown(item)} is no community; write two numbers up to 65535, as in "
        f'"65001:100", or {", ".join(map(repr, WELL_KNOWN_COMMUNITIES))} (RFC 1997)'
    )


def _check_as_path(here: str, value: object) -> None:
    try:
        if not isinstance(value, str) or not _AS_PATH.fullmatch(value) or value != value.strip():
            raise ValueError
        # FRR reads POSIX's extended expressions, of which these signs mean the same here.
        re.compile(as_python_pattern(value))
    except (ValueError, re.error):
        raise TopologyError(
            f"{here}: as_path={shown(value)} is no regular expression of AS numbers; for example "
            f'"^65002_" is a path that begins with that AS, "^$" an empty one'
        ) from None


def as_python_pattern(as_path: str) -> str:
    """Return FRR's regular expression of an AS path as one of `re`.

    >>> bool(re.search(as_python_pattern("_65002$"), "65001 65002"))
    True

    """
    # lib/../bgpd/bgp_regex.c: an underscore is a space, a comma, a bracket, or either end.
    return as_path.replace("_", "(?:^|[ ,{}()]|$)")


def _rule(here: str, line: object) -> PrefixRule:
    match = _RULE.fullmatch(" ".join(line.split())) if isinstance(line, str) else None
    try:
        if match is None:
            raise ValueError
        network = network_from(match["network"])
    except ValueError:
        raise TopologyError(
            f"{here}: {shown(line)} is no line of prefixes; write a prefix, as in "
            f'"10.1.0.0/16", perhaps with lengths, as in "deny 10.1.0.0/16 ge 20 le 24"'
        ) from None
    ge, le = (None if match[word] is None else int(match[word]) for word in ("ge", "le"))
    least, most = network.prefixlen, network.max_prefixlen
    bounds = [least, *(one for one in (ge, le) if one is not None), most]
    if bounds != sorted(bounds):
        raise TopologyError(
            f"{here}: {shown(line)} fits nothing: lengths go from that of the prefix, {least}, "
            f"by ge and le up to {most}"
        )
    # FRR takes a length only where it says more than the prefix does.
    if ge == least:
        ge, le = None, most if le is None else le
    if le == least:
        le = None
    return PrefixRule(network, match["kind"] != "deny", ge, le)


def _without_name(prefixes: PrefixList) -> PrefixList:
    """Return a list whose name is "", which no user can choose."""
    object.__setattr__(prefixes, "name", "")
    return prefixes


def _said(value: object) -> str:
    if isinstance(value, PrefixList) and not value.name:
        value = tuple(map(str, value.rules))
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    return repr(list(value)) if isinstance(value, tuple) else repr(value)

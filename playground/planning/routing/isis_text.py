"""IS-IS in FRR's words: what isisd reads when it starts.  Pure."""

# https://docs.frrouting.org/en/stable-10.3/isisd.html

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from playground.model.routing.isis import IsisLink, IsisOptions
from playground.planning.routing.frr_text import Redistribution, bfd_profile
from playground.planning.routing.policy_text import PolicyTexts

_LEVELS = {"1": "level-1", "2": "level-2-only", "1-2": "level-1-2"}


class IsisPort(NamedTuple):
    """An interface that IS-IS knows, for one version of IP; see `OspfPort`."""

    interface: str
    level: str
    metric: int
    passive: bool
    point_to_point: bool
    local: bool = False
    said: IsisLink = IsisLink()


class IsisFamily(NamedTuple):
    """IS-IS's settings for one version of IP.

    With ``default`` it tells the others of a default route; ``redistribute`` names whose
    other routes it tells them of.

    """

    version: int
    ports: Sequence[IsisPort]
    default: bool = False
    redistribute: tuple[Redistribution, ...] = ()


def isis_settings(
    title: str,
    options: IsisOptions,
    families: Sequence[IsisFamily],
    password: str | None = None,
    router: str = "",
) -> str:
    """Return isisd's settings; ``title`` is the router's address in IS-IS, its NET.

    Greetings each second are the fastest that isisd knows.

    >>> family = IsisFamily(4, [IsisPort("eth0", "2", 10, passive=False, point_to_point=True)])
    >>> print(isis_settings("49.0001.0100.0000.1001.00", IsisOptions(), [family]))
    router isis lab
     is-type level-2-only
    ...

    """
    lines = [
        "router isis lab",
        # Before the NET: isisd tells of nothing for 30 s where it follows (FRR 10.3).
        f" is-type {_LEVELS[options.level]}",
        " lsp-gen-interval 1",
        " spf-interval 1",
        f" net {title}",
        " metric-style wide",
        " log-adjacency-changes",
        # RFC 5120: the ways of IPv6 lead over links that have IPv6, though others be shorter.
        *([" topology ipv6-unicast"] if any(one.version == 6 for one in families) else []),
        *([" set-overload-bit"] if options.overload else []),
    ]
    if password is not None:
        lines += [
            f" {word} md5 {password} authenticate snp validate"
            for number, word in (("1", "area-password"), ("2", "domain-password"))
            if number in options.level
        ]
    policies = PolicyTexts(router, 4)
    before: list[str] = []
    for family in families:
        texts = PolicyTexts(router, family.version, beside=policies)
        lines += _told(family, options, texts)
        before += texts.lines
    ports: dict[str, tuple[IsisPort, list[str]]] = {}
    for family in families:
        word = "ip" if family.version == 4 else "ipv6"
        for port in family.ports:
            said = ports.setdefault(port.interface, (port, []))[1]
            said.append(f" {word} router isis lab")
    for port, said in ports.values():
        lines += [f"interface {port.interface}", *said, *_interface(port)]
    return "\n".join([*before, *lines]) + "\n"


def _told(family: IsisFamily, options: IsisOptions, policies: PolicyTexts) -> Iterator[str]:
    word = f"ipv{family.version}"
    for level in options.level.split("-"):
        for other in family.redistribute:
            policy = f" route-map {policies.route_map(other.policy)}" if other.policy else ""
            yield f" redistribute {word} {other.source} level-{level}{policy}"
        if family.default:
            yield f" default-information originate {word} level-{level} always"


def _interface(port: IsisPort) -> Iterable[str]:
    said = port.said
    yield f" isis circuit-type {_LEVELS[port.level]}"
    yield f" isis metric {port.metric}"
    if port.local:
        yield " isis passive"
        return
    yield f" isis hello-interval {said.hello_s or 1}"
    yield f" isis hello-multiplier {said.hello_multiplier or 3}"
    yield " isis csnp-interval 1"
    yield " isis psnp-interval 1"
    # Where there are but two, nobody waits for the choice of a designated system.
    if (said.network or ("point-to-point" if port.point_to_point else "")) == "point-to-point":
        yield " isis network point-to-point"
    if port.passive:
        yield " isis passive"
    if said.priority is not None:
        yield f" isis priority {said.priority}"
    if said.password is not None:
        yield f" isis password md5 {said.password}"
    if said.bfd_ms is not None:
        yield " isis bfd"
        yield f" isis bfd profile {bfd_profile(said.bfd_ms)}"

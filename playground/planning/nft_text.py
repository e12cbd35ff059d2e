"""A node's rules as nft(8) commands: one ruleset, loaded in one step.

The last thing done to rules, which are data until then: what goes in are the shapes
of a plan, and what comes out is read by ``nft -f -``.  Loading a ruleset replaces
what an earlier one of ours did in that node, and touches no other table.  The
comment of a rule is its number, or says in a word why it is there: by it the
kernel's counts find back to what was declared.

"""

from __future__ import annotations

import shlex
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from playground.model.addresses import Network
from playground.model.firewall import PROTOCOLS_WITH_PORTS
from playground.model.records import dataclass
from playground.planning.here_documents import here_document
from playground.planning.plan_parts import (
    ForwardPlan,
    NatPlan,
    PortRange,
    RulePlan,
    RulesetPlan,
)

TABLE = "playground"

# This takes all our rules away: the table is declared first, so that there is one to delete.
NO_RULES = f"table inet {TABLE}\ndelete table inet {TABLE}\n"
# Marks, within the router only, the first packet of a connection from inside
# to a forwarded port, from one netfilter hook to the next.
HAIRPIN_MARK = "0x70670001"
# Where logged packets go, nfnetlink_log's group (the kernel's own log is the machine's).
LOG_GROUP = 7067
CHAINS = ("input", "forward", "output")
# IANA's ports for FTP's control connection, to which a data connection is "related",
# and for TFTP, whose server answers from a port of its own (RFC 1350 section 4).
HELPERS = {"ftp": ("tcp", 21), "tftp": ("udp", 69)}
# RFC 4787 REQ-5 wants a UDP mapping to last 5 minutes.
CONE_S = 300

# The comments of rules that follow from others, and in words the packets that they take.
ESTABLISHED = "established"
OUTSIDE = "outside"
WORDS = {
    ESTABLISHED: "established connections",
    "loopback": "within the machine",
    "neighbours": "IPv6 neighbour discovery",
    "answers": "answers to what began inside",
    "forwarded": "forwarded by NAT",
    OUTSIDE: "begins outside",
    "default": "all else",
}


class Counter(NamedTuple):
    """Where a ruleset counts: a rule is found again by its chain and its comment."""

    chain: str
    comment: str


@dataclass(frozen=True)
class FilterLine:
    """One rule of a filter chain in nft's words, before and after what it counts.

    ``rule`` is the one that was declared, None for what follows from others.

    """

    chain: str
    match: str
    verdict: str
    comment: str
    action: str = ""  # where it is more than the verdict
    rule: RulePlan | None = None

    @property
    def text(self) -> str:
        """The whole rule."""
        return f"{self.before}counter{self.after}"

    @property
    def before(self) -> str:
        """The text before the counter."""
        return f"{self.match} " if self.match else ""

    @property
    def after(self) -> str:
        """The text after the counter."""
        return f' {self.action or self.verdict} comment "{self.comment}"'


def make_ruleset(rules: RulesetPlan) -> str:
    """Return the nft commands of one node, "" if it was told nothing.

    >>> print(make_ruleset(RulesetPlan(NatPlan((UplinkPlan("eth0"),)))))
    table inet playground
    delete table inet playground
    table inet playground {
    ...

    """
    return "".join("counter" if isinstance(part, Counter) else part for part in _parts(rules))


def loadable(rules: RulesetPlan) -> list[str | Counter]:
    """Return what the agent is to load, text with a `Counter` wherever something counts.

    Of no rules it is what takes all of ours away.

    """
    found: list[str | Counter] = []
    text: list[str] = []
    for part in _parts(rules):
        if isinstance(part, str):
            text.append(part)
        else:
            found += ["".join(text), part]
            text.clear()
    return [*found, "".join(text)] if found or text else [NO_RULES]


class Insertion(NamedTuple):
    """A rule that is new in a chain: before that with another comment, or at the end."""

    chain: str
    before: str | None
    text: str


@dataclass(frozen=True)
class RulesetEdit:
    """How few rules of a ruleset that is loaded become others.

    ``known`` has a checksum for each chain whose rules count, of their comments: only where
    the kernel has those rules, in that order, may it be edited.  ``translations`` are commands
    that put the chains of NAT in the place of those that differ.

    """

    translations: str
    known: Mapping[str, int]
    remove: tuple[Counter, ...]
    insert: tuple[Insertion, ...]


# With more of them nft is as fast with the whole ruleset.
MOST_EDITED = 100


def find_edit(old: RulesetPlan, new: RulesetPlan) -> RulesetEdit | None:
    """Return what makes one ruleset another, None where all of it is to be loaded.

    That is so where more differs than translations, and some rules of chains that are there:
    defaults, the order of rules.

    """
    translations = _translations_edit(old.nat, new.nat)
    if translations is None or old.filters.defaults != new.filters.defaults:
        return None
    known: dict[str, int] = {}
    remove: list[Counter] = []
    insert: list[Insertion] = []
    for chain in CHAINS:
        there, wanted = rule_lines(old, chain), rule_lines(new, chain)
        if bool(there) != bool(wanted):
            return None
        if there:
            known[chain] = comments_checksum(line.comment for line in there)
        first, last = _where_they_differ(there, wanted)
        gone = dict.fromkeys(line.comment for line in there[first : len(there) - last])
        come = wanted[first : len(wanted) - last]
        if not gone.keys().isdisjoint(line.comment for line in come):
            return None
        before = wanted[len(wanted) - last].comment if last else None
        remove += [Counter(chain, comment) for comment in gone]
        insert += [Insertion(chain, before, line.text) for line in come]
    few = len(remove) + len(insert) <= MOST_EDITED
    return RulesetEdit(translations, known, tuple(remove), tuple(insert)) if few and known else None


def _translations_edit(old: NatPlan | None, new: NatPlan | None) -> str | None:
    """Return commands that put chains of NAT in place of others, None where it takes more.

    Their rules count nothing, so nothing is lost with those of a chain that differs.

    """
    if old == new:
        return ""
    before, after = (
        {block[0]: block for block in (_nat_chains(nat) if nat is not None else ())}
        for nat in (old, new)
    )
    changed = [head for head in before | after if before.get(head) != after.get(head)]
    names = [head.split()[1] for head in changed]
    # What a map holds would be lost, and a helper that a rule names cannot be taken away.
    if not all(head.split()[0] == "chain" for head in changed):
        return None
    text = [
        f"flush chain inet {TABLE} {name}"
        for name, head in zip(names, changed, strict=True)
        if head in before
    ]
    text += [
        f"delete chain inet {TABLE} {name}"
        for name, head in zip(names, changed, strict=True)
        if head not in after
    ]
    blocks = [line for head in changed if head in after for line in after[head]]
    return "\n".join([*text, f"table inet {TABLE} {{", *blocks, "}", ""])


def _where_they_differ(one: Sequence[object], other: Sequence[object]) -> tuple[int, int]:
    """Return how many items are the same at the beginning, and of the others at the end."""
    most = min(len(one), len(other))
    first = next((n for n in range(most) if one[n] != other[n]), most)
    last = next((n for n in range(most - first) if one[-1 - n] != other[-1 - n]), most - first)
    return first, last


def comments_checksum(comments: Iterable[str]) -> int:
    """Return what tells one sequence of rules from another; the agent's is the same."""
    return zlib.crc32("\n".join(comments).encode())


def _parts(rules: RulesetPlan) -> Iterator[str | Counter]:
    if not rules:
        return
    # Adding before deleting makes the deletion succeed the first time too.
    yield f"table inet {TABLE}\ndelete table inet {TABLE}\ntable inet {TABLE} {{\n"
    blank = ""
    for block in _nat_chains(rules.nat) if rules.nat is not None else ():
        yield blank + "\n".join(block) + "\n"
        blank = "\n"
    for chain in CHAINS:
        lines, policy = _filter_lines(chain, rules)
        if not lines:
            continue
        yield f"{blank}\tchain {chain} {{\n\t\ttype filter hook {chain} priority filter; "
        yield f"policy {policy};\n"
        for line in lines:
            yield f"\t\t{line.before}"
            yield Counter(chain, line.comment)
            yield f"{line.after}\n"
        yield "\t}\n"
        blank = "\n"
    yield "}\n"


def as_shell(ruleset: str) -> str:
    """Return a ruleset as a command that one could type.

    >>> print(as_shell("table inet playground\\n"))
    nft -f - <<'END'
    table inet playground
    END

    """
    return here_document("nft -f -", ruleset)


def rule_as_shell(chain: str, line: str) -> str:
    """Return the command that adds one rule at the end of its chain.

    >>> rule_as_shell("input", "tcp dport 80 counter accept")
    "nft 'add rule inet playground input tcp dport 80 counter accept'"

    """
    return f"nft {shlex.quote(f'add rule inet {TABLE} {chain} {line}')}"


def _set(items: Iterable[str]) -> str:
    """Return items as nft takes one or several: 80, or { 80, 443 }."""
    found = list(items)
    return found[0] if len(found) == 1 else "{ " + ", ".join(found) + " }"


def _quoted(names: Iterable[str]) -> str:
    """Return names of interfaces as nft takes them."""
    return _set(f'"{name}"' for name in names)


def rule_lines(rules: RulesetPlan, chain: str) -> list[FilterLine]:
    """Return the rules of a filter chain in their order, a line for each address family."""
    return _filter_lines(chain, rules)[0]


def _chain(name: str, hook: str, lines: Iterable[str]) -> list[str]:
    return [
        f"\tchain {name} {{",
        f"\t\ttype {hook}; policy accept;",
        *(f"\t\t{line}" for line in lines),
        "\t}",
    ]


# -- filtering ---------------------------------------------------------------


def _filter_lines(chain: str, rules: RulesetPlan) -> tuple[list[FilterLine], str]:
    """Return the rules of one filter chain, in order, and its policy."""
    nat, filters = rules.nat, rules.filters
    own = [line for rule in filters.rules if rule.chain == chain for line in _rule_lines(rule)]
    default = filters.default(chain)
    told = bool(own) or default is not None
    translates = nat is not None and chain == "forward"
    if not told and not translates:
        return [], "accept"
    known = default is None or default.established
    lines = []
    if chain != "forward":
        way = "iifname" if chain == "input" else "oifname"
        lines.append(FilterLine(chain, f'{way} "lo"', "accept", "loopback"))
    if known:
        lines.append(FilterLine(chain, "ct state established,related", "accept", ESTABLISHED))
    if chain != "forward":
        # Without it no IPv6 address has a MAC: RFC 4890 section 4.4.1.
        match = (
            "icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, "
            "nd-neighbor-advert }"
        )
        lines.append(FilterLine(chain, match, "accept", "neighbours"))
    lines += own
    if translates and nat is not None:
        lines += _kept_outside(nat, known)
    if default is None:
        return lines, "accept"
    lines.append(FilterLine(chain, "", default.verdict, "default"))
    return lines, "accept" if default.verdict == "accept" else "drop"


def _kept_outside(nat: NatPlan, known: bool) -> Iterator[FilterLine]:
    """Yield what NAT asks of the forward chain, in IPv6 too, where nothing is translated."""
    outside = f"iifname {_quoted(uplink.interface for uplink in nat.uplinks)}"
    if not known:
        match = f"{outside} ct state established,related"
        yield FilterLine("forward", match, "accept", "answers")
    if nat.opens:
        yield FilterLine("forward", "ct status dnat", "accept", "forwarded")
    yield FilterLine("forward", outside, "drop", OUTSIDE)


# To replace one rule of a thousand, the others are not written anew: 9 ms.
@lru_cache(maxsize=1 << 13)
def _rule_lines(rule: RulePlan) -> tuple[FilterLine, ...]:
    """Return a declared rule: a line, or one for each address family."""
    head, tail = _interfaces_match(rule), [*_protocol_match(rule), *_state_and_rate(rule)]
    comment = f"{rule.number} {rule.comment}" if rule.comment else str(rule.number)
    action = _action(rule)
    if not rule.sources and not rule.destinations:
        return (
            FilterLine(rule.chain, " ".join([*head, *tail]), rule.verdict, comment, action, rule),
        )
    lines = []
    for version in rule.families:
        sides = [
            f"{'ip' if version == 4 else 'ip6'} {way} {_network_set(side, version)}"
            for way, side in (("saddr", rule.sources), ("daddr", rule.destinations))
            if side
        ]
        match = " ".join([*head, *sides, *tail])
        lines.append(FilterLine(rule.chain, match, rule.verdict, comment, action, rule))
    return tuple(lines)


def _network_set(networks: Iterable[Network], version: int) -> str:
    return _set(
        # One host more, written as a network, would be a range.
        str(network.network_address if network.prefixlen == network.max_prefixlen else network)
        for network in networks
        if network.version == version
    )


def _interfaces_match(rule: RulePlan) -> list[str]:
    found = []
    if rule.interfaces:
        way = "oifname" if rule.chain == "output" else "iifname"
        found.append(f"{way} {_quoted(rule.interfaces)}")
    if rule.out_interfaces:
        found.append(f"oifname {_quoted(rule.out_interfaces)}")
    return found


def _protocol_match(rule: RulePlan) -> Iterator[str]:
    ports = (("sport", rule.source_ports), ("dport", rule.ports))
    if rule.protocol in PROTOCOLS_WITH_PORTS and (rule.ports or rule.source_ports):
        for way, several in ports:
            if several:
                yield f"{rule.protocol} {way} {_port_set(several)}"
    elif rule.ports or rule.source_ports:
        yield "meta l4proto { tcp, udp }"
        for way, several in ports:
            if several:
                yield f"th {way} {_port_set(several)}"
    elif rule.protocol == "icmp":
        yield "meta l4proto { icmp, ipv6-icmp }"
    elif rule.protocol is not None:
        # IANA's number, where nft has no name: OSPF, GRE and IGMP.
        yield f"meta l4proto {_NUMBERS.get(rule.protocol, rule.protocol)}"


_NUMBERS = {"igmp": "2", "gre": "47", "ospf": "89"}


def _port_set(ranges: Iterable[PortRange]) -> str:
    return _set(str(low) if low == high else f"{low}-{high}" for low, high in ranges)


def _state_and_rate(rule: RulePlan) -> Iterator[str]:
    if rule.states:
        yield f"ct state {','.join(rule.states)}"
    burst = f" burst {rule.burst} packets" if rule.burst else ""
    if rule.rate:
        yield f"limit rate {rule.rate}{burst}"
    if rule.over:
        yield f"limit rate over {rule.over}{burst}"


def _action(rule: RulePlan) -> str:
    if rule.verdict == "log":
        return f'log prefix "{rule.log_prefix}" group {LOG_GROUP}'
    if rule.verdict == "reject" and rule.protocol == "tcp":
        # Where a rule does not say how it knows, nft asks for the protocol again.
        return (
            "reject with tcp reset"
            if rule.ports or rule.source_ports
            else "meta l4proto tcp reject with tcp reset"
        )
    return rule.verdict


# -- translation -------------------------------------------------------------


def _nat_chains(nat: NatPlan) -> Iterator[list[str]]:
    """Yield what translates addresses.

    What begins inside may go out, and its answers come in; what begins at an
    uplink goes nowhere but to the forwards.  A host inside reaches a forward by
    the router's outside address as well.  With their helpers FTP's data
    connections, active or passive, and TFTP's answers are let through and
    translated where the first packet goes to port 21 or 69.

    """
    cones = [uplink.interface for uplink in nat.uplinks if uplink.kind == "full-cone"]
    for number, _ in enumerate(cones):
        yield [
            f"\tmap cone{number} {{",
            "\t\ttype inet_service : ipv4_addr . inet_service",
            "\t\tsize 65535",
            f"\t\ttimeout {CONE_S}s",
            "\t}",
        ]
    yield from _helpers(nat)
    incoming = [rule for forward in nat.forwards for rule in _destination(forward)]
    for pair in nat.one_to_one:
        to = f"dnat ip to {pair.inside}"
        match = f"ip daddr {pair.outside}"
        incoming += [
            f'iifname != "{pair.interface}" {match} meta mark set {HAIRPIN_MARK} {to}',
            f'iifname "{pair.interface}" {match} {to}',
        ]
    incoming += [
        f'iifname "{name}" fib daddr type local dnat ip to udp dport map @cone{number}'
        for number, name in enumerate(cones)
    ]
    yield _chain("prerouting", "nat hook prerouting priority dstnat", incoming)
    outgoing = [
        f'oifname "{pair.interface}" ip saddr {pair.inside} snat ip to {pair.outside}'
        for pair in nat.one_to_one
    ]
    for (match, words), names in _masquerades(nat).items():
        outgoing.append(f"oifname {_quoted(names)} meta nfproto ipv4 {match}{words}")
    if nat.forwards or nat.one_to_one:
        outgoing.append(f"meta mark {HAIRPIN_MARK} masquerade")
    yield _chain("postrouting", "nat hook postrouting priority srcnat", outgoing)
    clamped = [uplink.interface for uplink in nat.uplinks if uplink.clamp_mss]
    if clamped:
        # The kernel takes the smaller of the MTUs of the way there and of the way back.
        clamp = "tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu"
        lines = [f"{way} {_quoted(clamped)} {clamp}" for way in ("iifname", "oifname")]
        yield _chain("clamp_mss", "filter hook forward priority mangle", lines)
    if cones:
        # After the translation, so that the port is the one seen outside.
        yield _chain(
            "remember",
            "filter hook postrouting priority srcnat + 1",
            [
                f'oifname "{name}" meta l4proto udp ct direction original update @cone{number} '
                f"{{ udp sport timeout {CONE_S}s : ct original ip saddr . ct original proto-src }}"
                for number, name in enumerate(cones)
            ],
        )


def _masquerades(nat: NatPlan) -> dict[tuple[str, str], list[str]]:
    """Return how interfaces translate what leaves (a match and words), and which do it so."""
    found: dict[tuple[str, str], list[str]] = {}
    for uplink in nat.uplinks:
        words = "masquerade" if uplink.address is None else f"snat ip to {uplink.address}"
        # nft(8): the port is drawn anew for each connection.
        end = " fully-random" if uplink.kind == "symmetric" else ""
        if uplink.ports is not None:
            to = " to " if uplink.address is None else ""
            ported = f"{words}{to}:{uplink.ports[0]}-{uplink.ports[1]}{end}"
            place = "meta l4proto { tcp, udp } ", ported
            found.setdefault(place, []).append(uplink.interface)
        found.setdefault(("", words + end), []).append(uplink.interface)
    return found


def _helpers(nat: NatPlan) -> Iterator[list[str]]:
    """Yield the chain that hands first packets of FTP and TFTP to their helpers.

    Linux assigns no helper by itself since 6.0 (nf_conntrack_helper is gone);
    nft(8), "ct helper".  It must be set before the connection is confirmed and
    after its lookup (priority -200); after dstnat (-100), a forward to port 21
    shows the host's port as well.

    """
    rules = []
    for name in nat.helpers:
        protocol, port = HELPERS[name]
        yield [f"\tct helper {name} {{", f'\t\ttype "{name}" protocol {protocol};', "\t}"]
        # A forward from that port to another is the same protocol.
        ports = [port]
        ports += [
            f.to_port for f in nat.forwards if f.takes(protocol, port) and f.last_port is None
        ]
        several = _set(map(str, dict.fromkeys(ports)))
        rules.append(f'{protocol} dport {several} ct helper set "{name}"')
    if rules:
        yield _chain("helpers", "filter hook prerouting priority filter", rules)


def _destination(forward: ForwardPlan) -> list[str]:
    """Return the rules of one forward: for what comes from inside, and from outside."""
    one = forward.last_port is None
    # Ports of a range keep their numbers.
    to = f"{forward.to}:{forward.to_port}" if one else str(forward.to)
    ports = str(forward.port) if one else f"{forward.port}-{forward.last_port}"
    match = f"ip daddr {_set(map(str, forward.addresses))} {forward.protocol} dport {ports}"
    rules = [f'iifname "{forward.interface}" {match} dnat ip to {to}']
    if forward.hairpin:
        # Its answers must come back through the router, to be translated back:
        # so the router puts itself in the place of the host that asks.
        inside = f'iifname != "{forward.interface}" {match} meta mark set {HAIRPIN_MARK}'
        rules.insert(0, f"{inside} dnat ip to {to}")
    return rules

"""A firewall's rules as declared: what a packet is like, and what becomes of it.

A `Firewall` belongs to a host or a router and is reached as ``node.firewall``.
What it is told before the lab starts is part of the plan, and what it is told
afterwards is done at once, by the same call.  Nothing here knows nft: to resolve
names and write rulesets is the work of `planning.rules_and_nat`.

"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import field, fields, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, TypedDict, Unpack

from playground.errors import TopologyError
from playground.model.addresses import Address, Network, network_from
from playground.model.arguments import check_flag, check_several, is_choice, is_whole, shown
from playground.model.parts import LinkBase, MachineBase, NodeBase, SwitchBase
from playground.model.records import dataclass

RuleEnd = str | Address | Network | MachineBase | SwitchBase

# A packet for this machine, through it, from it: netfilter's own names.
CHAINS = ("input", "forward", "output")
VERDICTS = ("accept", "drop", "reject")
# nft(8), "ct state".
STATES = ("new", "established", "related", "invalid", "untracked")
# Those that a port belongs to, and those that have none.
PROTOCOLS_WITH_PORTS = ("tcp", "udp", "sctp", "dccp", "udplite")
PROTOCOLS = (*PROTOCOLS_WITH_PORTS, "icmp", "esp", "ah", "gre", "ospf", "igmp")

_RATE = re.compile(r"[1-9][0-9]{0,8}/(second|minute|hour|day)")
_PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
# NFTNL_UDATA_COMMENT_MAXLEN of libnftables is 128, and the rule's number stands there too.
_COMMENT = re.compile(r"[ !#-\[\]-~]{0,100}")


class Match(TypedDict, total=False):
    """The arguments of a rule, as `Firewall` describes them."""

    source: RuleEnd | Sequence[RuleEnd] | None
    destination: RuleEnd | Sequence[RuleEnd] | None
    interface: LinkBase | SwitchBase | str | Sequence[LinkBase | SwitchBase | str] | None
    out_interface: LinkBase | SwitchBase | str | Sequence[LinkBase | SwitchBase | str] | None
    protocol: str | None
    port: int | str | Sequence[int | str] | None
    source_port: int | str | Sequence[int | str] | None
    state: str | Sequence[str] | None
    rate: str | None
    over: str | None
    burst: int | None
    chain: str | None
    comment: str
    before: Rule | int | None


@dataclass(frozen=True)
class Rule:
    """One rule: packets that are like this meet this verdict.

    What is empty, or None, matches all.  ``sources`` and ``destinations`` hold
    networks and nodes, ``interfaces`` and ``out_interfaces`` links and names of
    interfaces, ``ports`` and ``source_ports`` texts such as "80" or "1024-2047".
    ``number`` is the rule's own and never given again on that node.

    """

    number: int
    verdict: str
    chain: str
    sources: tuple[Network | MachineBase | SwitchBase, ...] = ()
    destinations: tuple[Network | MachineBase | SwitchBase, ...] = ()
    interfaces: tuple[LinkBase | str, ...] = ()
    out_interfaces: tuple[LinkBase | str, ...] = ()
    protocol: str | None = None
    ports: tuple[str, ...] = ()
    source_ports: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    rate: str | None = None
    over: str | None = None
    burst: int | None = None
    comment: str = ""
    firewall: Firewall | None = field(default=None, compare=False, repr=False)

    def remove(self) -> None:
        """Take this rule away; it may be gone already."""
        if self.firewall is not None and self in self.firewall.declared:
            self.firewall.remove(self)

    @property
    def match(self) -> str:
        """The rule's conditions in words; "all" where it has none.

        >>> router.firewall.drop(source=home, protocol="tcp", port=25).match
        'from home, tcp, port 25'

        """
        words = [
            f"from {_names(self.sources)}" if self.sources else "",
            f"to {_names(self.destinations)}" if self.destinations else "",
            f"{'out' if self.chain == 'output' else 'in'} by {_names(self.interfaces)}"
            if self.interfaces
            else "",
            f"out by {_names(self.out_interfaces)}" if self.out_interfaces else "",
            self.protocol or "",
            f"port {', '.join(self.ports)}" if self.ports else "",
            f"from port {', '.join(self.source_ports)}" if self.source_ports else "",
            ", ".join(self.states),
            f"up to {self.rate}" if self.rate else "",
            f"over {self.over}" if self.over else "",
        ]
        return ", ".join(word for word in words if word) or "all"

    def __repr__(self) -> str:
        shown = [
            f"{item.name}={value!r}"
            for item in fields(self)
            if item.repr and item.name not in ("number", "verdict", "chain")
            for value in [getattr(self, item.name)]
            if value not in ((), None, "")
        ]
        return f"Rule({', '.join([str(self.number), self.verdict, self.chain, *shown])})"


@dataclass(frozen=True)
class Default:
    """A chain's default: its verdict on packets that no rule took, and on known connections."""

    chain: str
    verdict: str
    established: bool = True


@dataclass(frozen=True)
class Policy:
    """All that one firewall was told: rules in their order, a default for some chains.

    ``numbers`` is the number that was given last.

    """

    rules: tuple[Rule, ...] = ()
    defaults: tuple[Default, ...] = ()
    numbers: int = 0

    def default(self, chain: str) -> Default | None:
        """Return the default of a chain; None where nothing was said."""
        return next((item for item in self.defaults if item.chain == chain), None)

    def __bool__(self) -> bool:
        return bool(self.rules or self.defaults)


class Firewall:
    """The firewall of a host or router: whom it lets in, out and through; ``node.firewall``.

    Rules are tried in the order told, and the first that fits decides; the rest
    meet the chain's `default`, which is to accept.  A host's rules are about
    what comes in, unless they say ``chain="output"``; a router's are about what
    it forwards, unless they say ``chain="input"`` or "output".  Connections
    that are established pass, whatever the rules say (a rule decides about a
    connection's first packet), unless `default` was told ``established=False``.
    So do loopback and, at hosts and routers themselves, IPv6's neighbour
    discovery.

    >>> router.firewall.default("drop")
    >>> router.firewall.accept(source=home, protocol="tcp", port=[80, 443])
    >>> www.firewall.drop(source="198.51.100.0/24")

    What a packet is asked for:

    ``source`` and ``destination``: an address, a network, a node (all its
    addresses), a switch (its subnets), or several.  ``interface``: the link, or
    the name of the interface, by which it came in (in ``chain="output"``: by which
    it goes out); ``out_interface``: by which it will be forwarded.
    ``protocol``: "tcp", "udp", "icmp" (of both families) and others; ``port`` and
    ``source_port``: a number, a range such as "1024-2047", or several; without a
    protocol, of tcp and udp.  ``state``: "new", "established", "related",
    "invalid", or several.  ``rate="10/second"`` takes as many packets (with
    ``burst``, by default 5, at once), and leaves the rest to the next rules;
    ``over="10/second"`` takes those that are too many.  ``before=rule``, or a rule's
    number, puts the new one before another; otherwise it is the last.

    Every call raises `TopologyError` for what cannot be, and then nothing has
    changed.  While the lab runs, the whole ruleset of the node is replaced in one
    step (nft(8), "atomic"); counters go on counting.  See `together` for many
    changes in one step.

    """

    def __init__(self, node: MachineBase, chains: Sequence[str]) -> None:
        self._node = node
        self._chains = tuple(chains)  # those it may speak of, its usual one first
        self._lock = threading.RLock()
        self._depth = 0
        self.policy = Policy()

    # -- what is declared ----------------------------------------------------

    @property
    def declared(self) -> tuple[Rule, ...]:
        """The rules in the order in which they are tried, running or not."""
        return self.policy.rules

    def default(self, verdict: str, *, chain: str | None = None, established: bool = True) -> None:
        """Say what becomes of packets that no rule has taken.

        ``verdict`` is "accept", "drop" or "reject".  With ``established=False``
        packets of known connections are left to the rules as well, as in a
        firewall without a memory.

        >>> h1.firewall.default("drop")
        >>> h1.firewall.default("reject", chain="output")

        """
        if verdict not in VERDICTS:
            raise TopologyError(
                f'{self._here}: default({verdict!r}) is not known; use "accept", "drop" or "reject"'
            )
        established = check_flag(f"{self._here}: established", established, TopologyError)
        found = Default(self._check_chain(chain), verdict, established)
        with self._lock:
            kept = [item for item in self.policy.defaults if item.chain != found.chain]
            self._change(replace(self.policy, defaults=(*kept, found)))

    def accept(self, **match: Unpack[Match]) -> Rule:
        """Let such packets pass; returns the `Rule`.  See `Firewall` for the arguments."""
        return self._add("accept", match)

    def drop(self, **match: Unpack[Match]) -> Rule:
        """Throw such packets away, and tell nobody; returns the `Rule`."""
        return self._add("drop", match)

    def reject(self, **match: Unpack[Match]) -> Rule:
        """Refuse such packets, and tell who sent them; returns the `Rule`.

        With ``protocol="tcp"`` the answer is a reset (RFC 9293), and else ICMP's
        "port unreachable".

        """
        return self._add("reject", match)

    def log(self, **match: Unpack[Match]) -> Rule:
        """Show such packets to who watches, and go on to the next rule.

        `watch` shows them, and so does ``tcpdump -i nflog:7067`` on the node.
        Returns the `Rule`, which counts them too.

        """
        return self._add("log", match)

    def remove(self, *rules: Rule | int) -> None:
        """Take rules away, by themselves or by number.

        Raises `TopologyError` if one is not there; nothing is removed then.

        """
        for rule in rules:
            if not isinstance(rule, Rule) and not is_whole(rule, 0, 2**53):
                raise TopologyError(f"{self._here}: {shown(rule)} is no rule, and no number of one")
        numbers = {rule.number if isinstance(rule, Rule) else rule for rule in rules}
        with self._lock:
            known = {rule.number for rule in self.policy.rules}
            for number in sorted(numbers - known):
                raise TopologyError(
                    f"{self._here} has no rule {number}: "
                    f"it has {', '.join(map(str, sorted(known))) or 'none'}"
                )
            kept = tuple(rule for rule in self.policy.rules if rule.number not in numbers)
            self._change(replace(self.policy, rules=kept))

    def clear(self) -> None:
        """Forget all rules and defaults."""
        with self._lock:
            self._change(Policy(numbers=self.policy.numbers))

    @contextlib.contextmanager
    def together(self) -> Iterator[Firewall]:
        """Make all that is told in the block one change: all of it is done, or nothing.

        >>> with www.firewall.together() as firewall:
        ...     firewall.clear()
        ...     for port in range(1, 1001):
        ...         firewall.drop(protocol="tcp", port=port)

        """
        with self._lock:
            before = self.policy
            self._depth += 1
            try:
                yield self
            except BaseException:
                self.policy = before
                raise
            finally:
                self._depth -= 1
            after, self.policy = self.policy, before
            if after != before:
                self._change(after)

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.policy.rules)

    def __len__(self) -> int:
        return len(self.policy.rules)

    def __bool__(self) -> bool:
        return bool(self.policy)

    def __repr__(self) -> str:
        defaults = "".join(f", {item.chain}: {item.verdict}" for item in self.policy.defaults)
        count = len(self.policy.rules)
        return f"<firewall of {self._node.name}: {count} rule{'s' * (count != 1)}{defaults}>"

    # -- how ----------------------------------------------------------------

    @property
    def _here(self) -> str:
        return f"the firewall of {self._node.name}"

    def _change(self, policy: Policy) -> None:
        before, listener = self.policy, self._node.listener
        if listener is None or self._depth:
            self.policy = policy
            return
        with listener.changing():
            self.policy = policy
            try:
                listener.change_rules(self._node.name)
            except BaseException:
                self.policy = before
                raise

    def _add(self, verdict: str, match: Match) -> Rule:
        with self._lock:
            rule = self._rule(verdict, match)
            rules = list(self.policy.rules)
            rules.insert(self._place(match.get("before")), rule)
            self._change(replace(self.policy, rules=tuple(rules), numbers=rule.number))
            return rule

    def _place(self, before: Rule | int | None) -> int:
        if before is None:
            return len(self.policy.rules)
        number = before.number if isinstance(before, Rule) else before
        for place, rule in enumerate(self.policy.rules):
            if rule.number == number:
                return place
        raise TopologyError(f"{self._here} has no rule {number} to put another before")

    def _rule(self, verdict: str, match: Match) -> Rule:
        arguments = Match.__annotations__
        unknown = match.keys() - arguments.keys()
        if unknown:
            raise TopologyError(
                f"{self._here}: {verdict}() knows no {sorted(unknown)[0]}=; "
                f"it knows {', '.join(arguments)}"
            )
        given: dict[str, Any] = {name: match.get(name) for name in arguments}
        here = f"{self._here}: {verdict}()"
        chain = self._check_chain(given["chain"])
        if given["out_interface"] is not None and chain != "forward":
            raise TopologyError(
                f"{here}: out_interface= is for what a router forwards; write interface="
            )
        protocol = _check_protocol(here, given["protocol"])
        ports = _check_ports(here, "port", given["port"])
        source_ports = _check_ports(here, "source_port", given["source_port"])
        if (ports or source_ports) and protocol not in (None, *PROTOCOLS_WITH_PORTS):
            raise TopologyError(f"{here}: {protocol} has no ports; leave port= out")
        if given["rate"] is not None and given["over"] is not None:
            raise TopologyError(f"{here}: write rate= or over=, not both; two rules can say both")
        return Rule(
            number=self.policy.numbers + 1,
            verdict=verdict,
            chain=chain,
            sources=_check_places(here, "source", given["source"]),
            destinations=_check_places(here, "destination", given["destination"]),
            interfaces=self._check_interfaces(here, "interface", given["interface"]),
            out_interfaces=self._check_interfaces(here, "out_interface", given["out_interface"]),
            protocol=protocol,
            ports=ports,
            source_ports=source_ports,
            states=_check_states(here, given["state"]),
            rate=_check_rate(here, "rate", given["rate"]),
            over=_check_rate(here, "over", given["over"]),
            burst=_check_burst(here, given["burst"], given["rate"] or given["over"]),
            comment=_check_comment(here, given["comment"]),
            firewall=self,
        )

    def _check_chain(self, chain: object) -> str:
        if chain is None:
            return self._chains[0]
        if chain in self._chains:
            return str(chain)
        if chain == "forward":
            raise TopologyError(
                f"{self._here}: a host forwards nothing, so it has no such rules; use "
                f'chain="input" or "output", or put the rule on a router'
            )
        raise TopologyError(
            f"{self._here}: chain={chain!r} is not known; use one of {', '.join(self._chains)}"
        )

    def _check_interfaces(self, here: str, argument: str, value: Any) -> tuple[LinkBase | str, ...]:
        found: list[LinkBase | str] = []
        for item in check_several(f"{here}: {argument}", value, TopologyError):
            if (isinstance(item, str) and re.fullmatch(r"[A-Za-z0-9._-]{1,15}", item)) or (
                isinstance(item, LinkBase) and item in self._node.attachments
            ):
                found.append(item)
            elif isinstance(item, LinkBase) and item in self._node.links:
                if not item.attachments:  # else it would be a rule for all interfaces
                    raise TopologyError(
                        f"{here}: {argument}={item!r} is a link of a bond, by which frames come in "
                        f"and leave: say it of the bond"
                    )
                found += item.attachments
            elif isinstance(item, SwitchBase) and (to := links_to(self._node.attachments, item)):
                found += to
            else:
                raise TopologyError(
                    f"{here}: {argument}={item!r} is no link of {self._node.name}; give one of "
                    f'its links, a switch that it is linked to, or a name such as "eth0"'
                )
        return tuple(found)


def links_to(links: Sequence[LinkBase], switch: SwitchBase) -> list[LinkBase]:
    """Return those of these links that end at this switch."""
    return [link for link in links if any(end.node is switch for end in link.ends)]


# -- arguments ---------------------------------------------------------------


def _check_places(here: str, argument: str, value: Any) -> tuple[Any, ...]:
    found: list[Any] = []
    for item in check_several(f"{here}: {argument}", value, TopologyError):
        if isinstance(item, NodeBase):
            found.append(item)
            continue
        try:
            if not isinstance(item, (str, IPv4Address, IPv6Address, IPv4Network, IPv6Network)):
                raise ValueError(item)
            found.append(network_from(item))
        except ValueError:
            raise TopologyError(
                f"{here}: {argument}={item!r} is no address, network or node; write one as in "
                f'"10.0.5.7", "10.0.5.0/24" or "2001:db8:5::/64", or give the node itself'
            ) from None
    return tuple(found)


def _check_protocol(here: str, value: object) -> str | None:
    if value is None or (isinstance(value, str) and value in PROTOCOLS):
        return value
    raise TopologyError(
        f"{here}: protocol={value!r} is not known; use one of {', '.join(PROTOCOLS)}"
    )


def _check_ports(here: str, argument: str, value: Any) -> tuple[str, ...]:
    found = []
    for item in check_several(f"{here}: {argument}", value, TopologyError):
        match = _PORTS.fullmatch(str(item)) if isinstance(item, (int, str)) else None
        first = int(match[1]) if match else 0
        last = int(match[2] or match[1]) if match else 0
        if isinstance(item, bool) or not 1 <= first <= last <= 65535:
            raise TopologyError(
                f"{here}: {argument}={item!r} is no port; write a number between 1 and 65535, or "
                f'a range such as "1024-2047"'
            )
        found.append(str(first) if first == last else f"{first}-{last}")
    return tuple(dict.fromkeys(found))


def _check_states(here: str, value: Any) -> tuple[str, ...]:
    states = check_several(f"{here}: state", value, TopologyError)
    for item in states:
        if not is_choice(item, STATES):
            raise TopologyError(
                f"{here}: state={shown(item)} is not known; use one or more of {', '.join(STATES)}"
            )
    return states


def _check_rate(here: str, argument: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _RATE.fullmatch(value):
        raise TopologyError(
            f"{here}: {argument}={value!r} is no rate of packets; write one as in "
            f'"10/second", "30/minute" or "100/hour"'
        )
    return value


def _check_burst(here: str, value: object, rate: object) -> int | None:
    if value is None:
        return None
    if rate is None:
        raise TopologyError(f"{here}: burst= belongs to rate= or over=; give one of them too")
    if not is_whole(value, 1, 2**31 - 1):
        raise TopologyError(
            f"{here}: burst={shown(value)} is no number of packets; write one such as 5"
        )
    return value


def _check_comment(here: str, value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not _COMMENT.fullmatch(value):
        raise TopologyError(
            f"{here}: comment={value!r} cannot be kept by the kernel: it takes one line of up to "
            f"100 letters, digits and marks, without quotes or backslashes"
        )
    return value


def _names(items: Sequence[Any]) -> str:
    texts = []
    for item in items:
        if isinstance(item, (IPv4Network, IPv6Network)) and item.prefixlen == item.max_prefixlen:
            texts.append(str(item.network_address))
        elif hasattr(item, "ends"):
            tag = next((f" (VLAN {end.vlan})" for end in item.ends if end.vlan), "")
            texts.append(" - ".join(end.node.name for end in item.ends) + tag)
        else:
            texts.append(str(getattr(item, "name", item)))
    return ", ".join(texts)

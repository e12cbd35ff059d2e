"""The answer of `lab.explain`: `Explanation`, its steps, and the causes that it knows."""

from __future__ import annotations

import html
import re
from dataclasses import field

from playground.display.safe_text import visible
from playground.display.tables import Table, Tabular
from playground.model.records import dataclass

# Each possible cause, and its meaning.
CAUSES = {
    "name unknown": "the name means nothing to the node that asks",
    "lame delegation": "a zone names a server for one below that does not serve it",
    "no glue": "a zone names a server for one below, and nobody knows its address",
    "name server silent": "a server of a zone on the way to the name does not answer",
    "bogus": "what the name means is not proved by the keys above it",
    "stale name": "a resolver remembers what was so before",
    "wrong name": "the name means the address of another machine",
    "stopped": "the machine was stopped: nothing runs on it, and its links are dead",
    "interface down": "the interface that leads there is set down",
    "link down": "a cable on the way is pulled out",
    "no address": "the interface has no address of that family",
    "no router advertisement": "a node waits for a router to tell its network, and hears none",
    "advertisements refused": "a node that waits for a router's word does not listen to it",
    "no prefix advertised": "the router tells of no prefix to make an address of",
    "no DHCPv6 server": "addresses are to come from a DHCPv6 server, and none has given one",
    "no default router": "no router that a node has heard is a way out",
    "wrong address": "an address lies outside of the network that it is on",
    "wrong mask": "an address has another prefix length than those of its neighbours",
    "no route": "a node knows no way there",
    "no route back": "a node knows no way for the answer",
    "no adjacency": "routers that should tell each other of ways do not speak with each other",
    "no next hop": "a router knows a way by another, to which it has none",
    "not announced": "no router tells of the network, or a policy hides it",
    "forbidden route": "a node's route says that such packets are to be thrown away",
    "wrong gateway": "a route leads to an address that does not forward, or that nobody has",
    "no master": "routers share an address (VRRP), and none of them has it",
    "neighbour silent": "nobody on the link says that the address is his",
    "stale neighbour": "a node sends to a MAC address that is not that of its neighbour",
    "duplicate address": "two machines on one network have the same address",
    "forwarding off": "a machine on the way does not forward",
    "reverse path filter": "a node drops what comes in where it would not send an answer",
    "routing loop": "nodes send the packet to each other until its time to live is over",
    "firewall": "a rule drops or rejects it",
    "NAT": "it lies behind a router that translates addresses and lets nothing in",
    "translator stopped": "the program that translates between IPv6 and IPv4 does not run",
    "mtu": "large packets are lost, and nobody tells who sends them",
    "loss": "a link loses frames, as it was told to",
    "tunnel": "what goes into a tunnel does not come out of it, though a way leads below it",
    "overlay": "frames of a VNI do not reach another leaf, behind which the address is",
    "bond": "a bond uses none of its links, though some are plugged in",
    "switch": "a switch does not pass it on",
    "port security": "a switch takes no more addresses at the port that it comes in by",
    "storm": "broadcasts flood a switch, which holds some back or sends frames astray",
    "ping ignored": "the node was told not to answer echo requests",
    "server stopped": "nothing listens on the port",
    "other port": "a program runs that listens on another port",
    "loopback only": "the server listens on an address that is not the one asked",
    "no server": "a load balancer takes it, and has no server that takes part",
    "server busy": "the server's queue of connections is full",
    "no answer": "it arrived, and the program that got it has not answered",
    "unknown": "it was lost, and none of the causes that are known fits",
}


@dataclass(frozen=True)
class Step:
    """One thing that was looked at: where, what, what was found, whether it is well."""

    node: str
    asked: str
    found: str
    ok: bool = True


@dataclass(frozen=True)
class Explanation(Tabular):
    """The fate of a packet: ``ok``, or ``node`` and ``cause`` where it stopped.

    ``cause`` is a key of `CAUSES`, "" if all is well; ``sentence`` says it for this
    network, ``advice`` what to do next.  ``path`` holds the nodes that the packet
    passed, from the source, ``path_back`` those of its answer.  ``steps`` is a table.

    """

    question: str
    node: str
    cause: str
    sentence: str
    advice: str
    path: tuple[str, ...]
    path_back: tuple[str, ...]
    steps: Table[Step] = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether the packet arrived and was answered."""
        return not self.cause

    def table(self) -> Table[Step]:
        """Return the steps."""
        return self.steps

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        head = f"{self.question}: {'yes' if self.ok else f'no, {self.cause} at {self.node}'}"
        lines = [head, self.sentence, *([self.advice] if self.advice else []), "", str(self.steps)]
        return visible("\n".join(lines))

    def _repr_html_(self) -> str:
        mark = "✓" if self.ok else f"✗ {self.cause} at {self.node}"
        words = [f"<b>{html.escape(visible(f'{self.question} {mark}'))}</b>"]
        words += [_with_code(text) for text in (self.sentence, self.advice) if text]
        return f"<p>{'<br>'.join(words)}</p>{self.steps._repr_html_()}"


def _with_code(text: str) -> str:
    """Return HTML in which what stands between backticks looks like code."""
    marked = re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(visible(text)))
    return marked.replace("\n", "<br>")

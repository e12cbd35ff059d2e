"""The demonstration, ``playground demo``: the Internet in miniature, and it answering.

A host behind a home modem speaks each protocol with a server on the far side of the NAT,
by programs that a student would use; what is printed is an excerpt of what they really said.

"""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from typing import NamedTuple, Protocol, runtime_checkable

import click

from playground.display.progress import make_progress
from playground.engines.choice import choose
from playground.errors import PlaygroundError
from playground.examples import miniature_internet
from playground.lab.lab import Lab
from playground.operations.network import Machine
from playground.operations.pictures.tree import draw
from playground.planning.placement.machines import VARIABLE
from playground.planning.placement.shapes import Placement
from playground.planning.plan import Plan

# The longest that one exchange may take: each is done in under a second on a slow machine.
_TIMEOUT_S = 30.0


# Of a swarm: enough for links that cross, and few enough to read.
_MOST_MACHINES = 3

# What a client asks and a server answers, without what both can do, and without passwords.
_SAID = (
    r"^> (?!\S{20}|(A\d+ )?(EHLO|CAPA|AUTH|PASS|User-|Accept:))|^< (\d{3} |\+OK .|HTTP)"
    r"|^Subject:|^Hello|<h1>"
)


class DemonstrationFailed(PlaygroundError):
    """Something did not happen as it should; the message says what."""


class Exchange(NamedTuple):
    """One conversation: its protocol, the command that has it, and what proves that it worked.

    ``proof`` is a regular expression that is in what the command says, ``shown`` one that
    finds the lines worth showing.  bash has variables ``user`` and ``password``, and ``input``
    to read.  ``program`` is what it runs where the ``command`` that is shown is not all.

    """

    protocol: str
    command: str
    proof: str
    shown: str = _SAID
    input: str = ""
    program: str = ""


_SMTP = (
    "curl -sv --ssl smtp://mail.example.com --mail-from me@h1 --mail-rcpt $user@example.com -T -"
)
_MAIL = "Subject: Hello from behind the NAT\r\n\r\nHi!\r\n"
_POP = "curl -sv --ssl-reqd -u $user:$password pop3://mail.example.com/2"
_IMAP = 'curl -sv --ssl-reqd -u $user:$password "imap://mail.example.com/INBOX;MAILINDEX=2"'
_FTP = "curl -sv --disable-epsv -u $user:$password -T - ftp://ftp.example.com/hello.txt"
# Each answer is given once its prompt has come.
_TELNET = r"""coproc telnet ftp.example.com
answer() { read -r -d "$1" -t 20 <&"${COPROC[0]}"; echo "$REPLY$1"; echo "$2" >&"${COPROC[1]}"; }
answer : "$user"; answer : "$password"; answer '$' 'hostname; exit'
cat <&"${COPROC[0]}" """
# The key comes over standard input and is gone before the command ends.
_SSH = r"""key=$(mktemp) && trap "rm -f $key" EXIT && cat >$key
command='echo "$(hostname) knows ${SSH_CLIENT%% *}"'
ssh -v -o BatchMode=yes -i $key $user@www.example.com "$command" </dev/null"""

EXCHANGES = (
    Exchange("traceroute", "traceroute www.example.com", r"10\.130\.1\.4", r"^ *\d"),
    Exchange("DNS", "dig www.example.com A example.com MX", r"10\.130\.1\.4", r"^[^;].*\s(A|MX)\s"),
    Exchange("HTTP", "curl -sv http://www.example.com/", r"^< HTTP/1\.1 200"),
    Exchange(
        "HTTPS",
        "curl -sv https://www.example.com/",
        r"verif(y|ied)[^\n]*[\s\S]*^< HTTP/\S+ 200",
        r"SSL connection|subject:|issuer:|certificate verif|^> GET|^< HTTP",
    ),
    Exchange("SMTP", _SMTP, r"^< 250 .*queued", input=_MAIL),
    # Mail is delivered a moment after it was accepted; the first is a welcome.
    Exchange("POP", _POP, "^Subject: Hello from", program=f"until {_POP}; do sleep 0.2; done"),
    Exchange("IMAP", _IMAP, "^Subject: Hello from"),
    Exchange("FTP", _FTP, "^< 226", input="Hello from h1\n"),
    Exchange("Telnet", "telnet ftp.example.com", r"^ftp\s*$", "^Conn|ogin:|ord:|^ftp", "", _TELNET),
    Exchange(
        "SSH",
        "ssh -v $user@www.example.com",
        r"^www knows 10\.25\.1\.65$",
        "Server host|Authenticated to|^www",
        program=_SSH,
    ),
)


def show(*, keep: bool = False, quiet: bool = False, program: str = "playground") -> None:
    """Start the miniature Internet, print what it does, and take it down.

    With ``keep`` it is left running.  ``quiet`` leaves out the progress;
    ``program`` is what the reader types to run the command line.
    Raises `DemonstrationFailed`, after all was tried, if an exchange failed.

    """
    engine = choose()
    if isinstance(engine, ManyMachines):
        spread_out(engine)
    lab = miniature_internet(quiet=quiet, engine=engine)
    lab.keep = keep
    plan = lab.plan()
    needs = dict.fromkeys((node.daemons, node.packages) for node in plan.nodes)
    images = [image for needed in needs if (image := engine.image_for(*needed)) is not None]
    engine.check()
    engine.ensure_images(images, make_progress(quiet))
    begin = time.monotonic()
    with lab:
        what = f"The Internet in miniature: {len(plan.nodes)} machines, {len(plan.wires)} links"
        _heading(what, f"up in {time.monotonic() - begin:.2f} s")
        click.echo(draw(plan, _width()))
        if plan.placement is not None:
            _heading("The machine of each")
            click.echo("\n".join(by_machine(plan.placement)))
        failed = [exchange.protocol for exchange in EXCHANGES if not _have(exchange, lab)]
        if plan.placement is not None:
            _heading("The machines on the way to www")
            click.echo(way(lab, plan, plan.placement))
        if keep:
            lab.detach()
    _heading("The lab is running: enter it" if keep else "Enter it yourself")
    if asked := os.environ.get("PLAYGROUND_ENGINE"):
        program += f" --engine {asked}"
    for words in (*(() if keep else ("demo --keep",)), "shell h1", f"down {lab.name}"):
        click.echo(f"    {program} {words}")
    if failed:
        raise DemonstrationFailed(f"the demonstration failed at {', '.join(failed)}: see above")


@runtime_checkable
class ManyMachines(Protocol):
    """An engine with several machines."""

    def machine_names(self) -> list[str]:
        """Return the machines that take nodes."""


def spread_out(engine: ManyMachines) -> None:
    """Have the lab on up to three machines, unless the environment says otherwise."""
    machines = min(_MOST_MACHINES, len(engine.machine_names()))
    os.environ.setdefault(VARIABLE, str(max(1, machines)))


def by_machine(placement: Placement) -> list[str]:
    """Return a line for each machine, with what is on it.

    >>> by_machine(Placement((("h1", "m1"), ("www", "m2"), ("h2", "m1"))))
    ['m1: h1, h2', 'm2: www']

    """
    found: dict[str, list[str]] = {}
    for node, machine in placement:
        found.setdefault(machine, []).append(node)
    return [f"{machine}: {', '.join(nodes)}" for machine, nodes in sorted(found.items())]


def way(lab: Lab, plan: Plan, placement: Placement) -> str:
    """Trace the route from h1 to www; return its nodes, each with its machine."""
    h1, www = lab["h1"], lab["www"]
    assert isinstance(h1, Machine) and isinstance(www, Machine)
    hops = [plan.owners.get(hop or "", "?") for hop in h1.traceroute(www).hops]
    return " → ".join(f"{name} ({placement.machines.get(name, '?')})" for name in ["h1", *hops])


def _have(exchange: Exchange, lab: Lab) -> bool:
    """Have one conversation, print its excerpt, return whether it worked."""
    h1 = lab["h1"]
    assert isinstance(h1, Machine)
    user, password = next(iter(lab.users.items()))
    begin = time.monotonic()
    try:
        result = h1.run(
            ["bash", "-c", exchange.program or exchange.command],
            check=False,
            timeout_s=_TIMEOUT_S,
            input=lab.private_key if exchange.protocol == "SSH" else exchange.input,
            env={"user": user, "password": password},
        )
        # curl and ssh tell what they do on their error stream, before the answer.
        said = (result.stderr + result.stdout).replace("\r", "")
    except PlaygroundError as error:
        said = str(error)
    _heading(exchange.protocol, f"{1000 * (time.monotonic() - begin):.0f} ms")
    click.echo(click.style(_cropped(f"h1$ {exchange.command.replace('$user', user)}"), bold=True))
    if not re.search(exchange.proof, said, re.MULTILINE):
        problem = f"FAILED: there is no {exchange.proof!r} in what was said:\n{said}"
        click.echo(click.style(problem, fg="red"))
        return False
    for line in excerpt(said, exchange.shown):
        click.echo(_cropped(line))
    return True


def excerpt(said: str, shown: str) -> list[str]:
    """Return the lines in which the expression ``shown`` is found."""
    return [line.rstrip() for line in said.splitlines() if re.search(shown, line)]


def _width() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 100


def _cropped(line: str) -> str:
    # A tab may be as wide as eight characters.
    line = line.expandtabs()
    return line if len(line) <= _width() else line[: _width() - 1] + "…"


def _heading(title: str, right: str = "") -> None:
    rule = "─" * max(2, _width() - len(title) - len(right) - 6)
    click.echo("\n" + click.style(f"── {title} {rule} {right}".rstrip(), fg="cyan"))

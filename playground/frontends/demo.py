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
from collections.abc import Iterator
from contextlib import contextmanager

import click

from playground.errors import PlaygroundError
from playground.lab.lab import Lab
from playground.model.records import dataclass
from playground.operations.network import Machine
from playground.operations.pictures.tree import draw

# The longest line where output does not go to a terminal.
_WIDTH = 100

# The longest that one exchange may take: each is done in under a second on a slow machine.
_TIMEOUT_S = 30.0

_MAIL = (
    "From: $user@h1\r\nTo: $user@example.com\r\nSubject: Hello from behind the NAT\r\n\r\nHi!\r\n"
)

# It answers each prompt once the prompt has come.
_TELNET = r"""coproc telnet ftp.example.com
answer() {
    read -r -d "$1" -t 20 said <&"${COPROC[0]}"
    echo "$said$1"
    echo "$2" >&"${COPROC[1]}"
}
answer : "$user"; answer : "$password"; answer '$' 'id -un; hostname; exit'
cat <&"${COPROC[0]}"
"""

# The key comes over standard input and is gone before the command ends.
_SSH = r"""key=$(mktemp) && trap "rm -f $key" EXIT && cat >$key
ssh -v -o BatchMode=yes -i $key $user@www.example.com \
    'echo "$(id -un) on $(hostname), from ${SSH_CONNECTION%% *}"' </dev/null
"""


class DemonstrationFailed(PlaygroundError):
    """Something did not happen as it should; the message says what."""


@dataclass(frozen=True)
class Exchange:
    """One conversation: its protocol, the command that has it, and what proves that it worked.

    ``proof`` is a regular expression that is in what the command says, ``shown`` one that
    finds the lines worth showing.  The shell that runs the command has variables ``user`` and
    ``password``, and ``input`` to read.  ``program`` is the whole of it where the ``command``
    that is shown is not.

    """

    protocol: str
    command: str
    proof: str
    shown: str = ""
    input: str = ""
    program: str = ""


EXCHANGES = (
    Exchange("traceroute", "traceroute www.example.com", r"10\.130\.1\.4", r"^ *\d"),
    Exchange(
        "DNS",
        "dig www.example.com A example.com MX",
        r"10\.130\.1\.4",
        r"^[^;].*\s(A|MX)\s|^;; (Query time|SERVER)",
    ),
    Exchange(
        "HTTP",
        "curl -sv http://www.example.com/",
        r"^< HTTP/1\.1 200",
        r"^> (GET|Host)|^< (HTTP|Server|Content-Type)|<h1>",
    ),
    Exchange(
        "HTTPS",
        "curl -sv https://www.example.com/",
        r"verif(y|ied)[^\n]*[\s\S]*^< HTTP/\S+ 200",
        r"SSL connection|subject:|issuer:|certificate verif|^> GET|^< HTTP",
    ),
    Exchange(
        "SMTP",
        "curl -sv --ssl-reqd smtp://mail.example.com --mail-from $user@h1 "
        "--mail-rcpt $user@example.com -T mail.txt",
        r"^< 250 .*queued",
        r"^> (STARTTLS|MAIL|RCPT|DATA)|^< (220|354|250 2)",
        _MAIL,
        'sed "s/\\$user/$user/" | curl -sv --ssl-reqd smtp://mail.example.com '
        "--mail-from $user@h1 --mail-rcpt $user@example.com -T -",
    ),
    Exchange(
        "POP",
        "curl -sv --ssl-reqd -u $user:$password pop3://mail.example.com/2",
        r"^Subject: Hello from behind the NAT",
        r"^> (STLS|RETR)|^< \+OK .|^Subject:",
        # Mail is delivered a moment after it was accepted; the first is a welcome.
        program="for n in $(seq 50); do\n"
        "    curl -sv --ssl-reqd -u $user:$password pop3://mail.example.com/2 && break\n"
        "    sleep 0.2\n"
        "done",
    ),
    Exchange(
        "IMAP",
        'curl -sv --ssl-reqd -u $user:$password "imap://mail.example.com/INBOX;MAILINDEX=2"',
        r"^Subject: Hello from behind the NAT",
        r"^> \S+ (STARTTLS|SELECT|FETCH)|^< .*(EXISTS|FETCH)|^Subject:",
    ),
    Exchange(
        "FTP",
        "curl -sv --disable-epsv -u $user:$password -T - ftp://ftp.example.com/hello.txt "
        "--next -s --disable-epsv -u $user:$password ftp://ftp.example.com/hello.txt",
        r"^Hello from h1",
        r"^> (USER|PASV|STOR|RETR)|^< (220|227|230|226)|^Hello",
        "Hello from h1\n",
    ),
    Exchange(
        "Telnet",
        "telnet ftp.example.com",
        r"^ftp\s*$",
        r"^Connected|login:|assword:|id -un|^student|^ftp|closed",
        program=_TELNET,
    ),
    Exchange(
        "SSH",
        "ssh -v $user@www.example.com",
        r" on www, from 10\.25\.1\.65$",
        r"Remote protocol|kex: algorithm|Server host key|Authenticated to| on www, from",
        program=_SSH,
    ),
)


def show(*, keep: bool = False, quiet: bool = False, program: str = "playground") -> None:
    """Start the miniature Internet, print what it does, and take it down.

    With ``keep`` it is left running.  ``quiet`` leaves out the progress;
    ``program`` is what the reader types to run the command line.
    Raises `DemonstrationFailed`, after all was tried, if an exchange failed.

    """
    from playground.display.progress import make_progress
    from playground.engines.choice import choose
    from playground.examples import miniature_internet

    times: dict[str, float] = {}
    engine = choose()
    lab = miniature_internet(quiet=quiet, engine=engine)
    lab.keep = keep
    plan = lab.plan()
    needs = {(node.daemons, node.packages) for node in plan.nodes}
    images = [image for needed in needs if (image := engine.image_for(*needed)) is not None]
    with _timed(times, "building images"):
        engine.check()
        engine.ensure_images(images, make_progress(quiet))
    with _timed(times, "starting the lab"):
        lab.start()
    try:
        _heading(f"The Internet in miniature: {len(plan.nodes)} machines, {len(plan.wires)} links")
        click.echo(draw(plan, _width()))
        failed = [exchange.protocol for exchange in EXCHANGES if not _have(exchange, lab, times)]
    except BaseException:
        lab.stop()
        raise
    if keep:
        lab.detach()
    else:
        with _timed(times, "taking it down"):
            lab.stop()
    _heading("How long each step took")
    for step, took_s in [*times.items(), ("all", sum(times.values()))]:
        click.echo(f"{step:<18}{took_s:8.2f} s")
    _show_ways_in(lab, keep, program)
    if failed:
        raise DemonstrationFailed(f"the demonstration failed at {', '.join(failed)}: see above")


def _have(exchange: Exchange, lab: Lab, times: dict[str, float]) -> bool:
    """Have one conversation, print its excerpt, return whether it worked."""
    h1 = lab["h1"]
    assert isinstance(h1, Machine)
    user, password = next(iter(lab.users.items()))
    said, problem = "", ""
    with _timed(times, exchange.protocol):
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
            problem = str(error)
    if not problem and not re.search(exchange.proof, said, re.MULTILINE):
        problem = f"there is no {exchange.proof!r} in what was said:\n{said}"
    _heading(exchange.protocol, f"{1000 * times[exchange.protocol]:.0f} ms")
    click.echo(click.style(_cropped(f"h1$ {exchange.command.replace('$user', user)}"), bold=True))
    if problem:
        click.echo(click.style(f"FAILED: {problem}", fg="red"))
        return False
    for line in excerpt(said, exchange.shown):
        click.echo(_cropped(line))
    return True


def excerpt(said: str, shown: str) -> list[str]:
    """Return the lines in which the expression ``shown`` is found."""
    return [line.rstrip() for line in said.splitlines() if re.search(shown, line)]


@contextmanager
def _timed(times: dict[str, float], step: str) -> Iterator[None]:
    begin = time.monotonic()
    try:
        yield
    finally:
        times[step] = time.monotonic() - begin


def _width() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDTH


def _cropped(line: str) -> str:
    # A tab may be as wide as eight characters.
    line = line.expandtabs()
    return line if len(line) <= _width() else line[: _width() - 1] + "…"


def _heading(title: str, right: str = "") -> None:
    rule = "─" * max(2, _width() - len(title) - len(right) - 6)
    click.echo()
    click.echo(click.style(f"── {title} {rule} {right}".rstrip(), fg="cyan"))


def _show_ways_in(lab: Lab, kept: bool, program: str) -> None:
    commands = ["shell h1", "run h1 -- curl -s http://www.example.com/", f"down {lab.name}"]
    if kept:
        _heading("The lab is running: enter it")
    else:
        _heading("Enter it yourself")
        commands.insert(0, "demo --keep")
    if asked := os.environ.get("PLAYGROUND_ENGINE"):
        program += f" --engine {asked}"
    for command in commands:
        click.echo(f"    {program} {command}")

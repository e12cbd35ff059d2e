"""The demonstration, ``playground demo``: the Internet in miniature, and it answering.

A host behind a home modem speaks each protocol with a server on the far side
of the NAT, by the programs that a student would use; what is printed is an
excerpt of what those programs really said.

"""

from __future__ import annotations

import ast
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import click

from playground.errors import PlaygroundError
from playground.lab.lab import Lab
from playground.operations.network import Machine, Node
from playground.operations.pictures.tree import draw

# The longest line where output does not go to a terminal.
_WIDTH = 100

# The longest that one exchange may take: each is done in under a second even
# on a slow machine.
_TIMEOUT_S = 30.0


class DemonstrationFailed(PlaygroundError):
    """Something did not happen as it should; the message says what."""


@dataclass(frozen=True)
class Exchange:
    """One conversation: its protocol, how it is had, what proves that it worked.

    ``talk`` has it and returns its transcript; ``proof`` is a regular
    expression that must be found in it.  ``shown`` are expressions that choose
    the lines worth showing: each shows the first line, after the one before,
    that it matches.

    """

    protocol: str
    command: str
    talk: Callable[[Lab], str]
    proof: str
    shown: tuple[str, ...]


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
    _show_times(times)
    _show_ways_in(lab, keep, program)
    if failed:
        raise DemonstrationFailed(f"the demonstration failed at {', '.join(failed)}: see above")


def _have(exchange: Exchange, lab: Lab, times: dict[str, float]) -> bool:
    """Have one conversation, print its excerpt, return whether it worked."""
    transcript, problem = "", ""
    with _timed(times, exchange.protocol):
        try:
            transcript = exchange.talk(lab)
        except PlaygroundError as error:
            problem = str(error)
    if not problem and not re.search(exchange.proof, transcript, re.MULTILINE):
        problem = f"there is no {exchange.proof!r} in what was said:\n{transcript}"
    _heading(exchange.protocol, f"{1000 * times[exchange.protocol]:.0f} ms")
    click.echo(click.style(_cropped(f"h1$ {exchange.command}"), bold=True))
    if problem:
        click.echo(click.style(f"FAILED: {problem}", fg="red"))
        return False
    for line in excerpt(transcript, exchange.shown):
        click.echo(_cropped(line))
    return True


def excerpt(transcript: str, shown: tuple[str, ...]) -> list[str]:
    """Return the lines of a transcript that `shown` chooses, in their order.

    Each expression chooses the first line that it is found in after the line
    chosen before; one that is found nowhere chooses nothing.  With no
    expressions all lines are returned.

    """
    lines = [line.rstrip() for line in transcript.splitlines()]
    if not shown:
        return lines
    chosen, position = [], 0
    for expression in shown:
        for index in range(position, len(lines)):
            if re.search(expression, lines[index]):
                chosen.append(lines[index])
                position = index + 1
                break
    return chosen


# -- what is said ------------------------------------------------------------


def _machine(lab: Lab, name: str) -> Machine:
    node: Node = lab[name]
    assert isinstance(node, Machine), f"{name} is a switch"
    return node


def _user(lab: Lab) -> tuple[str, str]:
    """An ordinary user of the lab and the password."""
    return next(iter(lab.users.items()))


def _run(lab: Lab, command: str, data: str | None = None) -> str:
    result = _machine(lab, "h1").run(command, timeout_s=_TIMEOUT_S, input=data)
    # curl and ssh tell what they do on their error stream, before the answer.
    return result.stderr + result.stdout


def _call(lab: Lab, function: Callable[..., str], *args: str) -> str:
    said = _machine(lab, "h1").call(function, *args, call_timeout_s=_TIMEOUT_S)
    return readable(said)


def _trace(lab: Lab) -> str:
    path = _machine(lab, "h1").traceroute("www.example.com")
    if not path.reached:
        raise DemonstrationFailed(f"www.example.com was not reached: {path!r}")
    entries = {str(entry.address): entry.names for entry in lab.plan().node("h1").hosts}
    owners = {
        str(address.ip): node.name
        for node in lab.plan().nodes
        for interface in node.interfaces
        for address in interface.addresses
    }
    lines = []
    for number, hop in enumerate(path.details, 1):
        names = entries.get(str(hop.address))
        name = names[0] if names else owners.get(str(hop.address), "")
        rtt = f"{hop.rtt_ms:.3f} ms" if hop.rtt_ms is not None else "*"
        lines.append(f"{number:2}  {hop.address or '*':<14} {rtt:>10}  {name}".rstrip())
    return "\n".join(lines)


def _ssh(lab: Lab) -> str:
    user, _ = _user(lab)
    # The key comes over standard input and is gone before the command ends.
    return _run(
        lab,
        'key=$(mktemp) && trap "rm -f $key" EXIT && cat >$key && '
        f"ssh -v -o BatchMode=yes -i $key {user}@www.example.com "
        "'echo \"$(id -un) on $(hostname), from ${SSH_CONNECTION%% *}\"' </dev/null",
        lab.private_key,
    )


def _mail(lab: Lab) -> str:
    return _call(lab, send_mail, _user(lab)[0], _subject(lab))


def _subject(lab: Lab) -> str:
    """The subject of the mail that is sent, and then looked for in the mailbox."""
    return f"Hello from behind the NAT of {lab.id}"


# These functions run on a host, by its own python3: each brings its imports.


def send_mail(user: str, subject: str) -> str:
    """Send a mail to a user of example.com over STARTTLS; return what was said."""
    import contextlib
    import io
    import smtplib
    import ssl

    said = io.StringIO()
    headers = f"From: {user}@h1\r\nTo: {user}@example.com\r\nSubject: {subject}\r\n"
    with (
        contextlib.redirect_stderr(said),
        smtplib.SMTP("mail.example.com", timeout=20) as client,
    ):
        client.set_debuglevel(1)
        client.starttls(context=ssl.create_default_context())
        client.sendmail(f"{user}@h1", [f"{user}@example.com"], headers + "\r\nHello!\r\n")
    return said.getvalue()


def read_by_pop(user: str, password: str, subject: str) -> str:
    """Fetch the newest mail by POP until it has this subject; return what was said."""
    import contextlib
    import io
    import poplib
    import ssl
    import time

    # Mail is delivered a moment after it was accepted.
    deadline = time.monotonic() + 20
    while True:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            client = poplib.POP3("mail.example.com", timeout=20)
            client.set_debuglevel(2)
            client.stls(ssl.create_default_context())
            client.user(user)
            client.pass_(password)
            count, _ = client.stat()
            head = client.top(count, 0)[1] if count else []
            client.quit()
        if f"Subject: {subject}".encode() in head or time.monotonic() > deadline:
            return said.getvalue()
        time.sleep(0.05)


def read_by_imap(user: str, password: str) -> str:
    """List what is in a user's mailbox by IMAP; return what was said."""
    import contextlib
    import imaplib
    import io
    import ssl
    import sys

    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        client = imaplib.IMAP4("mail.example.com", timeout=20)
        client.debug = 4
        client.starttls(ssl.create_default_context())
        client.login(user, password)
        client.select("INBOX", readonly=True)
        _, parts = client.fetch("*", "(BODY[HEADER.FIELDS (SUBJECT)])")
        # Of a message's own text imaplib prints only how long it is.
        for part in parts:
            if isinstance(part, tuple):
                print("*get*", repr(part[1]), file=sys.stderr)
        client.logout()
    return said.getvalue()


def fetch_by_ftp(user: str, password: str) -> str:
    """Store, list and fetch a file by FTP, passively; return what was said."""
    import contextlib
    import ftplib
    import io

    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        client = ftplib.FTP(timeout=20)
        client.set_debuglevel(2)
        client.connect("ftp.example.com")
        client.login(user, password)
        client.storbinary("STOR hello.txt", io.BytesIO(b"Hello from h1\n"))
        lines: list[str] = []
        client.retrlines("RETR hello.txt", lines.append)
        client.delete("hello.txt")
        client.quit()
        print("*got*", repr("\n".join(lines)))
    return said.getvalue()


def log_in_by_telnet(user: str, password: str) -> str:
    """Log in by the telnet client in a terminal; return what the terminal showed."""
    import os
    import pty
    import re
    import select
    import time

    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "dumb"
        os.execvp("telnet", ["telnet", "ftp.example.com"])
    seen = b""
    deadline = time.monotonic() + 25

    def wait_for(expression: bytes) -> None:
        nonlocal seen
        begin = len(seen)
        while not re.search(expression, seen[begin:]):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([terminal], [], [], left)[0]:
                raise TimeoutError(f"no {expression!r} came, but {seen!r}")
            try:
                data = os.read(terminal, 4096)
            except OSError:  # Linux: the other end of the terminal has closed
                return
            if not data:
                return
            seen += data

    try:
        for expression, answer in (
            (rb"login: $", user),
            (rb"[Pp]assword: $", password),
            (rb"[$%#] (\x1b\S*)*$", "id -un; hostname; exit"),
        ):
            wait_for(expression)
            os.write(terminal, answer.encode() + b"\r")
        wait_for(rb"closed by foreign host")
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)
    text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07", b"", seen)
    return text.decode("utf-8", "replace").replace("\r", "")


EXCHANGES = (
    Exchange("traceroute", "traceroute www.example.com", _trace, r"10\.130\.1\.4", ()),
    Exchange(
        "DNS",
        "dig www.example.com A example.com MX",
        lambda lab: _run(lab, "dig www.example.com A example.com MX"),
        r"10\.130\.1\.4",
        (r"^www\S*\s.*\sA\s", r"^;; Query time", r"^;; SERVER", r"^example\.com\.\s.*\sMX\s"),
    ),
    Exchange(
        "HTTP",
        "curl -v http://www.example.com/",
        lambda lab: _run(lab, "curl -sSv -m 20 http://www.example.com/"),
        r"^< HTTP/1\.1 200",
        (r"^> GET", r"^> Host", r"^< HTTP", r"^< Server", r"^< Content-Type", r"<title>|<h1>"),
    ),
    Exchange(
        "HTTPS",
        "curl -v https://www.example.com/",
        lambda lab: _run(lab, "curl -sSv -m 20 https://www.example.com/"),
        r"verif(y|ied)[^\n]*[\s\S]*^< HTTP/\S+ 200",
        (
            r"SSL connection using",
            r"subject:",
            r"issuer:",
            r"verif(y|ied)",
            r"^[<>] GET",
            "^< HTTP",
        ),
    ),
    Exchange(
        "SMTP",
        "python3 send_mail.py  # smtplib",
        _mail,
        r"^S: 250 .*queued",
        (
            "^C: STARTTLS",
            "^S: 220",
            "^C: mail",
            "^C: rcpt",
            "^C: data",
            "^C: Subject",
            "^S: 250.*queue",
        ),
    ),
    Exchange(
        "POP",
        "python3 read_by_pop.py  # poplib",
        lambda lab: _call(lab, read_by_pop, *_user(lab), _subject(lab)),
        r"^S: Subject: Hello from behind the NAT of ",
        (
            "^C: STLS",
            r"^S: \+OK",
            "^C: USER",
            r"^S: \+OK Logged",
            "^C: TOP",
            "^S: Subject",
            "^C: QUIT",
        ),
    ),
    Exchange(
        "IMAP",
        "python3 read_by_imap.py  # imaplib",
        lambda lab: _call(lab, read_by_imap, *_user(lab)),
        r"^S: Subject: Hello from behind the NAT of ",
        (
            "^C: .*STARTTLS",
            "^S: .*Logged",
            "^S: .*EXISTS",
            "^C: .*FETCH",
            "^S: .*Subject",
        ),
    ),
    Exchange(
        "FTP",
        "python3 fetch_by_ftp.py  # ftplib, passive",
        lambda lab: _call(lab, fetch_by_ftp, *_user(lab)),
        r"^got: Hello from h1",
        ("^S: 220", "^C: USER", "^S: 230", "^C: PASV", "^S: 227", "^C: RETR", "^S: 226", "^got:"),
    ),
    Exchange(
        "Telnet",
        "telnet ftp.example.com",
        lambda lab: _machine(lab, "h1").call(
            log_in_by_telnet, *_user(lab), call_timeout_s=_TIMEOUT_S
        ),
        r"^ftp",
        ("^Connected", "login:", "assword:", "id -un", "^student", "^ftp", "closed"),
    ),
    Exchange(
        "SSH",
        "ssh -v student@www.example.com",
        _ssh,
        r" on www, from 10\.25\.1\.65$",
        (
            "Remote protocol",
            "kex: algorithm",
            "Server host key",
            "Authenticated to",
            " on www, from",
        ),
    ),
)


# The debugging output of smtplib, poplib and ftplib, and of imaplib.
_SAID = re.compile(
    r"^(?:(?P<sent>send: |\*put\* |\s*\d\d:\d\d\.\d\d > )"
    r"|(?P<came>reply: |\*get\* |\s*\d\d:\d\d\.\d\d < )"
    r"|(?P<got>\*got\* ))(?P<what>b?['\"].*)$"
)


def readable(said: str) -> str:
    r"""Turn what Python's mail and file clients print as debugging into dialogue.

    >>> readable("send: 'quit\\r\\n'\nreply: b'221 Bye\\r\\n'")
    'C: quit\nS: 221 Bye'

    Lines begin with ``C:`` for the client, ``S:`` for the server; others are
    left out.

    """
    lines = []
    for line in said.splitlines():
        match = _SAID.match(line)
        if not match:
            continue
        mark = "C" if match["sent"] else "S" if match["came"] else "got"
        try:
            what = ast.literal_eval(match["what"])
        except (SyntaxError, ValueError):  # cut short by the client itself
            what = match["what"]
        text = what.decode("utf-8", "replace") if isinstance(what, bytes) else str(what)
        lines += [f"{mark}: {part}" for part in text.splitlines()]
    return "\n".join(lines)


# -- how it is printed -------------------------------------------------------


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


def _show_times(times: dict[str, float]) -> None:
    _heading("How long each step took")
    for step, took_s in times.items():
        click.echo(f"{step:<18}{took_s:8.2f} s")
    click.echo(f"{'all':<18}{sum(times.values()):8.2f} s")


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

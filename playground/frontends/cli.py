"""The command line, ``playground``.

What a command does lives in other rooms; here are its words: options, help,
what is printed, the sentence and the exit status when it fails.  The rest of
playground is imported by the command that needs it, so that ``--help`` and the
completion of names stay quick.

"""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import shutil
import signal
import sys
import textwrap
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from playground.errors import (
    AgentError,
    BadArgument,
    LabNotFound,
    LabWarning,
    NoSuchNode,
    NotRunning,
    PlaygroundError,
)

if TYPE_CHECKING:
    from playground.engines.choice import RunningLabs
    from playground.engines.seam import Engine, LabRecord
    from playground.lab.lab import Lab
    from playground.operations.connection.client import AgentProcess, Client
    from playground.operations.network import Machine

# As shells have it: 127 is a command that is not there (POSIX, Shell Command
# Language, 2.8.2), 128 + N one that signal N ended.
NO_SUCH_COMMAND = 127
SIGNALLED = 128


class Failure(click.ClickException):
    """An error that is shown as ``playground: sentence``; its exit status is 1."""

    def show(self, file: Any = None) -> None:
        click.echo(f"playground: {self.message}", file=file, err=True)


class Commands(click.Group):
    """The group of commands; the one place where errors become sentences."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise _placed(error, self) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.NoSuchOption as error:
            raise _placed(error, self) from None
        except KeyboardInterrupt:
            ctx.exit(SIGNALLED + signal.SIGINT)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError:
            # Whoever read our output has enough of it, as `head` has.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(SIGNALLED + signal.SIGPIPE)
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Failure(f"what it prints cannot be written: {error.strerror}") from error
            raise Failure(_sentence(error)) from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of this file: a first visit's order."""
        return list(self.commands)


def _placed(error: click.NoSuchOption, group: click.Group) -> click.UsageError:
    """Return the error with where such an option goes, if it is one of other commands."""
    command = error.ctx.command if error.ctx is not None else group
    name = error.option_name
    having = [one for one in group.commands.values() if any(name in of.opts for of in one.params)]
    if name == "--lab" and any(of.name == "lab" for of in command.params):
        words = f"the lab is a word of its own here: playground {command.name} LAB"
    elif command is group and having:
        words = f"{name} stands behind the command, as in `playground {having[0].name} {name} ...`"
        if name == "--lab":
            words = (
                "--lab stands behind the command, as in `playground run --lab NAME HOST ip addr`"
            )
    else:
        return error
    return click.UsageError(f"no such option here: {name}; {words}", error.ctx)


def _sentence(error: Exception) -> str:
    if isinstance(error, PlaygroundError):
        return str(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return (
        f"{type(error).__name__}: {error}: this is a mistake in playground itself; "
        "run the same with `playground --debug ...` and report what it prints"
    )


def _choose_engine(ctx: click.Context, parameter: click.Parameter, engine: str | None) -> None:
    if engine is not None:
        # Labs that a user's own file declares follow it too.
        os.environ["PLAYGROUND_ENGINE"] = engine


# Before the command and after it: people write it where they think of it.
engine_option = click.option(
    "--engine",
    type=click.Choice(["docker", "namespaces", "swarm"]),
    expose_value=False,
    callback=_choose_engine,
    help="What runs the machines; by default $PLAYGROUND_ENGINE, else Docker where it answers.",
)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, parameter, asked: _show_version(ctx) if asked else None,
    help="Show the versions of playground and Python.",
)
@engine_option
@click.option("--quiet", "-q", is_flag=True, help="Show no progress, only results.")
@click.option("--debug", is_flag=True, help="Show a traceback when something fails.")
@click.pass_context
def main(ctx: click.Context, quiet: bool, debug: bool) -> None:
    """A small, real network on this machine: hosts, routers, switches and links.

    Start with `playground demo`. Then write a file of your own, bring it up with
    `playground up FILE.py`, and enter a host with `playground shell HOST`.
    """
    ctx.obj = quiet


# -- arguments that several commands share -----------------------------------


def _complete_host(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    return [
        CompletionItem(name) for name in sorted(_known(_nodes_of)) if name.startswith(incomplete)
    ]


def _complete_lab(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    return [
        CompletionItem(name)
        for name in sorted(_known(lambda record: [record.name]))
        if name.startswith(incomplete)
    ]


def _known(names: Callable[[LabRecord], Iterable[str]]) -> set[str]:
    """All names of running labs, or none: completion is no place for errors."""
    try:
        return {name for record in _labs().labs() for name in names(record)}
    except PlaygroundError:
        return set()


lab_option = click.option(
    "--lab",
    "lab_name",
    metavar="NAME",
    shell_complete=_complete_lab,
    help="The lab, by name or id; needed where more than one runs.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print it as JSON (RFC 8259), for programs."
)
strict_option = click.option(
    "--strict", is_flag=True, help="Refuse a file that has what a lab does not do."
)
host_argument = click.argument("host", shell_complete=_complete_host)


# -- commands ----------------------------------------------------------------


@main.command()
@engine_option
@click.option("--keep", is_flag=True, help="Leave the network running at the end.")
@click.pass_obj
def demo(quiet: bool, keep: bool) -> None:
    """Show the Internet in miniature at work.

    Builds what images are missing, starts its twelve machines, draws them, and has a host
    behind a home modem speak HTTP, HTTPS, SMTP, POP, IMAP, FTP, Telnet, SSH and DNS with
    the others. Leaves nothing behind, unless --keep is given.
    """
    from playground.frontends.demo import show

    show(keep=keep, quiet=quiet, program=_program())


@main.command()
@engine_option
@click.option(
    "--for",
    "file",
    metavar="FILE.py",
    type=click.Path(exists=True, path_type=Path),
    help="Build only what the lab in this file needs.",
)
@click.pass_obj
def build(quiet: bool, file: Path | None) -> None:
    """Build the images that hosts are started from.

    Labs do this by themselves when they start; do it beforehand where a class waits, or
    where the network is about to go. What is built already is left alone.
    """
    from playground.display.progress import make_progress
    from playground.engines.choice import choose
    from playground.model.services.table import SERVICES

    if file is None:
        needs: list[tuple[frozenset[str], tuple[str, ...]]]
        # Hosts with several services that come as packages have images of their own.
        own = [(frozenset([name]), tuple(sorted(row.packages))) for name, row in SERVICES.items()]
        needs = [(frozenset(), ()), *own]
    else:
        from playground.lab.formats.load import LoadOptions, load_any

        plan = load_any(file, LoadOptions(quiet=quiet), _sayer(quiet)).plan()
        needs = [(node.daemons, node.packages) for node in plan.nodes]
    engine = choose()
    engine.check()
    images = dict.fromkeys(engine.image_for(*needed) for needed in needs)
    wanted = [image for image in images if image is not None]
    engine.ensure_images(wanted, make_progress(quiet))
    for image in wanted:
        click.echo(image.tag)


@main.command()
@engine_option
@json_option
def doctor(as_json: bool) -> None:
    """Look whether this machine can run labs.

    Checks both engines and their versions, the kernel and free disk space, and says what to do
    about what is missing. The exit status is 1 if anything will keep labs from working.
    """
    from playground.frontends.doctor import examine_all

    marks = {"ok": ("ok", "green"), "warn": ("!!", "yellow"), "fail": ("NO", "red")}
    findings = examine_all()
    width = max((len(finding.name) for finding in findings), default=0)
    indent = " " * (width + 6)
    columns = max(shutil.get_terminal_size().columns, len(indent) + 30)
    if as_json:
        _print_json([vars(finding) for finding in findings])
    for finding in () if as_json else findings:
        mark, colour = marks[finding.status]
        click.echo(f"{click.style(mark, fg=colour, bold=True)}  {finding.name:<{width}}", nl=False)
        lines = [
            line
            for text in (finding.detail, finding.advice)
            for line in textwrap.wrap(text, columns - len(indent), break_on_hyphens=False)
        ]
        click.echo("  " + f"\n{indent}".join(lines))
    failed = sum(finding.status == "fail" for finding in findings)
    if failed:
        raise Failure(f"{failed} of these will keep labs from working: see NO above")


@main.command()
@engine_option
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@lab_option
@strict_option
@click.option("--plain", is_flag=True, help="Run hosts of ours instead of images that it names.")
@click.pass_obj
def up(quiet: bool, file: Path, lab_name: str | None, strict: bool, plain: bool) -> None:
    """Start the lab declared in FILE, and leave it running.

    A Python file is run, except for what stands under `if __name__ == "__main__":`.
    It should make one Lab, or only hosts, routers and switches: then the lab is named after the
    file. With --lab, one of several labs in it. Of a folder that is a package, its
    __init__.py is run. Other files are read: a lab file (.yaml) that Lab.save has written, the
    folder of a Kathara lab, a topology of containerlab, a compose file. What such a file has and
    a lab does not do is told, with its line, before anything is made.
    """
    from playground.lab.formats.load import LoadOptions, load_any

    begin = time.monotonic()
    asked = LoadOptions(lab_name, quiet=quiet, strict=strict, plain=plain)
    lab = load_any(file, asked, _sayer(quiet))
    if lab.running:
        # Started by the file itself, as a lab that would end with this program.
        lab.stop()
    lab.keep = True
    if (record := _kept(lab.name)) is not None:
        from playground.frontends import life_commands

        with _attached(None, record.id) as there:
            other = life_commands.differs(there, lab, str(file), click.echo)
        click.get_current_context().exit(int(other))
    lab.start()
    say_how_to_enter(lab, time.monotonic() - begin)
    lab.detach()


def _kept(name: str) -> LabRecord | None:
    """Return the lab of this name that is kept running; None where there is none."""
    with closing(_labs()) as labs:
        kept = (one for one in labs.labs() if one.keep and one.name == name and not one.is_strange)
        return next(kept, None)


@main.command()
@engine_option
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@lab_option
@strict_option
@click.option("--plain", is_flag=True, help="Run hosts of ours instead of images that it names.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.pass_obj
def apply(
    quiet: bool, file: Path, lab_name: str | None, strict: bool, plain: bool, dry_run: bool
) -> None:
    """Change a lab that runs to what FILE declares, and leave the rest alone.

    FILE is what `playground up` takes. What differs is shown: `+` comes, `-` goes, `!` is a machine
    that has to be made anew, for its image, command, limits or services are others; its files are
    gone then. With --lab, the lab of that name, whatever FILE calls it; of a file of Python it
    chooses one of its labs too, so that it has to have one of that name.
    """
    from playground.frontends import life_commands
    from playground.lab.formats.load import LoadOptions, load_any

    asked = LoadOptions(lab_name, quiet=quiet, strict=strict, plain=plain)
    wanted = load_any(file, asked, _sayer(quiet))
    if wanted.running:
        wanted.stop()
    record = _kept(wanted.name)
    if record is None:
        raise LabNotFound(
            f"no lab named {wanted.name} is kept running: start it with `playground up {file}`, or "
            f"say which one to change with --lab NAME"
        )
    with _attached(None, record.id) as lab:
        named = f"{file} --lab {lab_name}" if lab_name else str(file)
        life_commands.apply(lab, wanted, str(file), dry_run, click.echo, named)


def _sayer(quiet: bool) -> Callable[[str], None]:
    """Return what shows a sentence about something that goes on."""
    return lambda text: None if quiet else click.echo(f"playground: {text}", err=True)


@main.command()
@engine_option
@click.argument("exercise", metavar="EXERCISE.py", type=click.Path(path_type=Path))
@click.argument("submissions", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--output",
    "-o",
    default="marks",
    show_default=True,
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where marks are written.",
)
@click.option("--jobs", "-j", type=click.IntRange(1, 256), help="How many are marked at once.")
@click.option(
    "--time-limit",
    type=click.FloatRange(1, 86400),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="How long one submission may take in all.",
)
@click.option(
    "--memory",
    type=click.IntRange(64),
    default=1024,
    show_default=True,
    metavar="MB",
    help="What one submission's network may take.",
)
@click.option(
    "--grant",
    multiple=True,
    type=click.Choice(["image", "packages"]),
    help="Let submissions name images, or have packages installed.",
)
@click.option(
    "--trust",
    is_flag=True,
    help="Run submissions as yourself: for machines without bare namespaces, and your own files.",
)
@click.option("--again", is_flag=True, help="Mark all, also what has not changed.")
@json_option
@click.pass_obj
def grade(quiet: bool, /, exercise: Path, submissions: Path, output: Path, **asked: Any) -> None:
    """Mark the networks of a class.

    EXERCISE.py holds tests, as pytest runs them, each of which is a check; SUBMISSIONS a folder,
    a .zip, a git repository or a file for each student. Each is read on a host of its own, where
    it can do no harm, and its network is checked in a lab of its own. Marks come as CSV, XLSX,
    JUnit XML, and a page for each student and for the teacher. Whatever a submission does costs
    its own mark only. What has not changed since the last time is not marked anew.
    """
    from playground.frontends.grading.commands import grade_class

    grade_class(exercise, submissions, output, asked, _sayer(quiet))


@main.command()
@click.argument("exercise", metavar="EXERCISE.py", type=click.Path(exists=True, path_type=Path))
@click.argument("students", metavar="STUDENTS.txt", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--output",
    "-o",
    default="handouts",
    show_default=True,
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where a folder for each student is written.",
)
@click.option(
    "--solutions",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write a solution for each student there.",
)
def handout(exercise: Path, students: Path, output: Path, solutions: Path | None) -> None:
    """Write an exercise that differs for each student.

    EXERCISE.py has functions start(exercise) and solution(exercise), which return a Lab, and
    task(exercise), which returns a text; each gets the draws of one student. STUDENTS.txt
    lists names, one a line. `playground grade EXERCISE.py SOLUTIONS` tests the checks by them.
    """
    from playground.frontends.grading.handouts import hand_out, read_students

    names = read_students(students)
    written = hand_out(exercise, names, output, solutions)
    places = f"{output} and {solutions}" if solutions else f"{output}"
    click.echo(f"{written} files for {len(names)} students are in {places}", err=True)


@main.command("ls")
@engine_option
@json_option
def list_labs(as_json: bool) -> None:
    """List the labs that run, of every user of an engine here."""
    records = _labs().labs()
    if as_json:
        _print_json([_as_data(record) for record in records])
        return
    if not records:
        click.echo("no lab is running", err=True)
        return
    _print_labs(records)


def _print_labs(records: Iterable[LabRecord]) -> None:
    from playground.display.tables import room_of, text_table

    rows = [
        {
            "LAB": record.name,
            "ID": record.id,
            "MACHINES": _machines(record),
            "OWNER": record.owner.rpartition(":")[0],
            "ENDS": _end(record),
        }
        for record in records
    ]
    click.echo(text_table(rows, room_of(sys.stdout)))


def _machines(record: LabRecord) -> str:
    """The hosts and routers of a lab, behind the machine that they are on where it has several.

    >>> from playground.engines.seam import LabRecord
    >>> places = (("h1", "m1"), ("h2", "m2"), ("h3", "m1"))
    >>> _machines(LabRecord("home-1", "home", "", ("h1", "h2", "h3"), 0, False, places=places))
    'm1: h1 h3, m2: h2'

    """
    by_place: dict[str, list[str]] = {}
    places = dict(record.places)
    for node in record.nodes:
        by_place.setdefault(places.get(node, ""), []).append(_short(node))
    return ", ".join(
        " ".join([f"{place}:"] * bool(place) + sorted(nodes))
        for place, nodes in sorted(by_place.items())
    )


def _as_data(record: LabRecord) -> dict[str, Any]:
    """The facts of a lab, for programs."""
    return {
        "name": record.name,
        "id": record.id,
        "machines": list(record.nodes),
        **({"places": dict(record.places)} if record.places else {}),
        "owner": record.owner.rpartition(":")[0],
        "own": record.is_own,
        "created": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="seconds"),
        "keep": record.keep,
        "stale": record.is_stale,
    }


def _end(record: LabRecord) -> str:
    """When a lab will end, in a few words."""
    if record.keep:
        return "with `playground down`"
    if record.is_stale:
        return "with `playground sweep`: its program has died"
    return f"with its program, process {record.owner.rpartition(':')[2]}"


@main.command()
@click.option("--encrypted", is_flag=True, help="Encrypt what passes between machines (IPsec).")
@click.option("--mtu", type=int, metavar="BYTES", help="What the machines' own network takes.")
def overlay(encrypted: bool, mtu: int | None) -> None:
    """Make the network between the machines of a Docker Swarm anew.

    Links that cross machines lead over it. Without options it is as labs make it by themselves: not
    encrypted, for machines whose network takes packets of 1500 bytes. No lab may run meanwhile.
    `playground doctor --engine swarm` says what there is, and whether machines reach each other.
    """
    from playground.frontends import swarm_commands

    swarm_commands.make_overlay(encrypted, mtu, click.echo)


@main.command()
@click.option("--port", type=int, default=5000, show_default=True, help="The manager's port.")
@click.option("--remove", is_flag=True, help="Remove it; its images stay in a volume.")
@click.pass_obj
def registry(quiet: bool, port: int, remove: bool) -> None:
    """Start a registry of images on a Docker Swarm, and log in there.

    It is a service on the manager that DOCKER_HOST leads to, with a password that the swarm keeps.
    Prints the line by which labs find it. It speaks HTTP: name it in `insecure-registries` of
    /etc/docker/daemon.json on each machine. Where it runs already, it only logs this user in.
    """
    from playground.frontends import swarm_commands

    if remove:
        swarm_commands.remove_registry(click.echo)
    else:
        swarm_commands.start_registry(port, quiet, click.echo)


@main.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@engine_option
@lab_option
@click.option("--user", "-u", metavar="NAME", help="The user to run it as, instead of root.")
@host_argument
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def run(
    ctx: click.Context, lab_name: str | None, user: str | None, host: str, command: tuple[str, ...]
) -> None:
    """Run a command on HOST.

    Input, both output streams and the exit status are the command's own:
    `playground run h1 -- ping -c 1 www`. A single word with spaces in it is a line
    for the host's shell: `playground run h1 'ip addr | grep inet'`.
    """
    # click leaves the "--" in place when options are not interspersed.
    argv = list(command[1:] if command[0] == "--" else command)
    if command[0] != "--" and command[0].startswith("-"):
        raise click.UsageError(
            f"{command[0]} stands behind {host}, where the command begins: options come first, as "
            f"in `playground run --lab NAME {host} ip addr`"
        )
    if not argv:
        raise click.UsageError("say which command to run: playground run HOST -- COMMAND")
    if len(argv) == 1 and any(character.isspace() for character in argv[0]):
        argv = ["sh", "-c", argv[0]]
    with _reached(host, lab_name) as (agent, pid):
        ctx.exit(_run_through(agent, pid, argv, user))


@main.command()
@engine_option
@lab_option
@click.option("--user", "-u", metavar="NAME", help="The user to be, instead of root.")
@host_argument
@click.pass_context
def shell(ctx: click.Context, lab_name: str | None, user: str | None, host: str) -> None:
    """Open a shell on HOST, in this terminal."""
    with _attached(host, lab_name) as lab:
        ctx.exit(_exit_status(_machine(lab, host).shell(user=user)))


@main.command()
@engine_option
@lab_option
@click.argument("host", required=False, shell_complete=_complete_host)
@click.argument("port", required=False)
@click.option("--local-port", "-l", type=int, metavar="PORT", help="This machine's; else any.")
@click.option(
    "--listen",
    metavar="ADDRESS",
    help="This machine's address; 0.0.0.0 lets everybody in who reaches this machine.",
)
@click.option("--close", is_flag=True, help="Offer it no more; without PORT, none of HOST.")
@click.option("--list", "show", is_flag=True, help="List what is published of the lab.")
def publish(
    lab_name: str | None,
    host: str | None,
    port: str | None,
    local_port: int | None,
    listen: str | None,
    close: bool,
    show: bool,
) -> None:
    """Offer PORT of HOST at a port of this machine, and print its address.

    \b
    playground publish www 80
    playground publish ns 53/udp --local-port 5353

    Programs of this machine alone reach it, unless --listen says otherwise. It ends with the lab.
    """
    from playground.display.tables import room_of, text_table
    from playground.frontends import port_commands

    if show == (host is not None) or (host and not port and not close):
        raise click.UsageError("say which HOST and PORT, or --list alone")
    with _attached(host, lab_name) as lab:
        if host is None:
            click.echo(text_table(port_commands.rows(lab), room_of(sys.stdout)))
        elif close:
            port_commands.end(lab, host, port, click.echo)
        else:
            assert port is not None
            port_commands.publish(lab, host, port, local_port, listen, click.echo)


@main.command("open")
@engine_option
@lab_option
@host_argument
@click.argument("port", required=False)
def open_page(lab_name: str | None, host: str, port: str | None) -> None:
    """Open the web page of HOST in a browser.

    Offers the port at one of this machine, if that is not done yet. Without PORT it is the one
    at which HOST listens, of those that are usual for web pages. Where there is no browser the
    address is printed.
    """
    from playground.frontends import port_commands

    with _attached(host, lab_name) as lab:
        port_commands.open_browser(lab, host, port, click.echo)


@main.command()
@click.argument("lab", required=False, shell_complete=_complete_lab)
@click.option("--port", type=click.IntRange(0, 65535), help="Where it listens; by default 8810.")
@click.option("--host", help="An address for others to reach it; by default only this machine.")
@click.option("--password", is_flag=True, help="Ask for a password, which others have to know.")
@click.option(
    "--certificate",
    type=click.Path(path_type=Path),
    help="Its PEM file, for TLS.",
)
@click.option("--key", type=click.Path(path_type=Path), help="The certificate's key, a PEM file.")
@click.option("--new", is_flag=True, help="Draw a new lab: LAB is the file that it is saved in.")
def web(
    lab: str | None,
    port: int | None,
    host: str | None,
    password: bool,
    certificate: Path | None,
    key: Path | None,
    new: bool,
) -> None:
    """Show LAB in a browser, or all labs of this machine.

    LAB is the name of one that runs, or its file: one that is not up yet is drawn on,
    saved and started there, and with --new so is a lab of which nothing stands anywhere yet.

    It prints an address with a token in it: whoever has it may do all that you may do.
    The second address is to be shared: with it nothing can be changed.
    """
    from playground.frontends import web_commands

    secret = None
    if password:
        secret = os.environ.get("PLAYGROUND_WEB_PASSWORD") or click.prompt(
            "Password of the page", hide_input=True, confirmation_prompt=True
        )
    web_commands.serve(
        lab,
        click.echo,
        host=host,
        port=port,
        password=secret,
        certificate=certificate,
        key=key,
        new=new,
    )


@main.command("ssh-config")
@engine_option
@lab_option
@click.option("--file", "in_file", is_flag=True, help="Write it to a file, and print its path.")
def ssh_config(lab_name: str | None, in_file: bool) -> None:
    """Print an ssh configuration that reaches every host.

    \b
    ssh -F $(playground ssh-config --file) h1
    playground ssh-config > lab.conf; scp -F lab.conf notes.txt h1:

    For ssh, scp and sftp. Nothing listens on this machine for it: ssh speaks through a command, as
    ProxyCommand in ssh_config(5) has it. The key, the hosts' own keys and the file are written to a
    folder of yours, which goes with the lab.
    """
    with _attached(None, lab_name) as lab:
        text = _ssh_config(lab)
        if in_file:
            # ssh closes all descriptors that it inherits before it reads its configuration
            # (closefrom(3) in main() of ssh.c), so `ssh -F <(playground ssh-config)` cannot work.
            path = _folder(lab.id) / "config"
            _write_private(path, text)
            click.echo(path)
        else:
            click.echo(text, nl=False)


@main.command(hidden=True)
@lab_option
@host_argument
@click.pass_context
def proxy(ctx: click.Context, lab_name: str | None, host: str) -> None:
    """Speak the SSH protocol of HOST over standard input and output (for ssh-config)."""
    with _attached(host, lab_name) as lab:
        # sshd(8) -i: one connection on standard input and output, as inetd would start it. It
        # needs no network on the host: a student may have broken that, or stopped the service.
        machine = _machine(lab, host)
        live = machine.running()
        if not live.own_programs:
            raise NotRunning(_no_ssh(machine))
        ctx.exit(_run_through(live.agent, live.pid, ["/usr/sbin/sshd", "-i"], None))


@main.command()
@engine_option
@click.argument("lab", metavar="[LAB]", required=False, shell_complete=_complete_lab)
@click.option("--lab", "lab_name", metavar="NAME", shell_complete=_complete_lab, help="As LAB.")
@click.option("--all", "everything", is_flag=True, help="All labs of yours, kept or not.")
@click.option("--yes", "-y", is_flag=True, help="With --all: do not ask.")
@click.pass_obj
def down(quiet: bool, lab: str | None, lab_name: str | None, everything: bool, yes: bool) -> None:
    """Take a lab down, and all that was made for it.

    LAB is a name or an id; it may be left out where you have only one. --all shows which
    labs it would end, those of programs that run among them, and asks.
    """
    named = {name for name in (lab, lab_name) if name is not None}
    if len(named) + everything > 1:
        raise click.UsageError("one LAB, --lab NAME or --all: choose one")
    labs = _labs()
    records = labs.labs()
    own = [record for record in records if record.is_own]
    if everything:
        chosen = own
        if own and not yes:
            _ask_whether_to_end(own)
    elif not named:
        chosen = [_only(own, say="say which LAB")]
    else:
        (name,) = named
        fitting = [record for record in records if name in (record.name, record.id)]
        fitting = [record for record in fitting if not record.is_strange] or fitting
        chosen = [_only(fitting, name, "say its id")]
    _remove(labs, chosen, quiet)


lab_argument = click.argument("lab", metavar="LAB", shell_complete=_complete_lab)
nodes_argument = click.argument(
    "nodes", metavar="MACHINE...", nargs=-1, required=True, shell_complete=_complete_host
)
grace_option = click.option(
    "--grace",
    "grace_s",
    type=float,
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long programs may take to end before they are killed.",
)


@main.command()
@engine_option
@grace_option
@lab_argument
@nodes_argument
def stop(lab: str, nodes: tuple[str, ...], grace_s: float) -> None:
    """Stop machines of a lab that runs, as if they were switched off.

    All that runs on them ends and their links are dead. Their files stay, and so does all else.
    """
    from playground.frontends import life_commands

    with _attached(None, lab) as found:
        life_commands.stop(found, nodes, grace_s, click.echo)


@main.command()
@engine_option
@lab_argument
@nodes_argument
def start(lab: str, nodes: tuple[str, ...]) -> None:
    """Start machines of a lab that `playground stop` has stopped.

    Their services answer when it is done. A lab that is down is started by `playground up`.
    """
    from playground.frontends import life_commands

    with _attached(None, lab) as found:
        life_commands.start(found, nodes, click.echo)


@main.command()
@engine_option
@grace_option
@lab_argument
@nodes_argument
def restart(lab: str, nodes: tuple[str, ...], grace_s: float) -> None:
    """Stop machines of a lab that runs, and start them again."""
    from playground.frontends import life_commands

    with _attached(None, lab) as found:
        life_commands.restart(found, nodes, grace_s, click.echo)


@main.command()
@engine_option
@json_option
@click.option(
    "--kind", "kinds", multiple=True, metavar="KIND", help="Of this kind; may be repeated."
)
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="End after so long.")
@lab_argument
def events(lab: str, as_json: bool, kinds: tuple[str, ...], seconds: float | None) -> None:
    """Print what happens in a lab that runs, as it happens.

    Links that go up and down or are changed, machines that are stopped, started, added or die,
    services, neighbours of OSPF and BGP, addresses and routes, whichever program does it. It ends
    with the lab, or by Ctrl-C. With --json each line is an object. Kinds are link, node, service,
    neighbour, address, route and interface.
    """
    from playground.frontends import life_commands

    with _attached(None, lab) as found:
        life_commands.events(found, kinds, as_json, seconds, click.echo)


@main.command()
@engine_option
@lab_argument
@click.argument("name", metavar="[NAME]", required=False)
@click.option("--limit-mb", type=float, default=256.0, show_default=True, help="For each host.")
def snapshot(lab: str, name: str | None, limit_mb: float) -> None:
    """Keep how a lab that runs is now, under NAME; without NAME, list what is kept.

    Kept are files that its hosts have written, and what was changed live: links, rules, routes,
    services. `playground restore` brings it back. Snapshots go with the lab.
    """
    with _attached(None, lab) as found:
        if name is None:
            click.echo("\n".join(found.snapshots) or "nothing is kept")
            return
        found.snapshot(name, limit_mb=limit_mb)
        click.echo(f"lab {found.name} is kept as {name}")


@main.command()
@engine_option
@lab_argument
@click.argument("name")
def restore(lab: str, name: str) -> None:
    """Bring a lab that runs back to what `playground snapshot` has kept as NAME.

    Its hosts are made anew and get their files of then; their programs start again.
    """
    with _attached(None, lab) as found:
        found.restore(name)
        click.echo(f"lab {found.name} is as it was at {name}")


@main.command("check")
@engine_option
@json_option
@click.option("--strict", is_flag=True, help="Refuse a file with keys that are not known.")
@click.option("--within", "within_s", type=float, default=5.0, show_default=True, metavar="SECONDS")
@lab_argument
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check_file(lab: str, file: Path, as_json: bool, strict: bool, within_s: float) -> None:
    """Check what FILE wants of a lab that runs: a file of kathara-lab-checker.

    Each check is a line, with the reason where it failed. The exit status is 1 if any has failed.
    """
    from playground.frontends import life_commands

    with _attached(None, lab) as found, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", LabWarning)
        report = found.check_file(file, within_s=within_s, strict=strict)
    for one in told:
        click.echo(f"playground: {one.message}", err=True)
    if as_json:
        _print_json([vars(row) for row in report.checks])
    else:
        life_commands.show_checks(report, click.echo)
    click.get_current_context().exit(int(not report))


def _ask_whether_to_end(records: Sequence[LabRecord]) -> None:
    """Show labs and ask whether to end them all; raises `Failure` for anything but yes."""
    _print_labs(records)
    count = f"all {len(records)} of them" if len(records) > 1 else "it"
    try:
        if click.confirm(f"End {count}?"):
            return
    except click.Abort:
        click.echo()
        raise Failure("nothing was taken down: say --yes where nobody can answer") from None
    raise Failure("nothing was taken down")


@main.command()
@engine_option
@click.pass_obj
def sweep(quiet: bool) -> None:
    """Remove the leftovers of programs that died.

    A lab dies with its program by itself; only an engine that was down at that moment leaves
    something. Labs that are kept, that run, or that belong to another machine stay.
    """
    labs = _labs()
    _remove(
        labs,
        [record for record in labs.labs() if record.is_stale],
        quiet,
    )


@main.command()
@engine_option
@click.argument("container", shell_complete=_complete_host)
@click.option("--to", metavar="LAB/SWITCH", help="A switch of a lab that runs.")
@click.option("--new", metavar="NAME", help="A switch of its own, a lab of this name.")
@click.option("--macvlan", metavar="DEVICE", help="An interface of this machine, shared.")
@click.option("--physical", metavar="DEVICE", help="An interface of this machine, moved in.")
@click.option("--dummy", is_flag=True, help="An interface that leads nowhere.")
@click.option("--interface", "-i", metavar="NAME", help="Its name; by default the next ethN.")
@click.option("--mac", metavar="MAC", help="Its MAC address.")
@click.option("--address", "-a", "addresses", multiple=True, metavar="ADDRESS/LENGTH")
@click.option("--dhcp", is_flag=True, help="Ask for an address, and keep it renewed.")
@click.option("--gateway", metavar="ADDRESS", help="Make this the container's default route.")
@click.option("--route", "routes", multiple=True, metavar="PREFIX[=GATEWAY]")
@click.option("--mtu", "mtu_bytes", type=int, metavar="BYTES")
@click.option("--vlan", type=int, metavar="NUMBER", help="An access port of this VLAN.")
@click.option("--subnet", metavar="PREFIX", help="With --new: the network on that switch.")
@click.option(
    "--trust-hosts",
    is_flag=True,
    help="With --macvlan, for a host on Docker: what runs there may change this machine's network.",
)
def plug(
    container: str,
    to: str | None,
    new: str | None,
    routes: tuple[str, ...],
    subnet: str | None,
    **how: Any,
) -> None:
    """Give any running container one more interface.

    CONTAINER is a host of a lab, the name or id of a container that Docker runs, made by playground
    or not, or a process id. Say what to plug it into: --to, --new, --macvlan, --physical
    or --dummy. --address and --route may be given more than once; without an address it is only
    connected. Needs root, but for Docker.
    """
    from playground.lab import plug as plugging
    from playground.operations.network import Switch

    places = (to, new, how["macvlan"], how["physical"], how["dummy"] or None)
    if sum(place is not None for place in places) != 1:
        raise click.UsageError(
            "say once what to plug it into: --to LAB/SWITCH, --new SWITCH, --macvlan DEVICE, "
            "--physical DEVICE or --dummy"
        )
    if how["dhcp"] and (how["addresses"] or how["gateway"]):
        raise click.UsageError(
            "with --dhcp addresses and gateway come from the server: leave --address and "
            "--gateway out"
        )
    place = Switch(new, subnet=subnet) if new is not None else to
    ways = {prefix: via or None for prefix, _, via in (text.partition("=") for text in routes)}
    try:
        found = plugging.plug(_container(container), place, routes=ways, **how)
    except PlaygroundError as error:
        raise Failure(_as_options(str(error), plug)) from error
    addresses = " ".join(found.addresses) or "no address"
    click.echo(f"{found.interface} of {container} is plugged into {found.to}: {addresses}")


def _as_options(sentence: str, command: click.Command) -> str:
    """Return a sentence about arguments in Python's words in those of the command's options.

    >>> _as_options("or say trust_hosts=True", plug)
    'or say --trust-hosts'

    """
    for option in command.params:
        # Words in brackets are Python and stay so, as Lab(engine="namespaces").
        said = rf"(?<![\w(]){option.name}="
        sentence = re.sub(rf"{said}True\b", option.opts[0], sentence)
        sentence = re.sub(said, f"{option.opts[0]} ", sentence)
    return sentence


@main.command()
@engine_option
@click.argument("container", shell_complete=_complete_host)
@click.argument("interface", required=False)
def unplug(container: str, interface: str | None) -> None:
    """Take out again what `playground plug` has given to CONTAINER.

    INTERFACE may be left out where there is one. The default route that was there before comes
    back, and an interface of the machine goes back to it.
    """
    from playground.lab import plug as plugging

    plugging.unplug(_container(container), interface)


@main.command()
@engine_option
@click.argument("container", shell_complete=_complete_host)
@click.argument("interface", default="eth1")
@click.option("--timeout", "timeout_s", type=float, metavar="SECONDS", help="Give up after it.")
def wait(container: str, interface: str, timeout_s: float | None) -> None:
    """Wait until CONTAINER has an INTERFACE (eth1) that is up and connected.

    It is the start of what needs the interface: `playground wait web && docker exec web nginx`.
    The exit status is 1 if it has not come about within --timeout.
    """
    from playground.lab import plug as plugging

    which = _container(container)
    begin = time.monotonic()
    if plugging.wait_plugged(which, interface, min(_SILENT_S, timeout_s or _SILENT_S)):
        return
    there = ", ".join(plugging.interfaces_of(which)) or "none"
    left = None if timeout_s is None else timeout_s - (time.monotonic() - begin)
    if left is None or left > 0:
        click.echo(
            f"playground: {container} has no interface {interface} that is up yet (it has: "
            f"{there}); waiting for it",
            err=True,
        )
        if plugging.wait_plugged(which, interface, left):
            return
        there = ", ".join(plugging.interfaces_of(which)) or "none"
    raise Failure(
        f"{container} has no interface {interface} that is up after {timeout_s:g} s; it has: "
        f"{there}"
    )


# Whoever waits for an interface of another name should hear of it.
_SILENT_S = 2.0


def _container(name: str) -> str | int:
    """A name, or a process id: no container is called by a short number alone."""
    return int(name) if name.isdigit() and len(name) < 8 else name


@main.command("help")
@click.argument("topic", nargs=-1)
def show_help(topic: tuple[str, ...]) -> None:
    """Show the how-to page about TOPIC, or the list of all pages.

    TOPIC is a word, or a question in your own words: `playground help vlan`,
    `playground help slow link`. The pages come with the package: no network is needed.

    """
    from playground.display.how_to import Overview, help_page

    page = help_page(" ".join(topic))
    if isinstance(page, Overview):
        click.echo(f"{page!r}\n\nOne of them: playground help {page.pages[0].name}")
    elif sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        # In the terminal's own colours: it may be light or dark.
        Console().print(Markdown(page.markdown, code_theme="ansi_dark"))
    else:
        click.echo(page.markdown.rstrip("\n"))


@main.command()
@click.pass_context
def version(ctx: click.Context) -> None:
    """Print the versions of playground and Python."""
    _show_version(ctx)


def _show_version(ctx: click.Context) -> None:
    import platform

    click.echo(f"playground {_version()}, Python {platform.python_version()}")
    ctx.exit()


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("network-playground")
    except metadata.PackageNotFoundError:
        return "(not installed)"


def _program() -> str:
    """The words by which the reader runs this program: its name, or a path to it."""
    ours = Path(sys.argv[0])
    if shutil.which("playground"):
        return "playground"
    if ours.name != "playground":
        return f"{sys.executable} -m playground"
    near = os.path.relpath(ours)
    return near if not near.startswith("..") else str(ours.absolute())


def say_how_to_enter(lab: Lab, took_s: float) -> None:
    """Print that a kept lab is up, and the commands with which to use it."""
    from playground.operations.network import Host, Switch

    nodes = [node for node in lab.nodes if not isinstance(node, Switch)]
    first = next((node for node in nodes if isinstance(node, Host)), nodes[0]).short
    name, program = shlex.quote(lab.name), _program()
    count = f"{len(nodes)} machine{'s' if len(nodes) != 1 else ''}"
    click.echo(f"lab {lab.name} is up: {count} in {took_s:.1f} s")
    ways = [
        ("enter a machine", f"{program} shell {first}"),
        ("run something", f"{program} run {first} -- ip route"),
    ]
    with_server = [node.short for node in nodes if node.running().own_programs]
    if with_server:
        reached = first if first in with_server else with_server[0]
        users = ", ".join(f"{name} / {password}" for name, password in lab.users.items())
        ways += [
            ("use ssh", f"ssh -F $({program} ssh-config --file) {reached}"),
            ("user / password", users or "none"),
            ("root's password", lab.root_password),
        ]
    ways.append(("take it down", f"{program} down {name}"))
    for title, text in ways:
        click.echo(f"  {title + ':':<17} {text}")


# -- labs that run -----------------------------------------------------------


def _labs() -> RunningLabs:
    from playground.engines.choice import RunningLabs

    return RunningLabs()


def _short(name: str) -> str:
    return name.partition(".")[0]


def _nodes_of(record: LabRecord) -> list[str]:
    """The names by which the machines of a lab may be called."""
    return [name for node in record.nodes for name in dict.fromkeys((node, _short(node)))]


@contextmanager
def _attached(host: str | None, lab_name: str | None) -> Iterator[Lab]:
    """Enter the lab meant: the one named, else the only one that has this host."""
    from playground.lab.lab import Lab

    with closing(_labs()) as labs:
        engine, record = _meant(labs, host, lab_name)
        with Lab.attach(record.id, engine=engine, quiet=True) as lab:
            yield lab


@contextmanager
def _reached(host: str, lab_name: str | None) -> Iterator[tuple[Client, int]]:
    """Enter the lab meant as far as one command needs it: its agent, and the host's process.

    Without the lab's plan, whose rooms take longer to import than the command to run.

    """
    from playground.operations.connection.client import Client

    with closing(_labs()) as labs:
        engine, record = _meant(labs, host, lab_name)
        pids = {name.lower(): pid for name, pid in engine.pids(record.id).items()}
        pids = {_short(name): pid for name, pid in pids.items()} | pids
        if host.lower() not in pids:
            # A switch, or nobody: the lab itself knows the sentence.
            with _attached(host, lab_name) as lab:
                live = _machine(lab, host).running()
            raise NotRunning(f"{host} does not run any more (process {live.pid})")
        with closing(Client(engine.connect(record.id))) as client:
            client.hello()
            text = client.call("state_load", wait_s=_SILENT_S) or ""
            if _SOMEBODY_STOPPED in text:
                with _attached(host, lab_name) as lab:
                    _machine(lab, host).running()
            yield client, pids[host.lower()]


# Of a lab as JSON: only one with such nodes is read as a whole.
_SOMEBODY_STOPPED = '"stopped": [{'


def _meant(labs: RunningLabs, host: str | None, lab_name: str | None) -> tuple[Engine, LabRecord]:
    """Return the lab that is named, or the only one that has this host, and its engine."""
    if lab_name is None:
        records = labs.labs()
        if host is not None and records:
            # Names are compared without case (RFC 4343).
            wanted = host.lower()
            records = [
                record
                for record in records
                if wanted in (name.lower() for name in _nodes_of(record))
            ]
            if not records:
                raise NoSuchNode(
                    f"no lab that runs has a machine {host!r}: `playground ls` shows them"
                )
        if not records:
            raise LabNotFound("no lab is running: start one with `playground up FILE.py`")
        # A neighbour's lab on the same engine is not in the way.
        lab_name = _only([record for record in records if record.is_own] or records).id
    return labs.find(lab_name)


def _only(
    records: Sequence[LabRecord], name: str | None = None, say: str = "say --lab NAME"
) -> LabRecord:
    """Return the one lab there is to choose; ``name`` is what was asked for, if anything."""
    if not records and name is None:
        raise LabNotFound("no lab of yours is running: start one with `playground up FILE.py`")
    if not records:
        raise LabNotFound(f"no lab {name!r} is running: `playground ls` lists those that are")
    if len(records) > 1:
        names = ", ".join(f"{record.name} ({record.id})" for record in records)
        raise LabNotFound(f"more than one lab fits: {say}, one of {names}")
    return records[0]


def _machine(lab: Lab, name: str) -> Machine:
    from playground.operations.network import Machine

    node = lab[name]
    if not isinstance(node, Machine):
        raise NotRunning(f"{name} is a switch: nothing can run on it; choose a host or router")
    return node


def _remove(labs: RunningLabs, records: Sequence[LabRecord], quiet: bool) -> None:
    from playground.display.progress import make_progress
    from playground.lab.life import snapshot_store

    progress = make_progress(quiet)
    for record in records:
        with progress.step(f"taking down lab {record.name}"):
            labs.stop(record)
        snapshot_store.forget(record.id)
        with suppress(BadArgument):  # what has no folder has none to remove
            shutil.rmtree(_folder(record.id), ignore_errors=True)
        click.echo(f"lab {record.name} ({record.id}) is down")
    if not records:
        click.echo("there was nothing to take down", err=True)
    running = {record.id for record in labs.labs()}
    _forget_folders(running)
    snapshot_store.forget_others(running)


def _print_json(data: Any) -> None:
    click.echo(json.dumps(data, indent=2, ensure_ascii=False, default=str))


# -- a process whose streams are ours ----------------------------------------


def _run_through(agent: Client, pid: int, argv: Sequence[str], user: str | None) -> int:
    """Run a command with our own streams as its own; return our exit status."""
    try:
        process = agent.spawn(pid, argv, user=user, stdin=True)
    except AgentError as error:
        if error.errno is None:
            raise
        click.echo(f"playground: {error}", err=True)
        return NO_SUCH_COMMAND
    # A daemon: when the command ends, nobody waits for input that may never come.
    threading.Thread(target=_feed, args=(process,), daemon=True).start()
    errors = threading.Thread(target=_copy, args=(process, process.read_stderr, 2))
    errors.start()
    try:
        _copy(process, process.read_stdout, 1)
        errors.join()
        return _exit_status(process.wait())
    except KeyboardInterrupt:
        process.signal(signal.SIGINT)
        try:
            process.wait(timeout_s=2)
        except TimeoutError:
            process.signal(signal.SIGKILL)
        raise


def _feed(process: AgentProcess) -> None:
    try:
        while data := os.read(0, 65536):
            process.write(data)
        process.close_stdin()
    except (OSError, PlaygroundError):
        # No input at all, or the command has ended.
        return


def _copy(process: AgentProcess, read: Callable[[], bytes], descriptor: int) -> None:
    try:
        while data := read():
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
    except BrokenPipeError:
        # The kernel would do so to a command whose reader has gone.
        process.signal(signal.SIGPIPE)
        while read():
            pass


def _exit_status(returncode: int | None) -> int:
    if returncode is None:
        return 0
    return returncode if returncode >= 0 else SIGNALLED - returncode


# -- ssh ---------------------------------------------------------------------


def _folder(lab_id: str) -> Path:
    """The folder of one lab's ssh keys, in the user's own cache.

    Raises `BadArgument` for an id that is no plain name: it is the text of a
    label, which any user of the engine can set, and the folder is removed.

    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", lab_id):
        raise BadArgument(f"{lab_id!r} is no id of a lab: nothing is kept under it")
    return _cache() / lab_id


def _cache() -> Path:
    """The folder of all labs' keys; raises `BadArgument` for a user without a home."""
    if named := os.environ.get("XDG_CACHE_HOME"):
        return Path(named) / "playground"
    try:
        return Path.home() / ".cache" / "playground"
    except RuntimeError as error:
        raise BadArgument(f"this user has no home folder: {_SAY_WHERE}") from error


_SAY_WHERE = (
    "set XDG_CACHE_HOME to a folder that you may write to, as in "
    "`XDG_CACHE_HOME=/tmp/$USER playground ssh-config`"
)


def _forget_folders(running: set[str]) -> None:
    """Remove the keys of labs that are gone; they open nothing any more."""
    with suppress(BadArgument, OSError):  # what cannot be read keeps none of ours
        for folder in list(_cache().iterdir()):
            if folder.name not in running and (folder / "key").is_file():
                shutil.rmtree(folder, ignore_errors=True)


def _ssh_config(lab: Lab) -> str:
    """Write the keys of a lab and return the text of an ssh_config(5)."""
    from playground.operations.network import Switch

    folder = _folder(lab.id)
    nodes = [node for node in lab.nodes if not isinstance(node, Switch)]
    keys = "".join(f"{node.name} {lab.host_key(node.name)}\n" for node in nodes)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_private(folder / "key", lab.private_key)
        _write_private(folder / "known_hosts", keys)
    except OSError as error:
        raise BadArgument(
            f"the keys of lab {lab.name} cannot be kept in {folder.parent}: {error.strerror}; "
            f"{_SAY_WHERE}"
        ) from error
    # -P: ssh is called in any folder, where a file random.py may lie.
    command = shlex.join([sys.executable, "-P", "-m", "playground", "proxy", "--lab", lab.id])
    blocks = [f"# The machines of lab {lab.name}, by `playground ssh-config`.\n"]
    for node in nodes:
        if not node.running().own_programs:
            blocks.append(f"# {_no_ssh(node)}\n")
            continue
        names = " ".join(dict.fromkeys((node.short, node.name)))
        # %% because ssh_config(5) expands % in a ProxyCommand.
        blocks.append(
            f"Host {names}\n"
            f"    HostName {node.name}\n"
            f"    HostKeyAlias {node.name}\n"
            f"    ProxyCommand {command.replace('%', '%%')} {node.name}\n"
        )
    blocks.append(
        "Host *\n"
        "    User root\n"
        f'    IdentityFile "{folder / "key"}"\n'
        "    IdentitiesOnly yes\n"
        f'    UserKnownHostsFile "{folder / "known_hosts"}"\n'
        "    GlobalKnownHostsFile none\n"
        "    StrictHostKeyChecking yes\n"
    )
    return "\n".join(blocks)


def _no_ssh(node: Machine) -> str:
    return (
        f"{node.name} has this machine's programs and no server of its own: declare it with "
        'services=["ssh"] to reach it by ssh'
    )


def _write_private(path: Path, text: str) -> None:
    # ssh refuses a key that others may read.
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text if text.endswith("\n") else text + "\n")


@main.command()
@engine_option
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="A folder that the assistant may read and write lab files and captures in.",
)
@click.option(
    "--allow-images", is_flag=True, help="Let its hosts have images and packages of their own."
)
def mcp(folder: Path | None, allow_images: bool) -> None:
    """Offer labs to an assistant, by the Model Context Protocol on standard input and output.

    An assistant's program starts this; see `playground help mcp`. What the assistant does stays in
    its labs, which end with this program.
    """
    from playground.frontends.mcp.server import check_folder, serve
    from playground.frontends.mcp.workshop import Workshop

    serve(Workshop(check_folder(folder), allow_images), _version())


@main.command()
def schema() -> None:
    """Print the JSON schema of lab files, for editors."""
    from playground.lab.files.schema import lab_file_schema

    _print_json(lab_file_schema())


if __name__ == "__main__":
    main(prog_name="playground")

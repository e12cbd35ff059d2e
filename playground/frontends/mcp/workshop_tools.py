"""Tools that are of no object of the Python API: to declare, change, see and keep labs.

Their signatures and docstrings are what an assistant is told, as those of the API are.

"""

from __future__ import annotations

import inspect
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from playground import examples
from playground.display.how_to import help_page
from playground.engines.whole_files import write_whole
from playground.errors import BadArgument, PlaygroundError, UnknownName
from playground.frontends.mcp.answers import answer_text, bounded
from playground.frontends.mcp.tool_schemas import description
from playground.frontends.mcp.workshop import SpokenDocument, Workshop, parts_of
from playground.lab.declarations.constructed import node_kind
from playground.lab.declarations.declare import tell
from playground.lab.declarations.gather import gather
from playground.lab.declarations.signatures import CLASSES
from playground.lab.declarations.told import METHODS
from playground.lab.files.reading import understand_call
from playground.lab.files.schema import lab_file_schema
from playground.lab.files.writing import file_data, file_text
from playground.lab.lab import Lab
from playground.model.arguments import is_number, shown
from playground.model.services.table import SERVICES
from playground.operations.captures.capture import Capture
from playground.operations.network import Link, Node

# Of a capture: a packet is some 120 characters of a table.
MOST_PACKETS = 150
MOST_CAPTURE_S = 60.0
MOST_EVENTS = 300

# What a command has done is told within so long.
_AFTERWARDS_S = 1.0

# Changes of a link that runs, which no file declares.
_LIVE = {"link": ("up", "restore")}


def labs(workshop: Workshop) -> str:
    """List the labs that were declared here, and whether they run."""
    return "\n".join(repr(lab) for lab in workshop.labs) or "no lab was declared yet"


def example_labs(workshop: Workshop) -> str:
    """List labs that are ready to start; `declare_example` takes one of them."""
    found = (
        (name, item)
        for name, item in vars(examples).items()
        if inspect.isfunction(item) and f"{name}_nodes" in vars(examples)
    )
    lines = [
        f"{name}: {(item.__doc__ or '').strip().partition(chr(10))[0]}" for name, item in found
    ]
    return "\n".join(lines)


def declare_example(workshop: Workshop, name: str) -> str:
    """Declare one of the ready labs, and show its network; `start` it then."""
    nodes = vars(examples).get(f"{name}_nodes")
    if nodes is None:
        raise UnknownName(f"there is no example {shown(name)}: ask example_labs for their names")
    lab = Lab(*nodes(), name=name.replace("_", "-"), engine=workshop.engine(), quiet=True)
    return _declared(workshop.take(lab))


def declare(
    workshop: Workshop,
    name: str | None = None,
    nodes: Mapping[str, Any] | None = None,
    links: Sequence[Any] | None = None,
    ipv6: bool | str = False,
    users: Mapping[str, str] | None = None,
    strict: bool = True,
    yaml: str | None = None,
) -> str:
    """Declare a network of hosts, routers, switches and links, and show it; `start` it then.

    `nodes` maps names to what they are, in the words of the Python API: {"kind": "router",
    "routing": "ospf", "calls": [{"masquerade": {"link": "modem-isp"}}]}; {} is a host.  `links` are
    pairs of names, ["h1", "home"], or {"nodes": ["h1", "home"], "id": "uplink", "subnet": ...};
    without an id a link is called by its nodes, "h1-home".  Addresses, routes and names come by
    themselves where nothing is said.  `describe` tells of the arguments and calls that there are.

    `yaml` is a whole lab file instead of nodes and links, such as the how-to pages have and
    `save` returns.  A lab of the same name that does not run is replaced.

    """
    if yaml is not None:
        if nodes is not None or links is not None:
            raise BadArgument("say nodes and links, or yaml with both in it, and not all of them")
        if ipv6 or users is not None or not strict:
            raise BadArgument("with yaml, ipv6, users and strict stand in it: write them there")
        return _declared(workshop.read(yaml, name))
    if not nodes:
        raise BadArgument('a lab has at least one node: nodes={"h1": {}, "h2": {}}')
    said = {"ipv6": ipv6, "users": users, "strict": strict}
    usual = {"ipv6": False, "users": None, "strict": True}
    settings = {word: value for word, value in said.items() if value != usual[word]}
    return _declared(workshop.declare(name, nodes, list(links or ()), **settings))


def extend(
    workshop: Workshop,
    lab: str | None = None,
    nodes: Mapping[str, Any] | None = None,
    links: Sequence[Any] | None = None,
) -> str:
    """Declare more nodes and links of a lab, in the words of `declare`; `start` brings them up.

    Links may name nodes that the lab has already.

    """
    found = workshop.lab(lab)
    workshop.extend(found, nodes or {}, list(links or ()))
    return _declared(found)


def forget(workshop: Workshop, lab: str | None = None) -> str:
    """Stop a lab and forget its declarations."""
    found = workshop.lab(lab)
    workshop.forget(found)
    return f"lab {found.name} is gone"


def change(
    workshop: Workshop,
    part: str,
    method: str,
    arguments: Mapping[str, Any] | None = None,
    lab: str | None = None,
) -> str:
    """Tell a node or a link something, whether its lab runs or not: a call of the Python API.

    `part` is the name of a node or the id of a link ("h1-home"), `method` one of the calls that
    `describe` lists for its kind: a link's "down", "up", "impair", "restore"; a router's
    "forward", "masquerade", "route"; "firewall.drop" of a host or router.  In a running lab it is
    done at once; what needs new nodes or daemons is done by `start`.

    """
    found = workshop.lab(lab)
    parts = parts_of(found)
    target: Node | Link | None = parts.nodes.get(part) or parts.links.get(part)
    if target is None:
        there = ", ".join([*parts.nodes, *parts.links])
        raise UnknownName(f"lab {found.name} has no node or link {shown(part)}: there is {there}")
    kind = "link" if isinstance(target, Link) else node_kind(target)
    if method in _LIVE.get(kind, ()):
        if arguments and {*arguments} - {"toward"}:
            raise BadArgument(f"{method} of a link takes toward alone, and not {shown(arguments)}")
        getattr(target, method)(**(arguments or {}))
    else:
        document = SpokenDocument(Path("/nonexistent/lab.yaml"), {method: arguments or {}})
        call = understand_call(document, kind, gather(found.nodes), ())
        tell(target, [call], parts)
    return "done"


def node_start(workshop: Workshop, node: str, lab: str | None = None) -> str:
    """Start a node of a running lab that was stopped: its links, services and programs come back.

    All of them answer when this returns.  A node that runs already is left alone.

    """
    workshop.lab(lab).node(node).start()
    return "done"


def describe(workshop: Workshop, kind: str, method: str | None = None) -> str:
    """Tell what can be declared: the arguments and calls of a kind of node or link, or a service.

    `kind` is "host", "router", "switch", "link", "tunnel", "bond", or a service ("http", "dns").
    `method` is one call of it, such as "masquerade", for its own arguments.

    """
    schema = lab_file_schema()
    services = schema["$defs"]["service"]["anyOf"][1]["properties"]
    if kind in services:
        row = SERVICES.get(kind)
        said = description(row.settings) if row is not None else services[kind]["description"]
        return _described(said, services[kind])
    if kind not in CLASSES:
        there = ", ".join([*CLASSES, *services])
        raise UnknownName(f"there is no kind {shown(kind)}: there is {there}")
    methods = METHODS.get(kind, METHODS["link"] if kind in ("tunnel", "bond") else {})
    if method is not None:
        if method not in methods:
            raise UnknownName(
                f"a {kind} has no call {shown(method)}: it has {', '.join(methods) or 'none'}"
            )
        word = "cable" if kind == "link" else kind
        calls = schema["$defs"][word]["properties"]["calls"]["items"]["anyOf"][1]["properties"]
        return _described(description(methods[method]), calls[method])
    own = dict(schema["$defs"]["cable" if kind == "link" else kind]["properties"])
    own.pop("calls", None)
    live = _LIVE.get("link" if kind in ("tunnel", "bond") else kind, ())
    calls = "\n".join(f"  {name}: {_first_line(one)}" for name, one in methods.items())
    also = f"\nand while it runs: {', '.join(live)}" if live else ""
    return _described(description(CLASSES[kind]), own) + f"\n\ncalls:\n{calls}{also}"


def _first_line(documented: Any) -> str:
    return (documented.__doc__ or "").strip().partition("\n")[0]


def _described(words: str, schema: Any) -> str:
    return f"{words}\n\narguments: {json.dumps(schema)}"


def how_to(workshop: Workshop, topic: str = "") -> str:
    """Return the how-to page about a topic ("vlans", "slow link"); without one, the list of pages.

    Pages show the Python API; what they declare has the same words in `declare`.

    """
    return bounded(help_page(topic, listed="how_to without a topic lists all pages").markdown)


def state(workshop: Workshop, lab: str | None = None, node: str | None = None) -> str:
    """Return what the kernels of a running lab have, of one node or of all.

    Links, addresses, routes, policy rules, neighbours, listening sockets, connections, NAT,
    firewall rules and some sysctls.

    """
    found = workshop.lab(lab)
    seen = found.state()
    return answer_text(seen if node is None else seen[found[node].name])


def picture(
    workshop: Workshop,
    lab: str | None = None,
    kind: Literal["text", "png"] = "text",
    theme: Literal["light", "dark"] = "light",
) -> str | bytes:
    """Return a picture of the network, with links as the kernel says: down, impaired, blocked.

    As a tree of text, or as an image; the resource picture.svg of a lab is the same as SVG.

    """
    made = workshop.lab(lab).picture()
    if kind == "text":
        return str(made)
    with tempfile.TemporaryDirectory() as folder:
        return made.save(Path(folder, "picture.png"), theme).read_bytes()


def _ran(command: str, more: str = "") -> str:
    return f'host= is where command= runs, say both: host="h1", command={command}{more}'


def capture(
    workshop: Workshop,
    lab: str | None = None,
    node: str | None = None,
    link: Sequence[str] | None = None,
    filter: str = "",  # noqa: A002 - as tcpdump's users call it
    host: str | None = None,
    command: str | None = None,
    seconds: float = 2.0,
    ladder: bool = False,
    file: str | None = None,
) -> str:
    """Capture packets, and return a table of them, or with `ladder` a sequence diagram.

    At one node, at a link (the names of its two nodes), or in the whole lab.  It goes on while
    `command` runs on `host`, or for so many seconds where no command is given.  `filter` is
    written as for tcpdump ("tcp port 80 and host www").  With `file`, a name that ends in .pcapng,
    the packets are written into the folder of files as well.

    """
    found = workshop.lab(lab)
    target = None if file is None else workshop.path(file)
    if target is not None and target.suffix.lower() not in (".pcap", ".pcapng"):
        raise BadArgument(f"packets are saved as .pcapng or .pcap, and not as {shown(file)}")
    if (host is None) != (command is None):
        raise BadArgument(_ran('"curl -s http://www/"', "; node= is where packets are looked at"))
    if not is_number(seconds, 0, MOST_CAPTURE_S):
        raise BadArgument(f"seconds={shown(seconds)}: say a number from 0 to {MOST_CAPTURE_S:g}")
    run = None if host is None else found.node(host)
    with _place(found, node, link, filter) as packets:
        if run is None:
            time.sleep(seconds)
            said = f"{len(packets)} packets in {seconds:g} s"
        else:
            result = run.run(command or "", check=False, timeout_s=MOST_CAPTURE_S)
            said = f"{host}: {answer_text(result)}"
    if target is not None:
        packets.save(target)
        said += f"\nwritten to {file}"
    shown_ones = packets[:MOST_PACKETS]
    rest = f"\n[{len(packets) - MOST_PACKETS} more]" if len(packets) > MOST_PACKETS else ""
    drawn = str(packets.ladder(limit_packets=MOST_PACKETS) if ladder else shown_ones.table())
    return bounded(f"{said}\n\n{drawn if len(packets) else 'no packet was seen'}{rest}")


def events(
    workshop: Workshop,
    lab: str | None = None,
    kinds: Sequence[str] = (),
    seconds: float = 5.0,
    host: str | None = None,
    command: str | None = None,
) -> str:
    """Listen to what happens in a running lab, and return a line for each event.

    For so many seconds, or while `command` runs on `host`, and a second longer.  `kinds` are any
    of "link", "node", "service", "neighbour", "address", "route" and "interface"; all without
    them.  Other tools may be called meanwhile, to see what a change does.

    """
    found = workshop.lab(lab)
    if (host is None) != (command is None):
        raise BadArgument(_ran('"ip link set eth0 down"'))
    if not is_number(seconds, 0, MOST_CAPTURE_S):
        raise BadArgument(f"seconds={shown(seconds)}: say a number from 0 to {MOST_CAPTURE_S:g}")
    lines: list[str] = []
    with found.events(*kinds) as heard:
        if host is not None:
            result = found.node(host).run(command or "", check=False, timeout_s=MOST_CAPTURE_S)
            lines.append(f"{host}: {answer_text(result)}")
            seconds = _AFTERWARDS_S
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0 and len(lines) < MOST_EVENTS:
            if (event := heard.get(timeout_s=left_s)) is not None:
                lines.append(event.line)
            elif not found.running:
                break
    return bounded("\n".join(lines) or "nothing happened")


def _place(lab: Lab, node: str | None, link: Sequence[str] | None, words: str) -> Capture:
    if node is not None and link is not None:
        raise BadArgument("say node or link, and not both")
    if node is not None:
        return lab.node(node).capture(filter=words)
    if link is not None:
        if len(link) != 2:
            raise BadArgument(f'link={shown(link)}: say the names of its nodes, ["h1", "home"]')
        return lab.link(*link).capture(filter=words)
    return lab.capture(filter=words)


def save(workshop: Workshop, lab: str | None = None, file: str | None = None) -> str:
    """Return all that was declared of a lab as a lab file (YAML), which `declare` takes.

    With `file` it is written into the folder of files as well.

    """
    found = workshop.lab(lab)
    text = lab_text(found)
    if file is not None:
        path = workshop.path(file)
        if path.suffix.lower() not in (".yaml", ".yml"):
            raise BadArgument(f"a lab file ends in .yaml, and {shown(file)} does not")
        try:
            write_whole(path, text, new_mode=0o600)
        except OSError as error:
            raise PlaygroundError(f"{file} cannot be written: {error.strerror}") from error
    return bounded(text)


def lab_text(lab: Lab) -> str:
    """Return a lab's file as text."""
    settings = {"name": lab.name, "ipv6": lab.ipv6, "strict": lab.strict}
    usual = {"ipv6": False, "strict": True}
    said = {word: value for word, value in settings.items() if value != usual.get(word)}
    return file_text(file_data(said, gather(lab.nodes)))


def load(workshop: Workshop, file: str, name: str | None = None) -> str:
    """Declare the lab of a lab file (YAML) in the folder of files; `start` it then."""
    path = workshop.path(file)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise PlaygroundError(f"{file} cannot be read: {reason}") from error
    return _declared(workshop.read(text, name or path.stem, path))


def files(workshop: Workshop) -> str:
    """List the lab files and captures in the folder of files."""
    folder = workshop.path("lab.yaml").parent
    kinds = (".yaml", ".yml", ".pcap", ".pcapng")
    names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in kinds)
    return "\n".join(names) or "there is none"


def _declared(lab: Lab) -> str:
    lab.plan()  # which refuses what cannot be
    return bounded(f"{lab!r}\n{lab}")

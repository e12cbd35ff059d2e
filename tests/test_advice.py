"""Advice of the library can be followed, and helps.

One lab; each test breaks one thing, does what `explain` advises until all is well, and
finds that it is.  What errors show as code is held against what can be called.

"""

from __future__ import annotations

import ast
import builtins
import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import playground
from playground.engines.namespaces.engine import NamespacesEngine
from playground.errors import BadArgument
from playground.lab.lab import Lab
from playground.operations.connection.commands import Job
from playground.operations.network import Host, Link, Machine, Router, Switch
from tests.advice import codes, follow
from tests.faulty import Net, serving


@pytest.fixture(scope="module")
def net(keep_lab: Callable[[str], None]) -> Iterator[Net]:
    net = Net(NamespacesEngine())
    with net.lab, ExitStack() as servers:
        keep_lab(net.lab.id)
        for node in (net.www, net.h1):
            servers.enter_context(serving(node))
        yield net


@pytest.fixture(autouse=True)
def routes(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave the routes and rules of the lab as they were, whatever a cure has made of them."""
    if "net" not in request.fixturenames:
        yield
        return
    net: Net = request.getfixturevalue("net")
    machines = [node for node in net.lab.nodes if isinstance(node, Machine)]
    before = {node: node.run("ip route").stdout.splitlines() for node in machines}
    yield
    net.r2.firewall.clear()
    for node in machines:
        for own in tuple(node.own_routes):
            own.remove()
        after = node.run("ip route").stdout.splitlines()
        gone = [line for line in before[node] if line not in after]
        commands = [f"ip route del {line}" for line in after if line not in before[node]]
        commands += [f"ip route add {line}" for line in sorted(gone, key=lambda x: "via" in x)]
        node.run("; ".join([*commands, "true"]))


def farm(net: Net) -> str:
    return str(net.www.interfaces["eth0"].addresses[0].network)


def shorten_mask(net: Net) -> None:
    [own] = [one for one in net.www.interfaces["eth0"].addresses if one.version == 4]
    route = net.www.run("ip route show default").stdout.strip()
    net.www.run(f"ip address del {own} dev eth0; ip address add {own.ip}/30 dev eth0")
    net.www.run(f"ip route add {route.split()[2]} dev eth0; ip route add {route}", check=False)


def wrong_neighbour(net: Net) -> None:
    gateway = net.w1.run("ip route show default").stdout.split()[2]
    net.w1.run(f"ip neigh replace {gateway} lladdr 02:00:00:00:00:99 dev eth0 nud reachable")


BREAKS: dict[str, tuple[Callable[[Net], object], str]] = {
    "link down": (lambda net: net.east.down(), "link down"),
    "unplugged at a switch": (lambda net: net.w1.links[0].down(), "link down"),
    "interface down": (lambda net: net.r2.run("ip link set eth0 down"), "interface down"),
    "no address": (lambda net: net.w1.run("ip -4 address flush dev eth0"), "no address"),
    "no route": (lambda net: net.w1.run("ip route del default"), "no route"),
    "no route on": (lambda net: net.core.run(f"ip route del {farm(net)}"), "no route"),
    "no route back": (lambda net: net.www.run("ip route del default"), "no route back"),
    "blackhole": (
        lambda net: net.core.run(f"ip route add blackhole {net.www.address}"),
        "forbidden route",
    ),
    "unreachable": (
        lambda net: net.r1.run(f"ip route add unreachable {net.www.address}"),
        "forbidden route",
    ),
    "forwarding off": (
        lambda net: net.core.sysctls.__setitem__("net.ipv4.ip_forward", 0),
        "forwarding off",
    ),
    "firewall": (lambda net: net.r2.firewall.default("drop", chain="forward"), "firewall"),
    "loss": (lambda net: net.east.impair(loss_percent=100), "loss"),
    "name": (lambda net: net.w1.hosts.__delitem__("www.example.com"), "name unknown"),
    "stale neighbour": (wrong_neighbour, "stale neighbour"),
    "duplicate": (
        lambda net: net.w2.run(f"ip address add {net.w1.address}/24 dev eth0"),
        "duplicate address",
    ),
}


@pytest.mark.parametrize(("breaks", "cause"), BREAKS.values(), ids=BREAKS)
def test_an_advice_that_is_followed_helps(
    net: Net, breaks: Callable[[Net], object], cause: str
) -> None:
    breaks(net)
    found = net.explain(net.w1, net.www)
    assert found.cause == cause, found
    # The cure of one fault may bring another to light.
    for _ in range(4):
        assert codes(found.advice), found
        follow(found, net.lab)
        found = net.explain(net.w1, net.www)
        if found.ok:
            break
    assert found.ok, found


def test_a_server_is_started(net: Net) -> None:
    found = net.explain(net.w1, net.www, port=81)
    assert found.cause == "server stopped"
    [job] = follow(found, net.lab)
    assert isinstance(job, Job)
    with job:
        net.lab.check.reaches(net.w1, net.www, port=81)


def test_a_ping_is_answered_again(net: Net) -> None:
    net.www.sysctls["net.ipv4.icmp_echo_ignore_all"] = 1
    found = net.explain(net.w1, net.www, protocol="icmp")
    assert found.cause == "ping ignored"
    follow(found, net.lab)
    assert net.explain(net.w1, net.www, protocol="icmp").ok


@pytest.mark.parametrize("port", [80, None])
def test_a_port_is_opened_in_a_home_router(net: Net, port: int | None) -> None:
    found = net.lab.explain(net.w1, net.h1, port=port)
    assert found.cause == "NAT"
    assert 'modem.forward(lab.link("core", "modem"), port=80, to=(h1, 80))'.replace('"', "'") in (
        found.advice.replace('"', "'")
    )
    if port is not None:
        follow(found, net.lab)
        assert net.explain(net.w1, net.modem).ok


def test_articles_and_kinds_of_routes(net: Net) -> None:
    with_route = f"ip route {{}} unreachable {net.www.address} metric 7"
    net.r1.run(with_route.format("add"))
    try:
        assert "r1 has an unreachable route for" in net.explain(net.w1, net.www).sentence
    finally:
        net.r1.run(with_route.format("del"))


def test_a_link_is_found_by_its_nodes() -> None:
    home, r1, r2, h1 = Switch("home"), Router("r1"), Router("r2"), Host("h1")
    first, second, cable = Link(r1, r2), Link(r1, r2), Link(home, h1)
    Link(home, r1)
    lab = Lab(home, name="serv-links")
    assert lab.link("H1", home) is lab.link(home, "h1") is cable
    assert lab.link("r1", "r2", interface="eth0") is first
    assert lab.link(r2, r1, interface="eth1") is second
    with pytest.raises(BadArgument, match="2 links between r1 and r2: give interface="):
        lab.link(r1, r2)
    with pytest.raises(BadArgument, match="h1 has no link to r2; it is linked to home"):
        lab.link(h1, r2)


# -- what errors show as code -----------------------------------------------------


def texts() -> Iterator[tuple[str, str]]:
    """Every text of an error, what is put in as `x`, with where it stands."""
    for path in sorted(Path(playground.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Raise) and node.exc is not None:
                for text in ast.walk(node.exc):
                    if isinstance(text, (ast.JoinedStr, ast.Constant)):
                        yield f"{path.name}:{node.lineno}", _plain(text)


def _plain(text: ast.expr) -> str:
    if isinstance(text, ast.JoinedStr):
        return "".join(
            _plain(part) if isinstance(part, ast.Constant) else "x" for part in text.values
        )
    return text.value if isinstance(text, ast.Constant) and isinstance(text.value, str) else ""


def callables() -> dict[str, list[Any]]:
    """All that users can call, by name: the package's exports, and their methods."""
    found: dict[str, list[Any]] = {}
    owners = [getattr(playground, name) for name in playground.__all__]
    for path in sorted(Path(playground.__file__).parent.glob("*.py")):
        module = (
            __import__(f"playground.{path.stem}", fromlist=["x"])
            if path.stem
            not in ("__main__", "plots", "notebook", "notebook_progress", "pytest_plugin")
            else None
        )
        owners += [one for one in vars(module or object).values() if inspect.isclass(one)]
    for owner in owners:
        if callable(owner):
            found.setdefault(owner.__name__, []).append(owner)
        if inspect.isclass(owner):
            for name in dir(owner):
                if not name.startswith("_") and callable(getattr(owner, name, None)):
                    found.setdefault(name, []).append(getattr(owner, name))
    return found


def test_what_errors_tell_to_call_can_be_called() -> None:
    known = callables()
    checked = 0
    for where, text in texts():
        for code in re.findall(r"(?<![\w.])[A-Za-z_][\w.]*\([^()`]*\)", text):
            try:
                call = ast.parse(code, mode="eval").body
            except SyntaxError:
                continue  # words and a remark in parentheses, or the name of a manual's page
            assert isinstance(call, ast.Call)
            if ast.unparse(call.func) == "x":
                continue  # whose name it is is put in
            name = ast.unparse(call.func).rpartition(".")[2]
            # A page of a manual: nft(8), and words with something in parentheses.
            if not call.keywords and name not in known:
                continue
            assert name in known or hasattr(builtins, name), f"{where}: {code}"
            keywords = [item.arg for item in call.keywords if item.arg not in (None, "x")]
            fits = []
            for function in known.get(name, []):
                try:
                    parameters = inspect.signature(function).parameters
                except ValueError:
                    continue
                named = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
                fits.append(named or all(keyword in parameters for keyword in keywords))
            assert any(fits), f"{where}: {code} has no such argument"
            checked += 1
    assert checked > 40

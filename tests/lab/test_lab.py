"""The life of a lab: started, added to, replaced, left, taken down, killed."""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from playground import (
    Host,
    Lab,
    LabNotFound,
    Link,
    NodeDied,
    NoSuchNode,
    NotReady,
    NotRunning,
    PlaygroundError,
    Router,
    Switch,
    TopologyError,
)
from playground.engines.docker import helpers
from playground.engines.docker.engine import DockerEngine
from playground.engines.seam import Channel, Engine
from playground.operations.connection.client import Client
from tests.facts import assert_can_ping, assert_path, get_page
from tests.machine import first_process, ours


def labs_named(engine: Engine, name: str) -> list[str]:
    """Return the ids of the labs of that name: others may run beside this test's."""
    return [record.id for record in ours(engine.labs()) if record.name == name]


def pair() -> tuple[Host, Host]:
    h1, h2 = Host("h1"), Host("h2")
    Link(h1, h2)
    return h1, h2


def coffee_shop() -> tuple[Switch, Host, Host, Router, Host, Link]:
    home = Switch("home", subnet="192.168.1.0/24")
    h1, h2, modem = Host("h1"), Host("h2"), Router("modem")
    www = Host("www.example.com", services=["http"])
    for node in (modem, h1, h2):
        Link(home, node)
    uplink = Link(modem, www, subnet="203.0.113.0/24")
    modem.masquerade(uplink)
    return home, h1, h2, modem, www, uplink


# -- declared only ----------------------------------------------------------------


def test_a_lab_takes_the_nodes_given_and_all_that_are_linked_to_them() -> None:
    home, *_ = coffee_shop()
    lab = Lab(home, name="coffee-shop")
    assert {node.name for node in lab.nodes} == {"home", "h1", "h2", "modem", "www.example.com"}
    assert len(lab.links) == 4
    assert repr(lab) == "<Lab coffee-shop: 3 hosts, 1 router, 1 switch; not running>"


def test_a_node_is_found_by_its_full_and_its_short_name() -> None:
    home, _, _, _, www, _ = coffee_shop()
    lab = Lab(home)
    assert lab["www"] is lab["www.example.com"] is www
    assert "www" in lab
    assert "ftp" not in lab
    with pytest.raises(NoSuchNode, match="there is no machine 'ftp' in lab lab: it has home"):
        lab["ftp"]


def test_a_lab_without_nodes_is_refused() -> None:
    with pytest.raises(TopologyError):
        Lab()


def test_a_node_is_in_one_lab_at_a_time() -> None:
    h1, _ = pair()
    first = Lab(h1, name="first")
    with pytest.raises(TopologyError, match="h1 is part of the lab 'first' already"):
        Lab(h1, name="second")
    assert first.name == "first"


def test_a_node_of_another_lab_is_no_target() -> None:
    h1, _ = pair()
    _, other_h2 = pair()
    lab, other = Lab(h1, name="first"), Lab(other_h2, name="second")
    with pytest.raises(NoSuchNode, match=r"Host.'h2'. is in lab second, and lab first does not"):
        lab.resolve_name(other_h2)
    assert other.resolve_name(other_h2) == lab.resolve_name("h2") == "h2"


def test_a_node_that_nobody_linked_is_no_target() -> None:
    h1, h2 = pair()
    lab = Lab(h1, name="first")
    with pytest.raises(NoSuchNode, match=r"Host.'h3'. is not in lab first: link it"):
        lab.resolve_name(Host("h3"))
    # One that was declared again, in the same cell of a notebook, is known by its name.
    assert lab.resolve_name(h2) == lab.resolve_name(Host("h2")) == "h2"


def test_a_lab_declared_again_under_its_name_takes_over_its_nodes() -> None:
    h1, _ = pair()
    first = Lab(h1, name="same")
    second = Lab(h1, name="same")
    assert first is not second


def test_what_is_not_started_cannot_run_anything() -> None:
    h1, _ = pair()
    Lab(h1)
    with pytest.raises(NotRunning, match="h1 is not running"):
        h1.run("true")


def test_stopping_a_lab_that_does_not_run_does_nothing() -> None:
    h1, _ = pair()
    Lab(h1).stop()


def test_the_default_user_has_a_password_of_the_labs_own() -> None:
    (h1, _), (g1, _) = pair(), pair()
    one, other = Lab(h1), Lab(g1)
    assert list(one.users) == ["student"]
    assert one.users["student"] != other.users["student"]
    assert one.root_password != other.root_password


@pytest.mark.parametrize("name", ["", "   ", "two\nlines", 7])
def test_what_is_no_name_for_a_lab_is_refused(name: object) -> None:
    h1, _ = pair()
    with pytest.raises(TopologyError, match="is no name for a lab"):
        Lab(h1, name=name)  # type: ignore[arg-type]


# -- running ----------------------------------------------------------------------


def test_the_first_network_of_the_readme(engine: Engine) -> None:
    home, h1, _, _, www, _ = coffee_shop()
    with Lab(home, name="coffee-shop", quiet=True) as lab:
        assert lab.running
        assert "www.example.com" in get_page(h1, "http://www.example.com/")[1]
        assert_can_ping(h1, www)
        assert_path(h1, www, "192.168.1.1", "203.0.113.2")
    assert not lab.running
    with pytest.raises(NotRunning):
        h1.run("true")


def test_a_lab_starts_again_after_it_was_stopped(engine: Engine) -> None:
    h1, h2 = pair()
    lab = Lab(h1, quiet=True)
    macs = []
    for _ in range(2):
        with lab:
            assert_can_ping(h1, h2)
            macs.append(h1.run("cat /sys/class/net/eth0/address").stdout)
    assert macs[0] == macs[1]


def test_starting_twice_changes_nothing(engine: Engine) -> None:
    h1, h2 = pair()
    with Lab(h1, quiet=True) as lab:
        before = engine.pids(lab.id)
        lab.start()
        assert engine.pids(lab.id) == before
        assert_can_ping(h1, h2)


def test_new_hosts_links_and_rules_join_a_running_lab(engine: Engine) -> None:
    home, h1, _, modem, www, uplink = coffee_shop()
    with Lab(home, quiet=True) as lab:
        before = engine.pids(lab.id)
        job = h1.start("sleep 1000")
        h3 = Host("h3")
        Link(home, h3)
        office = Router("office")
        Link(modem, office)
        desk = Host("desk")
        Link(office, desk)
        modem.forward(uplink, port=8080, to=(h3, 80))
        lab.start()
        after = engine.pids(lab.id)
        assert {name: after[name] for name in before} == before
        assert job.returncode is None
        assert_can_ping(h1, "h3")
        assert_can_ping(desk, h1)
        assert_can_ping(h1, "desk")
        h3.start("python3 -m http.server 80")
        www.run("curl -sf --retry 9 --retry-connrefused --retry-delay 0 http://203.0.113.1:8080/")
        job.terminate()


def test_a_link_between_running_hosts_can_be_added(engine: Engine) -> None:
    h1, h2 = pair()
    with Lab(h1, quiet=True) as lab:
        Link(h1, h2, subnet="10.9.9.0/24")
        lab.start()
        assert_can_ping(h1, "10.9.9.2")


def test_a_lab_whose_agent_has_gone_saves_nothing_and_says_nothing(engine: Engine) -> None:
    h1, _ = pair()
    with Lab(h1, quiet=True) as lab:
        h1.links[0].down()
        saving = lab._state.saving
        assert saving is not None and lab._state.client is not None
        lab._state.client.close()
        saving.join(10)  # what it raises, pytest tells of
        assert not saving.is_alive()


def state_of(node: Host | Router) -> str:
    """Return all that a lab sets in a node's network."""
    return node.run(
        "ip -br link; ip -br address; ip route; ip -6 route; nft -s list ruleset; "
        "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/disable_ipv6 /etc/hosts"
    ).stdout


@pytest.mark.parametrize("step", ["own", "wire", "network", "firewall", "furnish", "state_save"])
def test_a_failure_while_adding_leaves_the_running_machines_as_they_were(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    home, h1, h2, modem, www, uplink = coffee_shop()
    inner = Router("inner")
    up = Link(home, inner)
    with Lab(home, quiet=True) as lab:
        before = [state_of(node) for node in (h1, h2, modem, inner, www)]
        pids = engine.pids(lab.id)
        desk = Host("desk")
        Link(inner, desk)
        # With a machine that waits for the start, what NAT is told waits too.
        modem.forward(uplink, port=8080, to=(h2, 80))
        inner.masquerade(up)  # a NAT where none was
        Link(h1, h2, addresses=("2001:db8:9::1/64", "2001:db8:9::2/64"))
        with monkeypatch.context() as broken, pytest.raises(PlaygroundError, match="injected"):
            fail_at(broken, step)
            lab.start()
        assert engine.pids(lab.id) == pids
        assert [state_of(node) for node in (h1, h2, modem, inner, www)] == before
        assert_can_ping(h1, h2)
        lab.start()  # and now it can
        assert_can_ping(desk, "h1")


def test_a_lab_that_was_dropped_is_taken_down_with_a_warning(engine: Engine) -> None:
    lab = Lab(pair()[0], name="dropped", quiet=True).start()
    assert labs_named(engine, "dropped") == [lab.id]
    with pytest.warns(ResourceWarning, match="dropped without stop"):
        del lab
        gc.collect()
    limit = time.monotonic() + 20
    while labs_named(engine, "dropped"):
        assert time.monotonic() < limit
        time.sleep(0.05)


def test_a_lab_in_which_a_machine_died_does_not_grow(engine: Engine) -> None:
    h1, h2 = pair()
    with Lab(h1, quiet=True) as lab:
        with pytest.raises(NodeDied):
            h2.run("kill -9 -1; kill -9 1", check=False)
            os.kill(first_process(engine, lab.id, "h2"), signal.SIGKILL)
            wait_until_dead(engine, lab, "h2")
            h2.run("true")
        Link(h1, Host("h3"))
        with pytest.raises(NodeDied, match="h2 has died since lab lab was started"):
            lab.start()


def wait_until_dead(engine: Engine, lab: Lab, name: str) -> None:
    limit = time.monotonic() + 20
    while name in engine.pids(lab.id):
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_a_second_lab_of_the_same_name_replaces_the_first(engine: Engine) -> None:
    first = Lab(pair()[0], name="cell", quiet=True).start()
    second = Lab(pair()[0], name="cell", quiet=True).start()
    assert not first.running
    assert labs_named(engine, "cell") == [second.id]
    second.stop()


def test_two_labs_run_side_by_side(engine: Engine) -> None:
    (a1, a2), (b1, b2) = pair(), pair()
    with Lab(a1, name="a", quiet=True), Lab(b1, name="b", quiet=True):
        assert_can_ping(a1, a2)
        assert_can_ping(b1, b2)
        a1.run("touch /root/mine")
        assert b1.run("test -e /root/mine", check=False).returncode == 1


def test_the_same_lab_is_declared_twice_by_two_users_at_once(engine: Engine) -> None:
    program = textwrap.dedent(
        """
        from playground import Host, Lab, Link
        h1, h2 = Host("h1"), Host("h2")
        Link(h1, h2)
        with Lab(h1, name="exercise", quiet=True):
            print(h1.ping(h2).received, flush=True)
            input()
        """
    )
    with python(program) as ann, python(program) as bob:
        assert ann.stdout is not None
        assert bob.stdout is not None
        assert (ann.stdout.readline(), bob.stdout.readline()) == ("3\n", "3\n")
        assert len(labs_named(engine, "exercise")) == 2
        with pytest.raises(LabNotFound, match="2 labs named 'exercise' are running"):
            Lab.attach("exercise")
        for user in (ann, bob):
            user.communicate("\n", timeout=30)


def test_many_threads_use_one_lab(engine: Engine) -> None:
    h1, h2 = pair()
    with Lab(h1, quiet=True):
        seen: list[str] = []

        def work(number: int) -> None:
            node = (h1, h2)[number % 2]
            seen.append(node.run(f"echo {number}").stdout.strip())

        threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        assert sorted(seen, key=int) == [str(number) for number in range(20)]


def test_ipv6_is_there_when_asked_for(engine: Engine) -> None:
    home, h1, h2, _, www, _ = coffee_shop()
    with Lab(home, ipv6=True, quiet=True):
        address = next(
            str(item.ip)
            for interface in h2.interfaces.values()
            for item in interface.addresses
            if item.version == 6
        )
        assert_can_ping(h1, address)
        far = next(
            str(item.ip)
            for interface in www.interfaces.values()
            for item in interface.addresses
            if item.version == 6
        )
        assert_can_ping(h1, far)
        assert www.ping(address, count=1, timeout_s=1).received == 0  # a home router keeps it out


def frames(seconds: float) -> list[str]:
    """Return the first bytes of all frames on eth0: packet(7)."""
    seen = []
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as wire:  # ETH_P_ALL
        wire.bind(("eth0", 0))
        deadline = time.monotonic() + seconds
        while (left_s := deadline - time.monotonic()) > 0:
            wire.settimeout(left_s)
            try:
                seen.append(wire.recv(64).hex())
            except TimeoutError:
                break
    return seen


def test_without_ipv6_a_silent_wire_stays_silent(engine: Engine) -> None:
    h1, h2 = pair()
    with Lab(h1, quiet=True):
        assert h1.call(frames, 2.0) == []
        assert h2.run("cat /proc/net/if_inet6").stdout == ""


# -- kept, and entered from elsewhere --------------------------------------------------


def test_a_kept_lab_outlives_its_program_and_is_entered_by_another(engine: Engine) -> None:
    program = textwrap.dedent(
        """
        from playground import Host, Lab, Link, Router, Switch
        home = Switch("home", subnet="192.168.7.0/24")
        h1, h2, modem = Host("h1"), Host("h2"), Router("modem")
        www = Host("www.example.com", services=["http"])
        for node in (modem, h1, h2):
            Link(home, node, address="192.168.7.77" if node is h2 else "auto")
        modem.masquerade(Link(modem, www))
        Lab(home, name="kept", keep=True, quiet=True, users={"ann": "secret"}).start()
        """
    )
    with python(program) as made:
        assert made.wait(60) == 0
    try:
        with Lab.attach("kept", quiet=True) as lab:
            assert lab.users == {"ann": "secret"}
            assert_can_ping(lab["h1"], "192.168.7.77")
            assert "www" in get_page(lab["h1"], "http://www.example.com/")[1]
            h3 = Host("h3")
            Link(lab["home"], h3)
            lab.start()
            assert_can_ping(h3, "h1")
        assert len(labs_named(engine, "kept")) == 1
        with pytest.raises(PlaygroundError, match="kept running already"):
            Lab(Host("h9"), name="kept", keep=True, quiet=True).start()
        with Lab.attach("kept", quiet=True) as lab:
            assert_can_ping(lab["h3"], "h1")
            lab.stop()
    finally:
        for lab_id in labs_named(engine, "kept"):
            engine.stop(lab_id)
    assert labs_named(engine, "kept") == []


def test_attaching_to_no_lab_says_which_there_are(engine: Engine) -> None:
    with Lab(pair()[0], name="there", quiet=True), pytest.raises(LabNotFound) as refused:
        Lab.attach("elsewhere")
    assert "no lab named 'elsewhere' is running" in str(refused.value)
    assert "there" in str(refused.value)


def test_a_lab_that_lives_with_its_program_cannot_be_left(engine: Engine) -> None:
    with Lab(pair()[0], quiet=True) as lab, pytest.raises(PlaygroundError, match="keep=True"):
        lab.detach()


# -- failures -------------------------------------------------------------------------

STEPS = [
    "hash_passwords",
    "own",
    "wire",
    "network",
    "firewall",
    "share_files",
    "furnish",
    "boot",
    "wait_ready",
    "state_save",
]


def fail_at(patch: pytest.MonkeyPatch, step: str) -> None:
    """Make the agent's operation `step` fail after it was carried out."""
    call = Client.call

    def failing(self: Client, op: str, /, **args: object) -> object:
        result = call(self, op, **args)
        if op == step:
            raise PlaygroundError(f"injected after {op}")
        return result

    patch.setattr(Client, "call", failing)


def steps_left_out(engine: Engine) -> set[str]:
    """Return those of an engine whose hosts have no files in common."""
    return set() if engine.has_common_files else {"share_files"}


def test_those_are_all_the_steps(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    call = Client.call
    asked: set[str] = set()

    def noting(self: Client, op: str, /, **args: object) -> object:
        asked.add(op)
        return call(self, op, **args)

    monkeypatch.setattr(Client, "call", noting)
    with Lab(coffee_shop()[0], quiet=True):
        assert asked == set(STEPS) - steps_left_out(engine)


@pytest.mark.parametrize("step", STEPS)
def test_a_failure_of_the_agent_at_any_step_leaves_nothing(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    if step in steps_left_out(engine):
        pytest.skip("this engine gives its hosts no files in common")
    home, *_ = coffee_shop()
    with monkeypatch.context() as broken, pytest.raises(PlaygroundError, match="injected"):
        fail_at(broken, step)
        Lab(home, name="broken", quiet=True).start()
    assert labs_named(engine, "broken") == []


@pytest.mark.parametrize("method", ["ensure_images", "start_helper", "start_nodes"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_failure_of_the_engine_at_any_step_leaves_nothing(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, method: str, when: str
) -> None:
    original: Callable[..., object] = getattr(type(engine), method)

    def failing(self: Engine, *args: object) -> object:
        made = original(self, *args) if when == "after" else None
        if hasattr(made, "close"):
            made.close()
        raise PlaygroundError("injected")

    # The line to its agent is what holds a lab of bare namespaces: without it its
    # makers, beside whom the agent is started, may complain first.
    first = "injected|the makers of lab .* were killed|lab .* ended while its machines were made"
    with monkeypatch.context() as broken, pytest.raises(PlaygroundError, match=first):
        broken.setattr(type(engine), method, failing)
        Lab(pair()[0], name="broken", quiet=True).start()
    assert labs_named(engine, "broken") == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kept_lab_that_cannot_be_spoken_with_leaves_nothing(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    # A module of Docker's engine starts its agents, and the other engine itself.
    place: Any = helpers if isinstance(engine, DockerEngine) else type(engine)
    original = place.connect

    def failing(*arguments: Any) -> Channel:
        if when == "after":
            original(*arguments).close()
        raise PlaygroundError("injected")

    with monkeypatch.context() as broken, pytest.raises(PlaygroundError, match="injected"):
        broken.setattr(place, "connect", failing)
        Lab(pair()[0], name="broken", keep=True, quiet=True).start()
    assert labs_named(engine, "broken") == []


def test_a_service_that_does_not_answer_is_named_with_its_log(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:

    monkeypatch.setattr("playground.lab.methods.starting.READY_TIMEOUT_S", 2.0)
    www = Host("www", services=["http"])
    call = Client.call

    def without_the_web_server(self: Client, op: str, /, **args: object) -> object:
        return None if op == "boot" else call(self, op, **args)

    monkeypatch.setattr(Client, "call", without_the_web_server)
    with pytest.raises(NotReady, match="http on www did not answer on port 80 within 2 s"):
        Lab(www, name="silent", quiet=True).start()
    assert labs_named(engine, "silent") == []


# -- killed ---------------------------------------------------------------------------

KILLED = textwrap.dedent(
    """
    from playground import Host, Lab, Link, Switch
    lan = Switch("lan")
    for number in range(8):
        Link(lan, Host(f"h{number}"))
    print("starting", flush=True)
    with Lab(lan, name="killed", quiet=True):
        print("started", flush=True)
        input()
    """
)


@pytest.mark.parametrize("delay_s", [0.0, 0.1, 0.3, 0.6, 1.0, None])
def test_nothing_is_left_of_a_lab_whose_owner_was_killed(
    engine: Engine, delay_s: float | None
) -> None:
    with python(KILLED) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "starting\n"
        if delay_s is None:
            assert owner.stdout.readline() == "started\n"
        else:
            time.sleep(delay_s)
        owner.kill()
    limit = time.monotonic() + 20  # well above the 2 s aimed for: this is no benchmark
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < 2.0:
        assert time.monotonic() < limit, engine.labs()
        if labs_named(engine, "killed"):
            quiet_since = time.monotonic()
        time.sleep(0.05)


def test_a_program_that_ends_without_stopping_its_lab_leaves_nothing(engine: Engine) -> None:
    program = textwrap.dedent(
        """
        from playground import Host, Lab
        lab = Lab(Host("h1"), name="left", quiet=True).start()
        print(lab["h1"].run("hostname").stdout)
        """
    )
    with python(program) as owner:
        assert owner.communicate(timeout=60)[0].strip() == "h1"
    limit = time.monotonic() + 20
    while labs_named(engine, "left"):
        assert time.monotonic() < limit, engine.labs()
        time.sleep(0.05)


@contextmanager
def python(program: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program of its own process; it is killed at the end if it still runs."""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_names_are_compared_without_case() -> None:
    host, peer = Host("CAPS"), Host("Www.Example.COM")
    Link(host, peer)
    lab = Lab(host, name="serv-caps")
    assert lab["caps"] is lab["Caps"] is lab["CAPS"] is host
    assert lab["www"] is lab["www.example.com"] is peer
    assert "caps" in lab
    assert host in lab
    assert "nobody" not in lab
    assert lab.plan().node("WWW").name == "Www.Example.COM"
    with pytest.raises(NoSuchNode):
        lab["cap"]

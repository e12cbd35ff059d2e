"""Programs of a user's own run as services: started, ready, controlled, and started again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from playground import BadArgument, Host, Lab, Link, NotReady, Service, Switch
from playground.engines.seam import Engine
from playground.operations.programs.own_service import OwnService

API = """\
import http.server, os, ssl
server = http.server.HTTPServer(("", int(os.environ["PORT"])), http.server.SimpleHTTPRequestHandler)
if "TLS_CERT_FILE" in os.environ:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.environ["TLS_CERT_FILE"], os.environ["TLS_KEY_FILE"])
    server.socket = context.wrap_socket(server.socket, server_side=True)
print("begins as", os.getuid(), "in", os.getcwd(), "with", os.environ.get("GREETING"))
server.serve_forever()
"""
FILES = {"/srv/api.py": API, "/srv/index.html": "hello\n"}
SLOW = """\
import http.server, time
class Slow(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        time.sleep(1)
        super().do_GET()
http.server.HTTPServer(("", 82), Slow).serve_forever()
"""
MOODY = "#!/bin/sh\ntouch /run/up\nexec sleep 1000\n"
COMMAND = "python3 /srv/api.py"


def is_written(host: Host) -> bool:
    return host.run("test -s /tmp/tick", check=False).returncode == 0


@pytest.fixture(scope="module")
def lab(engine: Engine, keep_lab: Callable[[str], None]) -> Iterator[Lab]:
    lan = Switch("lan")
    offered = [
        Service(
            "api",
            COMMAND,
            port=8000,
            ready="http",
            files=FILES,
            workdir="/srv",
            user="student",
            env={"GREETING": "good morning"},
        ),
        Service("safe", [*COMMAND.split()], port=8443, tls=True, user="nobody", workdir="/srv"),
        Service("tick", "while :; do date >/tmp/tick; sleep 0.1; done", ready=is_written),
        Service("moody", "/srv/moody", files={"/srv/moody": MOODY}),
        Service("served", "/srv/moody", port=9, ready="test -e /run/up"),
    ]
    Link(lan, Host("app", services=offered))
    Link(lan, Host("h1"))
    with Lab(lan, name="own-services", quiet=True) as lab:
        keep_lab(lab.id)
        yield lab


def get(lab: Lab, url: str) -> str:
    return lab.node("h1").run(f"curl -sS --max-time 5 {url}", check=False).stdout


def test_it_answers_as_soon_as_the_lab_has_started(lab: Lab) -> None:
    assert get(lab, "http://app:8000/") == "hello\n"


def test_its_certificate_is_one_that_every_host_trusts(lab: Lab) -> None:
    assert get(lab, "https://app:8443/") == "hello\n"


def test_it_runs_as_its_user_in_its_folder_with_its_environment(lab: Lab) -> None:
    log = lab.node("app").services["api"].log()
    assert "begins as 1000 in /srv with good morning\n" in log


def test_it_is_in_the_picture_with_its_port(lab: Lab) -> None:
    assert "api:8000, safe:8443, tick" in str(lab)


def test_it_is_checked_by_its_name(lab: Lab) -> None:
    lab.check.serves("app", "api", client="h1", contains="hello")
    lab.check.serves("app", "safe", client="h1")
    lab.check.serves("app", "api", contains="404", page="/nothing")
    with pytest.raises(BadArgument, match="tick of app has no port"):
        lab.check.serves("app", "tick")
    with pytest.raises(BadArgument, match=r"the services are .*, api, safe, tick"):
        lab.check.serves("app", "xyz")
    with pytest.raises(BadArgument, match=r"'htpp' is no service and no port; did you mean 'http'"):
        lab.check.serves("app", "htpp")


def test_it_is_in_the_table_with_its_port(lab: Lab) -> None:
    rows = {row.service: row for row in lab.node("app").services.table()}
    assert rows.keys() == {"api", "safe", "tick", "moody", "served"}
    assert rows["api"].ports == (8000,)
    assert {row.status for row in rows.values()} == {"running"}


def test_one_that_ends_is_started_again_and_its_log_says_so(lab: Lab) -> None:
    app = lab.node("app")
    app.run("pkill -KILL -u student python3")
    app.services["api"].wait_ready()
    assert get(lab, "http://app:8000/") == "hello\n"
    log = app.services["api"].log()
    assert "-- api ended by signal 9 and is started again --\n" in log


def test_a_stop_ends_all_that_it_has_started(lab: Lab) -> None:
    app = lab.node("app")
    tick = app.services["tick"]
    tick.stop()
    assert tick.status() == "stopped"
    assert "date" not in str(app.processes())
    tick.start()
    assert tick.running
    assert "ended" not in tick.log()


def test_explain_knows_whose_port_it_is(lab: Lab) -> None:
    app = lab.node("app")
    app.services["api"].stop()
    found = lab.explain(lab.node("h1"), app, port=8000)
    assert "nothing listens there on tcp port 8000 (api stopped)." in found.sentence
    assert 'app.services["api"].start()' in found.advice
    app.services["api"].start()
    assert lab.explain(lab.node("h1"), app, port=8000)


@pytest.mark.parametrize(
    ("name", "program", "words"),
    [
        ("moody", "echo no; exit 3", "moody of app ended with status 3 at once.*log:.*no"),
        ("served", "exec no-such", "served of app ended with status 127 at once.*no-such"),
        ("served", "echo no; exit 3", "ended with status 3 at once, 3 times by now.*no"),
    ],
    ids=["no port", "no program", "no end of endings"],
)
def test_one_that_ends_at_once_is_told_with_its_log(
    lab: Lab, name: str, program: str, words: str
) -> None:
    app = lab.node("app")
    app.run("cat >/srv/moody; rm -f /run/up", input=f"#!/bin/sh\n{program}\n")
    with pytest.raises(NotReady) as caught:
        app.services[name].restart()
    assert re.search(words, str(caught.value), re.DOTALL)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("slip", "tick of app can never be ready: its command cannot be run.*mend ready="),
        ("divided", "can never be ready: its function raises ZeroDivisionError: .*mend ready="),
        ("misspelt", "can never be ready: its function raises AttributeError: .*rnu"),
        ("hostless", "can never be ready: its function raises TypeError: "),
    ],
)
def test_a_slip_in_ready_is_told_at_once(lab: Lab, name: str, words: str) -> None:
    ready: dict[str, Any] = {
        "slip": "htpp",
        "divided": lambda host: 1 / 0,
        "misspelt": lambda host: host.rnu("true"),
        "hostless": lambda: True,
    }
    service = Service(name, "sleep 1000", ready=ready[name])
    app = lab.node("app")
    tick = app.services["tick"]
    assert isinstance(tick, OwnService)
    with pytest.raises(NotReady, match=words):
        OwnService(app, tick._plan, service.own_row).wait_ready(timeout_s=30)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"port": 81, "ready": "http"}, r"did not answer on port 81 \(Connection refused\) within"),
        ({"ready": "cat /nosuchfile"}, r"says its command \(exit status 1: cat: /nosuchfile"),
    ],
    ids=["port", "command"],
)
def test_the_reason_is_that_of_a_look_that_was_not_cut_off(
    lab: Lab, said: dict[str, Any], words: str
) -> None:
    app = lab.node("app")
    tick = app.services["tick"]
    assert isinstance(tick, OwnService)
    row = Service("later", "sleep 1000", **said).own_row
    with pytest.raises(NotReady, match=words):
        OwnService(app, tick._plan, row).wait_ready(timeout_s=0.6)


def test_a_server_may_take_a_second_for_an_answer(lab: Lab) -> None:
    app = lab.node("app")
    tick = app.services["tick"]
    assert isinstance(tick, OwnService)
    row = Service("slow", "sleep 1000", port=82, ready="http").own_row
    with app.start(["python3", "-c", SLOW]):
        OwnService(app, tick._plan, row).wait_ready(timeout_s=30)


def test_a_lab_with_one_that_ends_at_once_does_not_start(lab: Lab) -> None:
    bad = Service("bad", ["no-such-program"], port=9, user="nobody")
    wrong = Switch("wrong")
    Link(wrong, Host("h2", services=[bad]))
    with pytest.raises(
        NotReady,
        match=r"the program bad of h2 .* not started: there is no program 'no-such-program'",
    ):
        Lab(wrong, name="wrong-services", quiet=True).start()


def test_a_service_comes_with_a_host_that_comes_later(lab: Lab) -> None:
    late = Host("late", services=[Service("late", COMMAND, port=80, files=FILES, workdir="/srv")])
    Link(lab["lan"], late)
    lab.start()
    assert get(lab, "http://late/") == "hello\n"


def test_who_attaches_controls_it_too(lab: Lab) -> None:
    with Lab.attach(lab.name) as other:
        api = other.node("app").services["api"]
        assert api.running
        api.restart()
        assert "begins as 1000" in api.log()

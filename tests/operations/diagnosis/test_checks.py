"""Checks of a network, and what students read where one fails."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator

import pytest

from playground import CheckFailed, PlaygroundError
from playground.engines.seam import Engine
from playground.errors import BadArgument, NotRunning
from playground.lab.lab import Lab
from playground.operations.network import Host, Link, Router, Switch

PAGE = "python3 -m http.server {port} --directory {folder}"


@pytest.fixture(scope="module")
def lab(engine: Engine, keep_lab: Callable[[str], None]) -> Iterator[Lab]:
    """h1 - home - modem - isp - www, where www serves a page on port 80."""
    home = Switch("home", subnet="192.168.1.0/24")
    modem, isp, h1, www = Router("modem"), Router("isp"), Host("h1"), Host("www.example.com")
    for node in (modem, h1):
        Link(home, node)
    modem.masquerade(Link(modem, isp))
    Link(isp, www)
    with Lab(home, name="checks", quiet=True) as lab:
        keep_lab(lab.id)
        www.write("/tmp/site/index.html", "<h1>Grüße</h1>")
        with www.start(PAGE.format(port=80, folder="/tmp/site")):
            # A check waits until it is so.
            lab.check.reaches(h1, www, port=80)
            yield lab


def test_what_is_so_passes(lab: Lab) -> None:
    check = lab.check
    assert check.reaches("h1", "www").path[-1] == "www.example.com"
    check.does_not_reach("www", "h1", because="NAT", within_s=0)
    check.does_not_reach("h1", "www", port=81, because="server stopped", within_s=0)
    for through in (["modem", "isp"], ["h1", "modem", "isp", "www"], ["192.168.1.1", "isp"]):
        check.path("h1", "www", through)
    check.serves("www", "http", contains="Grüße", client="h1")
    check.serves("www", 80, send="HEAD / HTTP/1.0\r\n\r\n", contains="200 OK")
    assert check.resolves("h1", "www", "www") == str(lab.node("www").address)
    check.resolves("h1", "www.example.com", str(lab.node("www").address))


def test_what_is_not_so_is_explained(lab: Lab) -> None:
    check = lab.check
    with pytest.raises(CheckFailed, match="nothing listens there on tcp port 81") as failed:
        check.reaches("h1", "www", port=81, within_s=0)
    assert isinstance(failed.value, AssertionError) and isinstance(failed.value, PlaygroundError)
    explanation = failed.value.explanation
    assert explanation is not None and explanation.cause == "server stopped"
    for words, fails in (
        (
            "should not get there, and is answered",
            lambda: check.does_not_reach("h1", "www", port=80, within_s=0),
        ),
        (
            "but not because of firewall",
            lambda: check.does_not_reach("h1", "www", port=81, because="firewall", within_s=0),
        ),
        (
            "should go through isp, and went h1 - modem - isp",
            lambda: check.path("h1", "www", ["isp"], within_s=0),
        ),
        (
            "with 'Moin' in its answer.* 200 OK' and headers, then '<h1>",
            lambda: check.serves("www", "http", contains="Moin", client="h1", within_s=0.3),
        ),
        ("nothing listens there on tcp port 22", lambda: check.serves("www", "ssh", within_s=0)),
        (
            "should mean 10.9.9.9, and means",
            lambda: check.resolves("h1", "www", "10.9.9.9", within_s=0),
        ),
        (
            "does not know the name www.example.org",
            lambda: check.resolves("h1", "www.example.org", within_s=0),
        ),
    ):
        with pytest.raises(CheckFailed, match=words):
            fails()


def test_a_check_waits_for_what_comes(lab: Lab) -> None:
    www = lab.node("www")
    jobs = []
    start = threading.Timer(
        0.5, lambda: jobs.append(www.start(PAGE.format(port=8080, folder="/tmp/site")))
    )
    start.start()
    try:
        lab.check.serves(www, 8080, send="GET / HTTP/1.0\r\n\r\n", contains="</h1>", client="h1")
    finally:
        start.join()
        jobs[0].stop()


def test_a_server_that_died_at_once_says_why(lab: Lab) -> None:
    h1 = lab.node("h1")
    with h1.start("echo starting; echo 'no such folder' >&2; exit 3") as job:
        assert job.wait() == 3
        said = "on h1 ended with exit status 3\n    no such folder"
        for fails in (
            lambda: lab.check.reaches("h1", "h1", port=8000, within_s=0),
            lambda: job.write("hello"),
        ):
            with pytest.raises(PlaygroundError) as failed:
                fails()
            assert said in str(failed.value)
        assert said in lab.explain("h1", "h1", port=8000).sentence
        # And still it is there to be read.
        assert job.stderr.read() == "no such folder\n"


def test_what_is_no_question_is_refused(lab: Lab) -> None:
    with pytest.raises(BadArgument, match="is no cause"):
        lab.check.does_not_reach("h1", "www", because="moon")
    # A name that nobody knows is a mistake, and says nothing of the network.
    with pytest.raises(BadArgument, match=r"'no-such-host' is no node .* spelt right"):
        lab.check.does_not_reach("h1", "no-such-host")
    unknown = lab.check.does_not_reach("h1", "no-such-host", because="name unknown")
    assert unknown.cause == "name unknown"
    with pytest.raises(BadArgument, match="no number of seconds"):
        lab.check.does_not_reach("h1", "www", within_s=math.nan)
    with pytest.raises(BadArgument, match="no number of seconds"):
        lab.check.serves("www", "http", within_s=math.nan)
    with pytest.raises(BadArgument, match="is no service"):
        lab.check.serves("www", "gopher")
    with pytest.raises(BadArgument, match="are a list"):
        lab.check.path("h1", "www", "modem")
    with pytest.raises(BadArgument, match="no node of lab"):
        lab.check.path("h1", "www", ["10.9.9.9"])
    with pytest.raises(BadArgument, match="no number of seconds"):
        lab.check.reaches("h1", "www", within_s=-1)
    with pytest.raises(BadArgument, match="no host or router"):
        lab.check.resolves("home", "www")
    a, b = Host("a"), Host("b")
    Link(a, b)
    with pytest.raises(NotRunning):
        Lab(a).check.reaches(a, b)

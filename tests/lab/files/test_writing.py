"""Our own file, written: read back as the same, and comments stay."""

from pathlib import Path
from typing import Any

import pytest

from playground import Host, Link, Router, Switch, examples
from playground.lab.declarations.declare import declare
from playground.lab.declarations.gather import gather
from playground.lab.files.reading import understand
from playground.lab.files.writing import file_data, file_text
from playground.lab.files.yaml_document import parse_document
from playground.planning.planner import collect
from tests.lab.declarations import everything

HERE = Path(__file__).parent / "x.yaml"


def text_of(nodes: Any, before: str | None = None) -> str:
    return file_text(file_data({}, gather(collect(nodes)), HERE.parent), before)


@pytest.mark.parametrize(
    "nodes",
    [
        *(everything.hosts_and_nat, everything.routing, everything.prefixes),
        *(examples.miniature_internet_nodes, examples.dns_from_the_root_nodes),
    ],
)
def test_a_lab_that_was_written_is_read_as_the_same(nodes: Any) -> None:
    declared = gather(collect(nodes()))
    text = text_of(nodes())
    said = understand(parse_document(text.encode(), HERE))
    assert gather(declare(said.declarations).nodes.values()) == declared


def home() -> tuple[Switch, Host, Router]:
    lan, h1, modem = Switch("home", subnet="192.168.1.0/24"), Host("h1"), Router("modem")
    Link(lan, modem), Link(lan, h1)
    return lan, h1, modem


def test_a_line_says_a_node_or_a_link() -> None:
    lan, _h1, modem = home()
    isp = Router("isp")
    modem.masquerade(Link(modem, isp))
    assert (
        text_of([lan])
        == """\
playground: 1
nodes:
  home: {kind: switch, subnet: 192.168.1.0/24}
  h1:
  modem:
    kind: router
    calls:
      - masquerade: {link: modem-isp}
  isp: {kind: router}
links:
  - [home, modem]
  - [home, h1]
  - [modem, isp]
"""
    )


BEFORE = """\
# The home of a student.
playground: 1

nodes:
  home: {kind: switch, subnet: 192.168.1.0/24}  # as modems have it
  h1: {kind: host}
  old:  # was thrown away
  modem:
    kind: router  # by the window
links:
  - [home, old]
  # The short cable.
  - {nodes: [home, modem]}
  - [home, h1]  # the long one
"""


def test_comments_stay_where_a_file_is_written_again() -> None:
    lan, _h1, _modem = home()
    Link(lan, Host("h2"))
    text = text_of([lan], BEFORE)
    for comment in ("# The home of", "# as modems have it", "# by the window", "# the long one"):
        assert comment in text
    assert "old" not in text.replace("# was", "")
    assert "h1: {kind: host}" in text
    said = understand(parse_document(text.encode(), HERE))
    assert gather(declare(said.declarations).nodes.values()) == gather(collect([lan]))


def test_nothing_changes_where_nothing_was_declared_anew() -> None:
    lan, *_ = home()
    text = text_of([lan])
    assert text_of([lan], text) == text

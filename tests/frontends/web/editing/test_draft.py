"""A draft is the text of a lab's file: forms change it, comments stay, and nothing reaches out."""

from __future__ import annotations

from pathlib import Path

import pytest

from playground import BadArgument, Host, Lab, Link, Switch, TopologyError
from playground.frontends.web.editing import draft
from playground.model.containers.reaching_out import MOST_NODES

TEXT = """\
playground: 1
nodes:
  # where all come together
  home: {kind: switch, subnet: 192.168.1.0/24}
  h1:
links:
  - [home, h1]
"""


def lab(**arguments: object) -> Lab:
    home, h1 = Switch("home", subnet="192.168.1.0/24"), Host("h1", **arguments)
    Link(home, h1)
    return Lab(home, name="drafted", users={"student": "a long secret"})


def test_the_text_of_a_lab_has_no_passwords() -> None:
    text = draft.text_of(lab())
    assert "secret" not in text
    assert draft.declared(text, lab()).plan().nodes[0].name == "h1"


def test_a_lab_that_others_have_changed_since_is_left_alone() -> None:
    running = lab()
    base = draft.text_of(running)
    Link(running["home"], Host("h9"))
    with pytest.raises(draft.ChangedMeanwhile, match="since these changes were shown"):
        draft.apply(draft.with_node(base, "host", "h2", {}), running, base)
    assert [node.name for node in running.nodes] == ["home", "h1", "h9"]


def test_forms_add_change_and_remove_and_comments_stay() -> None:
    text = draft.with_node(TEXT, "router", "r", {"services": ["ssh"]})
    text = draft.with_link(text, "home", "r", {})
    text = draft.with_link(text, "r", "h1", {"subnet": "10.9.0.0/24"})
    assert "# where all come together" in text
    file = draft.read(text)
    assert [node.name for node in file.declarations.nodes] == ["home", "h1", "r"]
    assert [link.nodes for link in file.declarations.links] == [
        ("home", "h1"),
        ("home", "r"),
        ("r", "h1"),
    ]
    changed = draft.with_arguments(text, "h1", {"services": ["http"]})
    assert draft.parts_of(changed).nodes["h1"] == ("host", {"services": ["http"]})
    assert draft.parts_of(draft.with_arguments(changed, "h1", {"services": None})).nodes["h1"] == (
        "host",
        {},
    )
    gone = draft.read(draft.without_node(text, "h1")).declarations
    assert [link.nodes for link in gone.links] == [("home", "r")]


def test_a_draft_keeps_where_cards_were_put() -> None:
    put = lab()
    put.positions = {"h1": (300, 40)}
    text = draft.with_node(draft.text_of(put), "host", "h2", {})
    assert draft.positions_of(text) == {"h1": (300, 40)}
    assert draft.positions_of(TEXT) == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda: draft.with_node(TEXT, "host", "h1", {}), "there is a node h1 already"),
        (lambda: draft.with_link(TEXT, "home", "x", {}), "no node 'x'"),
        (lambda: draft.without_node(TEXT, "x"), "removed already"),
        (lambda: draft.with_node(TEXT, "host", "h2", {"service": ["http"]}), "service"),
    ],
)
def test_what_a_form_says_wrong_is_refused_at_once(change: object, words: str) -> None:
    with pytest.raises((BadArgument, TopologyError), match=words):
        change()


def test_python_and_yaml_say_the_same() -> None:
    program = draft.python_of(TEXT)
    assert 'Switch("home", subnet="192.168.1.0/24")' in program
    text = draft.from_python(program.replace("\nlab =", '\nh2 = Host("h2")\nlab ='), TEXT)
    assert "# where all come together" in text
    assert [node.name for node in draft.read(text).declarations.nodes] == ["home", "h1", "h2"]


REACHING_OUT = [
    "volumes: {/: /machine}",
    "publish: [80]",
    "devices: [/dev/kmsg]",
    "cap_add: [SYS_ADMIN]",
    "image: somebody/else",
    "packages: [nmap]",
    "build: /root",
    "ulimits: {nofile: 1024}",
    "labels: {a: b}",
    "services: [{service: {name: s, command: s, packages: [nmap]}}]",
    "files: {/x: {path: /etc/shadow}}",
    "files: {/x: {path: ../../etc/shadow}}",
    "services: [{http: {files: /root}}]",
]


@pytest.mark.parametrize("argument", REACHING_OUT)
def test_a_page_takes_nothing_that_reaches_out_of_the_lab(argument: str) -> None:
    text = TEXT.replace("  h1:\n", f"  h1: {{{argument}}}\n")
    with pytest.raises(TopologyError):
        draft.declared(text, lab())


def test_a_page_takes_no_limit_off_and_makes_no_swarm_of_hosts() -> None:
    limited = lab(memory_mb=64)
    text = TEXT.replace("  h1:\n", "  h1: {memory_mb: 64}\n")
    for less in ("64", "32"):
        assert draft.declared(text.replace("64", less), limited)
    for more in (TEXT, text.replace("64", "65")):
        with pytest.raises(TopologyError, match="neither raises a limit nor takes it off"):
            draft.declared(more, limited)
    # Nor is a limit lost with another name.
    for said, why in (
        ("{}", "all hosts of this lab have memory_mb, at most 64"),
        ("{memory_mb: 65}", "say memory_mb=64 or less"),
        ("{memory_mb: 64, processes: 4000000}", "say processes=4096 or less"),
    ):
        with pytest.raises(TopologyError, match=why):
            draft.declared(text.replace("links:", f"  h9: {said}\nlinks:"), limited)
    assert draft.declared(text.replace("links:", "  h9: {memory_mb: 32}\nlinks:"), limited)
    with pytest.raises(TopologyError, match="processes was 4096"):
        draft.declared(text.replace("64}", "64, processes: 5000}"), limited)
    many = "".join(f"  m{number}:\n" for number in range(MOST_NODES))
    with pytest.raises(TopologyError, match="more than the 200 that a page makes"):
        draft.declared(TEXT.replace("links:", f"{many}links:"), lab())


def test_what_the_lab_reaches_already_stays(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    reaching = lab(volumes={str(tmp_path): "/mnt"}, files={"/x": tmp_path / "notes.txt"})
    text = draft.text_of(reaching)
    assert draft.declared(text, reaching).plan().nodes
    with pytest.raises(TopologyError):
        draft.declared(text.replace("/mnt", "/etc"), reaching)


def test_a_page_reads_no_files_that_the_host_did_not_have(tmp_path: Path) -> None:
    """A host may have put links into a folder that it shares with this machine."""
    (tmp_path / "secret").write_text("x")
    sharing = lab(volumes={str(tmp_path): "/mnt"})
    text = draft.text_of(sharing)
    for said in (
        f"services: [{{http: {{files: {{path: {tmp_path}}}}}}}]",
        f"files: {{/x: {{path: {tmp_path}/secret}}}}",
    ):
        with pytest.raises(TopologyError, match="reads no other files than those that the host"):
            draft.declared(text.replace("links:", f"  h9: {{{said}}}\nlinks:"), sharing)


def test_a_form_that_is_refused_names_no_line_of_a_text_that_nobody_sees() -> None:
    text = draft.with_node(TEXT, "host", "bad name!", {})
    with pytest.raises(TopologyError) as refused:
        draft.declared(text, lab())
    assert str(refused.value).startswith("lab.yaml:")
    assert draft.without_place(str(refused.value)).startswith("host 'bad name!'")

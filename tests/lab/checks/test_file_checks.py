"""Checks of a file, asked of a lab that runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from playground import DNS, Host, Lab, Link, Router
from playground.engines.seam import Engine
from playground.errors import BadArgument, LabWarning, NotRunning, TopologyError
from playground.frontends.cli import main
from playground.lab.checks.file_checks import executes


@pytest.fixture(scope="module")
def lab(namespaces_engine: Engine, keep_lab) -> Iterator[Lab]:
    """pc - r1 - r2 - ns, where r1 and r2 speak BGP."""
    pc, ns = Host("pc"), Host("ns", services=[DNS()])
    r1 = Router("r1", routing="bgp", as_number=65001)
    r2 = Router("r2", routing="bgp", as_number=65002)
    Link(pc, r1, subnet="10.1.0.0/24")
    Link(r1, r2, subnet="10.2.0.0/24")
    Link(r2, ns, subnet="10.3.0.0/24")
    lab = Lab(pc, name="file-checks", keep=True, quiet=True, engine=namespaces_engine)
    keep_lab(lab.start().id)
    yield lab
    lab.stop()


def write(path: Path, **test: Any) -> Path:
    (path / "correction.json").write_text(json.dumps({"convergence_time": 5, "test": test}))
    return path / "correction.json"


def test_what_is_so_and_what_is_not(lab: Lab, tmp_path: Path) -> None:
    ns = str(lab.node("ns").address)
    good = write(
        tmp_path,
        ip_mapping={"pc": {"0": str(lab.node("pc").interfaces["eth0"].addresses[0])}},
        daemons={"r1": ["bgpd", "!ripd"]},
        kernel_routes={"r1": ["10.3.0.0/24", ["10.3.0.0/24", ["10.2.0.2", "eth1"]], "!9.0.0.0/8"]},
        protocols={"bgpd": {"peerings": {"r1": ["10.2.0.2"]}, "injections": {"r1": ["!kernel"]}}},
        applications={"dns": {"local_ns": {ns: ["pc"]}, "reachability": {"ns": ["pc"]}}},
        reachability={"pc": [ns, "!9.9.9.9"]},
        custom_commands={"pc": [{"command": "echo hi", "exit_code": 0, "regex_match": "^h"}]},
    )
    report = lab.check_file(good, within_s=5)
    assert report, report.failed
    assert report.line == "13 of 13 checks passed"
    bad = write(
        tmp_path,
        ip_mapping={"pc": {"0": "10.1.0.77/24"}, "nobody": {"0": "10.1.0.1/24"}},
        daemons={"r1": ["ripd", "!bgpd"]},
        kernel_routes={"r1": ["9.0.0.0/8", "!10.3.0.0/24"]},
        protocols={"bgpd": {"networks": {"r1": ["9.0.0.0/8"]}}},
        applications={"dns": {"local_ns": {"9.9.9.9": ["pc"]}}},
        reachability={"pc": ["9.9.9.9", f"!{ns}"]},
        custom_commands={
            "pc": [
                {"command": "exit 3", "exit_code": 0},
                {"command": "echo hi", "output": "ho"},
                {"command": "echo hi", "regex_match": "^(h+)+$"},
            ]
        },
    )
    report = lab.check_file(bad, within_s=0)
    assert not report
    assert report.line == "0 of 13 checks passed"
    reasons = " ".join(row.reason for row in report.failed)
    for said in (
        "pc should have the address 10.1.0.77/24 at eth0, and does not",
        "there is no machine 'nobody'",
        "ripd should run on r1, and does not",
        "bgpd should not run on r1, and does",
        "r1 should have a route to 9.0.0.0/8, and has none",
        "r1 should have no route to 10.3.0.0/24, and has one",
        "r1 should have 'network 9.0.0.0/8' in 'router bgp', and has not",
        "pc should ask the name server 9.9.9.9, and asks",
        "should arrive and be answered, and is not",
        "'exit 3' on pc should end with 0, and ends with 3",
        "should say 'ho', and says 'hi",
        "should say what '^(h+)+$' is found in, and says 'hi",
    ):
        assert said in reasons, said


def test_unknown_keys_and_the_command(lab: Lab, tmp_path: Path) -> None:
    path = write(tmp_path, smell={}, reachability={"pc": ["r1"]})
    with pytest.warns(LabWarning, match=r"correction.json:1:.*smell: nothing is known"):
        report = lab.check_file(path)
    assert report
    assert report.line == "1 of 1 checks passed, 1 are not known"
    with pytest.raises(TopologyError, match="smell: nothing is known of this key"):
        lab.check_file(path, strict=True)
    with pytest.raises(BadArgument, match="within_s=-1 is no number of seconds"):
        lab.check_file(path, within_s=-1)
    plain = write(tmp_path, reachability={"pc": ["r1", "9.9.9.9"]})
    done = CliRunner().invoke(main, ["check", lab.id, str(plain), "--within", "0"])
    assert done.exit_code == 1
    assert done.output.startswith("ok  pc reaches r1\nNO  pc reaches 9.9.9.9\n")
    assert done.output.endswith("1 of 2 checks passed\n")
    as_json = CliRunner().invoke(main, ["check", lab.id, str(plain), "--within", "0", "--json"])
    assert [row["ok"] for row in json.loads(as_json.output)] == [True, False]


def test_a_lab_that_does_not_run_is_asked_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotRunning):
        Lab(Host("h1"), quiet=True).check_file(tmp_path / "x.json")


def test_a_program_is_what_the_kernel_executes() -> None:
    assert executes("/usr/lib/frr/zebra", "/usr/lib/frr/zebra -d", "zebra")
    assert executes("/usr/sbin/nginx (deleted)", "nginx: master process", "nginx")
    assert executes("/usr/bin/python3.11", "python3 /usr/sbin/fail2ban -f", "fail2ban")
    assert executes("/usr/bin/python3.11", "python -m http.server", "python3")
    assert executes("/usr/bin/dash", "sh -c true", "sh")
    assert executes("", "[kworker]", "[kworker]")
    # exec -a, and a program whose name begins like another's.
    assert not executes("/usr/bin/sleep", "named -g", "named")
    assert not executes("/usr/bin/bash", "named", "named")
    assert not executes("/usr/sbin/sshd", "sshd", "ssh")

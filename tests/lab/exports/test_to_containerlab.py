"""Topologies of containerlab that we write; reading them back is in `test_read_back`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from playground import Host, Lab, Link, Router, Switch, examples
from playground.lab.exports.to_containerlab import containerlab

# What containerlab's own schema (schemas/clab.schema.json of srl-labs/containerlab) asks of what we
# write, said anew: names of fields, their types, lists that may not be empty, texts of a shape.
TEXT = {"type": "string"}
TEXTS = {"type": "array", "items": TEXT, "uniqueItems": True, "minItems": 1}
PAIRS = {"type": "object", "additionalProperties": {"type": "string", "minLength": 1}}


def exactly(*required: str, **fields: Any) -> dict[str, Any]:
    """Return the schema of a mapping with these fields and no others."""
    properties = {name.replace("_", "-"): said for name, said in fields.items()}
    return {
        "type": "object",
        "properties": properties,
        "required": [*required],
        "additionalProperties": False,
    }


WAITS = {
    "type": "array",
    "uniqueItems": True,
    "items": exactly("node", node=TEXT, stage={"enum": ["configure", "healthy", "exit"]}),
}
SECONDS = {"type": "integer"}
NODE = exactly(
    "kind",
    kind={"enum": ["linux", "bridge"]},
    image=TEXT,
    network_mode={"enum": ["none"]},
    exec={"type": "array", "items": TEXT, "minItems": 1},
    binds=TEXTS,
    aliases=TEXTS,
    cap_add=TEXTS,
    devices=TEXTS,
    env={"type": "object", "additionalProperties": TEXT},
    labels=PAIRS,
    cmd=TEXT,
    entrypoint=TEXT,
    user={"type": "string", "minLength": 1},
    memory={"type": "string", "pattern": "^[0-9]+mib$"},
    shm_size={"type": "string", "pattern": "^[0-9]+mib$"},
    cpu={"type": "number", "minimum": 0},
    dns=exactly(servers=TEXTS),
    restart_policy={"enum": ["no", "on-failure", "always", "unless-stopped"]},
    stages=exactly(create=exactly(wait_for=WAITS)),
    healthcheck=exactly(
        test={"type": "array", "items": TEXT},
        interval=SECONDS,
        timeout=SECONDS,
        retries=SECONDS,
        start_period=SECONDS,
    ),
)
LINK = exactly(
    "endpoints",
    endpoints={
        "type": "array",
        "items": {"type": "string", "pattern": r"^\S+:\S+$"},
        "minItems": 2,
        "maxItems": 2,
        "uniqueItems": True,
    },
    mtu={"type": "integer", "minimum": 1, "maximum": 65535},
)
NODES = {
    "type": "object",
    "patternProperties": {r"^[a-zA-Z0-9][a-zA-Z0-9._|-]*$": NODE},
    "additionalProperties": False,
}
TOPOLOGY = exactly("nodes", nodes=NODES, links={"type": "array", "items": LINK, "minItems": 1})
SCHEMA = exactly("name", "topology", name=TEXT, topology=TOPOLOGY)


def everything() -> Lab:
    """Return a lab of hosts that were told all that containerlab can be told."""
    db = Host("db", image="postgres:17", healthcheck="true", health_interval_s=5)
    init = Host("init", image="alpine:3", command=["true"], aliases=["setup"], restart="no")
    web = Host(
        "web",
        image="alpine:3",
        entrypoint=["/bin/sh", "-c"],
        command=["sleep 1; exit $STATUS"],
        env={"STATUS": "$1"},
        labels={"team": "a"},
        user="1000:1000",
        memory_mb=64,
        cpus=0.5,
        shm_mb=32,
        cap_add=["SYS_NICE"],
        dns=["10.0.0.53"],
        volumes={Path(__file__).parent: ["/srv", "/work:rw"]},
        after={"db": "well", "init": "ended"},
    )
    return Lab(web, db, init, quiet=True, name="all")


@pytest.mark.parametrize(
    "make",
    [
        everything,
        lambda: Lab(Host("alone"), quiet=True),
        examples.miniature_internet,
        examples.multi_area_ospf,
        examples.office_vlans,
        examples.site_to_site,
        examples.data_centre,
    ],
)
def test_what_we_write_is_as_the_schema_of_containerlab_has_it(make: Callable[[], Lab]) -> None:
    text = containerlab(make().plan()).text or ""
    jsonschema.Draft7Validator(SCHEMA).validate(YAML(typ="safe").load(text))


def test_nodes_and_links_are_as_containerlab_has_them() -> None:
    lan, r1, r2 = Switch("lan"), Router("r1", routing="ospf"), Router("r2", routing="ospf")
    Link(lan, r1), Link(lan, Host("h1", image="alpine:3", env={"A": "1"})), Link(r1, r2, mtu=1400)
    made = containerlab(Lab(lan, name="x", quiet=True).plan())
    data = YAML(typ="safe").load(made.text or "")
    nodes = data["topology"]["nodes"]
    assert data["name"] == "x" and nodes["lan"] == {"kind": "bridge"}
    assert (nodes["h1"]["image"], nodes["h1"]["env"]) == ("alpine:3", {"A": "1"})
    assert nodes["r1"]["binds"] == [
        "r1/frr.conf:/etc/frr/frr.conf",
        "r1/daemons:/etc/frr/daemons",
    ]
    assert "router ospf" in made.files["r1/frr.conf"]
    ends = [link["endpoints"] for link in data["topology"]["links"]]
    assert data["topology"]["links"][2]["mtu"] == 1400 and "mtu" not in data["topology"]["links"][0]
    assert made.notes == ()
    assert ends == [["lan:eth1", "r1:eth0"], ["lan:eth2", "h1:eth0"], ["r1:eth1", "r2:eth0"]]

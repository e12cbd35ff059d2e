"""Names of other tools' machines, as hosts."""

import pytest

from playground.lab.formats.foreign.host_names import host_name


@pytest.mark.parametrize(
    ("name", "host"), [("PC_1", "pc-1"), ("www.Example.com", "www.example.com"), ("__", "service")]
)
def test_a_name_is_one_that_dns_takes(name: str, host: str) -> None:
    assert host_name(name) == host

"""Capabilities that hosts have: Docker's, and no other that leads out."""

from __future__ import annotations

import pytest

from playground.model.containers.capabilities import capability_mask


def test_hosts_have_dockers_capabilities_and_no_others() -> None:
    assert capability_mask([]) == 0xA80425FB  # CapEff in any container
    assert capability_mask(["NET_ADMIN"]) == 0xA80435FB


@pytest.mark.parametrize("name", ["SYS_ADMIN", "SYS_MODULE", "SYS_RAWIO", "net_admin", ""])
def test_what_would_let_a_host_out_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"^a host cannot have the capability {name}$"):
        capability_mask([name])

"""Each export has a row and makes something of every ready lab."""

import pytest

from playground import examples
from playground.lab.exports.table import EXPORTS


@pytest.mark.parametrize("kind", EXPORTS)
@pytest.mark.parametrize("name", ["miniature_internet", "office_vlans", "autonomous_systems"])
def test_a_ready_lab_is_exported(kind: str, name: str) -> None:
    made = EXPORTS[kind](getattr(examples, name)().plan())
    assert made.text or made.files

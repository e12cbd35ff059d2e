"""A line for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support_line import Line


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    made.close()

"""Every notebook runs from top to bottom, and is stored without its outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from playground.engines.seam import Engine
from tests.ordinary import ordinary_user

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def is_solution(cell: Any) -> bool:
    return "solution" in cell.metadata.get("tags", ())


def code(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "code")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_and_the_list_say_whether_it_needs_root_or_docker(path: Path) -> None:
    # These need an image: services, routing daemons, radvd, and the office of the puzzles.
    words = ("services=", 'routing="', "small_office(", "build=", ".advertise(")
    words += ("customers_and_peers(", "vrrp_pair(")  # and ready labs of routers
    # A service of one's own runs on the machine's programs too.
    needs = any(word in code(path).replace("services=[service]", "") for word in words)
    first = nbformat.read(path, as_version=4).cells[0].source
    assert ("**Needs root or Docker**" in first, "*No root, no Docker" in first) == (
        needs,
        not needs,
    )
    lines = (path.parent / "README.md").read_text().splitlines()
    [row] = [line for line in lines if f"`{path.name}`" in line]
    assert row.endswith("| root or Docker |") == needs


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_solution_is_folded_below_a_cell_for_ones_own(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    solutions = [number for number, cell in enumerate(cells) if is_solution(cell)]
    assert solutions
    for number in solutions:
        assert cells[number].metadata["jupyter"] == {"source_hidden": True}
        # JupyterLab shows the first line of a folded cell.
        assert cells[number].source.startswith("# An answer.\n")
        assert any("Your turn" in cell.source for cell in cells[number - 2 : number])


def test_the_first_notebook_runs_for_an_ordinary_user_without_docker() -> None:
    with ordinary_user("namespaces") as run:
        run(code(NOTEBOOKS[0]))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path: Path, engine: Engine) -> None:
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    errors = [
        output
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "error"
    ]
    assert errors == []
    # JupyterLab unfolds what a cell prints when it is run.
    assert [cell.outputs for cell in notebook.cells if is_solution(cell) and cell.outputs] == []

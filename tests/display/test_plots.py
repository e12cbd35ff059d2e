"""Plots hold the numbers of the rows that they show."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from playground.display import plots
from playground.display.tables import Table
from playground.errors import BadArgument, PlaygroundError
from playground.operations.captures.samples import LinkSample, LinkSamples, TcpSample
from playground.operations.nodes.ping import Echo, Ping

ECHOES = Table([Echo(1, 0.0, 1.0), Echo(2, 0.2, None), Echo(3, 0.4, 2.0)])
PING = Ping("www", 3, 2, (1.0, 2.0), "", ECHOES)
LINK = [
    LinkSample(0.0, "a", 0.0, 0, 0, 0, 0),
    LinkSample(0.0, "b", 0.0, 0, 0, 5, 7500),
    LinkSample(0.1, "a", 1.0, 9, 0, 0, 0),
    LinkSample(0.1, "b", 20.0, 99, 2, 7, 10500),
]
TCP = [
    TcpSample(0.0, "a:1 → b:2", "established", 10, None, 0, 1.0, 0, 0, 1448),
    TcpSample(0.1, "a:1 → b:2", "established", 20, 15, 9, 1.0, 3, 9000, 1448),
]


@pytest.fixture(autouse=True)
def closed_afterwards(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import matplotlib
    from matplotlib import pyplot

    matplotlib.use("Agg")
    yield
    pyplot.close("all")


def lines(ax: Any) -> dict[str, list[tuple[float, float]]]:
    return {
        line.get_label(): [(float(x), float(y)) for x, y in zip(*line.get_data(), strict=True)]
        for line in ax.get_lines()
    }


def test_round_trips_and_losses() -> None:
    found = lines(PING.plot())
    came = found["came back"]
    assert (came[0], came[2]) == ((0.0, 1.0), (0.4, 2.0))
    assert came[1][1] != came[1][1]  # not a number: the line is broken there
    assert found["lost"] == [(0.2, 0.0)]


def test_throughput_of_both_directions() -> None:
    assert lines(plots.throughput(LINK)) == {"toward a": [(0.1, 1.0)], "toward b": [(0.1, 20.0)]}


def test_a_queue_and_what_it_dropped() -> None:
    found = lines(plots.queue(LINK))
    assert found["toward b"] == [(0.0, 5.0), (0.1, 7.0)]
    assert found["dropped toward b"] == [(0.1, 7.0)]
    assert "dropped toward a" not in found


def test_the_window_its_threshold_and_what_was_sent_again() -> None:
    assert lines(plots.congestion_window(TCP)) == {
        "a:1 → b:2": [(0.0, 10.0), (0.1, 20.0)],
        "slow-start threshold": [(0.1, 15.0)],
        "retransmitted": [(0.1, 20.0)],
    }


def test_the_end_of_an_earlier_connection_is_no_line() -> None:
    earlier = TcpSample(0.0, "a:1 → b:9", "fin-wait-1", 300, None, 0, 1.0, 0, 0, 1448)
    assert "a:1 → b:9" not in lines(plots.congestion_window([earlier, *TCP]))
    assert "a:1 → b:9" in lines(plots.congestion_window([earlier]))


def test_plots_go_onto_axes_that_are_given() -> None:
    from matplotlib import pyplot

    _, (above, below) = pyplot.subplots(2)
    assert plots.queue(LINK, above) is above
    assert PING.plot(below) is below


def test_what_a_link_has_no_plot_of() -> None:
    with pytest.raises(BadArgument, match='has "throughput" and "queue" to plot'):
        LinkSamples(list, 1).plot("colour")


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(PlaygroundError, match="pip install matplotlib"):
        PING.plot()


def test_a_plot_of_its_own_can_be_read_on_a_light_page_and_on_a_dark_one() -> None:
    import io

    from matplotlib import pyplot
    from matplotlib_inline import backend_inline

    ax = plots.congestion_window(TCP)
    # JupyterLab is asked to put nothing below it.
    assert not backend_inline._fetch_figure_metadata(ax.get_figure())
    drawn = io.BytesIO()
    ax.get_figure().savefig(drawn)
    drawn.seek(0)
    pixels = pyplot.imread(drawn)
    assert pixels[0, 0, 3] == 0  # transparent
    inked = pixels[pixels[:, :, 3] == 1][:, :3]
    assert len(inked)
    light = luminance(inked)
    white, jupyters_dark = 1.05, luminance([[0x11 / 255] * 3])[0] + 0.05
    assert (white / (light + 0.05)).min() > 3
    assert ((light + 0.05) / jupyters_dark).min() > 3


def luminance(colours: Any) -> Any:
    """Relative luminance, 0 to 1, of colours in sRGB (WCAG 2.1)."""
    import numpy

    colours = numpy.asarray(colours)
    linear = numpy.where(colours <= 0.03928, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    return linear @ numpy.array([0.2126, 0.7152, 0.0722])


def test_axes_that_are_given_keep_their_own_colours() -> None:
    from matplotlib import pyplot

    figure, ax = pyplot.subplots()
    before = figure.get_facecolor(), ax.xaxis.label.get_color()
    plots.rtt(PING, ax)
    assert (figure.get_facecolor(), ax.xaxis.label.get_color()) == before


def test_a_cell_that_ends_in_a_plot_shows_the_figure_and_no_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from IPython.core.formatters import DisplayFormatter
    from matplotlib import pyplot

    ax = PING.plot()
    assert DisplayFormatter().format(ax) == ({}, {})
    assert capsys.readouterr().out == ""
    pyplot.close("all")  # as a notebook does when it has shown the figure
    assert DisplayFormatter().format(ax) == ({}, {})
    assert capsys.readouterr().out == "Figure(700x320)\n"

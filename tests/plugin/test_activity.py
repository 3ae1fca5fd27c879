"""The run in the activity dock."""

from collections.abc import Callable
from typing import Any

from napari.utils.progress import progress

from coldstart.model.state import IterationStats
from coldstart.plugin.activity import Activity

STATS = IterationStats(3, 9, "initial", 35.0, 7.0, 90, 0.4, 1.0, 800.0, 30.0, 0.1, 15.0, -1.0, 0.5, 90, 0.0, 0.1)


def test_a_line_counts_iterations_until_it_is_closed(make_napari_viewer: Callable[[], Any]) -> None:
    make_napari_viewer()
    activity = Activity(lambda: None)
    activity.show(STATS, 75.0)
    (line,) = progress._all_instances
    assert (line.n, line.total) == (3, 9)
    assert "35.0 Å, 1 min 15 s left" in line.desc
    activity.close()
    assert not progress._all_instances
    activity.close()


def test_cancelling_the_line_calls_back(make_napari_viewer: Callable[[], Any]) -> None:
    make_napari_viewer()
    called: list[bool] = []
    activity = Activity(lambda: called.append(True))
    activity.show(STATS, 75.0)
    (line,) = progress._all_instances
    line.cancel()
    assert called == [True]
    activity.close()

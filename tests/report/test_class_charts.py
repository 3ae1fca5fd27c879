import re
from collections.abc import Callable

import numpy as np
import pytest

from coldstart.model.state import ClassReport, IterationStats
from coldstart.report.class_charts import class_course_charts, correlation_chart, posterior_svg


def colours(svg: str) -> set[str]:
    return set(re.findall(r"var\(--class-(\d)\)", svg))


def test_each_class_keeps_its_colour_in_every_chart(
    make_stats: Callable[..., IterationStats], make_report: Callable[..., ClassReport]
) -> None:
    rows = [make_stats(number, class_shares=(0.5, 0.3, 0.2)) for number in (1, 2)]
    sizes = class_course_charts(rows, 3)[0]
    assert colours(correlation_chart([make_report()] * 3, 80.0, 12.0).svg) == {"1", "2", "3"}
    assert colours(sizes.svg) == {"1", "2", "3"}
    assert colours(posterior_svg(np.array([0.7, 0.9]), 1)) == {"2"}


def test_course_is_left_out_where_the_classes_were_not_counted(make_stats: Callable[..., IterationStats]) -> None:
    assert class_course_charts([make_stats(1)], 3) == []
    assert class_course_charts([make_stats(1, "posing", class_shares=(0.5, 0.3, 0.2))], 3) == []


def test_a_band_too_thin_to_read_has_no_number(make_stats: Callable[..., IterationStats]) -> None:
    svg = class_course_charts([make_stats(1, class_shares=(0.6, 0.39, 0.01))], 3)[0].svg
    assert ">2</text>" in svg
    assert ">3</text>" not in svg


@pytest.mark.parametrize("finest_angstrom", [4.0, 12.0, 30.0])
def test_correlation_is_drawn_to_the_finest_detail(
    make_report: Callable[..., ClassReport], finest_angstrom: float
) -> None:
    chart = correlation_chart([make_report()], 240.0, finest_angstrom)
    ticks = [float(text) for text in re.findall(r">(\d+(?:\.\d)?)</text>", chart.svg) if float(text) >= 2.0]
    assert min(ticks) >= finest_angstrom / 1.1
    assert min(ticks) <= 1.4 * finest_angstrom

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from coldstart.report.charts import angstrom_ticks


def test_ticks_are_round_resolutions_inside_the_range() -> None:
    assert angstrom_ticks(35.0, 12.0) == [35.0, 25.0, 20.0, 16.0, 14.0, 12.0]


@given(st.floats(4.0, 150.0), st.floats(1.1, 10.0))
def test_ticks_fall_keep_their_distance_and_stay_in_range(finest: float, ratio: float) -> None:
    coarsest = finest * ratio
    ticks = angstrom_ticks(coarsest, finest, most=7)
    assert all(finest * 0.99 <= tick <= coarsest * 1.01 for tick in ticks)
    gaps = [1 / after - 1 / before for before, after in pairwise(ticks)]
    assert all(gap >= (1 / finest - 1 / coarsest) / 7 for gap in gaps)

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from coldstart.io.grouping import group_rows


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0.5, 2.0]), st.sampled_from(["a", "b"])), min_size=1))
def test_rows_are_grouped_by_all_columns_in_the_order_of_appearance(rows):
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    group, first = group_rows(columns, len(rows))
    distinct = list(dict.fromkeys(rows))
    assert [distinct[number] for number in group] == rows
    assert first.tolist() == [rows.index(row) for row in distinct]


def test_without_columns_there_is_one_group():
    group, first = group_rows([], 3)
    assert group.tolist() == [0, 0, 0]
    assert first.tolist() == [0]

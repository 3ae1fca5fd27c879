import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldstart.errors import ParticleFileError
from coldstart.io.image_names import distinct_in_order, split_image_names
from coldstart.model.carried import CarriedTable

stack = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)


@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(0, 3), stack), min_size=1, max_size=8))
def test_names_are_taken_apart(rows):
    names = [f"{number:0{4 + width}d}@{name}" for number, width, name in rows]
    places = split_image_names(CarriedTable({"rlnImageName": names}), "a.star")
    assert places.slice.tolist() == [number - 1 for number, _, _ in rows]
    assert [places.stacks[index] for index in places.stack] == [name.removesuffix(":mrcs") for _, _, name in rows]
    assert len(set(places.stack.tolist())) == len({name for _, _, name in rows})


@pytest.mark.parametrize(
    "name", ["@a.mrcs", "0@a.mrcs", "1@", "x@a.mrcs", "-1@a.mrcs", "1.5@a.mrcs", "9" * 20 + "@a", ""]
)
def test_what_is_no_name_of_an_image_is_refused(name):
    with pytest.raises(ParticleFileError, match=r"a\.star, row 2, rlnImageName = .* count from 1"):
        split_image_names(CarriedTable({"rlnImageName": ["1@a.mrcs", name]}), "a.star")


def test_a_name_without_a_number_is_that_of_the_only_image():
    names = ["2@a.mrcs", "folder/b.mrc", "c.mrc:mrcs", "1@b.mrc"]
    places = split_image_names(CarriedTable({"rlnImageName": names}), "a.star")
    assert places.stacks == ("a.mrcs", "folder/b.mrc", "c.mrc", "b.mrc")
    assert places.slice.tolist() == [1, 0, 0, 0]
    assert places.unnumbered.tolist() == [False, True, True, False]


@given(st.lists(st.sampled_from([b"a", b"b", b"cc", b"c"]), min_size=1))
def test_distinct_values_come_in_the_order_of_appearance(values):
    distinct, index = distinct_in_order(np.array(values))
    assert distinct.tolist() == list(dict.fromkeys(values))
    assert distinct[index].tolist() == values

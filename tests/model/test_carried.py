import numpy as np
import pytest

from coldstart.model.carried import CarriedTable


@pytest.fixture
def table():
    return CarriedTable({"a": ["1", "å", ""], "b": np.array([b"x", b"yy", b"z"])})


def test_columns_are_text_and_held_as_utf8(table):
    assert len(table) == 3
    assert list(table) == ["a", "b"]
    assert "a" in table
    assert "c" not in table
    assert table["a"].tolist() == ["1", "å", ""]
    assert table.columns["b"].tolist() == ["x", "yy", "z"]
    assert dict(table.columns).keys() == {"a", "b"}
    assert table.utf8("a").tolist() == [b"1", "å".encode(), b""]
    assert table.value("a", 1) == "å"


def test_rows_and_columns_are_taken_without_a_change_of_the_table(table):
    assert table.take(np.array([2, 0]))["b"].tolist() == ["z", "x"]
    assert table.take(np.array([True, False, True]))["b"].tolist() == ["x", "z"]
    assert table.take(slice(1))["a"].tolist() == ["1"]
    assert list(table.having({"c": ["1", "2", "3"], "a": ["4", "5", "6"]})) == ["a", "b", "c"]
    assert list(table.without("a", "none")) == ["b"]
    assert list(table.renamed({"a": "z"})) == ["z", "b"]
    assert list(table) == ["a", "b"]
    assert table["a"].tolist() == ["1", "å", ""]


def test_tables_of_the_same_text_are_equal(table):
    assert table == CarriedTable({"a": np.array(["1", "å", ""]), "b": ["x", "yy", "z"]})
    assert table != table.without("a")
    assert table != table.having({"a": ["1", "a", ""]})
    assert table != CarriedTable({"b": ["x", "yy", "z"], "a": ["1", "å", ""]})
    assert table != 3


def test_a_table_without_rows_or_columns():
    assert len(CarriedTable()) == 0
    assert CarriedTable({"a": []})["a"].tolist() == []
    assert CarriedTable({"a": np.array([], np.str_)}) == CarriedTable({"a": []})

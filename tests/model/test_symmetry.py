import shutil
import subprocess
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldstart.errors import ParameterError
from coldstart.model.symmetry import PointGroup, mirror_axis, point_group

ORDERS = {f"C{n}": n for n in range(1, 25)} | {f"D{n}": 2 * n for n in range(1, 25)}
ORDERS |= {"C99": 99, "D99": 198, "T": 12, "O": 24, "I": 60, "I1": 60, "I2": 60, "I3": 60, "I4": 60}
ALL = pytest.mark.parametrize("name", ORDERS)

# RELION prints five digits, and has rounded before it multiplied.
RELION_ROUNDING = 6e-5


@lru_cache
def relion_operators(name: str) -> np.ndarray:
    if shutil.which("relion_refine") is None:
        pytest.skip("relion_refine is not on the PATH")
    command = ["relion_refine", "--i", "x", "--sym", name, "--print_symmetry_ops"]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    blocks = [block.splitlines()[1:4] for block in printed.split("R(")[1:]]
    return np.array([[line.split() for line in block] for block in blocks], dtype=np.float64)


def to_nearest(matrices: np.ndarray, among: np.ndarray) -> float:
    """The furthest that any of the matrices is from its nearest among others: largest difference of the elements."""
    nearest = (matrices.reshape(-1, 9) @ among.reshape(-1, 9).T).argmax(axis=1)
    return float(np.abs(matrices.reshape(-1, 3, 3) - among[nearest]).max())


@ALL
def test_operators_are_that_many_different_rotations(name: str) -> None:
    group = point_group(name)
    assert group.operators.shape == (ORDERS[name], 3, 3)
    assert group.order == ORDERS[name]
    np.testing.assert_array_equal(group.operators[0], np.eye(3))
    np.testing.assert_allclose(np.linalg.det(group.operators), 1.0, atol=1e-14)
    assert np.abs(group.operators @ group.operators.swapaxes(1, 2) - np.eye(3)).max() < 1e-14
    apart = np.abs(group.operators[:, None] - group.operators).max(axis=(2, 3))
    assert apart[~np.eye(group.order, dtype=bool)].min(initial=1.0) > 0.01


@ALL
def test_products_and_inverses_stay_in_the_group(name: str) -> None:
    operators = point_group(name).operators
    assert to_nearest(operators[:, None] @ operators, operators) < 1e-14
    assert to_nearest(operators.swapaxes(1, 2), operators) < 1e-14


@ALL
def test_operators_are_relions(name: str) -> None:
    ours, theirs = point_group(name).operators, relion_operators(name)
    assert len(theirs) == len(ours)
    assert to_nearest(ours, theirs) < RELION_ROUNDING
    assert to_nearest(theirs, ours) < RELION_ROUNDING


@ALL
def test_what_the_group_leaves_in_place(name: str) -> None:
    group = point_group(name)
    along_z, nothing = np.diag([0.0, 0.0, 1.0]), np.zeros((3, 3))
    expected = np.eye(3) if name == "C1" else along_z if name.startswith("C") else nothing
    # The 2-fold axis of D1 is x, and it has no other.
    expected = np.diag([1.0, 0.0, 0.0]) if name == "D1" else expected
    np.testing.assert_allclose(group.invariant_projector, expected, atol=1e-15)


@ALL
def test_the_mirrored_group_is_the_group(name: str) -> None:
    group = point_group(name)
    axis = mirror_axis(group)
    assert axis == (1 if name in ("I3", "I4") else 0)
    for tried in range(axis + 1):
        mirror = np.diag([-1.0 if at == tried else 1.0 for at in range(3)])
        apart = to_nearest(mirror @ group.operators @ mirror, group.operators)
        assert (apart < 1e-14) == (tried == axis)


def test_quarter_turns_are_exact() -> None:
    for name in ("C2", "C4", "D2", "D4", "O"):
        assert set(np.unique(point_group(name).operators)) <= {-1.0, 0.0, 1.0}


@pytest.mark.parametrize(
    ("text", "name"),
    [("c1", "C1"), (" d7 ", "D7"), ("C10", "C10"), ("o", "O"), ("i", "I2"), ("I2", "I2"), ("i1", "I1")],
)
def test_names_are_normalised_and_groups_are_kept(text: str, name: str) -> None:
    group = point_group(text)
    assert group.name == name
    assert group is point_group(name)


def test_groups_compare_by_name() -> None:
    assert point_group("C4") == PointGroup("C4", point_group("C4").operators.copy())
    assert point_group("C4") != point_group("D4")
    assert len({point_group("I"), point_group("I2"), point_group("I1")}) == 2


def test_operators_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        point_group("D3").operators[0] = 0.0


BAD = ("", "C", "C0", "C01", "C100", "C-1", "C1.5", "D", "D0", "X", "I5", "T2", "Oh", "Cs", "C1 D2", "7")


@pytest.mark.parametrize("text", BAD)
def test_a_bad_name_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ParameterError) as caught:
        point_group(text)
    assert repr(text) in str(caught.value)
    assert "C1 to C99, D1 to D99, T, O, I" in str(caught.value)


@given(st.text(max_size=4))
def test_any_text_is_a_group_or_an_error(text: str) -> None:
    try:
        group = point_group(text)
    except ParameterError:
        return
    assert group.order >= 1

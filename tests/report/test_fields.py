"""Fields in terms of forms: kinds, ranges, and what is said of a value that is refused."""

import pytest
from pydantic import ValidationError

from coldstart.params import AbInitioParams
from coldstart.report.fields import (
    FieldRange,
    allowed_values,
    field_choices,
    field_kind,
    field_range,
    is_optional,
    refusals,
)


def test_every_field_can_say_what_it_accepts() -> None:
    assert allowed_values("noise_model") == "symmetric or white"
    assert allowed_values("noise_initial_scale") == "a number from 1"
    assert allowed_values("ctf") == "true or false"
    assert all(allowed_values(name) for name in AbInitioParams.model_fields)


def test_kinds_are_without_none() -> None:
    assert field_kind("particles_to_use") is int
    assert field_kind("pixel_size_angstrom") is float
    assert [name for name in ("seed", "device", "threads") if is_optional(name)] == ["device", "threads"]
    assert field_choices("noise_model") == ("symmetric", "white")
    assert field_choices("seed") == ()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("classes", FieldRange(1, 100)),
        ("learning_rate", FieldRange(0, 1, low_included=False)),
        ("max_resolution_angstrom", FieldRange(0, low_included=False)),
        ("seed", FieldRange(0, 2**63, high_included=False)),
        ("symmetry", FieldRange()),
    ],
)
def test_ranges_are_those_of_the_model(name: str, expected: FieldRange) -> None:
    assert field_range(name) == expected


def test_refusals_name_the_field_as_the_user_knows_it() -> None:
    with pytest.raises(ValidationError) as error:
        AbInitioParams.model_validate({"classes": 0, "clases": 2})
    lines = refusals(error.value, lambda name: f"the field {name}", "the file").splitlines()
    assert lines == [
        "the field classes is 0, but must be a whole number from 1 to 100.",
        "the file: there is no parameter 'clases'; did you mean 'classes'?",
    ]

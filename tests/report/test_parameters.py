from coldstart.params import GROUPS, AbInitioParams
from coldstart.report.parameters import fields_by_group, parameter_rows, value_text


def test_every_field_is_in_a_group_and_groups_keep_their_order() -> None:
    groups = fields_by_group()
    assert tuple(groups) == GROUPS
    assert sorted(name for names in groups.values() for name in names) == sorted(AbInitioParams.model_fields)


def test_values_are_shown_with_their_unit() -> None:
    assert value_text("max_resolution_angstrom", 12.0) == "12 Å"
    assert value_text("ctf", True) == "on"
    assert value_text("device", None) == "–"
    assert value_text("final_minibatch", 0) == "0, automatic"
    assert value_text("final_minibatch", 300) == "300 images"
    assert value_text("seed", 0) == "0"


def test_rows_tell_what_was_changed() -> None:
    rows = parameter_rows(AbInitioParams(max_resolution_angstrom=8.0, ctf=False))
    changed = {row.name: (row.value, row.default) for group in rows.values() for row in group if row.changed}
    assert changed == {"max_resolution_angstrom": ("8 Å", "12 Å"), "ctf": ("off", "on")}

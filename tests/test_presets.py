"""Presets: parameters that the model takes, told apart by what they decide."""

import pytest

from coldstart.params import AbInitioParams
from coldstart.presets import PRESET_FIELDS, PRESETS, Preset, matching_preset, preset_of, preset_values

OF_THE_INPUT_OR_MACHINE = {
    "classes", "ctf", "device", "invert", "particles_to_use", "phase_flipped", "pixel_size_angstrom", "symmetry",
}  # fmt: skip


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.key)
def test_presets_are_valid_and_leave_the_input_alone(preset: Preset) -> None:
    AbInitioParams(**preset.changes)
    assert not OF_THE_INPUT_OR_MACHINE & set(preset.changes)
    assert preset_of(preset.key) is preset


def test_the_default_preset_is_the_default() -> None:
    assert AbInitioParams(**preset_values(preset_of("default"))) == AbInitioParams()


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.key)
def test_a_preset_is_recognised_by_what_it_decides(preset: Preset) -> None:
    params = AbInitioParams(**preset_values(preset), seed=5, classes=3)
    assert matching_preset(params.model_dump()) is preset


def test_other_values_are_no_preset() -> None:
    assert matching_preset(AbInitioParams(initial_iterations=7).model_dump()) is None
    assert "initial_iterations" in PRESET_FIELDS


def test_there_is_no_other_preset() -> None:
    with pytest.raises(KeyError):
        preset_of("slow")

"""Sets of parameters for common situations, as data: the command line's `--preset` and the plugin's menu share them.

A preset decides what depends on the kind of particle and on how thorough a run is to be. What depends on the input, on
the question or on the machine (pixel size, classes, symmetry, device ...) is left as it is. docs/plugin.md says why
each has its values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from coldstart.params import AbInitioParams


@dataclass(frozen=True, slots=True)
class Preset:
    """Parameters for one situation.

    Attributes
    ----------
    key : str
        Name on the command line.
    title : str
        Name in a menu.
    description : str
        When to take it, in one sentence.
    changes : mapping
        Fields of `AbInitioParams` that differ from their defaults, and their values.
    """

    key: str
    title: str
    description: str
    changes: Mapping[str, Any] = field(default_factory=dict)


PRESETS = (
    Preset("default", "Default", "A first map of most particles, to 12 Å."),
    Preset(
        "quick-look",
        "Quick look",
        "Is there a particle, and of what shape? Fewer iterations, to 18 Å.",
        {
            "max_resolution_angstrom": 18.0,
            "initial_iterations": 100,
            "final_iterations": 40,
            "waiting_iterations": 200,
            "minibatch_switch_iteration": 150,
            "learning_rate_duration": 50,
        },
    ),
    Preset(
        "small-protein",
        "Small protein",
        "Below some 150 kDa, or in a micelle: to 8 Å, where helices tell the views apart, with larger minibatches.",
        {
            "initial_resolution_angstrom": 20.0,
            "max_resolution_angstrom": 8.0,
            "initial_minibatch": 300,
        },
    ),
    Preset(
        "high-symmetry",
        "High symmetry",
        "Viruses, proteasomes and other round things: to 9 Å, since their views look alike at low resolution.",
        {"max_resolution_angstrom": 9.0, "initial_minibatch": 300},
    ),
)


PRESET_FIELDS = tuple(name for name in AbInitioParams.model_fields if any(name in preset.changes for preset in PRESETS))
"""The fields that presets decide, in the order of the model."""


def preset_of(key: str) -> Preset:
    """The preset of a name.

    Raises
    ------
    KeyError
        If there is none.
    """
    return {preset.key: preset for preset in PRESETS}[key]


def preset_values(preset: Preset) -> dict[str, Any]:
    """What a preset says of every field that presets decide: its own value, or the default."""
    return {name: preset.changes.get(name, AbInitioParams.model_fields[name].default) for name in PRESET_FIELDS}


def matching_preset(values: Mapping[str, Any]) -> Preset | None:
    """The preset that agrees with all of these values of fields, if one does."""
    for preset in PRESETS:
        if all(values[name] == wanted for name, wanted in preset_values(preset).items()):
            return preset
    return None

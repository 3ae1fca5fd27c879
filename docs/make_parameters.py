"""Write docs/parameters.md from src/coldstart/params.py: run this after changing a parameter."""

from pathlib import Path

from pydantic.fields import FieldInfo

from coldstart.cli.options import flag_name
from coldstart.params import GROUPS, AbInitioParams

PAGE = Path(__file__).with_name("parameters.md")

# Field -> the key and the title of the parameter of CryoSPARC's ab-initio job that means the same.
CRYOSPARC = {
    "classes": ("abinit_K", "Number of Ab-Initio classes"),
    "particles_to_use": ("abinit_num_particles", "Num particles to use"),
    "initial_resolution_angstrom": ("abinit_init_res", "Initial resolution"),
    "max_resolution_angstrom": ("abinit_max_res", "Maximum resolution"),
    "initial_minibatch": ("abinit_minisize_init", "Initial minibatch size"),
    "final_minibatch": ("abinit_minisize", "Final minibatch size"),
    "class_similarity": ("abinit_class_anneal_beta", "Class similarity"),
    "class_similarity_start": ("abinit_class_anneal_start", "Class similarity anneal start iter"),
    "class_similarity_end": ("abinit_class_anneal_end", "Class similarity anneal end iter"),
    "symmetry": ("abinit_symmetry", "Symmetry"),
    "seed": ("random_seed", "Random seed"),
    "window_images": ("prepare_window_dataset", "Window dataset (real-space)"),
    "window_inner_radius": ("prepare_window_inner_radius", "Window inner radius"),
    "window_outer_radius": ("prepare_window_outer_radius", "Window outer radius"),
    "initial_iterations": ("abinit_num_init_iters", "Number of initial iterations"),
    "final_iterations": ("abinit_num_final_iters", "Number of final iterations"),
    "minibatch_switch_iteration": ("abinit_minisize_num_init_iters", "Initial minibatch size num iters"),
    "fourier_radius_step": ("abinit_radwn_step", "Fourier radius step"),
    "learning_rate": ("abinit_high_lr", "Initial learning rate"),
    "learning_rate_duration": ("abinit_high_lr_duration", "Initial learning rate duration"),
    "window_volume": ("abinit_window", "Window structures in real space"),
    "center": ("abinit_center", "Center structures in real space"),
    "nonnegative": ("abinit_nonneg", "Enforce non-negativity"),
    "initial_lowpass_radius": ("abinit_init_radwn_cutoff", "Initial structure lowpass"),
    "noise_model": ("abinit_noise_model", "Noise model"),
    "noise_prior_weight": ("abinit_noise_priorw", "Noise priorw"),
    "noise_initial_weight": ("abinit_noise_initw", "Noise initw"),
    "noise_initial_scale": ("abinit_noise_init_sigmascale", "Noise initial sigma-scale"),
    "target_ess_fraction": ("abinit_target_initial_ess_fraction", "Target 3D ESS Fraction"),
}

INTRODUCTION = """\
<!-- Written by docs/make_parameters.py from src/coldstart/params.py: change those, not this page. -->
# Parameters

Every parameter of `coldstart run`, by the group under which `coldstart run --help` shows it. In Python and in
`params.json` a parameter goes by its field name. A dash as the default means that the program finds a value itself,
as the description says. The last column names the parameter of CryoSPARC's ab-initio job that means the same.
"""
HEADER = """\
| flag | field | default | unit | what it does | in CryoSPARC |
|---|---|---|---|---|---|
"""


def page() -> str:
    """The whole page as Markdown."""
    return INTRODUCTION + "".join(f"\n## {group}\n\n{HEADER}{_rows(group)}" for group in GROUPS)


def _rows(group: str) -> str:
    fields = AbInitioParams.model_fields.items()
    return "".join(_row(name, field) for name, field in fields if _extra(field)["group"] == group)


def _row(name: str, field: FieldInfo) -> str:
    cells = (
        _flag(name, field),
        f"`{name}`",
        _default(field),
        _extra(field)["unit"],
        field.description,
        _cryosparc(name),
    )
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |\n"


def _extra(field: FieldInfo) -> dict[str, str]:
    return dict(field.json_schema_extra)


def _flag(name: str, field: FieldInfo) -> str:
    flag = flag_name(name)
    return f"`{flag}` / `{flag.replace('--', '--no-', 1)}`" if isinstance(field.default, bool) else f"`{flag}`"


def _default(field: FieldInfo) -> str:
    if field.default is None:
        return "–"
    if isinstance(field.default, bool):
        return "on" if field.default else "off"
    return f"{field.default:g}" if isinstance(field.default, float) else str(field.default)


def _cryosparc(name: str) -> str:
    if name not in CRYOSPARC:
        return ""
    key, title = CRYOSPARC[name]
    return f"{title} (`{key}`)"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

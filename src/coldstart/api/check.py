"""Particles checked before a run: what is wrong with them, and what a run would need."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldstart.api.forecast import forecast_run
from coldstart.api.wanted import read_wanted
from coldstart.check.evidence import StackFacts
from coldstart.check.gather import gather
from coldstart.check.registry import all_findings, by_gravity
from coldstart.check.statistics import image_statistics
from coldstart.errors import ParticleFileError
from coldstart.io.mrc import MrcStackSource
from coldstart.model.check_report import CheckReport, CtfFacts, Finding
from coldstart.model.particles import Ctf, Particles
from coldstart.params import AbInitioParams

OnProgress = Callable[[str, float], None]
OnCheck = Callable[[CheckReport], None]

_READING, _LOOKING, _COMPARED = 0.05, 0.7, 0.9
"""Share of the work after which the table is read, the images are, and both are compared."""


def check_particles(
    particles_path: Path,
    params: AbInitioParams,
    *,
    data_root: Path | None = None,
    thorough: bool = True,
    on_progress: OnProgress | None = None,
) -> CheckReport:
    """Look at the particles of a file as a run with these parameters would use them.

    Parameters
    ----------
    particles_path : Path
        Particle table, plain stack, or folder of stacks.
    params : AbInitioParams
    data_root : Path, optional
        Folder that the stack paths of the table are relative to.
    thorough : bool
        Read every image, to find broken ones and copies; without it, a sample of them alone.
    on_progress : callable, optional
        Called with what is being done, and the share that is done of it all, from 0 to 1.

    Returns
    -------
    CheckReport
        A file that cannot be read is a finding too, not an exception. Where only its CTF cannot, the images are
        checked without it.
    """
    path, show = Path(particles_path), on_progress or _ignore
    show("Reading the table", 0.0)
    refused: tuple[Finding, ...] = ()
    try:
        particles, images, _ = read_wanted(path, params, data_root)
    except ParticleFileError as error:
        refused = (Finding("input", "error", str(error)),)
        try:
            particles, images, _ = read_wanted(path, params.model_copy(update={"ctf": False}), data_root)
        except ParticleFileError:
            return CheckReport(str(path), 0, 0, 0.0, None, refused)
    report = check_images(particles, images, params, thorough=thorough, on_progress=show)
    findings = by_gravity((*refused, *report.findings))
    show("Done", 1.0)
    return CheckReport(
        report.source, report.count, report.box_px, report.pixel_size_angstrom, report.ctf, findings,
        report.statistics, report.forecast,
    )  # fmt: skip


def check_images(
    particles: Particles,
    images: MrcStackSource,
    params: AbInitioParams,
    *,
    thorough: bool,
    on_progress: OnProgress | None = None,
) -> CheckReport:
    """The same for particles that are read already."""
    show = on_progress or _ignore
    evidence = gather(
        particles, images, params, _stack_facts(particles, images), thorough=thorough,
        on_share=lambda share: show("Reading images", _READING + (_LOOKING - _READING) * share),
    )  # fmt: skip
    show("Comparing images with the table", _LOOKING)
    notes = (Finding("input", "note", note) for note in particles.notes)
    found = all_findings(evidence)
    show("Looking ahead", _COMPARED)
    forecast, misfits = forecast_run(particles, params)
    return CheckReport(
        source=particles.name,
        count=particles.count,
        box_px=particles.box_px,
        pixel_size_angstrom=particles.pixel_size_angstrom,
        ctf=None if particles.ctf is None else _ctf_facts(particles.ctf),
        findings=by_gravity((*found, *misfits, *notes)),
        statistics=None if evidence.sample is None else image_statistics(evidence.sample),
        forecast=forecast,
    )


def check_first(
    particles: Particles, images: MrcStackSource, params: AbInitioParams, on_check: OnCheck | None
) -> tuple[str, ...]:
    """Check particles quickly at the head of a run, where somebody wants to know; what was found, as notes.

    Whatever `on_check` raises ends the run.
    """
    if on_check is None:
        return ()
    report = check_images(particles, images, params, thorough=False)
    on_check(report)
    return tuple(f"{finding.message} {finding.remedy}" for finding in report.findings if finding.severity != "note")


def _stack_facts(particles: Particles, images: MrcStackSource) -> StackFacts:
    """Of the rows that are wanted, and the stacks that these are in."""
    stack, place = images.path_index[: particles.count], images.slice_index[: particles.count]
    used, first = np.unique(stack, return_index=True)
    treatment = images.treatment
    if treatment is None:
        taken = [particles.pixel_size_angstrom] * len(used)
    else:
        taken = [treatment.kinds[kind].grid.pixel_size_angstrom for kind in treatment.kind[first].tolist()]
    return StackFacts(
        image_number=stack * (int(place.max()) + 1) + place,
        names=tuple(str(images.paths[number]) for number in used.tolist()),
        header_angstrom=tuple(images.headers[number].pixel_size_angstrom for number in used.tolist()),
        table_angstrom=tuple(taken),
        phase_flipped=treatment is not None and treatment.flips_phases,
    )


def _ctf_facts(ctf: Ctf) -> CtfFacts:
    defocus = 0.5 * (ctf.defocus_u_angstrom + ctf.defocus_v_angstrom)
    return CtfFacts(
        defocus_angstrom=(float(defocus.min()), float(defocus.max())),
        voltage_kv=_values(ctf.voltage_kv),
        cs_mm=_values(ctf.cs_mm),
        amplitude_contrast=_values(ctf.amplitude_contrast),
        has_phase_shift=bool(np.any(ctf.phase_shift_deg)),
    )


def _values(column: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(np.unique(column).tolist())


def _ignore(_step: str, _share: float) -> None:
    pass

"""`check_particles` from a file to a report."""

from pathlib import Path

import numpy as np
import pytest

from coldstart.api import check_particles
from coldstart.io.particle_files import read_particles
from coldstart.params import AbInitioParams


def test_facts_are_those_of_the_table(small_set: Path) -> None:
    report = check_particles(small_set, AbInitioParams())
    particles, _ = read_particles(small_set)
    assert (report.count, report.box_px, report.pixel_size_angstrom) == (6, 16, 14.0)
    assert report.ctf is not None
    assert particles.ctf is not None
    defocus = (particles.ctf.defocus_u_angstrom + particles.ctf.defocus_v_angstrom) / 2
    assert report.ctf.defocus_angstrom == pytest.approx((defocus.min(), defocus.max()))
    assert report.ctf.voltage_kv == tuple(np.unique(particles.ctf.voltage_kv))


def test_without_ctf_there_are_no_facts_of_it(small_set: Path) -> None:
    assert check_particles(small_set, AbInitioParams(ctf=False)).ctf is None


def test_a_file_that_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    report = check_particles(tmp_path / "none.star", AbInitioParams())
    (finding,) = report.findings
    assert (finding.check, finding.severity, report.exit_code) == ("input", "error", 2)
    assert "none.star" in finding.message

"""Tables as numbers, of this program and of others."""

from pathlib import Path

import numpy as np
import pytest

from coldstart.errors import ParticleFileError
from coldstart.io.particle_table import load_particle_table, particle_table
from coldstart.model.carried import CarriedTable

OWN = """
data_optics

loop_
_rlnOpticsGroup #1
_rlnImagePixelSize #2
1 2.0

data_particles

loop_
_rlnImageName #1
_rlnOpticsGroup #2
_rlnAngleRot #3
_rlnAngleTilt #4
_rlnAnglePsi #5
_rlnOriginXAngst #6
_rlnOriginYAngst #7
_rlnClassNumber #8
_coldstartClassPosterior #9
_coldstartClassPosterior1 #10
_coldstartClassPosterior2 #11
_coldstartClassMargin #12
_coldstartLabel #13
_rlnLogLikeliContribution #14
_rlnMicrographName #15
1@s.mrcs 1 10 20 30 1.5 -2 2 0.75 0.25 0.75 0.5 low_confidence -3 m1.mrc
2@s.mrcs 1 40 50 60 0 0 1 1 1 0 1 used 7 m2.mrc
"""


def test_a_table_of_a_run(tmp_path: Path) -> None:
    (tmp_path / "particles.star").write_text(OWN)
    table = load_particle_table(tmp_path / "particles.star")
    assert table.count == 2
    assert table.euler_deg is not None
    np.testing.assert_array_equal(table.euler_deg, [[10, 20, 30], [40, 50, 60]])
    np.testing.assert_array_equal(table.origin_angstrom, [[1.5, -2], [0, 0]])
    np.testing.assert_array_equal(table.class_number, [2, 1])
    assert table.features.to_dict("list") == {
        "row": [1, 2],
        "class": [2, 1],
        "label": ["low confidence", "used"],
        "posterior": [0.75, 1.0],
        "margin": [0.5, 1.0],
        "log_likelihood": [-3.0, 7.0],
        "micrograph": ["m1.mrc", "m2.mrc"],
    }
    assert table.judgement["coldstartLabel"].tolist() == ["low_confidence", "used"]
    assert table.judgement["coldstartClassPosterior2"].tolist() == ["0.75", "0"]


def test_a_table_of_another_program_goes_as_far_as_it_goes() -> None:
    columns = {
        "rlnImageName": np.array(["1@s.mrcs", "2@s.mrcs"]),
        "rlnDefocusU": np.array(["9000", "12000"]),
        "rlnDefocusV": np.array(["8000", "none"]),
        "rlnAngleRot": np.array(["1", "2"]),
    }
    table = particle_table(CarriedTable(columns), Path("other.star"))
    assert table.euler_deg is None
    np.testing.assert_array_equal(table.class_number, [1, 1])
    np.testing.assert_array_equal(table.origin_angstrom, np.zeros((2, 2)))
    np.testing.assert_array_equal(table.features["defocus_angstrom"], [8500.0, np.nan])
    assert list(table.judgement) == []


def test_a_table_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "coordinates.star").write_text("data_\nloop_\n_rlnCoordinateX #1\n1.0\n")
    with pytest.raises(ParticleFileError, match="has no block of particles"):
        load_particle_table(tmp_path / "coordinates.star")

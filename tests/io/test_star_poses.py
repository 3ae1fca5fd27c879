import numpy as np
import pytest

from coldstart.io.particle_files import read_particles
from coldstart.io.star_poses import read_poses
from coldstart.io.star_write import particles_table


@pytest.mark.parametrize("classes", [1, 3])
def test_poses_that_were_written_are_read(small_set, make_poses, classes):
    posterior = np.random.default_rng(0).dirichlet(np.ones(classes), 3)
    written = make_poses([0, 1, 2], class_posterior=posterior, log_likelihood=np.array([5.0, 6.0, 7.0]))
    particles, _ = read_particles(small_set)
    found = read_poses(particles_table(particles, written)["particles"], "a.star", classes)
    for name in ("particle", "euler_deg", "origin_angstrom", "class_posterior", "log_likelihood", "ess", "used"):
        np.testing.assert_allclose(getattr(found, name), getattr(written, name), atol=1e-6)


def test_without_posteriors_the_class_that_is_named_has_it_all(small_set, make_poses):
    particles, _ = read_particles(small_set)
    table = particles_table(particles, make_poses([0, 1]))["particles"]
    table = table.without("coldstartClassPosterior").having({"rlnClassNumber": ["2", "1"]})
    np.testing.assert_array_equal(read_poses(table, "a.star", 2).class_posterior, [[0, 1], [1, 0]])

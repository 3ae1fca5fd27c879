import numpy as np

from coldstart.model.particles import CarriedTable, Ctf, Particles


def some_particles(ctf=True):
    columns = Ctf(*(np.arange(5) + 10.0 * number for number in range(10))) if ctf else None
    table = CarriedTable({"rlnImageName": np.array([f"{row}@a.mrcs" for row in range(1, 6)])})
    return Particles(5, 8, 1.5, columns, table, CarriedTable({"rlnOpticsGroup": np.array(["1", "2"])}), "a.star")


def test_the_first_particles_keep_their_rows():
    first = some_particles().first(2)
    assert (first.count, first.box_px, first.pixel_size_angstrom, first.name) == (2, 8, 1.5, "a.star")
    assert first.table.columns["rlnImageName"].tolist() == ["1@a.mrcs", "2@a.mrcs"]
    assert first.optics.columns["rlnOpticsGroup"].tolist() == ["1", "2"]
    assert first.ctf.defocus_u_angstrom.tolist() == [0.0, 1.0]
    assert first.ctf.scale.tolist() == [80.0, 81.0]


def test_more_than_there_are_is_all():
    particles = some_particles(ctf=False).first(9)
    assert (particles.count, len(particles.table), particles.ctf) == (5, 5, None)

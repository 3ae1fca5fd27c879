"""Too few particles."""

from dataclasses import replace

from coldstart.params import AbInitioParams


def test_few_particles(simulated):
    (finding,) = simulated(count=60).named("count")
    assert finding.severity == "warning"


def test_few_particles_to_use(clean):
    assert replace(clean, params=AbInitioParams(particles_to_use=60)).named("count")
    assert not clean.named("count")

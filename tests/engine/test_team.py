"""Minibatches that are dealt out to several workers: the same bytes as of one."""

from collections.abc import Generator
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldstart.compute.session import open_session
from coldstart.engine.abinitio import abinitio
from coldstart.engine.expectation import Blending
from coldstart.engine.rings import ring_planes
from coldstart.engine.sampling import ShareOfDraws
from coldstart.engine.share import Grid, Sight
from coldstart.engine.stage import LEARNING, shift_grid, stages
from coldstart.engine.team import DeviceCrew, Team, deal, devices_label
from coldstart.engine.worker import Worker
from coldstart.model.so3 import random_rotations
from coldstart.model.state import RunResult
from coldstart.params import AbInitioParams

SHORT = AbInitioParams(
    initial_iterations=3, final_iterations=2, fourier_radius_step=2.0, initial_minibatch=25, final_minibatch=31,
    minibatch_switch_iteration=4, max_resolution_angstrom=14.0, initial_resolution_angstrom=30.0,
)  # fmt: skip
SEVERAL = {"classes": 3, "class_similarity_start": 3, "class_similarity_end": 6, "all_particles": True}


@pytest.fixture(scope="module")
def sessions():
    with open_session() as one, open_session() as two, open_session() as three:
        yield one, two, three


@pytest.fixture
def truth(rng, simulated):
    return simulated(random_rotations(rng, 70), rng.uniform(-2, 2, (70, 2)), snr=1.0, classes=3)


@pytest.fixture
def run(truth, sessions):
    """The result of a run that is dealt out to so many workers, as bytes, and the points on its way."""

    def make(workers, point=None, **changes):
        params, points = SHORT.model_copy(update=changes), []

        def gather(own):
            further = (Worker(truth.particles, truth.source, params, session) for session in sessions[1:workers])
            return DeviceCrew((own, *further))

        steps = abinitio(
            truth.particles, truth.source, params, sessions[0], make_crew=gather, point=point, keep=points.append
        )
        return as_bytes(last_of(steps)), points

    return make


def last_of(steps: Generator[object, None, RunResult]) -> RunResult:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: RunResult = end.value
            return result


def as_bytes(result):
    stats = [{f.name: getattr(s, f.name) for f in fields(s) if f.name != "seconds"} for s in result.iterations]
    table = [getattr(result.poses, f.name).tobytes() for f in fields(result.poses)]
    return result.volumes.tobytes(), table, repr(stats), result.notes


@pytest.mark.parametrize("changes", [{}, {"symmetry": "C2"}], ids=["C1", "C2"])
def test_a_run_gives_the_same_bytes_however_many_workers_it_has(run, changes):
    expected, _ = run(1, **changes)
    assert run(2, **changes)[0] == expected
    assert run(3, **changes)[0] == expected


def test_so_does_one_of_several_classes_that_goes_on_with_another_number(run):
    expected, points = run(1, **SEVERAL)
    assert run(2, **SEVERAL)[0] == expected
    assert run(3, points[4], **SEVERAL)[0] == expected


@pytest.fixture
def step(truth, sessions, rng):
    """One E-step and M-step of some rows under a blending, dealt out to so many workers."""
    params = AbInitioParams(max_resolution_angstrom=14.0)
    levels = stages(8.0, LEARNING)
    turn, shifts = random_rotations(rng, 1)[0], shift_grid(params, 8.0)

    def take(workers, rows, blending, search=7):
        crew = DeviceCrew([Worker(truth.particles, truth.source, params, s) for s in sessions[:workers]])
        variance = np.ones(ring_planes(2, int(truth.particles.box_angstrom / 14.0))[-1].rings)
        sight = Sight(truth.volumes, turn, shifts, levels, variance)
        team = Team(crew)
        searched = team.expect(sight, rows, rows[:0], search, blending)
        return team.maximise(searched, Grid(8.0, 24, 1, residual=True), used=True)

    return take


@pytest.mark.parametrize("blending", [Blending(), Blending(0.3, sink=1), Blending(noise=(2,))])
def test_what_comes_out_is_that_of_the_whole_minibatch(step, rng, blending):
    rows = rng.permutation(70)[:29]
    whole = step(1, rows, blending)
    for workers in (2, 3):
        dealt = step(workers, rows, blending)
        assert np.array_equal(dealt.sums.values, whole.sums.values)
        assert np.array_equal(dealt.sums.residual, whole.sums.residual)
        for part in ("figures", "poses"):
            one, other = getattr(whole, part), getattr(dealt, part)
            for field in fields(one):
                assert np.array_equal(getattr(one, field.name), getattr(other, field.name)), field.name
    assert whole.sums.values.any(axis=(1, 2)).all()
    assert whole.sums.residual.any()


def test_a_minibatch_may_be_smaller_than_the_team(step):
    rows = np.array([4])
    whole, dealt = (step(workers, rows, Blending()) for workers in (1, 3))
    assert np.array_equal(dealt.sums.values, whole.sums.values)


@given(rows=st.lists(st.integers(0, 1000), unique=True), workers=st.integers(1, 9))
def test_every_particle_is_dealt_once_and_evenly(rows, workers):
    rows = np.array(rows, np.int64)
    shares = deal(rows, workers)
    assert len(shares) == workers
    assert np.array_equal(np.sort(np.concatenate(shares)), np.arange(len(rows)))
    assert all((np.diff(share) > 0).all() for share in shares)
    assert max(map(len, shares)) <= -(-len(rows) // workers)


def test_a_particle_goes_to_the_same_worker_again(rng):
    """But for the few that even out the shares."""
    for _ in range(5):
        rows = rng.permutation(3000)[:300]
        away = sum((rows[share] % 4 != worker).sum() for worker, share in enumerate(deal(rows, 4)))
        assert away < 45


def test_shares_draw_the_numbers_of_the_whole():
    whole = np.random.default_rng(3).random(20).reshape(10, 2)
    positions = np.array([1, 4, 9])
    share = ShareOfDraws(np.random.default_rng(3), positions, 10).random(6)
    assert np.array_equal(share, whole[positions].ravel())


def test_devices_of_the_same_name_are_counted():
    assert devices_label(["CPU"]) == "CPU"
    assert devices_label(["GPU", "CPU", "GPU"]) == "2 × GPU, CPU"

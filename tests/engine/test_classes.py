"""Classes that starve, swallow the others or are noise: each provoked, and what is done about it."""

from dataclasses import replace

import numpy as np
import pytest

from coldstart.engine.abinitio import AbInitio
from coldstart.engine.classes import (
    EMPTY_ITERATIONS,
    MAX_RESTARTS,
    MOST_GROWTH,
    ClassWatch,
    class_reports,
    effective_classes,
)
from coldstart.engine.expectation import SINK_SHARE, Blending, damped
from coldstart.engine.posing import PosedRun
from coldstart.model.so3 import random_rotations
from coldstart.model.state import IterationStats, PoseTable
from coldstart.model.symmetry import point_group
from coldstart.params import AbInitioParams

BOX_ANGSTROM, INITIAL_RADIUS = 288.0, 6.0
C1 = point_group("C1")


def evidence_of(shares, over_noise=5.0):
    """Log evidences of the maps, (4, K), at which every image has these class posteriors."""
    return np.tile(np.log(shares) + over_noise, (4, 1))


def watched(*shares, iterations=100):
    """The watch after many minibatches in which the classes had these shares."""
    watch = ClassWatch.of(len(shares))
    for _ in range(iterations):
        watch = watch.after(evidence_of(shares))
    return watch


def test_equal_classes_are_left_alone():
    watch = watched(0.4, 0.3, 0.3)
    assert watch.empty == []
    assert watch.sink is None
    assert watch.growth == 1.0
    assert watch.notes == ()
    np.testing.assert_allclose(watch.shares, [0.4, 0.3, 0.3], atol=1e-4)


def test_a_class_is_empty_only_after_a_while():
    assert watched(0.99, 0.01, iterations=EMPTY_ITERATIONS).empty == []
    assert watched(0.99, 0.01, iterations=EMPTY_ITERATIONS + 60).empty == [1]


def test_a_restarted_class_gets_another_chance_but_not_for_ever():
    watch = watched(0.99, 0.01)
    for restart in range(MAX_RESTARTS):
        assert watch.empty == [1]
        watch = watch.restarted(1, iteration=10 * restart)
        assert watch.empty == []
        for _ in range(100):
            watch = watch.after(evidence_of([0.99, 0.01]))
    assert watch.empty == []
    assert len(watch.notes) == MAX_RESTARTS
    assert "Class 2" in watch.notes[0]


def test_a_sink_is_seen_from_three_classes_on():
    assert watched(0.9, 0.05, 0.05).sink == 0
    assert watched(0.02, 0.02, 0.96).sink == 2
    assert watched(0.9, 0.1).sink is None


def test_a_sink_is_damped_only_while_the_classes_are_blurred():
    watch = watched(0.9, 0.05, 0.05)
    assert watch.held_together(0.1) == Blending(0.1, 0)
    assert watch.held_together(0.0) == Blending()
    assert not watch.held_together(0.0).apart
    assert watch.settled() == Blending()


def test_a_class_whose_images_show_nothing_stands_for_noise():
    watch = ClassWatch.of(2)
    for _ in range(60):
        watch = watch.after(np.array([[30.0, -20.0], [25.0, -20.0], [-20.0, -8.0]]))
    assert watch.noise == (1,)
    assert watch.settled() == Blending(noise=(1,))
    np.testing.assert_allclose(watch.evidence, [27.5 - np.log(2), -8.0 - np.log(2)], atol=0.2)


def test_maps_that_all_show_nothing_are_left_to_compete():
    watch = ClassWatch.of(2)
    for _ in range(60):
        watch = watch.after(np.array([[-3.0, -9.0], [-9.0, -3.0]]))
    assert watch.noise == ()


def test_damping_gives_away_the_images_that_are_least_the_sinks_own(rng):
    lead = np.sort(rng.uniform(0.0, 50.0, 200))  # nats by which the sink is ahead of both others
    log_mass = np.stack([lead, np.zeros(200), np.zeros(200)], axis=1)
    lowered = damped(log_mass, 0)
    posterior = np.exp(lowered - np.logaddexp.reduce(lowered, axis=1, keepdims=True))
    assert posterior[:, 0].mean() == pytest.approx(SINK_SHARE, abs=1e-3)
    assert (np.diff(posterior[:, 0]) >= 0.0).all()
    assert posterior[-1, 0] > 0.99
    np.testing.assert_array_equal(lowered[:, 1:], log_mass[:, 1:])


def test_a_class_that_is_no_sink_is_not_damped(rng):
    log_mass = rng.normal(0.0, 3.0, (100, 3))
    np.testing.assert_array_equal(damped(log_mass, 1), log_mass)


@pytest.mark.parametrize(
    ("shares", "growth"), [((0.5, 0.5), 1.0), ((0.7, 0.3), 1.5), ((0.8, 0.2), MOST_GROWTH), ((0.95, 0.05), 1.0)]
)
def test_minibatches_grow_for_small_classes_but_not_for_empty_ones(shares, growth):
    assert watched(*shares).growth == growth


def test_an_empty_class_is_started_anew_in_a_run(simulated, session, rng):
    """A class of zeros, of which no image is, comes back as a variant of the other, as strong as it."""
    truth = simulated(random_rotations(rng, 60), np.zeros((60, 2)), snr=0.5)
    params = AbInitioParams(classes=2, initial_minibatch=20, final_minibatch=20, initial_iterations=5)
    job = AbInitio(truth.particles, truth.source, params, session)
    state = job.start()
    starving = replace(watched(0.995, 0.005), notes=())
    state = replace(state, classes=starving, map=state.map.restarted(1, np.zeros_like(state.map.volume[0])))
    after, stats = job.iterate(state)
    assert after.classes.restarts.tolist() == [0, 1]
    assert "started anew" in after.classes.notes[0]
    strength = [np.sqrt(np.mean(volume**2)) for volume in after.map.volume]
    assert strength[1] == pytest.approx(strength[0], rel=1e-3)
    assert after.map.steps.tolist() == [1, 0]
    assert np.isfinite(after.map.volume).all()
    again, _ = job.iterate(after)
    assert np.isfinite(again.map.volume).all()
    assert np.isfinite(stats.log_likelihood)


def posed_run(volumes, curves, log_likelihood=5.0, each=10):
    """The outcome of a last pass in which each class got the same number of particles."""
    classes, count = len(volumes), each * len(volumes)
    posterior = np.eye(classes)[np.arange(count) % classes]
    table = PoseTable(
        particle=np.arange(count),
        euler_deg=np.zeros((count, 3)),
        origin_angstrom=np.zeros((count, 2)),
        class_posterior=posterior,
        log_likelihood=np.broadcast_to(log_likelihood, classes)[np.arange(count) % classes].astype(float),
        ess=np.ones(count),
        max_posterior=np.ones(count),
        used=np.ones(count, np.bool_),
    )
    stats = IterationStats(
        iteration=1, iterations=1, phase="posing", resolution_angstrom=12.0, fourier_radius=24.0, minibatch=count,
        learning_rate=0.1, noise_scale=1.0, ess_rotations=1.0, ess_poses=1.0, ess_fraction=0.1, angular_step_deg=3.75,
        log_likelihood=1.0, map_change=0.1, image_visits=count, sampled_fraction=0.0, seconds=1.0,
    )  # fmt: skip
    volumes = np.asarray(volumes, np.float32)
    return PosedRun(table, volumes, np.asarray(curves), stats, np.stack([volumes, volumes], axis=1))


def curve(radius, shells=16):
    """A correlation that falls from 1 to 0 at a radius."""
    return np.where(np.arange(shells) < radius, 1.0, 0.0)


def test_noise_is_told_by_its_halves_or_by_its_images():
    volumes = np.zeros((3, 16, 16, 16))  # what the maps show does not matter
    posed = posed_run(volumes, [curve(10), curve(2), curve(10)], log_likelihood=[5.0, 5.0, -2.0])
    reports = class_reports(posed, BOX_ANGSTROM, INITIAL_RADIUS, C1)
    assert [report.is_noise for report in reports] == [False, True, True]
    assert reports[0].resolution_angstrom == pytest.approx(BOX_ANGSTROM / 9.5)
    assert [report.share for report in reports] == pytest.approx([1 / 3] * 3)


def test_a_flat_map_is_told_from_its_mass():
    z, y, x = np.mgrid[-16:16, -16:16, -16:16]
    disc = ((np.hypot(x, y) < 12) & (np.abs(z) < 2)).astype(np.float32)
    (report,) = class_reports(posed_run([disc], [curve(10)]), BOX_ANGSTROM, INITIAL_RADIUS, C1)
    assert report.flatness < 0.1


def test_views_are_told_as_balancing_draws_them(rng):
    disc = np.zeros((32, 32, 32), np.float32)
    disc[12:20, 10:22, 8:24] = 1.0
    posed = posed_run([disc], [curve(10)], each=3000)
    tilt = np.where(rng.random(3000) < 0.8, 20.0 * rng.random(3000), np.rad2deg(np.arccos(rng.uniform(-1, 1, 3000))))
    euler = np.stack([rng.uniform(0, 360, 3000), tilt, rng.uniform(0, 360, 3000)], axis=1)
    posed = replace(posed, table=replace(posed.table, euler_deg=euler))
    (plain,) = class_reports(posed, BOX_ANGSTROM, INITIAL_RADIUS, C1)
    (balanced,) = class_reports(posed, BOX_ANGSTROM, INITIAL_RADIUS, C1, balanced=True)
    assert plain.orientation.drawn is None
    assert balanced.orientation.views == plain.orientation.views
    assert balanced.orientation.drawn.least_sampling > 1.5 * plain.orientation.views.least_sampling
    assert balanced.orientation.drawn.compensation > plain.orientation.views.compensation + 0.1


def test_a_class_without_particles_does_not_upset_the_reports():
    volumes = np.zeros((2, 32, 32, 32), np.float32)
    volumes[0, 12:20, 10:22, 8:24] = 1.0
    posed = posed_run(volumes, [curve(10), np.zeros(16)])
    table = replace(posed.table, class_posterior=np.tile([1.0, 0.0], (20, 1)))
    reports = class_reports(replace(posed, table=table), BOX_ANGSTROM, INITIAL_RADIUS, C1)
    assert [report.share for report in reports] == [1.0, 0.0]
    assert [report.is_noise for report in reports] == [False, True]


def test_effective_number_of_classes():
    assert effective_classes(np.array([[1.0, 0.0], [0.0, 1.0]])) == pytest.approx(1.0)
    assert effective_classes(np.array([[0.5, 0.5]])) == pytest.approx(2.0)

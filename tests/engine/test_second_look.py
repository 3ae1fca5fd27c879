from dataclasses import replace

import numpy as np

from coldstart.engine.expectation import Found
from coldstart.engine.second_look import WIDER, unexplained, widened
from coldstart.engine.stage import Stage


def found(image, weight):
    image = np.asarray(image)
    nothing = np.zeros(len(image), np.int32)
    statistics = np.zeros((image.max() + 1, 4))
    return Found(0, 1, 1, 100, image, nothing, nothing, np.asarray(weight, float), np.zeros(len(image)), statistics)


def looked_at_again(of_images, slice_power, sigmas):
    parts = [np.flatnonzero(part).tolist() for part in unexplained(of_images, slice_power, sigmas)]
    return [image for part in parts for image in part]


def test_an_image_is_explained_by_its_best_pose():
    power = np.full(4, 200.0)  # sqrt(2 N) is 20
    of_four = found([0, 0, 1, 2, 2, 2, 3], [-50.0, 190.0, 99.0, 20.0, 101.0, -3.0, -80.0])
    assert looked_at_again(of_four, power, 4.0) == [1, 3]
    assert looked_at_again(of_four, power, 6.0) == [3]  # below 80 alone


def test_noise_that_hides_the_particle_is_no_reason_to_look_again():
    """Where 4 sigma of the log weight are more than what a particle is expected to have."""
    assert looked_at_again(found([0, 1], [3.0, -5.0]), np.full(2, 20.0), 4.0) == []


def test_no_more_images_are_looked_at_together_than_the_first_look_had_room_for():
    images = 5 * WIDER
    none_explained = found(np.arange(images), np.full(images, -100.0))
    parts = list(unexplained(none_explained, np.full(images, 200.0), 4.0))
    assert all(part.sum() == 5 for part in parts)
    np.testing.assert_array_equal(np.sum(parts, axis=0), 1)


def test_what_replaces_an_image_takes_its_place():
    first, second = found([0, 0, 1, 2], [1.0, 2.0, 3.0, 4.0]), found([0, 1, 1, 1, 2], [9.0, 5.0, 6.0, 7.0, 9.0])
    second.statistics[:] = 1.0
    joined = first.replaced(second, np.array([False, True, False]))
    assert joined.image.tolist() == [0, 0, 1, 1, 1, 2]
    assert joined.weight.tolist() == [1.0, 2.0, 5.0, 6.0, 7.0, 4.0]
    assert joined.statistics[:, 0].tolist() == [0.0, 1.0, 0.0]


def test_a_wider_stage_differs_in_its_limit_alone():
    stage = Stage(0, 8.0, 1e-3, 5, 4.0)
    assert widened(stage) == replace(stage, limit=5 * WIDER)

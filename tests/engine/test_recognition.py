"""What the march waits for: evidence that rises well above its least value."""

import pytest

from coldstart.engine.recognition import MOST_RISE, NOTHING_KNOWN, RISE


def told(*evidence, settled_after=0):
    known = NOTHING_KNOWN
    for iteration, value in enumerate(evidence):
        known = known.after(value, counts=iteration >= settled_after)
    return known


@pytest.mark.parametrize("wrong", [9.6, 2.0, 0.2, -3.0])
def test_evidence_that_rises_far_above_its_least_value(wrong):
    right = wrong + max(0.5 * abs(wrong), 2.0)
    assert not told(*[wrong] * 50).has_come
    assert told(*[wrong] * 50, *[right] * 30).has_come
    assert not told(*[wrong] * 50, right).has_come, "one minibatch says little"


def test_evidence_that_drifts_does_not():
    assert not told(*[9.6 - 0.005 * n for n in range(100)], *[9.1 + 0.005 * n for n in range(200)]).has_come


def test_what_is_said_before_the_start_has_settled_does_not_count():
    evidence = [*[1.0] * 20, *[10.0] * 80]
    assert told(*evidence).has_come
    assert not told(*evidence, settled_after=60).has_come


def test_much_evidence_need_not_rise_by_its_share():
    outline = 80.0
    assert RISE * outline > MOST_RISE
    assert told(*[outline] * 50, *[outline + 1.1 * MOST_RISE] * 50).has_come
    assert not told(*[outline] * 50, *[outline + 0.9 * MOST_RISE] * 50).has_come

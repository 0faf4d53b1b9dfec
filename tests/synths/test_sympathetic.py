"""Sympathetic: what is in tune rings on, as long as asked; bounded; silent at last. Thread: any."""
import math

import numpy as np
import pytest

from synths.sympathetic import LEFT, RIGHT, STRINGS, SYMPATHETIC, TUNINGS
from tests.synths.harness import Chain, db
from tests.synths.reference import close_db


def click(seconds):
    x = np.zeros(int(48000 * seconds))
    x[10] = 0.5
    return x


def noise(count):
    return np.random.default_rng(4).uniform(-0.5, 0.5, count)


def tone(hz, seconds):
    t = np.arange(int(48000 * seconds)) / 48000
    return 0.2 * np.sin(2 * math.pi * hz * t)


def ringing(x, tail_s=1.0, **params):
    """What rings on after x ends."""
    return Chain(SYMPATHETIC, **params).play(np.append(x, np.zeros(int(48000 * tail_s))))[len(x):]


def level_of(y, hz):
    t = np.arange(len(y)) / 48000
    return abs((y * np.blackman(len(y))) @ np.exp(-2j * np.pi * hz * t))


@pytest.mark.parametrize("tuning", (1, 2, 3))
def test_its_strings_are_in_tune(tuning):
    y = Chain(SYMPATHETIC, tuning=float(tuning), root_hz=220.0, decay_s=8.0, brightness=0.2,
              dry=0.0, amount=1.0).play(click(4.0)).sum(1)
    for semitones in np.unique(TUNINGS[tuning][TUNINGS[tuning] < 12]):
        hz = 220.0 * 2 ** (semitones / 12 + np.array((-2, -1, 0, 1, 2)) / 1200)
        assert np.argmax([level_of(y, one) for one in hz]) == 2


@pytest.mark.parametrize("decay_s", (0.5, 3.0))
def test_they_fall_in_their_decay(decay_s):
    y = ringing(0.1 * tone(220.0, 1.0), 1.0, root_hz=220.0, tuning=1.0, decay_s=decay_s, dry=0.0,
                amount=1.0).sum(1)
    early, late = (level_of(y[at:at + 9600], 220.0) for at in (2400, 14400))
    assert -60 * 0.25 / db(late / early) == pytest.approx(decay_s, rel=0.01)


def test_a_note_between_the_strings_hardly_rings():
    def level_db(hz):
        return db(np.sqrt(np.mean(ringing(tone(hz, 0.5), 0.3, brightness=0.2) ** 2)))
    assert level_db(220.0) > level_db(220.0 * 2 ** (3.5 / 12)) + 25


def test_the_dry_signal_passes_and_the_wet_one_is_as_loud_as_noise():
    x = noise(96000)
    assert np.array_equal(Chain(SYMPATHETIC, amount=0.0).play(x)[:, 0], np.float32(x))
    y = Chain(SYMPATHETIC, amount=1.0, dry=0.0, brightness=1.0, decay_s=1.0, tuning=3.0).play(x)
    assert abs(db(y[48000:].std() / x.std())) < 3
    assert abs(db(y[48000:, 0].std() / y[48000:, 1].std())) < 1.5
    assert abs(np.corrcoef(y[48000:].T)[0, 1]) < 0.9


def test_it_is_bounded_whatever_comes_in():
    for x in (np.ones(48000), tone(110.0, 1.0) * 5, 2 * noise(48000), np.full(4800, 1e9)):
        for brightness in (0.0, 1.0):
            y = Chain(SYMPATHETIC, amount=4.0, dry=0.0, decay_s=12.0, brightness=brightness).play(x)
            assert np.isfinite(y).all() and np.abs(y).max() <= 1.0
    y = Chain(SYMPATHETIC, amount=1.0, dry=0.0, brightness=0.0).play(np.ones(480000))
    assert np.abs(y[-4800:]).max() < 1e-3, "DC does not pile up"


def test_it_falls_silent_to_the_last_bit():
    chain = Chain(SYMPATHETIC, decay_s=0.3, brightness=0.5)
    chain.play(noise(9600))
    y = chain.play(np.zeros(4 * 48000))
    assert y[:4800].any() and not y[-9600:].any() and not chain.runs["line"].any()


def test_tuning_them_while_they_ring_does_not_click():
    chain = Chain(SYMPATHETIC, dry=0.0, amount=1.0, brightness=0.2, root_hz=110.0)
    y = [chain.play(tone(110.0, 0.5))]
    for root_hz in np.geomspace(110.0, 147.0, 300):
        chain.set(root_hz=root_hz)
        y.append(chain.play(np.zeros(32)))
    y = np.concatenate(y)[:, 0]
    edge = np.abs(np.diff(y, 2))[24000:]
    assert edge.max() < 2 * np.abs(np.diff(y[12000:24000], 2)).max()


def test_lanes_match_a_plain_loop():
    chain, x = Chain(SYMPATHETIC, amount=0.1, dry=0.0, decay_s=1.0), 0.2 * noise(9600)
    y = chain.play(x)
    feed, high, before = np.zeros(len(x)), 0.0, 0.0
    keep = 2 ** (-9.0647 * 30 / 48000)
    for i, now in enumerate(np.float32(x).astype(float)):
        high, before = now - before + keep * high, now
        feed[i] = high
    sides = np.zeros((len(x), 2))
    for n in range(STRINGS):
        loop = chain.runs["loop"][16 * n:16 * n + 6].astype(float)
        delay, line = int(loop[5]), np.zeros(len(x) + 4096)
        for i in range(len(x)):
            at = 4096 + i - delay
            line[4096 + i] = feed[i] * chain.runs["drive"][n] + loop[:5] @ line[at - 4:at + 1][::-1]
        sides += line[4096:, None] * (LEFT[n], RIGHT[n])
    assert np.abs(0.1 * sides).max() < 0.5 and close_db(y, 0.1 * sides) < -100

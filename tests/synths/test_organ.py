"""Organ: the drawbar table, contacts, percussion, vibrato; equal to a plain loop. Thread: any."""
import numpy as np
import pytest
from scipy.signal import hilbert

from synths.organ import FULL, HALVES, ORGAN
from tests.synths.harness import Player, cents, db, pitch_hz, t60_s
from tests.synths.reference import close_db, white

NONE = {name: 0.0 for name in FULL}


def lines_db(y, wanted_hz):
    spectrum = np.abs(np.fft.rfft(y * np.kaiser(len(y), 18))) ** 2
    at = np.rint(np.asarray(wanted_hz) * len(y) / 48000).astype(int)
    return 10 * np.log10([spectrum[i - 12:i + 13].sum() for i in at])


def test_drawbars_follow_the_table():
    bars = (8, 5, 3, 7, 1, 6, 2, 4, 8)
    y = Player(ORGAN, **dict(zip(FULL, bars, strict=True))).note(1.2, 300.0)[9600:]
    found = lines_db(y, 150.0 * HALVES)
    assert np.ptp(found - 3.0 * np.array(bars)) < 0.05
    assert db(np.std(y) / np.sqrt(0.005 * np.sum(10 ** (0.3 * (np.array(bars) - 8.0))))) < 0.05


def test_a_drawbar_at_0_is_off_and_moves_without_a_step():
    player = Player(ORGAN, **{**NONE, "bar3": 8.0})
    y = player.note(1.2, 300.0)[9600:]
    found = lines_db(y, 150.0 * HALVES)
    assert np.delete(found, 2).max() < found[2] - 110
    assert abs(cents(pitch_hz(y, 300.0), 300.0)) < 0.01
    player = Player(ORGAN, **NONE)
    assert not player.note(0.1).any()
    player.set(bar3=0.5)
    assert db(np.abs(player.play(0.1)[64:, 0]).max() / 0.1) == pytest.approx(-21 - 6.02, abs=0.05)


@pytest.mark.parametrize("hz", (1046.5, 2093.0, 4186.0, 8372.0))
def test_nothing_is_above_the_top(hz):
    y = Player(ORGAN, **FULL).note(1.2, hz)[9600:]
    spectrum = np.abs(np.fft.rfft(y * np.kaiser(len(y), 18)))
    line = np.fft.rfftfreq(len(y), 1 / 48000)
    apart = np.abs(line - np.rint(line / (hz / 2)) * hz / 2) > 20
    assert db(spectrum[line > 0.45 * 48000 + 20].max() / spectrum.max()) < -110
    assert db(spectrum[apart].max() / spectrum.max()) < -100


@pytest.mark.parametrize("click", (0.0, 0.4))
def test_a_chord_of_eight_clicks_at_neither_end(click):
    player = Player(ORGAN, 8, **FULL, click=click)
    for v in range(8):
        player.strike(110.0 * 2 ** (v * 4 / 12), v=v)
    first = player.play(0.5).sum(1)
    for v in range(8):
        player.release(v)
    bends = np.abs(np.diff(np.concatenate((first, player.play(0.2).sum(1))).astype(float), 2))
    assert bends.max() < 4 * bends[12000:24000].max()


def test_click_scatters_the_contacts_and_is_bright():
    above = []
    for click in (0.0, 1.0):
        y = Player(ORGAN, **{**NONE, "bar3": 8.0}, click=click).note(0.3, 200.0)
        start = y[:1024] * np.hanning(2048)[1024:]
        above.append(np.sum(np.abs(np.fft.rfft(start))[60:] ** 2))    # over 2.8 kHz
    assert 10 * np.log10(above[1] / above[0]) > 20
    player = Player(ORGAN, **FULL, click=1.0)
    player.strike()
    late = player.runs["late"][:9] * 0.008
    assert late.min() >= 0 and late.max() < 0.008 and np.ptp(late) > 0.003
    y = player.play(0.1)[:, 0]
    ended = late.min() * 48000
    assert not y[:int(ended)].any() and y[int(ended) + 32:int(ended) + 64].any()


def test_release_ends_in_exact_silence():
    player = Player(ORGAN, **FULL, click=1.0)
    player.note(0.2)
    player.release()
    y = player.play(0.1)[:, 0]
    assert y[:48].any() and not y[int(0.009 * 48000) + 64:].any()


def test_a_key_caught_on_its_way_goes_on_from_there():
    player = Player(ORGAN, **FULL, click=0.0)
    y = [player.note(0.2, 220.0)]
    player.release()
    y.append(player.play(0.003)[:, 0])
    player.run(0, 0, 0, 0, 220.0, 1.0)
    y = np.concatenate((*y, player.play(0.2)[:, 0]))
    bends = np.abs(np.diff(y, 2))
    assert bends[9500:].max() < 1.2 * bends[4800:9500].max()


@pytest.mark.parametrize(("third", "times"), ((0.0, 2), (1.0, 3)))
def test_percussion_decays_on_its_harmonic(third, times):
    player = Player(ORGAN, **{**NONE, "bar1": 8.0}, percussion=1.0, third=third, percussion_s=1.4)
    y = player.note(1.0, 300.0)
    assert t60_s(y, 300.0 * times, 0.05, 0.6) == pytest.approx(1.4, rel=0.01)
    tone, knock = lines_db(y[960:5760], (150.0, 300.0 * times))
    assert tone - knock == pytest.approx(60 * 0.07 / 1.4, abs=0.1)       # at first as a full bar


def test_vibrato_has_its_rate_and_depth():
    y = Player(ORGAN, **{**NONE, "bar3": 8.0}, vibrato_cents=30.0).note(2.0, 1000.0)
    turns = np.unwrap(np.angle(hilbert(y)))[12000:-12000]
    bent = cents(np.diff(turns) * 48000 / (2 * np.pi), 1000.0)
    assert bent.max() == pytest.approx(30, rel=0.02)
    assert bent.min() == pytest.approx(-30.5, rel=0.02)
    assert pitch_hz(bent - bent.mean(), 6.9) == pytest.approx(6.9, rel=0.01)


def test_chorus_is_half_dry():
    params = dict(**{**NONE, "bar5": 8.0}, vibrato_cents=25.0)
    dry, wet, both = (Player(ORGAN, **{**params, "vibrato_cents": c, "chorus": share}).note(0.5)
                      for c, share in ((0.0, 0.0), (25.0, 0.0), (25.0, 1.0)))
    assert close_db(both, (dry + wet) / 2) < -110


def test_lanes_match_a_plain_loop():
    hz, level, click, bars = 440.0, 0.8, 0.5, (8, 6, 8, 4, 0, 3, 2.5, 1, 7)
    y = Player(ORGAN, **dict(zip(FULL, bars, strict=True)), click=click, vibrato_cents=20.0,
               chorus=0.6, percussion=0.5, third=0.25, percussion_s=1.0).note(0.3, hz, level)
    t, late = np.arange(len(y)), white(1, 0, 16) * 0.5 + 0.5
    stagger, soft = 0.008 * click * 48000, 0.006 * 2.0 ** (-4 * click) * 48000
    dt = np.float32(1 / 48000)                               # both steps as the kernel rounds them
    step, scan = float(np.float32(hz) * dt) / 2, 2 * np.pi * t * float(np.float32(6.9) * dt)
    quanta = np.arange(len(y) // 32 + 1)
    deep = (2 ** (20 / 1200) - 1) / (2 * np.pi * 6.9 / 48000) * step
    bend = np.sin(scan) * deep * np.minimum(t / 32, 1)
    knock = 0.5 * 10 ** (-3 * 32 / 48000 * np.maximum(quanta - 1, 0) / 1.0)
    knock = np.interp(t, quanta * 32, knock)
    wanted = np.zeros(len(y))
    for n, (halves, bar) in enumerate(zip(HALVES.astype(float), bars, strict=True)):
        loud = (min(bar, 1) * 10 ** (0.15 * (max(bar, 1) - 8))
                + knock * {3: 0.75, 4: 0.25}.get(n, 0)) * 0.1 * level
        x = np.clip((np.minimum(t, stagger + soft) - late[n] * stagger) / soft, 0, 1)
        turns = 2 * np.pi * (halves * step * t + late[n])
        wave = 0.3 * np.sin(turns) + 0.7 * np.sin(turns + 2 * np.pi * halves * bend)
        wanted += loud * x * x * (3 - 2 * x) * wave
    assert close_db(y, wanted) < -100

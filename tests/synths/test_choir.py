"""Choir: formants where the tables say, pitch, vibrato, silence; equal to a plain loop.

Thread: any.
"""
import numpy as np
import pytest
from scipy.signal import butter, hilbert, sosfiltfilt

from engine.unit import STRIKE
from synths.choir import CHOIR, FORMANTS, TABLE
from tests.synths.harness import Player, aliasing_db, cents, db, pitch_hz
from tests.synths.reference import close_db, white

PLAIN = dict(singers=1.0, spread_cents=0.0, vibrato_cents=0.0, breath=0.0, attack_s=0.01)
POINTS = ((0.0, 0.0), (1.0, 0.0), (0.0, 0.5), (1.0, 0.5), (0.3, 1.0))        # u i o e a
ROWS = TABLE.reshape(2, 5, 16).astype(float)


def response_db(hz=5.0, **params):
    """(Hz, dB) of the formants, from one pulse of a very low note."""
    y = Player(CHOIR, **PLAIN, cutoff_hz=16000.0, **params).note(0.6, hz)[4800:]
    start = np.argmax(np.abs(y[:10000])) - 400
    return np.fft.rfftfreq(1 << 17, 1 / 48000), db(np.fft.rfft(y[start:start + 9000], 1 << 17))


def resonance(at_hz, hz, wide_hz):
    """The response of two poles."""
    z = np.exp(-2j * np.pi * at_hz / 48000)
    pole = np.exp((-np.pi * wide_hz + 2j * np.pi * hz) / 48000)
    return 1 / ((1 - pole * z) * (1 - pole.conj() * z))


def wanted_db(line, throat, name):
    """What pulses, dulled at 16 kHz, become in the table's formants, whose signs take turns."""
    formants, dull = 2 ** ROWS[throat, name, :15].reshape(3, 5).T, 2 ** (-9.0647 / 3)
    sum_ = sum((-1) ** n * gain * resonance(line, hz, wide_hz) / abs(resonance(hz, hz, wide_hz))
               for n, (hz, gain, wide_hz) in enumerate(formants))
    dull = (1 - dull) / (1 - dull * np.exp(-2j * np.pi * line / 48000))
    return db(sum_ * dull * np.sinc(line / 48000) ** 4)


def far_db(found, wanted):
    """How far apart two curves are where the wanted one is above -50 dB."""
    high = wanted > wanted.max() - 50
    return np.abs((found - wanted)[high] - np.median((found - wanted)[high])).max()


@pytest.mark.parametrize("throat", (0, 1))
@pytest.mark.parametrize("name", range(5), ids="uioea")
def test_formants_are_where_the_table_says(throat, name):
    x, y = POINTS[name]
    line, level = response_db(vowel_x=x, vowel_y=y, soprano=float(throat))
    inside = (line > 100) & (line < 5200)
    assert far_db(level[inside], wanted_db(line[inside], throat, name)) < 1


@pytest.mark.parametrize("hz", (110.0, 220.0, 261.6256))     # below them all
def test_the_harmonics_of_a_held_note_lie_on_the_formants(hz):
    harmonics = hz * np.arange(1, int(5200 / hz))
    for throat, name in ((0, 0), (0, 4), (1, 1), (1, 4)):
        x, y = POINTS[name]
        note = Player(CHOIR, **PLAIN, cutoff_hz=16000.0, vowel_x=x, vowel_y=y,
                      soprano=float(throat)).note(1.2, hz)[9600:]
        turns = np.exp(-2j * np.pi * harmonics[:, None] / 48000 * np.arange(len(note)))
        level = db(turns @ (note * np.blackman(len(note))))
        assert far_db(level, wanted_db(harmonics, throat, name)) < 0.5


def test_between_vowels_a_formant_lies_between_in_octaves():
    for y, row in ((0.25, (0, 1, 2, 3)), (0.5, (2, 3))):
        line, level = response_db(vowel_x=0.5, vowel_y=y, soprano=0.5)
        hz = 2 ** ROWS[:, row, 0].mean()
        assert line[np.argmax(level)] == pytest.approx(hz, rel=0.02)


def test_the_first_formant_has_its_width():
    line, level = response_db(vowel_y=1.0, soprano=1.0)
    inside = line[(level > level.max() - 3.0103) & (line < 1000)]
    assert np.ptp(inside) == pytest.approx(80, rel=0.1)


def test_a_high_pitch_takes_the_first_formant_with_it():
    levels = [np.std(Player(CHOIR, **PLAIN, vowel_x=1.0, vowel_y=0.0).note(0.6, hz)[9600:])
              for hz in (523.25, 783.99, 1046.5)]
    assert np.ptp(db(levels)) < 1.5


@pytest.mark.parametrize("hz", (82.41, 220.0, 1046.5))
def test_in_tune(hz):
    y = Player(CHOIR, **PLAIN).note(2.0, hz)[4800:]
    assert abs(cents(pitch_hz(y, hz), hz)) < 0.1


@pytest.mark.parametrize("hz", (523.0, 1046.5, 2093.0))
def test_nothing_folds_back(hz):
    y = Player(CHOIR, **PLAIN, vowel_y=1.0, soprano=1.0, cutoff_hz=16000.0).note(1.2, hz)[9600:]
    assert aliasing_db(y, hz) < -80


def test_vibrato_waits_and_has_its_rate_and_depth():
    y = Player(CHOIR, **{**PLAIN, "vibrato_cents": 40.0}, vibrato_hz=5.5, vibrato_s=0.6).note(
        4.0, 440.0)
    y = sosfiltfilt(butter(4, (300, 600), "band", fs=48000, output="sos"), y)
    bent = cents(np.diff(np.unwrap(np.angle(hilbert(y)))) * 48000 / (2 * np.pi), 440.0)
    bent = np.convolve(bent, np.ones(109) / 109, "same")     # a turn
    assert np.abs(bent[9600:26400]).max() < 1
    bent = bent[57600:-9600]
    assert bent.max() == pytest.approx(40, rel=0.03) and bent.min() == pytest.approx(-40, rel=0.03)
    assert pitch_hz(bent, 5.5) == pytest.approx(5.5, rel=0.01)


def test_singers_are_spread():
    y = Player(CHOIR, **{**PLAIN, "singers": 4.0, "spread_cents": 40.0}).note(6.0, 440.0)[9600:]
    spectrum = np.abs(np.fft.rfft(y * np.blackman(len(y))))
    line = np.fft.rfftfreq(len(y), 1 / 48000)
    inside = np.abs(cents(np.maximum(line, 1), 440.0)) < 80
    strong = line[inside & (spectrum > 0.4 * spectrum[inside].max())]
    assert cents(strong.min(), 440.0) == pytest.approx(-40, abs=2)
    assert cents(strong.max(), 440.0) == pytest.approx(0.93 * 40, abs=2)


def test_breath_fills_the_space_between_the_harmonics():
    dry, wet = (aliasing_db(Player(CHOIR, **{**PLAIN, "breath": b}).note(1.0, 220.0)[9600:], 220.0)
                for b in (0.0, 0.5))
    assert dry < -80 and -45 < wet < -15


@pytest.mark.parametrize("breath", (0.0, 1.0))
def test_release_ends_in_exact_silence_and_lanes_do_not_mix(breath):
    player = Player(CHOIR, breath=breath, attack_s=0.02, release_s=0.2)
    player.strike(220.0, v=3)
    assert np.flatnonzero(player.play(0.3).any(0)).tolist() == [3]
    player.release(v=3)
    y = player.play(0.5)[:, 3]
    assert y[:9600].any() and not y[-3200:].any()


def test_a_note_starts_in_empty_formants_and_what_is_no_number_goes():
    one, other = Player(CHOIR), Player(CHOIR)
    one.note(0.02)
    other.note(0.02)
    other.runs["keep_re"][:] = 1
    assert np.array_equal(one.note(0.02), other.note(0.02))
    other.runs["keep_re"][0] = np.nan
    other.play(0.005)
    assert np.isfinite(other.play(0.02)).all()


def test_struck_again_it_goes_on_from_where_it_is():
    player = Player(CHOIR, breath=0.0, attack_s=0.1)
    y = player.note(0.5, 220.0)
    player.run(STRIKE, 0, 0, 0, 220.0, 1.0)
    y = np.concatenate((y, player.play(0.3)[:, 0]))
    assert np.array_equal(y, Player(CHOIR, breath=0.0, attack_s=0.1).note(0.8, 220.0))


def test_a_chord_makes_no_click_at_either_end():
    player = Player(CHOIR, breath=0.0, attack_s=0.02, release_s=0.1, singers=1.0)
    for v in range(8):
        player.strike(110.0 * 2 ** (v * 4 / 12), v=v)
    first = player.play(0.5)[:, :8].sum(1)
    for v in range(8):
        player.release(v)
    bends = np.diff(np.concatenate((first, player.play(0.3)[:, :8].sum(1))).astype(float), 2)
    assert np.abs(bends).max() < 1.5 * np.abs(bends[12000:24000]).max()


def test_a_vowel_may_change_at_once_without_a_click():
    player = Player(CHOIR, **PLAIN, vowel_x=0.0, vowel_y=0.0)
    y = [player.note(0.5, 220.0)]
    player.set(vowel_x=1.0, vowel_y=1.0)
    y = np.concatenate((*y, player.play(0.5)[:, 0]))
    bends = np.abs(np.diff(y, 2))
    assert bends[23000:25000].max() < 1.5 * bends[30000:].max()


def test_lanes_match_a_plain_loop():
    hz, level, quanta = 220.0, 0.7, 120
    player = Player(CHOIR, **{**PLAIN, "vibrato_cents": 30.0, "breath": 0.2}, vibrato_s=0.0,
                    cutoff_hz=3000.0, vowel_x=0.4, vowel_y=0.7)
    player.strike(hz, level)
    y, steps, runs = [], [], player.runs
    for _ in range(quanta):
        y.append(player.play(32 / 48000)[:, 0])
        steps.append(float(runs["keep_step"][0]))           # as the kernel rounds them
    turns, steps = white(1, 0, 16)[0] * 0.5 + 0.5, np.array([steps[0], *steps])
    hiss = white(1, 0, quanta * 512)[::16] * 0.2 * float(np.float32(1.6))
    lag = 1 - 2 ** (2 ** (1.5 * level - 1.5) * -9.0647 * 3000 / 48000)
    places = [[float(runs[f"keep_{name}"][16 * n]) for n in range(FORMANTS)]
              for name in ("cos", "sin", "gain")]
    rise, env, dull = 1 - 0.001 ** (32 / 48000 / (0.01 * 2.3059)), 0.0, 0.0
    spin, wanted = [0j] * FORMANTS, np.zeros(32 * quanta)
    for q in range(quanta):
        start, env = env, env + rise * (1 - env)
        middle, climb = (steps[q] + steps[q + 1]) / 2, (steps[q + 1] - steps[q]) / 64
        for i in range(32):
            t = turns + i * (steps[q] + i * climb)
            away = abs(t - round(t)) / middle
            pulse = (max(2 - away, 0) ** 3 - 4 * max(1 - away, 0) ** 3) / 6 - middle
            loud = 1.8 * min(middle ** -0.5, (440 / 48000) ** 0.5 / middle)
            x = pulse * loud + hiss[32 * q + i] * (1 if q else i / 32)
            dull += lag * (x - dull)
            near = 1 if q else i / 32                       # the first quantum comes from nothing
            for n in range(FORMANTS):
                c, b, a = (near * place[n] for place in places)
                spin[n] = complex(c, b) * spin[n] + dull * a if q else complex(
                    c * spin[n].real - b * spin[n].imag + dull * a,
                    c * spin[n].imag + b * spin[n].real)
                wanted[32 * q + i] += spin[n].imag
            wanted[32 * q + i] *= level * (start + (env - start) * i / 32)
        turns += 32 * middle
    assert close_db(np.concatenate(y), wanted) < -100

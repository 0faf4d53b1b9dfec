"""FM6 against formulas and a plain loop: sidebands, algorithms, envelopes, keys. Thread: any."""
import numpy as np
import pytest
from scipy.special import jv

from engine.kernels.operators import ERROR, FIELDS, GAIN, OPERATORS, PHASE
from engine.rt import LANE, QUANTUM
from synths.fm6 import FM6
from tests.synths.harness import Player, cents, crossings_hz, db, pitch_hz
from tests.synths.reference import close_db

# who bends operators 1 to 6 in each algorithm, and "source>target" of its feedback
BENT_BY = """
2 - 4 5 6 - 6>6    2 - 4 5 6 - 2>2    2 3 - 5 6 - 6>6    2 3 - 5 6 - 4>6    2 - 4 - 6 - 6>6
2 - 4 - 6 - 5>6    2 - 45 - 6 - 6>6   2 - 45 - 6 - 4>4   2 - 45 - 6 - 2>2   2 3 - 56 - - 3>3
2 3 - 56 - - 6>6   2 - 456 - - - 2>2  2 - 456 - - - 6>6  2 - 4 56 - - 6>6   2 - 4 56 - - 2>2
235 - 4 - 6 - 6>6  235 - 4 - 6 - 2>2  234 - - 5 6 - 3>3  2 3 - 6 6 - 6>6    3 3 - 56 - - 3>3
3 3 - 6 6 - 3>3    2 - 6 6 6 - 6>6    - 3 - 6 6 - 6>6    - - 6 6 6 - 6>6    - - - 6 6 - 6>6
- 3 - 56 - - 6>6   - 3 - 56 - - 3>3   2 - 4 5 - - 5>5    - - 4 - 6 - 6>6    - - 4 5 - - 5>5
- - - - 6 - 6>6    - - - - - - 6>6
""".split()
HELD = {f"op{n}_{what}": value for n in range(1, 7) for what, value in (
    ("rate1", 99), ("rate2", 99), ("rate3", 99), ("rate4", 60), ("level2", 99), ("level3", 99),
    ("detune_cents", 0), ("ratio", 1), ("right_depth", 0), ("rate_scaling", 0), ("velocity", 0))}
SILENT = {f"op{n}_output": 0 for n in range(1, 7)}
ONE = {**HELD, **SILENT, "algorithm": 32, "op1_output": 99}  # operator 1 alone, undisturbed
STEP_DB = 20 * np.log10(2) / 8                               # one of 127 levels


def plain(algorithm, feedback, steps, gains, phases, echo, count):
    """The sum of the carriers, sample by sample in float64."""
    row = BENT_BY[7 * (algorithm - 1):7 * algorithm]
    source, target = (int(x) - 1 for x in row[6].split(">"))
    bent_by = [[int(c) - 1 for c in word if c != "-"] for word in row[:6]]
    carriers = [n for n in range(6) if not any(n in others for others in bent_by)]
    y, out, (last, before) = np.zeros(6), np.zeros(count), echo
    for i in range(count):
        for n in reversed(range(6)):
            bend = sum(y[m] for m in bent_by[n])
            if feedback and n == target:                    # pi * 2^(feedback - 7) radians
                bend += 2.0 ** (feedback - 7) / 2 * (last + before) / 2
            y[n] = gains[n] * np.sin(2 * np.pi * (phases[n] + steps[n] * i + bend))
        last, before = y[source], last
        out[i] = y[carriers].sum()
    return out / 2 * min(0.5, 0.99 / len(carriers))


def lane0(player, field):
    return player.runs["keep_ops"].reshape(OPERATORS, FIELDS, LANE)[:, field // LANE, 0].astype(
        float)


@pytest.mark.parametrize("feedback", (0, 5))
@pytest.mark.parametrize("algorithm", range(1, 33))
def test_every_algorithm_matches_a_plain_loop(algorithm, feedback):
    ratios, outputs = (1, 2.01, 0.5, 3, 1.41, 0.77), (93, 77, 90, 79, 82, 84)
    params = {f"op{n}_{what}": value for n in range(1, 7) for what, value in (
        ("ratio", ratios[n - 1]), ("output", outputs[n - 1]))}
    player = Player(FM6, algorithm=algorithm, feedback=feedback, **{**HELD, **params})
    player.note(0.05, 220.0)
    f32, gains = np.float32, lane0(player, GAIN)
    assert gains == pytest.approx([2 * 2 ** ((out - 99) / 8) for out in outputs], rel=1e-3)
    steps = [float(f32(220) * (f32(ratio) * f32(1 / 48000))) for ratio in ratios]
    phases = lane0(player, PHASE) - lane0(player, ERROR)
    echo = player.runs["keep_echo"].reshape(2, LANE)[:, 0].astype(float)
    wanted = plain(algorithm, feedback, steps, gains, phases, echo, 1024)
    y = player.play(1024 / 48000)[:, 0].astype(float)
    assert np.abs(wanted).max() > 0.1 and close_db(y, wanted) < -100


def lines_db(y, wanted_hz):
    spectrum = np.abs(np.fft.rfft(y * np.kaiser(len(y), 18))) ** 2
    at = np.rint(np.array(wanted_hz) * len(y) / 48000).astype(int)
    return 10 * np.log10([spectrum[max(i - 12, 0):i + 13].sum() for i in at])


@pytest.mark.parametrize("index", (0.5, 2.405, 6.0, 4 * np.pi))
def test_sidebands_are_bessel_functions(index):
    stack = {**HELD, **SILENT, "algorithm": 1, "feedback": 0, "op1_output": 99, "op2_ratio": 1.5,
             "op2_output": 99 + 8 * np.log2(index / 4 / np.pi)}
    y = Player(FM6, **stack).note(1.2, 400.0)[4800:]
    orders = np.arange(8)
    wanted = np.abs(jv(orders, index))
    found, loud = lines_db(y, 400.0 + 600.0 * orders), wanted > 0.02
    assert np.ptp(found[loud] - db(wanted[loud])) < 0.05
    if index == 2.405:
        assert found[0] - found[1] < -50                    # the carrier's zero


def test_feedback_is_a_saw_and_does_not_hunt():
    y = Player(FM6, **{**ONE, "op1_output": 0, "op6_output": 91, "feedback": 7}).note(1.2, 220.0)
    y = y[4800:]
    harmonics = lines_db(y, 220.0 * np.arange(1, 21))
    assert (np.diff(harmonics) < 0.5).all() and harmonics[0] - harmonics[19] < 45
    spectrum = np.abs(np.fft.rfft(y * np.kaiser(len(y), 18)))
    top, under = spectrum[-len(spectrum) // 8:], spectrum[len(spectrum) // 2:-len(spectrum) // 8]
    assert top.max() < under.max()                          # no line at half the rate


def decay_db_per_s(rate, quick=0):
    q = min(int(rate) * 41 // 64 + quick, 63)
    return 0.2819 * 2 ** (q // 4) * (1 + 0.25 * (q % 4))


def attack_s(rate, top=15.0, low=1716 / 256):
    """A level's way up in pieces of an octave: 2 + (whole octaves under full) times the decay."""
    edges = [low, *range(int(low) + 1, int(np.ceil(top))), top]
    octaves = sum((b - a) / (2 + np.floor(15 - a - 1e-9)) for a, b in zip(edges, edges[1:],
                                                                         strict=False))
    return octaves * 20 * np.log10(2) / decay_db_per_s(rate)


def envelope_db(y, hz):
    """Level of a sine at hz, one value a millisecond; the window spans whole periods of it."""
    size = int(round(48000 / hz * max(1, round(hz / 500))))
    turned = y * np.exp(-2j * np.pi * hz * np.arange(len(y)) / 48000)
    return db(np.convolve(turned, np.ones(size) / size, "valid")[::48])


@pytest.mark.parametrize("rate", (25, 40, 55, 70, 80))
def test_decays_are_lines_in_db(rate):
    y = Player(FM6, **{**ONE, "op1_rate2": rate, "op1_level2": 0}).note(
        min(50 / decay_db_per_s(rate), 2.0), 1000.0)
    level = envelope_db(y, 1000.0)
    start = len(level) // 10 + 3
    slope = np.polyfit(np.arange(len(level))[start:] / 1000, level[start:], 1)[0]
    assert -slope == pytest.approx(decay_db_per_s(rate), rel=0.02)


@pytest.mark.parametrize("rate", (30, 45, 60, 75))
def test_attacks_last_as_long_as_published(rate):
    y = Player(FM6, **{**ONE, "op1_rate1": rate}).note(attack_s(rate) * 1.3 + 0.02, 1000.0)
    level = envelope_db(y, 1000.0)
    assert np.flatnonzero(level > level[-1] - 0.05)[0] / 1000 == pytest.approx(
        attack_s(rate), rel=0.05, abs=0.0015)


def test_stages_follow_each_other_a_level_held_waits_and_release_is_the_last():
    stages = {"op1_level2": 79, "op1_rate2": 40, "op1_level3": 59, "op1_rate3": 50}
    player = Player(FM6, **{**ONE, **stages})
    level = envelope_db(player.note(1.5, 1000.0), 1000.0)
    down = 20 * STEP_DB                                     # 20 levels
    first, second = down / decay_db_per_s(40), down / decay_db_per_s(50)
    found = [np.flatnonzero(level < level[5:50].max() - fall)[0] / 1000
             for fall in (down / 2, down, down * 1.5)]
    wanted = [first / 2, first, first + second / 2]
    assert found == pytest.approx(wanted, rel=0.05)
    assert level[-1] - level.max() == pytest.approx(-2 * down, abs=0.5)
    player.release()
    fall = envelope_db(player.play(0.2)[:, 0].astype(float), 1000.0)
    assert (fall[0] - fall[100]) * 10 == pytest.approx(decay_db_per_s(60), rel=0.05)
    late = Player(FM6, **{**ONE, "op1_level1": 0, "op1_rate1": 30})
    y = late.note(1.0)                                      # 1/12 octave at rate 30
    assert np.flatnonzero(y)[0] / 48000 == pytest.approx(
        20 * np.log10(2) / 12 / decay_db_per_s(30), rel=0.05, abs=0.002)


def level_db(**params):
    hz, level = params.pop("hz", 261.6256), params.pop("level", 1.0)
    y = Player(FM6, **{**ONE, **params}).note(0.15, hz, level)
    return db(np.sqrt(2 * np.mean(y[-4800:] ** 2)))


STEEP = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 14, 16, 19, 23, 27, 33, 39, 47, 56, 66, 80, 94)


@pytest.mark.parametrize("group", (1, 4, 9, 13))
@pytest.mark.parametrize("curve", (0, 1))
def test_keyboard_scaling_follows_the_published_groups(group, curve):
    depth, break_st = 50, 64
    steps = depth * 329 / 4096 * (STEEP[group] / 8 if curve else group)
    for side, note in (("right", break_st - 4 + 3 * group + 1), ("left", break_st - 5 - 3 * group)):
        key = {"op1_output": 95, f"op1_{side}_curve": curve, "op1_break_st": break_st,
               "hz": 440 * 2 ** ((note - 69) / 12)}
        flat = level_db(**key)
        assert level_db(**key, **{f"op1_{side}_depth": -depth}) - flat == pytest.approx(
            -steps * STEP_DB, abs=0.75)
        key["op1_output"] = 40
        assert level_db(**key, **{f"op1_{side}_depth": depth}) - level_db(**key) == pytest.approx(
            min(steps, 127 - 68) * STEP_DB, abs=0.75)


def test_higher_notes_are_quicker_by_rate_scaling():
    params = {**ONE, "op1_rate2": 20, "op1_level2": 0, "op1_rate_scaling": 7}
    level = envelope_db(Player(FM6, **params).note(0.15, 2100.0), 2100.0)    # MIDI 96
    quick = 7 * (96 // 3 - 7) // 8
    assert -(level[120] - level[20]) / 0.1 == pytest.approx(decay_db_per_s(20, quick), rel=0.03)


def test_velocity_and_touch():
    params = {"touch": 0.0, "op1_output": 80}
    change = level_db(**params, op1_velocity=7, level=0.3) - level_db(**params)
    assert change == pytest.approx(7 * 16 * (0.3 ** (1 / 3) - 0.918) * STEP_DB, abs=0.1)
    assert level_db(**params, level=0.3) == pytest.approx(level_db(**params), abs=0.01)
    assert level_db(level=0.3) - level_db() == pytest.approx(db(0.3), abs=0.01)


def test_ratio_detune_fixed_frequency_and_transposition():
    for params, hz in (({"op1_ratio": 3.5}, 1540.0), ({"op1_fixed_hz": 666.0}, 666.0),
                       ({"op1_detune_cents": 7.0}, 440 * 2 ** (7 / 1200)),
                       ({"transpose_st": -12.0}, 220.0)):
        y = Player(FM6, **{**ONE, **params}).note(1.2, 440.0)
        assert abs(cents(pitch_hz(y[4800:], hz), hz)) < 0.02


def test_vibrato_waits_and_swings_as_far_as_told():
    params = {"vibrato_cents": 50.0, "lfo_hz": 5.0, "lfo_wave": 4, "lfo_sync": 1,
              "lfo_delay_s": 0.4, "lfo_fade_s": 0.1}
    t, hz = crossings_hz(Player(FM6, **{**ONE, **params}).note(1.5, 1000.0))
    swing = cents(hz, 1000.0)
    assert np.abs(swing[t < 0.39]).max() < 0.5
    assert swing[t > 0.6].max() == pytest.approx(50, abs=1)
    assert swing[t > 0.6].min() == pytest.approx(-50, abs=1)
    rising = np.count_nonzero(np.diff(np.signbit(swing[(t > 0.5) & (t < 1.49)])))
    assert 9 <= rising <= 11


def test_every_low_wave_moves_the_pitch_and_tremolo_only_takes_away():
    for wave in range(6):
        params = {"vibrato_cents": 100.0, "lfo_hz": 8.0, "lfo_wave": wave}
        _, hz = crossings_hz(Player(FM6, **{**ONE, **params}).note(1.0, 1000.0))
        assert 60 < np.ptp(cents(hz, 1000.0)) < 202
    steady = level_db()
    params = {"tremolo": 1.0, "op1_tremolo": 1.0, "lfo_hz": 5.0}
    level = envelope_db(Player(FM6, **{**ONE, **params}).note(1.0, 1000.0), 1000.0)[50:] + 6.02
    assert level.max() < steady + 0.1 and level.min() < steady - 30


def test_the_pitch_envelope_goes_through_its_levels():
    params = {"pitch_level4_st": -12.0, "pitch_level1_st": 12.0, "pitch_rate1": 80.0}
    player = Player(FM6, **{**ONE, **params})
    t, hz = crossings_hz(player.note(0.5, 1000.0))
    assert cents(hz[3], 1000.0) < -1000 and cents(hz, 1000.0).max() == pytest.approx(1200, abs=15)
    assert abs(cents(hz[-1], 1000.0)) < 1


def test_a_change_of_algorithm_does_not_click():
    player = Player(FM6, **{**HELD, **{f"op{n}_output": 70 for n in range(1, 7)}, "algorithm": 1})
    before = player.note(0.3, 110.0)[4800:]
    player.set(algorithm=32)
    after = player.play(0.2)[:, 0].astype(float)
    y = np.concatenate((before, after))
    steps = np.abs(np.diff(y))
    assert steps[len(before) - 64:len(before) + 64].max() < 1.2 * steps[:len(before) - 64].max()
    assert close_db(after, before[:len(after)]) > -10       # but it is another sound


def test_any_note_ends_in_exact_silence_once_let_go():
    player = Player(FM6, **{**HELD, **{f"op{n}_level4": 99 for n in range(1, 7)}})
    assert player.note(0.3)[-1] != 0.0
    player.release()
    y = player.play(0.5)[:, 0]
    assert y[:480].any() and not y[-480:].any()


def test_struck_again_while_it_sounds_it_does_not_click():
    player = Player(FM6, **{**ONE, "op1_rate2": 50, "op1_level2": 50})
    player.note(0.3, 440.0)
    y = [player.play(0.02)[:, 0]]
    player.run(0, 0, 0, 0, 440.0, 1.0)
    y = np.concatenate((*y, player.play(0.1)[:, 0])).astype(float)
    swing = 2 * np.pi * 440 / 48000 + 1 / 32                # at most from nothing in a quantum
    assert np.abs(np.diff(y)).max() < np.abs(y).max() * swing


@pytest.mark.parametrize("hz", (1530.0, 2900.0, 4700.0, 7100.0))
def test_high_notes_lose_their_bend_before_it_folds_back(hz):
    y = Player(FM6, **{**HELD, **SILENT, "algorithm": 1, "feedback": 0, "op1_output": 99,
                       "op2_output": 99}).note(0.6, hz)
    spectrum = np.abs(np.fft.rfft(y * np.kaiser(len(y), 18)))
    line = np.fft.rfftfreq(len(y), 1 / 48000)
    off = np.abs(line / hz - np.rint(line / hz)) * hz > 60
    assert db(spectrum[off].max() / spectrum.max()) < -36
    if hz < 5000.0:
        assert db(spectrum[np.abs(line - 2 * hz) < 60].max() / spectrum.max()) > -20


def test_an_operator_over_half_the_rate_is_silent():
    assert not Player(FM6, **{**ONE, "op1_ratio": 8}).note(0.1, 4000.0).any()


def test_voices_keep_to_themselves_and_quanta_do_not_matter():
    together, alone = Player(FM6, 16), Player(FM6)
    for v, hz in ((0, 220.0), (9, 331.0)):
        together.strike(hz, 0.8, v)
    alone.strike(331.0, 0.8)
    y, z = together.play(0.2), alone.play(0.2)
    assert np.array_equal(y[:, 9], z[:, 0]) and not y[:, 5].any()
    assert len(z) % QUANTUM == 0

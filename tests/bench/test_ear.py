"""The independent ear hears what is planted, and is content with a real render."""
import numpy as np
import pytest

from bench import ear

RATE = 48000


def clicks(bpm, bars, offset_s=0.0, jitter_s=0.0):
    """A short noise burst on every beat."""
    rng = np.random.default_rng(1)
    out = rng.normal(size=round(bars * 240 / bpm * RATE)) * 1e-4
    for beat in range(bars * 4):
        at = beat * 60 / bpm + offset_s + (rng.uniform(-jitter_s, jitter_s) if beat else 0.0)
        start = max(0, round(at * RATE))
        burst = rng.normal(size=2400) * np.exp(-np.arange(2400) / 300)
        burst = burst[:len(out) - start]
        out[start:start + len(burst)] += burst * 0.3
    return out.astype(np.float32)


def test_tempo_is_heard_to_a_tenth():
    assert ear.tempo_bpm(clicks(124.0, 16), RATE) == pytest.approx(124.0, abs=0.1)
    assert abs(ear.tempo_bpm(clicks(127.0, 16), RATE) - 124.0) > 1.0


def test_beats_off_the_grid_are_heard():
    step_s = 15.0 / 124.0
    tight = np.abs(ear.grid_errors_s(clicks(124.0, 16), RATE, step_s))
    loose = np.abs(ear.grid_errors_s(clicks(124.0, 16, jitter_s=0.03), RATE, step_s))
    assert np.percentile(tight, 90) < 0.005 < 0.010 < np.percentile(loose, 90)


def test_peaks_between_the_samples_are_found():
    n = np.arange(RATE)
    fade = np.minimum(1.0, np.minimum(n, n[::-1]) / 4800)
    tone = (0.5 * fade * np.sin(np.pi / 2 * n + np.pi / 4))[:, None].repeat(2, 1)
    assert ear.db(np.abs(tone).max()) == pytest.approx(-9.03, abs=0.01)
    assert ear.true_peak_db(tone) == pytest.approx(-6.02, abs=0.1)


def test_where_the_blocks_are_cut_nothing_is_a_peak():
    n = np.arange(200000)
    level = (0.5 * np.minimum(1.0, np.minimum(n, n[::-1]) / 4800))[:, None].repeat(2, 1)
    assert ear.true_peak_db(level) == pytest.approx(-6.02, abs=0.02)


def test_two_that_play_together_are_twice_as_dense():
    beats = clicks(124.0, 8)[:, None].repeat(2, 1)
    one = ear.onsets_per_s([beats], RATE)
    assert one == pytest.approx(124 / 60, rel=0.1)
    assert ear.onsets_per_s([beats, beats, beats * 1e-4], RATE) == 2 * one


def test_what_the_limiter_took_is_found():
    rng = np.random.default_rng(2)
    stems = {"a": rng.normal(size=(RATE * 4, 2)) * 0.1, "b": rng.normal(size=(RATE * 4, 2)) * 0.1}
    heard = ear.reduction_db(sum(stems.values()) * 0.5, stems, RATE, 0.0)
    assert heard == pytest.approx(6.02, abs=0.1)


def test_a_bad_figure_is_a_no():
    good = {"heard_bpm": 124.1, "bpm": 124.0, "grid_p90_ms": 5.0, "lufs": -12.0,
            "bass_minus_kick_db": 2.0, "low_correlation": 0.95, "limiter_median_db": 1.0,
            "true_peak_db": -1.1, "quietest_db": -40.0, "dc_db": -70.0, "sections": {}}
    assert all(ear.verdicts(good).values())
    for name, value in {"heard_bpm": 125.0, "grid_p90_ms": 11.0, "lufs": -8.0, "true_peak_db": -0.9,
                        "bass_minus_kick_db": -7.0, "low_correlation": 0.5, "dc_db": -40.0,
                        "limiter_median_db": 4.0, "quietest_db": -90.0}.items():
        assert sum(not ok for ok in ear.verdicts(good | {name: value}).values()) == 1


@pytest.mark.slow
def test_the_house_set_passes_on_128_bars():
    result = ear.run()
    assert result["ok"], ear.table(result)


@pytest.mark.slow
def test_the_house_set_passes_on_32_bars():
    result = ear.run(quick=True)
    assert result["ok"], ear.table(result)

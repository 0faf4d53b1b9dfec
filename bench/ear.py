"""An independent ear on a render: tempo, grid, loudness, spectrum, peaks. Thread: control.

librosa, pyloudnorm and scipy listen to the WAV files; the section borders come from the take.
"""
import math
import tempfile
from pathlib import Path

import numpy as np

BARS, QUICK_BARS = 128, 32
ORDER = ("intro", "build", "drop", "outro")


def db(x):
    return 20.0 * math.log10(max(float(x), 1e-9))


def tempo_bpm(mono, rate_hz):
    """Beats a minute: librosa's estimate, folded into 90..180, then refined on the autocorrelation
    of its onset strength over 2, 4, ... 32 beats (a break without a kick does not move it)."""
    import librosa
    hop = 256
    strength = librosa.onset.onset_strength(y=mono, sr=rate_hz, hop_length=hop)
    rough = float(librosa.feature.tempo(onset_envelope=strength, sr=rate_hz, hop_length=hop)[0])
    rough *= 2.0 ** np.ceil(np.log2(90.0 / rough)) if rough < 90.0 else 1.0
    rough /= 2.0 if rough > 180.0 else 1.0
    period, reach = 60.0 * rate_hz / hop / rough, 0.04
    alike = librosa.autocorrelate(strength - strength.mean(), max_size=int(period * 36))
    for beats in (1, 2, 4, 8, 16, 32):
        low, high = (round(beats * period * (1 + sign * reach)) for sign in (-1, 1))
        peak = low + int(np.argmax(alike[low:high + 1]))
        a, b, c = alike[peak - 1:peak + 2]
        period = (peak + 0.5 * (a - c) / (a - 2 * b + c)) / beats
        reach /= 2.0
    return 60.0 * rate_hz / hop / period


def grid_errors_s(mono, rate_hz, step_s):
    """How far each heard onset is from its 16th, seconds, the detector's own delay taken out."""
    import librosa
    heard = librosa.onset.onset_detect(y=mono, sr=rate_hz, hop_length=64, units="time")
    errors = (heard + step_s / 2) % step_s - step_s / 2
    return errors - np.median(errors)


def true_peak_db(stereo):
    """Peak at 16 times the rate, dBTP; what rings where a block is cut off does not count."""
    from scipy.signal import resample_poly
    peak, block, edge = 0.0, 1 << 16, 256
    for start in range(0, len(stereo), block):
        first = max(0, start - edge)
        part = stereo[first:start + block + edge].astype(np.float64)
        size = np.abs(resample_poly(part, 16, 1, axis=0))[16 * (start - first):]
        peak = max(peak, float(size[:16 * block].max()))
    return db(peak)


def low_band(x, rate_hz, edge_hz=120.0):
    from scipy.signal import butter, sosfiltfilt
    return sosfiltfilt(butter(4, edge_hz, fs=rate_hz, output="sos"), x, axis=0)


def sections(take):
    """[(name, first step, end step)] in order."""
    found = []
    for entry in take.steps:
        if not found or found[-1][0] != entry["section"]:
            found.append([entry["section"], entry["step"], entry["step"] + 1])
        found[-1][2] = entry["step"] + 1
    return [tuple(item) for item in found]


def onsets_per_s(stems, rate_hz):
    """Onsets a second, of every stem that is not quiet: in the mix one on each 16th hides all that
    come with it."""
    import librosa
    heard = [x.mean(1) for x in stems if db(np.sqrt((x ** 2).mean())) > -50.0]
    return sum(len(librosa.onset.onset_detect(y=x, sr=rate_hz)) / (len(x) / rate_hz)
               for x in heard)


def by_section(mix, mono, stems, take, rate_hz, bpm):
    """Loudness (LUFS), onsets a second and spectral width (Hz) of each section name, averaged."""
    import librosa
    import pyloudnorm
    meter, step_s, gathered = pyloudnorm.Meter(rate_hz), 15.0 / bpm, {}
    for name, first, end in sections(take):
        a, b = round(first * step_s * rate_hz), round(end * step_s * rate_hz)
        if b - a < rate_hz:
            continue
        part = mono[a:b]
        width = float(librosa.feature.spectral_bandwidth(y=part, sr=rate_hz).mean())
        onsets = onsets_per_s([stem[a:b] for stem in stems.values()], rate_hz)
        gathered.setdefault(name, []).append(
            (meter.integrated_loudness(mix[a:b].astype(np.float64)), onsets, width))
    return {name: dict(zip(("lufs", "onsets_per_s", "width_hz"),
                           (float(x) for x in np.mean(rows, axis=0)), strict=True))
            for name, rows in gathered.items()}


def reduction_db(mix, stems, rate_hz, out_db):
    """Median of what the limiter took away, dB over 50 ms windows that are not quiet."""
    before = sum(stems.values()) * 10.0 ** (out_db / 20.0)
    size = rate_hz // 20
    count = min(len(before), len(mix)) // size
    rms = [np.sqrt((x[:count * size] ** 2).reshape(count, -1).mean(1)) for x in (before, mix)]
    loud = rms[1] > 0.01
    return float(np.median(20 * np.log10(rms[0][loud] / rms[1][loud]))) if loud.any() else 0.0


def quietest_db(mix, rate_hz, end):
    """RMS of the quietest 200 ms before sample `end`, dBFS."""
    size = rate_hz // 5
    count = end // size
    return db(np.sqrt((mix[:count * size] ** 2).reshape(count, -1).mean(1)).min())


def listen(mix, stems, take, rate_hz, bars, out_db):
    """Every figure of one render."""
    import pyloudnorm
    bpm, mono = take.head["bpm"], mix.mean(1)
    step_s, end = 15.0 / bpm, round(bars * 240.0 / bpm * rate_hz)
    low = low_band(mix, rate_hz)
    drops = [(a, b) for name, a, b in sections(take) if name == "drop"] or [(0, bars * 16)]
    a, b = (round(s * step_s * rate_hz) for s in drops[0])
    rms = {name: db(np.sqrt((low_band(stems[name][a:b], rate_hz, 200.0) ** 2).mean()))
           for name in ("kick", "bass")}
    errors = np.abs(grid_errors_s(mono[:end], rate_hz, step_s))
    return {
        "bpm": bpm, "heard_bpm": float(tempo_bpm(mono[:end], rate_hz)),
        "grid_p50_ms": float(np.percentile(errors, 50) * 1e3),
        "grid_p90_ms": float(np.percentile(errors, 90) * 1e3),
        "on_grid_share": float((errors < 0.010).mean()),
        "lufs": float(pyloudnorm.Meter(rate_hz).integrated_loudness(mix.astype(np.float64))),
        "sections": by_section(mix, mono, stems, take, rate_hz, bpm),
        "bass_minus_kick_db": rms["bass"] - rms["kick"],
        "low_correlation": float(np.corrcoef(low[:, 0], low[:, 1])[0, 1]),
        "limiter_median_db": reduction_db(mix, stems, rate_hz, out_db),
        "true_peak_db": true_peak_db(mix), "dc_db": db(np.abs(mix.mean(0)).max()),
        "quietest_db": quietest_db(mono, rate_hz, end)}


def verdicts(f, whole=True):
    """name -> whether the figure is where it must be; the form is judged on a whole piece only."""
    checks = {
        "tempo within 0.5 bpm": abs(f["heard_bpm"] - f["bpm"]) <= 0.5,
        "onsets within 10 ms of the grid (90 %)": f["grid_p90_ms"] <= 10.0,
        "-16 to -9 LUFS": -16.0 <= f["lufs"] <= -9.0,
        "bass within 6 dB of the kick": abs(f["bass_minus_kick_db"]) <= 6.0,
        "mono below 120 Hz": f["low_correlation"] >= 0.9,
        "limiter median <= 3 dB": f["limiter_median_db"] <= 3.0,
        "true peak <= -1 dBTP": f["true_peak_db"] <= -1.0,
        "no unintended silence": f["quietest_db"] > -60.0, "no DC": f["dc_db"] < -60.0}
    s = f["sections"]
    if whole and all(name in s for name in ORDER):
        intro, build, drop, outro = (s[name] for name in ORDER)
        checks |= {
            "intro < build < drop > outro": intro["lufs"] < build["lufs"] < drop["lufs"]
            > outro["lufs"],
            "drop >= 4 LU above intro": drop["lufs"] >= intro["lufs"] + 4.0,
            "drop denser than intro": drop["onsets_per_s"] > intro["onsets_per_s"],
            "drop wider than intro": drop["width_hz"] > intro["width_hz"]}
    return checks


def run(quick=False, bars=None, prompt=None, set="house"):
    """Renders the set with stems and a take, and listens to it."""
    import soundfile

    from engine import sets
    from engine.journal import Take
    from engine.session import Options, render
    bars = int(bars or (QUICK_BARS if quick else BARS))
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        report = render(Options(set=set, bars=bars, prompt=prompt, out=str(folder / "mix.wav"),
                                stems=str(folder / "stems"), record=str(folder / "a.take")))
        mix, rate_hz = soundfile.read(folder / "mix.wav", dtype="float32")
        stems = {path.stem: soundfile.read(path, dtype="float32")[0]
                 for path in sorted((folder / "stems").glob("*.wav"))}
        take = Take(folder / "a.take")
        figures = listen(mix, stems, take, rate_hz, bars, sets.load(set).out_level_db)
    checks = verdicts(figures, whole=bars >= 64)
    return {"set": set, "bars": bars, **figures, "checks": checks, "ok": all(checks.values()),
            "form": sections(take), "times_real_time": report["times_real_time"]}


def table(result):
    """The result as lines."""
    lines = [f"{'ok ' if good else 'NO '} {name}" for name, good in result["checks"].items()]
    lines += [f"{name:8} {s['lufs']:6.1f} LUFS {s['onsets_per_s']:5.1f} onsets/s "
              f"{s['width_hz']:6.0f} Hz wide" for name, s in result["sections"].items()]
    lines += [f"{name:22} {value:.2f}" for name, value in result.items()
              if isinstance(value, float)]
    return "\n".join(lines)

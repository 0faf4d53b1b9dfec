"""Pictures of a sound: wave, spectrogram, spectrum. The only file that imports matplotlib.
Thread: control."""
from pathlib import Path

import numpy as np

from engine.errors import EngineError

SIZE, LOW_HZ, FLOOR_DB = 4096, 20.0, -100.0


def spectrogram_db(mono, rate_hz, columns=400):
    """(bins, columns) dB below the loudest, and the bins' frequencies."""
    window = np.hanning(SIZE)
    padded = np.concatenate((np.zeros(SIZE // 2), mono, np.zeros(SIZE)))
    starts = np.linspace(0, max(len(mono) - 1, 1), columns).astype(int)
    frames = np.abs(np.fft.rfft(np.stack([padded[i:i + SIZE] for i in starts]) * window)).T
    level = 20 * np.log10(np.maximum(frames, 1e-9))
    return np.maximum(level - level.max(), FLOOR_DB), np.fft.rfftfreq(SIZE, 1 / rate_hz)


def draw(samples, rate_hz, path, title, small=False):
    """Wave, spectrogram and spectrum of (n, 2) samples into a PNG file.

    small  the spectrogram alone, for a page of many
    """
    try:
        import matplotlib
    except ImportError as fault:
        raise EngineError("no matplotlib for --plot: run ./stage again, or pip install matplotlib"
                          ) from fault
    matplotlib.use("Agg")
    from matplotlib.figure import Figure
    mono = samples.mean(1)
    level, hz = spectrogram_db(mono, rate_hz)
    seconds = len(mono) / rate_hz
    if small:
        figure = Figure(figsize=(4.2, 1.9), dpi=72, layout="constrained")
        axes = [None, figure.subplots(), None]
    else:
        figure = Figure(figsize=(9, 8), dpi=90, layout="constrained")
        axes = figure.subplots(3, 1, height_ratios=(1, 2, 2))
        axes[0].plot(np.arange(len(mono)) / rate_hz, mono, linewidth=0.4)
        axes[0].set(xlim=(0, seconds), ylabel="wave", title=title)
        spectrum = np.abs(np.fft.rfft(mono * np.hanning(len(mono))))
        line = np.fft.rfftfreq(len(mono), 1 / rate_hz)
        top = 20 * np.log10(np.maximum(spectrum / max(spectrum.max(), 1e-12), 1e-6))
        axes[2].semilogx(line[1:], top[1:], linewidth=0.5)
        axes[2].set(xlim=(LOW_HZ, rate_hz / 2), ylim=(-110, 3), xlabel="Hz", ylabel="dB")
        axes[2].grid(alpha=0.3, which="both")
    view = axes[1]
    view.pcolormesh(np.linspace(0, seconds, level.shape[1]), hz, level, cmap="magma", vmin=-90,
                    vmax=0, rasterized=True)
    view.set(yscale="log", ylim=(LOW_HZ, rate_hz / 2))
    view.set(xlabel="s", ylabel="Hz")
    try:
        figure.savefig(str(Path(path)), format="png")
    except OSError as fault:
        raise EngineError(f"cannot write {path}: {fault.strerror or fault}") from fault

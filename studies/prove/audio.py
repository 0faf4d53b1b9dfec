"""What a WAV says: numbers for each slot of time, from the sound alone. Thread: any.

Levels are in dB, so that a fader is a straight line; pitch classes are shares of what is pitched.
"""
import numpy as np
from scipy import fft

WINDOW, HOP = 2048, 1024                  # samples: 43 and 21 ms at 48 kHz
LONG = 8192                               # for pitch classes: 6 Hz apart
LOWEST_HZ, THIRDS = 40.0, 27              # thirds of an octave, up to 20 kHz
OCTAVES_HZ = (30.0, 120.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 20000.0)
PITCHED_HZ = (110.0, 1760.0)
PARTS = 4                                 # of a slot, in the order in which they are heard
AT_ONCE = 64                              # slots, so that memory stays small
FLOOR = 1e-9                              # power under which there is silence, -90 dB

THIRDS_HZ = LOWEST_HZ * 2.0 ** (np.arange(THIRDS + 1) / 3.0)
_BANDS = [f"{low:.0f}" for low in OCTAVES_HZ[:-1]]
NAMES = (
    *(f"level.{hz:.0f}_db" for hz in THIRDS_HZ[:-1]),
    *(f"side.{hz}_db" for hz in _BANDS), *(f"balance.{hz}_db" for hz in _BANDS),
    *(f"part{part}.{hz}_db" for part in range(PARTS) for hz in _BANDS),
    *(f"pitch.{k}" for k in range(12)),
    "centroid_octaves", "flatness_db", "onset_db", "sharpest_db",
)


def describe(sound, rate_hz, edges):
    """(slots, len(NAMES)) of a sound (samples, 2); slot k is sound[edges[k]:edges[k + 1]]."""
    found, edges = [np.zeros((0, len(NAMES)))], np.asarray(edges)
    for first in range(0, len(edges) - 1, AT_ONCE):
        some = edges[first:first + AT_ONCE + 1]
        start = max(0, int(some[0]) - LONG) // HOP * HOP
        part = np.asarray(sound[start:int(some[-1]) + LONG], np.float32)
        found.append(_described(part, rate_hz, some - start))
    return np.concatenate(found)


def _described(sound, rate_hz, edges):
    """`describe` of a few slots, with some sound before and after them."""
    left, right = (_spectra(sound[:, side], WINDOW, HOP) for side in (0, 1))
    left, right, middle, apart = (_power(x) for x in (left, right, 0.5 * (left + right),
                                                      0.5 * (left - right)))
    hz = np.fft.rfftfreq(WINDOW, 1.0 / rate_hz)
    spans = _spans(edges, HOP, len(middle))
    thirds, octaves = _bands(hz, THIRDS_HZ), _bands(hz, OCTAVES_HZ)
    whole = _mean(middle, spans)
    loud = [_mean(power @ octaves, spans) for power in (middle, apart, left, right)]
    quarters = np.stack([_mean(middle @ octaves, part) for part in _parts(spans)], 1)
    rows = [_db(whole @ thirds), _db(loud[1]) - _db(loud[0]), _db(loud[2]) - _db(loud[3]),
            _db(quarters).reshape(len(spans), -1), _classes(sound.mean(1), rate_hz, edges),
            _shape(whole, hz), _onsets(middle @ thirds, spans)]
    return np.concatenate(rows, 1)


def _db(power):
    return 10.0 * np.log10(power + FLOOR)


def _spectra(mono, window, hop):
    """(frames, bins) of overlapping windows; frame k is centred on sample k * hop."""
    padded = np.concatenate([np.zeros(window // 2, np.float32), mono,
                             np.zeros(window, np.float32)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    shape = np.hanning(window).astype(np.float32)
    return fft.rfft(frames * (shape * (2.0 / shape.sum())), axis=1)


def _power(spectra):
    return spectra.real ** 2 + spectra.imag ** 2


def _spans(edges, hop, count):
    """(slots, 2) first frame and end of each slot, one frame at least."""
    frames = np.minimum(-(-edges // hop), count)
    first, end = np.minimum(frames[:-1], count - 1), np.maximum(frames[1:], frames[:-1] + 1)
    return np.stack([first, end], 1)


def _parts(spans):
    """The spans of each part of the slots in turn."""
    first, size = spans[:, 0], spans[:, 1] - spans[:, 0]
    for part in range(PARTS):
        a, b = (first + size * (part + more) // PARTS for more in (0, 1))
        yield np.stack([a, np.maximum(b, a + 1)], 1)


def _mean(rows, spans):
    """(slots, columns) the mean of the rows in each span."""
    sums = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, 0, dtype=np.float64)])
    end = np.minimum(spans[:, 1], len(rows))
    return (sums[end] - sums[np.minimum(spans[:, 0], end - 1)]) / np.maximum(
        end - spans[:, 0], 1)[:, None]


def _bands(hz, edges_hz):
    """(bins, bands) which bins a band adds up; a band narrower than a bin has its nearest one."""
    low, high = np.asarray(edges_hz)[:-1], np.asarray(edges_hz)[1:]
    table = ((hz[:, None] >= low) & (hz[:, None] < high)).astype(float)
    for k in np.flatnonzero(table.sum(0) == 0):
        table[np.abs(hz - np.sqrt(low[k] * high[k])).argmin(), k] = 1.0
    return table


def _classes(mono, rate_hz, edges):
    """(slots, 12) share of each pitch class between the pitched limits."""
    power, hz = _power(_spectra(mono, LONG, LONG // 2)), np.fft.rfftfreq(LONG, 1.0 / rate_hz)
    inside = np.flatnonzero((hz >= PITCHED_HZ[0]) & (hz <= PITCHED_HZ[1]))
    table = np.zeros((len(hz), 12))
    table[inside, np.round(69.0 + 12.0 * np.log2(hz[inside] / 440.0)).astype(int) % 12] = 1.0
    found = np.sqrt(_mean(power @ table, _spans(edges, LONG // 2, len(power))))
    return found / (found.sum(1, keepdims=True) + FLOOR)


def _shape(power, hz):
    """(slots, 2) where the spectrum's middle is, octaves over 1 kHz, and how flat it is."""
    heard = (hz > 30.0) & (hz < 16000.0)
    power = power[:, heard] + FLOOR * 1e-3
    centre = (power * np.log2(hz[heard] / 1000.0)).sum(1) / power.sum(1)
    return np.stack([centre, _db(np.exp(np.log(power).mean(1))) - _db(power.mean(1))], 1)


def _onsets(bands, spans):
    """(slots, 2) mean and greatest rise of the bands' levels from one frame to the next."""
    rise = np.maximum(np.diff(_db(bands), axis=0, prepend=_db(bands[:1])), 0.0).mean(1)
    most = [rise[a:max(b, a + 1)].max(initial=0.0) for a, b in spans]
    return np.stack([_mean(rise[:, None], spans)[:, 0], most], 1)

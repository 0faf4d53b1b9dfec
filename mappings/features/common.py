"""What the families share: bands of layers, calibrated places, packed arrays. Thread: control."""
import base64
import math

import numpy as np

from engine.rt import rt_host

BANDS = ("low", "mid", "high")
GRID = 65                                 # points of a calibration curve
FEWEST = 8                                # calibration values below which a feature has no place


def bands_of(layers):
    """(first, past the last) layer of each band: thirds; a stack of one or two shares them."""
    cuts = [band * layers // len(BANDS) for band in range(len(BANDS) + 1)]
    return np.array([(a, max(b, a + 1)) for a, b in zip(cuts, cuts[1:], strict=False)], np.int64)


def place_of(name, layers):
    """Where in a model of so many layers a feature is read, in words; "" where that is not known.

    Layers are counted from 1; the state after layer n is what block n gave. A family whose names
    do not say it has `read_at`.
    """
    family, *rest = name.split(".")
    if family == "text":
        return "the text"
    if family == "token":
        return "the output head"
    if rest and rest[0].isdigit():
        return f"layer {rest[0]} of {layers}"
    if name == "resid.mid.turn" or family == "resid" and rest[:1] == ["axis"]:
        return f"the state after layer {(layers + 1) // 2} of {layers}"
    if rest and rest[0] in BANDS:
        first, end = bands_of(layers)[BANDS.index(rest[0])]
        return f"layer {end} of {layers}" if end - first == 1 else (
            f"layers {first + 1} to {end} of {layers}")
    return ""


class Family:
    """Features measured together.

    Each family has look(state, token, marks), which takes what it needs from a record and keeps no
    history; `value` turns looks into numbers, in order. Calibration looks at every record, fits,
    and then runs the values of all looks for their curves.
    """
    names, tier = (), "T0"                # tier: the dearest one it reads
    ranges = {}                           # name -> (low, high) in the name's unit
    read_at = "the model's states"        # of features whose name does not say it (`place_of`)

    def __init__(self, descriptor):
        self.model = descriptor

    def learn(self, state):
        """Takes in one calibration row that counts; here nothing."""

    def pause(self):
        """What `learn` has taken in so far."""

    def resume(self, state):
        """Goes on from what `pause` gave."""

    def fit(self, looks):
        """Learns from the looks of the calibration text; here nothing."""

    def value(self, look, out):
        """Writes one value per name; NaN where there is none."""
        out[:] = look

    def forget(self):
        """No record came before; here there is no history."""

    def profile(self):
        """What was learned, as JSON data."""
        return {}

    def load(self, data):
        """Takes over what `profile` gave; raises KeyError or ValueError when it does not fit."""


class Streaming(Family):
    """Features that are measured in the order of the records, from what the `Sight` shows.

    While calibrating, values are kept as they come; they begin anew with every context.
    """

    def __init__(self, descriptor, sight):
        super().__init__(descriptor)
        self.sight = sight
        self.claim(sight)
        self.forget()

    def claim(self, sight):
        """Takes windows of sight.scores; here none."""

    def value(self, look, out):
        """Writes one value per name from a Sight; NaN where there is none."""
        raise NotImplementedError


@rt_host
def band_means(per_layer, bands, out, first):
    """out[first + band] = the mean over the band's layers that have a number; NaN when none has."""
    for band in range(bands.shape[0]):
        total, count = 0.0, 0
        for layer in range(bands[band, 0], bands[band, 1]):
            if math.isfinite(per_layer[layer]):
                total += per_layer[layer]
                count += 1
        out[first + band] = total / count if count else math.nan


@rt_host
def places(values, grid, out):
    """out[i] = where values[i] stands on its curve, 0..1; NaN stays NaN.

    Equal values share the middle of their run.
    grid  (features, GRID) rising calibration values; a row that starts with NaN has no curve
    """
    last = grid.shape[1] - 1
    for i in range(values.shape[0]):
        x = values[i]
        if not math.isfinite(x) or not math.isfinite(grid[i, 0]):
            out[i] = math.nan
            continue
        below, upto = 0, 0
        for k in range(last + 1):
            below += grid[i, k] < x
            upto += grid[i, k] <= x
        if upto > below:
            out[i] = 0.5 * (below + upto - 1) / last
        elif below == 0 or below > last:
            out[i] = 0.0 if below == 0 else 1.0
        else:
            low, high = grid[i, below - 1], grid[i, below]
            out[i] = (below - 1 + (x - low) / (high - low)) / last


def curve(values):
    """The calibration curve of one feature: GRID quantiles; NaN when too few are finite."""
    finite = values[np.isfinite(values)]
    if len(finite) < FEWEST:
        return np.full(GRID, np.nan)
    return np.quantile(finite, np.linspace(0.0, 1.0, GRID))


def packed(array):
    """An array as JSON data, every bit kept."""
    array = np.ascontiguousarray(array, np.float64)
    return {"shape": list(array.shape), "f8": base64.b64encode(array.tobytes()).decode()}


def unpacked(data):
    """The array `packed` made; raises KeyError or ValueError when it is not one."""
    raw = base64.b64decode(data["f8"], validate=True)
    return np.frombuffer(raw, np.float64).reshape(data["shape"]).copy()


def kept(value):
    """Arrays, tuples and lists of numbers as JSON data, every bit and kind kept."""
    if isinstance(value, np.ndarray):
        raw = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"shape": list(value.shape), "dtype": value.dtype.str, "raw": raw}
    if isinstance(value, tuple | list):
        return {type(value).__name__: [kept(item) for item in value]}
    return value.item() if isinstance(value, np.generic) else value


def restored(data):
    """The value that `kept` made; raises KeyError, TypeError or ValueError when it is none."""
    if not isinstance(data, dict):
        return data
    if "raw" in data:
        raw = base64.b64decode(data["raw"], validate=True)
        return np.frombuffer(raw, np.dtype(data["dtype"])).reshape(data["shape"]).copy()
    kind = tuple if "tuple" in data else list
    return kind(restored(item) for item in data[kind.__name__])

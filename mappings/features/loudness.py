"""Loudness: how large the states are, what stands out, and who plays.

dynamics.VOICE        20..120, by the place of the states' size in a quarter of the depth
sforzando.strength    largest robust score of surprisal, of the angle from the last state and (T4)
                      of how differently the lead layer looks; event above 4, then three records not
orchestra.strings     attention's share of what blocks write, in standard units; .percussion  the
                      MLP's;  orchestra.pedal  share of the states along their own mean of late
timbre.BAND.kurtosis  of the MLP's activations: how rare its large ones are

Masked coordinates count in none of them. Thread: control.
"""
import numpy as np

from engine.lanes import fma, load, splat, total
from engine.rt import LANE, f32, rt_host
from mappings.features.common import BANDS, Streaming, band_means, bands_of
from mappings.features.intervals import angle_of
from mappings.features.sight import VOICES

SOFTEST, LOUDER = 20.0, 100.0
FIRES, REFRACTORY = 4.0, 3


class Dynamics(Streaming):
    """Velocities of the four voices."""
    names = tuple(f"dynamics.{voice}" for voice in VOICES)
    ranges = dict.fromkeys(names, (20, 120))
    tier = "T1"

    def claim(self, sight):
        """A window a voice."""
        self._where = sight.scores.claim("dynamics", len(VOICES))

    def value(self, look, out):
        """Writes the four."""
        with np.errstate(divide="ignore"):
            levels = look.pooling @ np.log(look.size[1:])
        places, _ = look.scores.take(self._where, levels)
        out[:] = SOFTEST + LOUDER * places


@rt_host
def difference_nat(row, before, sinks):
    """Jensen-Shannon divergence of two rows of attention without the sinks, nat."""
    n, a, b = min(len(row), len(before)), 0.0, 0.0
    for i in range(n):
        if not sinks[i]:
            a += row[i]
            b += before[i]
    if not (a > 0.0 and b > 0.0):
        return np.nan
    found = 0.0
    for i in range(n):
        if sinks[i]:
            continue
        p, q = row[i] / a, before[i] / b
        m = 0.5 * (p + q)
        if p > 0.0:
            found += 0.5 * p * np.log(p / m)
        if q > 0.0:
            found += 0.5 * q * np.log(q / m)
    return max(found, 0.0)


class Sforzando(Streaming):
    """What stands out."""
    names, tier = ("sforzando.strength",), "T1"
    ranges = {"sforzando.strength": (-99, 99)}

    def claim(self, sight):
        """Windows of surprisal, angle and attention."""
        self._where = sight.scores.claim("sforzando", 3)
        self._sinks = np.zeros(max(sight.model.context, 1), np.uint8)

    def value(self, look, out):
        """Writes the strength."""
        nat = float(look.token["surprisal_nat"])
        turned = np.nan if self._before is None else angle_of(look.z[look.lead], self._before)
        self._before = look.z[look.lead].copy()
        self.step((nat, turned, self._looked(look)), look, out)

    def _looked(self, look):
        """How differently the first chosen layer looks than a record ago."""
        if "T4" not in look.tiers or not len(look.model.chosen):
            return np.nan
        row, before = look.state["row"][0].copy(), self._row
        self._row = row
        self._sinks[:] = 0
        self._sinks[[s for s in look.layers.sinks if s < len(self._sinks)]] = 1
        return np.nan if before is None else difference_nat(row, before, self._sinks)

    def step(self, channels, look, out):
        """One record's three numbers, NaN where there is none."""
        _, scores = look.scores.take(self._where, np.array(channels, np.float64))
        good = scores[np.isfinite(scores)]
        out[0] = good.max() if len(good) else np.nan
        self._quiet -= 1
        if out[0] > FIRES and self._quiet <= 0:
            look.event("sforzando", out[0])
            self._quiet = REFRACTORY + 1

    def forget(self):
        """Nothing stood out."""
        self._before, self._row, self._quiet = None, None, 0


class Orchestra(Streaming):
    """Who plays."""
    names = ("orchestra.strings", "orchestra.percussion", "orchestra.pedal")
    ranges = dict.fromkeys(names, (0, 1))
    tier = "T2"

    def value(self, look, out):
        """Writes the three; row `orchestra.pedal`: of every layer."""
        sums = np.nansum(look.scaled, axis=0)
        out[0] = sums[0] / sums.sum() if sums.sum() > 0.0 else np.nan
        out[1] = 1.0 - out[0]
        good = look.pedal[np.isfinite(look.pedal)]
        out[2] = good.mean() if len(good) else np.nan
        look.rows["orchestra.pedal"] = look.pedal.copy()


@rt_host
def kurtosis(act, room, valid, widths, out):
    """out[layer] = fourth moment over the squared second, less 3, of a layer's activations.

    act  flat, `room` a layer
    """
    for layer in range(len(out)):
        n, at = widths[layer], layer * room
        out[layer] = np.nan
        if n < 2 or not valid[3, layer]:
            continue
        sums, whole = splat(f32(0)), n - n % LANE
        for i in range(0, whole, LANE):
            sums = sums + load(act, at + i)
        mean = np.float64(total(sums))
        for i in range(whole, n):
            mean += act[at + i]
        mean /= n
        squares, fourths = splat(f32(0)), splat(f32(0))
        for i in range(0, whole, LANE):
            x = load(act, at + i) - f32(mean)
            x = x * x
            squares, fourths = squares + x, fma(x, x, fourths)
        square, fourth = np.float64(total(squares)), np.float64(total(fourths))
        for i in range(whole, n):
            x = (act[at + i] - mean) * (act[at + i] - mean)
            square += x
            fourth += x * x
        if square > 0.0:
            out[layer] = n * fourth / (square * square) - 3.0


class Timbre(Streaming):
    """How rare large activations are."""
    names = tuple(f"timbre.{band}.kurtosis" for band in BANDS)
    ranges = dict.fromkeys(names, (-2, np.inf))
    tier = "T2"

    def claim(self, sight):
        """Room for every layer's."""
        self._per_layer, self._bands = np.empty(sight.depth), bands_of(sight.depth)
        self._widths = np.zeros(sight.depth, np.int64)
        self._widths[:len(sight.model.widths)] = sight.model.widths

    def value(self, look, out):
        """Writes one a band of layers."""
        act = look.state["act"]
        kurtosis(act.reshape(-1), act.shape[1], look.state["valid"], self._widths,
                 self._per_layer)
        band_means(self._per_layer, self._bands, out, 0)

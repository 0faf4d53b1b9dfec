"""DJ filter: one knob, low-pass to the left, high-pass to the right, nothing in the middle.

source   two state-variable sections in a row, trapezoidal (Zavalishin), coefficients ramped.
Thread: audio.
"""
import math

from engine.param import Param
from engine.rt import QUANTUM, exp2, f32, flush, rt, tangent
from engine.voice import Effect, fields

PARAMS = (
    Param("position", -1.0, 1.0, 0.0, "lin", 0.04),        # -1 under 60 Hz, 1 over 9 kHz
    Param("resonance", 0.0, 1.0, 0.3, "lin", 0.05),
)
STATE = fields("low_g", "high_g", "mix", "awake", low_pass=8, high_pass=8)
CLEAR = f32(0.02)                         # within this of the middle nothing is changed
FLAT = f32(1.3)                           # damping of the second section


@rt
def section(z, at, x, g, k, bottom, high_pass):
    """One second-order section on memory z[at], z[at + 1]."""
    high = (x - z[at] - (g + k) * z[at + 1]) * bottom
    band = g * high + z[at + 1]
    z[at + 1] = flush(g * high + band)
    low = g * band + z[at]
    z[at] = flush(g * band + low)
    return high if high_pass else low


@rt
def stage(z, x, side, g, k, bottom, high_pass):
    """Two sections in a row: 24 dB an octave, the second without the peak."""
    y = section(z, 4 * side, x, g, k, bottom, high_pass)
    again = f32(1) / (f32(1) + g * (g + FLAT))
    return section(z, 4 * side + 2, y, g, FLAT, again, high_pass)


@rt
def render(s, p, left, right, key, dt):
    """Filter a quantum of left and right in place; in the middle it sleeps."""
    top = f32(0.42) / dt
    low_hz = f32(20000) * exp2(f32(8.38) * min(p.position, f32(0)))
    high_hz = f32(20) * exp2(f32(8.814) * max(p.position, f32(0)))
    aim_low = tangent(f32(math.pi) * dt * min(low_hz, top))
    aim_high = tangent(f32(math.pi) * dt * min(high_hz, top))
    aim = min(max((abs(p.position) - CLEAR) * f32(16), f32(0)), f32(1))
    if aim == f32(0) and s.mix[0] == f32(0):
        s.awake[0] = f32(-1)
        return
    if s.awake[0] < f32(1):
        if s.awake[0] == f32(0):                            # born away from the middle
            s.mix[0] = aim
        for n in range(8):
            s.low_pass[n], s.high_pass[n] = f32(0), f32(0)
        s.low_g[0], s.high_g[0], s.awake[0] = aim_low, aim_high, f32(1)
    low_g, high_g, mix, part = s.low_g[0], s.high_g[0], s.mix[0], f32(1 / QUANTUM)
    k, low_pass = f32(1.5) - f32(1.2) * p.resonance, p.position < f32(0)
    for i in range(QUANTUM):
        low_g += (aim_low - s.low_g[0]) * part
        high_g += (aim_high - s.high_g[0]) * part
        mix += (aim - s.mix[0]) * part
        low_bottom = f32(1) / (f32(1) + low_g * (low_g + k))
        high_bottom = f32(1) / (f32(1) + high_g * (high_g + k))
        for side in range(2):
            x = flush(left[i] if side == 0 else right[i])
            down = stage(s.low_pass, x, side, low_g, k, low_bottom, False)
            up = stage(s.high_pass, x, side, high_g, k, high_bottom, True)
            y = x + mix * ((down if low_pass else up) - x)
            if side == 0:
                left[i] = y
            else:
                right[i] = y
    s.low_g[0], s.high_g[0], s.mix[0] = aim_low, aim_high, aim


DJFILTER = Effect("djfilter", PARAMS, STATE, render)

"""FM6: six sine operators that bend each other in 32 ways: electric pianos, basses, bells, brass.

Its parameters are the DX7's: rates and levels 0..99, in 32 algorithms; files of that make load as
presets (`engine.formats.syx`), own ones are in `synths.fm6_presets`. All may move while a note
sounds. Sidebands stay under the fold, and a released note always ends. Thread: audio.
source   Chowning, JAES 21(7), 1973; the units as in `engine.kernels.stages`
"""
import numpy as np

from engine.kernels.operators import (
    FIELDS,
    HEARD,
    OPERATORS,
    SPAN,
    STAGE,
    WAIT,
    echoing,
    forward,
    loudness,
    route,
)
from engine.kernels.stages import ROWS, cube_root, operator, prepare, slide, spilled, wobble
from engine.kernels.waves import advance
from engine.lanes import fma, largest, load, select, splat, store, vexp2, vmax
from engine.param import Param
from engine.rt import LANE, QUANTUM, exp2, f32, rint, rt
from engine.voice import Voice, fields

OPERATOR = (  # of each of six   low  high  defaults of operators 1 to 6: an electric piano
    ("rate1", 0.0, 99.0, (96, 95, 95, 95, 95, 95)),        # from the last level to the first
    ("rate2", 0.0, 99.0, (28, 50, 25, 32, 25, 30)),
    ("rate3", 0.0, 99.0, (22, 36, 20, 20, 20, 20)),
    ("rate4", 0.0, 99.0, (64, 78, 67, 71, 67, 71)),        # let go
    ("level1", 0.0, 99.0, (99, 99, 99, 99, 99, 99)),
    ("level2", 0.0, 99.0, (80, 75, 80, 74, 80, 70)),
    ("level3", 0.0, 99.0, (0, 0, 0, 0, 0, 0)),             # held
    ("level4", 0.0, 99.0, (0, 0, 0, 0, 0, 0)),
    ("output", 0.0, 99.0, (99, 56, 96, 78, 92, 72)),       # 99 bends by two turns
    ("ratio", 0.1, 64.0, (1, 14, 1, 1, 1, 1)),
    ("fixed_hz", 0.0, 10000.0, (0,) * 6),                  # 0: a ratio of the note
    ("detune_cents", -50.0, 50.0, (2, 0, 0, 0, -5, 3)),
    ("break_st", 0.0, 127.0, (60,) * 6),                   # MIDI number
    ("left_depth", -99.0, 99.0, (0,) * 6),                 # louder (above 0) below the break
    ("right_depth", -99.0, 99.0, (0, -20, 0, -10, 0, -10)),
    ("left_curve", 0.0, 1.0, (0,) * 6),                    # 0 a line, 1 ever steeper
    ("right_curve", 0.0, 1.0, (0,) * 6),
    ("rate_scaling", 0.0, 7.0, (3,) * 6),                  # higher notes are quicker
    ("tremolo", 0.0, 1.0, (0,) * 6),                       # how much the part's tremolo takes
    ("velocity", 0.0, 7.0, (0, 6, 0, 4, 0, 5)),
)
PARAMS = tuple(
    Param(f"op{n + 1}_{name}", low, high, float(starts[n]), "lin", 0.02)
    for name, low, high, starts in OPERATOR for n in range(OPERATORS)) + (
    Param("algorithm", 1.0, 32.0, 5.0, "lin", 0.0),
    Param("feedback", 0.0, 7.0, 4.0, "lin", 0.02),
    Param("bright_db", -48.0, 24.0, 0.0, "lin", 0.02),     # of all that bend
    Param("speed", 0.25, 4.0, 1.0, "exp", 0.02),           # of all envelopes
    Param("touch", 0.0, 1.0, 1.0, "lin", 0.02),            # 0: only `velocity` hears the level
    Param("transpose_st", -24.0, 24.0, 0.0, "lin", 0.0),
    Param("lfo_hz", 0.05, 50.0, 5.0, "exp", 0.02),
    Param("lfo_delay_s", 0.0, 4.0, 0.0, "lin", 0.0),
    Param("lfo_fade_s", 0.0, 4.0, 0.0, "lin", 0.0),
    Param("lfo_wave", 0.0, 5.0, 0.0, "lin", 0.0),          # triangle, down, up, square, sine, any
    Param("lfo_sync", 0.0, 1.0, 0.0, "lin", 0.0),          # 1: each strike starts it anew
    Param("vibrato_cents", 0.0, 1200.0, 0.0, "lin", 0.02),
    Param("tremolo", 0.0, 1.0, 0.0, "lin", 0.02),
    *(Param(f"pitch_rate{n}", 0.0, 99.0, 99.0, "lin", 0.0) for n in (1, 2, 3, 4)),
    *(Param(f"pitch_level{n}_st", -48.0, 48.0, 0.0, "lin", 0.0) for n in (1, 2, 3, 4)),
)
SIZE = OPERATORS * FIELDS
STATE = fields("alive", "fresh", "struck", "level", "force", "note", "loud", "age", "pitch",
               "pitch_stage", "seed", "keep_turn", "keep_chance", "keep_count", "keep_algorithm",
               "keep_share", keep_ops=SIZE, keep_echo=2, keep_work=OPERATORS * QUANTUM,
               keep_rows=ROWS // LANE)
FRAMES = f32(QUANTUM)


@rt
def strike(s, v, p, pitch_hz, level):
    """A silent voice starts at phase 0, one that sounds goes on from where it is."""
    o = v // LANE * LANE * SIZE + v % LANE
    if s.alive[v] == f32(0):
        for k in range(SIZE):
            s.keep_ops[o + k * LANE] = f32(0)
        for k in range(2):
            s.keep_echo[v // LANE * 2 * LANE + k * LANE + v % LANE] = f32(0)
        s.fresh[v] = f32(1)
        s.pitch[v] = p.pitch_level4_st * f32(1 / 12)
    for n in range(OPERATORS):
        s.keep_ops[o + n * SPAN + STAGE] = f32(0)
    if p.lfo_sync > f32(0.5):
        s.keep_turn[v] = f32(0)
    s.alive[v], s.struck[v], s.level[v], s.force[v] = f32(1), f32(1), level, cube_root(level)
    s.note[v] = f32(69) + f32(12) * f32(np.log2(pitch_hz * f32(1 / 440)))
    s.age[v], s.pitch_stage[v] = f32(0), f32(0)


@rt
def release(s, v, p):
    """Every operator goes to its last stage."""
    o = v // LANE * LANE * SIZE + v % LANE
    for n in range(OPERATORS):
        s.keep_ops[o + n * SPAN + STAGE] = f32(3)
        s.keep_ops[o + n * SPAN + WAIT] = f32(0)
    s.pitch_stage[v] = f32(3)


@rt
def render(s, g, p, pitch_hz, out, dt):
    """Add 32 frames of voices 16 g .. 16 g + 15 to out, frame by frame."""
    v, o, w = g * LANE, g * LANE * SIZE, g * LANE * OPERATORS * QUANTUM
    r, e, time_s = g * ROWS, g * LANE * 2, dt * FRAMES
    spilled(p, s.keep_rows, r)
    prepare(s.keep_rows, r)
    alive, struck, note, force = load(s.alive, v), load(s.struck, v), load(s.note, v), load(
        s.force, v)
    new = largest(struck), load(s.fresh, v), struck
    hz, dim = vmax(load(pitch_hz, v), f32(1)) * exp2(p.transpose_st * f32(1 / 12)), splat(f32(0))
    if p.vibrato_cents > f32(0) or p.tremolo > f32(0):
        swing, dim = wobble(s.keep_turn, s.keep_chance, s.keep_count[v], s.seed[v], s.age, v, p,
                            time_s)
        s.keep_count[v] = advance(s.keep_count[v], f32(LANE))
        hz, dim = hz * vexp2(swing * (p.vibrato_cents * f32(1 / 1200))), dim * p.tremolo
    levels = abs(p.pitch_level1_st) + abs(p.pitch_level2_st) + abs(p.pitch_level3_st)
    if levels + abs(p.pitch_level4_st) > f32(0):
        hz = hz * vexp2(slide(s.pitch, s.pitch_stage, v, p, time_s))
    algorithm = min(max(np.int64(rint(p.algorithm)) - 1, 0), 31)
    heard, sounding = HEARD[algorithm], np.int64(0)
    for n in range(OPERATORS):
        if operator(s.keep_ops, o + n * SPAN, s.keep_rows, r + n, (heard >> n) & 1 == 1, alive,
                    note, force, hz, dt, dim, p.bright_db * f32(1 / 0.7526),
                    time_s * p.speed, new):
            sounding |= np.int64(1) << n
    level = load(s.level, v)
    loud = select(level > f32(0), fma(level - f32(1), p.touch, f32(1)) * loudness(algorithm),
                  f32(0))
    before, share = select(load(s.fresh, v) > f32(0), loud, load(s.loud, v)), echoing(p.feedback)
    past, loops = s.keep_share[v], share + s.keep_share[v] > f32(0)
    was = np.int64(s.keep_algorithm[v]) - 1
    echo0, echo1 = load(s.keep_echo, e), load(s.keep_echo, e + LANE)
    if was >= 0 and was != algorithm:                       # over from one to the other
        route(was, sounding, s.keep_ops, o, s.keep_work, w, s.keep_echo, e, past,
              (share - past) * (f32(1) / FRAMES), loops, out, before, before * (f32(-1) / FRAMES))
        store(s.keep_echo, e, echo0)
        store(s.keep_echo, e + LANE, echo1)
        before = before * f32(0)
    route(algorithm, sounding, s.keep_ops, o, s.keep_work, w, s.keep_echo, e, past,
          (share - past) * (f32(1) / FRAMES), loops, out, before,
          (loud - before) * (f32(1) / FRAMES))
    for n in range(OPERATORS):
        forward(s.keep_ops, o + n * SPAN)
    s.keep_algorithm[v], s.keep_share[v] = f32(algorithm + 1), share
    store(s.loud, v, loud)
    store(s.fresh, v, splat(f32(0)))
    store(s.struck, v, splat(f32(0)))


FM6 = Voice("fm6", PARAMS, STATE, strike, release, render, shape="lanes", narrow=True)

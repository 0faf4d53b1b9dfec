"""Sounds for FM6, made for this instrument: Part(FM6, preset=ELECTRIC_PIANO). Thread: any.

Each is a dict of every parameter but `bright_db`, `speed` and `touch`, which stay a set's own.
"""
SETTLED = {"break_st": 60, "left_depth": 0, "right_depth": 0, "left_curve": 0, "right_curve": 0,
           "rate_scaling": 2, "tremolo": 0, "velocity": 0, "fixed_hz": 0, "detune_cents": 0}
WHOLE = {"transpose_st": 0, "lfo_hz": 5, "lfo_delay_s": 0, "lfo_fade_s": 0, "lfo_wave": 4,
         "lfo_sync": 0, "vibrato_cents": 0, "tremolo": 0,
         **{f"pitch_rate{n}": 99 for n in (1, 2, 3, 4)},
         **{f"pitch_level{n}_st": 0 for n in (1, 2, 3, 4)}}


def _op(output, ratio, rates, levels, **more):
    """One operator; four rates and the levels they lead to."""
    return {"output": output, "ratio": ratio, **SETTLED, **more,
            **{f"rate{n + 1}": x for n, x in enumerate(rates)},
            **{f"level{n + 1}": x for n, x in enumerate(levels)}}


def _sound(algorithm, feedback, *operators, **more):
    """A preset of six operators, from the first on."""
    found = {f"op{n}_{name}": float(value)
             for n, one in enumerate(operators, 1) for name, value in one.items()}
    return found | {name: float(value) for name, value in
                    {"algorithm": algorithm, "feedback": feedback, **WHOLE, **more}.items()}


OFF = _op(0, 1, (99, 99, 99, 99), (0, 0, 0, 0))

ELECTRIC_PIANO = _sound(                  # three pairs: tine, tone, and tone a little flat
    5, 3,
    _op(97, 1, (97, 30, 22, 62), (99, 84, 0, 0), rate_scaling=3),
    _op(58, 14, (97, 52, 38, 70), (99, 72, 0, 0), rate_scaling=3, velocity=6, right_depth=-45,
        left_depth=-10),
    _op(99, 1, (96, 26, 21, 62), (99, 82, 0, 0), rate_scaling=3, detune_cents=1.5),
    _op(78, 1, (96, 33, 22, 66), (99, 76, 0, 0), rate_scaling=3, velocity=5, right_depth=-14),
    _op(93, 1, (96, 26, 21, 62), (99, 82, 0, 0), rate_scaling=3, detune_cents=-4.5),
    _op(74, 1, (96, 31, 22, 66), (99, 74, 0, 0), rate_scaling=3, velocity=6, right_depth=-14))

BASS = _sound(                            # a round fundamental under a growl that closes
    5, 6,
    _op(99, 1, (98, 42, 30, 72), (99, 92, 80, 0)),
    _op(88, 1, (99, 44, 34, 76), (99, 84, 74, 0), velocity=5, right_depth=-20),
    _op(94, 0.5, (96, 38, 28, 72), (99, 94, 86, 0)),
    _op(74, 2, (99, 50, 40, 76), (99, 78, 60, 0), velocity=4),
    _op(84, 1, (99, 60, 50, 76), (99, 60, 0, 0), detune_cents=3),
    _op(80, 3, (99, 64, 52, 76), (99, 55, 0, 0), velocity=6))

BELL = _sound(                            # strike, hum and two that beat
    5, 0,
    _op(97, 1, (99, 28, 18, 36), (99, 80, 0, 0)),
    _op(84, 3.52, (99, 30, 20, 36), (99, 76, 0, 0), velocity=3, right_depth=-22),
    _op(90, 1, (99, 24, 17, 34), (99, 82, 0, 0), detune_cents=4),
    _op(80, 2.41, (99, 27, 19, 34), (99, 74, 0, 0), velocity=3, right_depth=-22),
    _op(82, 0.5, (92, 22, 15, 34), (99, 84, 0, 0)),
    _op(70, 5.43, (99, 50, 34, 40), (99, 60, 0, 0), velocity=6, right_depth=-30))

BRASS = _sound(                           # one operator opens three, as breath opens a horn
    22, 6,
    _op(97, 1, (58, 50, 40, 62), (99, 95, 94, 0), detune_cents=-3),
    _op(80, 1, (49, 42, 36, 58), (96, 92, 91, 0), velocity=4, right_depth=-14),
    _op(97, 1, (59, 50, 40, 62), (99, 95, 94, 0), detune_cents=4),
    _op(95, 1, (56, 50, 40, 62), (99, 95, 94, 0)),
    _op(88, 2, (58, 50, 40, 64), (99, 92, 90, 0), right_depth=-20),
    _op(80, 1, (50, 44, 36, 58), (95, 92, 90, 0), velocity=5, right_depth=-12),
    lfo_hz=5.2, lfo_delay_s=0.5, lfo_fade_s=0.6, vibrato_cents=5,
    pitch_level4_st=-0.6, pitch_rate1=42, pitch_rate2=60)

MARIMBA = _sound(                         # a bar, its double octave, the mallet's knock
    5, 0,
    _op(99, 1, (99, 46, 40, 46), (99, 80, 0, 0), rate_scaling=4),
    _op(66, 4, (99, 66, 56, 60), (99, 50, 0, 0), rate_scaling=4, velocity=6, right_depth=-20),
    _op(88, 4, (99, 54, 48, 52), (99, 74, 0, 0), rate_scaling=4, velocity=3, right_depth=-20),
    _op(50, 1, (99, 60, 50, 60), (99, 60, 0, 0), rate_scaling=4, velocity=5),
    _op(74, 1, (99, 72, 64, 64), (99, 60, 0, 0), velocity=5, right_depth=-20),
    _op(84, 2.73, (99, 78, 70, 70), (99, 40, 0, 0), velocity=6))

ORGAN = _sound(                           # five drawbars, and a third that knocks at the start
    32, 0,
    _op(95, 0.5, (90, 80, 80, 80), (99, 99, 99, 0)),
    _op(99, 1, (90, 80, 80, 80), (99, 99, 99, 0)),
    _op(92, 1.5, (90, 80, 80, 80), (99, 99, 99, 0)),
    _op(94, 2, (90, 80, 80, 80), (99, 99, 99, 0)),
    _op(84, 4, (90, 80, 80, 80), (99, 99, 99, 0), right_depth=-16),
    _op(96, 3, (95, 52, 50, 80), (99, 60, 0, 0), right_depth=-16),
    lfo_hz=6.6, lfo_wave=4, vibrato_cents=6)

PLUCK = _sound(                           # a wire: bright for a moment, then nearly a sine
    5, 5,
    _op(99, 1, (99, 40, 30, 58), (99, 82, 0, 0), rate_scaling=3),
    _op(87, 3, (99, 50, 36, 60), (99, 70, 0, 0), rate_scaling=3, velocity=5, right_depth=-20),
    _op(92, 1, (99, 38, 29, 58), (99, 80, 0, 0), rate_scaling=3, detune_cents=3),
    _op(86, 1, (99, 44, 33, 60), (99, 78, 0, 0), rate_scaling=3, velocity=4, right_depth=-14),
    _op(82, 2, (99, 52, 42, 60), (99, 66, 0, 0), rate_scaling=3),
    _op(84, 5, (99, 66, 52, 66), (99, 50, 0, 0), rate_scaling=3, velocity=6, right_depth=-24))

STRINGS = _sound(                         # three bows, slow, a little apart
    5, 5,
    _op(97, 1, (42, 40, 30, 46), (96, 99, 97, 0), detune_cents=-7),
    _op(81, 1, (44, 34, 30, 44), (90, 94, 92, 0), velocity=2, right_depth=-16),
    _op(97, 1, (41, 40, 30, 45), (96, 99, 97, 0), detune_cents=6),
    _op(80, 2, (42, 34, 30, 44), (88, 94, 90, 0), velocity=2, right_depth=-20),
    _op(94, 1, (43, 40, 30, 46), (96, 99, 97, 0), detune_cents=1),
    _op(84, 1, (44, 34, 30, 44), (90, 95, 93, 0), velocity=3, right_depth=-16),
    lfo_hz=5.4, lfo_delay_s=0.6, lfo_fade_s=0.9, vibrato_cents=9)

GLASS = _sound(                           # rubbed rims: soft in, high partials that drift
    5, 2,
    _op(97, 1, (62, 30, 24, 40), (99, 90, 84, 0), detune_cents=-2),
    _op(56, 7, (60, 34, 26, 42), (99, 82, 70, 0), velocity=4, right_depth=-40),
    _op(92, 2, (58, 28, 24, 40), (99, 88, 80, 0), detune_cents=3),
    _op(58, 3.01, (64, 36, 26, 42), (99, 80, 66, 0), velocity=4, right_depth=-30),
    _op(82, 4.02, (54, 34, 26, 40), (99, 80, 70, 0), right_depth=-20),
    _op(54, 2.5, (60, 40, 30, 42), (99, 74, 60, 0), velocity=4, right_depth=-30),
    lfo_hz=3.1, lfo_wave=4, vibrato_cents=4)

LOG_DRUM = _sound(                        # a hollow log that bends down as it is hit
    5, 0,
    _op(99, 1, (99, 50, 46, 50), (99, 78, 0, 0), rate_scaling=3),
    _op(80, 0.71, (99, 62, 54, 60), (99, 60, 0, 0), velocity=5),
    _op(91, 2.32, (99, 62, 54, 56), (99, 66, 0, 0), rate_scaling=3, velocity=3),
    _op(66, 1, (99, 66, 56, 60), (99, 56, 0, 0), velocity=5),
    _op(86, 1.51, (99, 70, 62, 60), (99, 60, 0, 0), velocity=4),
    _op(80, 3.9, (99, 76, 66, 66), (99, 50, 0, 0), velocity=6),
    pitch_level4_st=5, pitch_rate1=88)

CLAV = _sound(                            # a struck string through a thin pick-up
    5, 6,
    _op(99, 1, (99, 44, 34, 80), (99, 88, 0, 0), rate_scaling=3),
    _op(86, 3, (99, 46, 36, 80), (99, 80, 0, 0), velocity=4, right_depth=-20, rate_scaling=3),
    _op(96, 2, (99, 46, 36, 80), (99, 86, 0, 0), rate_scaling=3, detune_cents=2),
    _op(82, 5, (99, 52, 40, 80), (99, 74, 0, 0), velocity=5, right_depth=-24, rate_scaling=3),
    _op(88, 1, (99, 48, 38, 80), (99, 82, 0, 0), rate_scaling=3),
    _op(86, 1, (99, 50, 38, 80), (99, 78, 0, 0), velocity=4, right_depth=-12, rate_scaling=3))

HARP = _sound(                            # nylon: a soft edge, long low strings, short high ones
    5, 3,
    _op(99, 1, (95, 34, 25, 44), (99, 82, 0, 0), rate_scaling=5),
    _op(70, 1, (97, 44, 30, 48), (99, 68, 0, 0), rate_scaling=5, velocity=4, right_depth=-14),
    _op(86, 2, (96, 40, 30, 46), (99, 78, 0, 0), rate_scaling=5, detune_cents=-2),
    _op(58, 3, (97, 56, 40, 50), (99, 60, 0, 0), rate_scaling=5, velocity=5, right_depth=-20),
    _op(80, 1, (95, 33, 24, 44), (99, 80, 0, 0), rate_scaling=5, detune_cents=3),
    _op(74, 4, (99, 62, 46, 56), (99, 54, 0, 0), rate_scaling=5, velocity=6, right_depth=-26))

PRESETS = {name.lower(): value for name, value in tuple(globals().items())
           if name.isupper() and isinstance(value, dict) and "algorithm" in value}

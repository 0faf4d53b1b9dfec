"""Soundfont: any instrument of a General MIDI SoundFont, played by FluidSynth inside the callback.

program is the GM number less one: 0 grand piano, 32 acoustic bass, 48 strings; bank 128 holds the
drum kits. The font is the system's (Debian: timgm6mb-soundfont, fluid-soundfont-gm), or the file in
HIDDENSTAGE_SOUNDFONT. Pitch is a font's own, tuned in cents, so slides and tunings work. Without
FluidSynth or a font the nearest own voice plays. Thread: audio.
"""
from engine.fonts import begin
from engine.kernels.fluid import BLOCK, WORDS, release_of, render_of, strike_of
from engine.param import Param
from engine.rt import f32, rt
from engine.voice import Voice, fields

PARAMS = (
    Param("program", 0.0, 127.0, 0.0, "lin", 0.0),         # GM number less 1; for new notes
    Param("bank", 0.0, 128.0, 0.0, "lin", 0.0),            # 128: drum kits; 0 if not there
    Param("filter_st", -72.0, 36.0, 0.0, "lin", 0.02),     # moves the font's own low-pass
)
STATE = fields(keep_words=2 * WORDS, level=1, struck=1, fresh=1, alive=1, let_go=1, key=1, loud=1,
               struck_key=1, at_hz=1, at_filter=1, keep_channel=1, keep_place=1, keep_before=1,
               keep_left=BLOCK, keep_right=BLOCK)
GAIN = f32(0.65)              # the loudest program of timgm6mb-soundfont reaches 0.9


@rt
def strike(s, v, p, pitch_hz, level):
    """Start voice v at level 0..1, the key's velocity."""
    strike_of(s, v, pitch_hz, level)


@rt
def release(s, v, p):
    """The key goes up; the instrument rings as the font says."""
    release_of(s, v)


@rt
def render(s, v, p, pitch_hz, out, dt):
    """Add one quantum of voice v to out, (32,) float32; dt is seconds per sample."""
    render_of(s, v, p.program, p.bank, f32(100) * p.filter_st, pitch_hz, GAIN, out, dt)


SOUNDFONT = Voice("soundfont", PARAMS, STATE, strike, release, render, begin=begin)

"""Audible: what a mapping does between its own 10th and 90th percentile can be heard. Thread:
control.

By the unit of the parameter: 3 dB of a level, a send or a share of level; an octave of a cutoff or
another frequency; a semitone of pitch; of a time, a fifth of it. Anything else is rendered: the
part alone, twice, must differ by 3 dB in some third of an octave, at some tenth of a second.
"""
import numpy as np

from engine.audition import Audition, render
from engine.parts import STRIP_PARAMS
from studies.prove.table import pitched

LEVEL_DB, OCTAVES, STEP_ST, TIME = 3.0, 1.0, 1.0, 0.2
FLOOR_DB = -60.0                          # under the loudest band: not heard
BANDS_HZ = 31.25 * 2.0 ** (np.arange(28) / 3.0)
HOP_S = 0.1


def ends(values):
    """The 10th and the 90th percentile."""
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    return tuple(float(x) for x in np.quantile(values, (0.1, 0.9))) if len(values) else (0.0, 0.0)


def ratio_db(low, high):
    """Between two amplitudes."""
    return 20.0 * float(np.log10(max(abs(high), 1e-6) / max(abs(low), 1e-6)))


def by_unit(path, low, high):
    """(what it moved, limit, unit) by a parameter's name; None when its sound must be compared."""
    name = path.rpartition(".")[2]
    if name.endswith("_db"):
        return abs(high - low), LEVEL_DB, "dB"
    if name.endswith("_send"):
        return abs(ratio_db(low, high)), LEVEL_DB, "dB"
    if name.endswith("_hz"):
        return abs(float(np.log2(max(high, 1e-6) / max(low, 1e-6)))), OCTAVES, "octaves"
    if name.endswith("_st"):
        return abs(high - low), STEP_ST, "semitones"
    if name.endswith("decay_s"):
        return abs(high - low) / max(min(high, low), 1e-9), TIME, "of its time"
    return None


def spectra(sound, rate_hz):
    """(frames, bands) dB of a mono sound, thirds of an octave every tenth of a second."""
    size = round(HOP_S * rate_hz)
    frames = sound[:len(sound) // size * size].reshape(-1, size) * np.hanning(size)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    hz = np.fft.rfftfreq(size, 1.0 / rate_hz)
    bands = np.stack([power[:, (hz >= f / 2 ** (1 / 6)) & (hz < f * 2 ** (1 / 6))].sum(1)
                      for f in BANDS_HZ], axis=1)
    return 10.0 * np.log10(bands + 1e-12)


def difference_db(one, two, rate_hz):
    """The largest difference of two sounds in any band and frame that is heard."""
    a, b = (spectra(x.mean(1) if x.ndim > 1 else x, rate_hz) for x in (one, two))
    heard = np.maximum(a, b) > max(a.max(), b.max()) + FLOOR_DB
    return float(np.abs(a - b)[heard].max()) if heard.any() else 0.0


def rendered(made, path, low, high, pitch_st):
    """The largest band difference of the part of a path, alone, at two settings; None when it
    cannot be heard alone."""
    owner, _, name = path.partition(".")
    part = made.parts.get(owner)
    strip = {p.name for p in STRIP_PARAMS}
    if part is not None and name not in strip and any(p.name == name for p in part.voice.params):
        values = {p.name: part.values[p.name] for p in part.voice.params if p.name in part.values}
        sound, base = part.voice.name, values
    elif part is not None:
        return None
    else:
        effect = next((fx for key, fx in _effects(made) if key == owner), None)
        if effect is None:
            return None
        sound, base = effect.effect.name, dict(effect.values)
    line = " ".join(f"{pitch_st:.0f}" for _ in range(2))
    heard = [render(Audition(sound, line, bpm=60.0, gate=0.5, tail_s=0.5, rate_hz=48000,
                             values=base | {name: value}))[0] for value in (low, high)]
    return difference_db(*heard, 48000)


def _effects(made):
    from engine.parts import as_fx
    found = [(name, as_fx(fx)) for name, fx in made.sends.items()]
    found += [(f"{name}_{as_fx(fx).effect.name}", as_fx(fx)) for name, part in made.parts.items()
              for fx in part.inserts]
    return found + [(as_fx(fx).effect.name, as_fx(fx)) for fx in made.master]


def of_link(m, made, scores):
    """Adds the check of one link."""
    low, high = ends(np.concatenate([_values(m, score) for score in scores]))
    path = m.row.target
    said = f"{low:.4g} .. {high:.4g}"
    if path.startswith("music."):
        m.add("audible", abs(high - low), "it decides otherwise", high > low, said)
        return
    found = by_unit(path, low, high)
    if found is not None:
        value, limit, unit = found
        m.add("audible", value, f">= {limit} {unit}", value >= limit, said)
        return
    owner = path.partition(".")[0]
    pitches = [n.pitch_st for score in scores for n in score.notes if n.part == owner]
    value = rendered(made, path, low, high, float(np.median(pitches)) if pitches else 60.0)
    m.add("audible", value, f">= {LEVEL_DB} dB in some band", None if value is None
          else value >= LEVEL_DB, f"{said}, {owner} rendered alone" if value is not None
          else "it cannot be heard alone")


def _values(m, score):
    return np.array([move.value for move in m.moves(score)])


def of_notes(m, scores):
    """Adds the check of a role: its pitches, its levels or its places differ."""
    notes = [n for score in scores for n in m.notes(score)]
    if not notes:
        m.add("audible", None, "it plays", None, "it never plays in these texts")
        return
    low, high = ends([n.pitch_st for n in notes])
    quiet, loud = ends([n.level for n in notes])
    level = abs(ratio_db(quiet, loud))
    places = len({n.step % 16 for n in notes})
    if pitched(notes) and high - low >= STEP_ST:
        m.add("audible", high - low, f">= {STEP_ST} semitones", True, "by its pitches")
    elif places > 1:
        m.add("audible", places, "> 1 place of the bar", True, "by its places")
    else:
        m.add("audible", level, f">= {LEVEL_DB} dB", level >= LEVEL_DB, "by its levels")


def examine(mappings, made, scores, report):
    """Adds the check to each mapping."""
    for number, m in enumerate(mappings):
        report(number / max(1, len(mappings)), f"listening to {m.name}")
        if m.kind == "link":
            of_link(m, made, scores)
        else:
            of_notes(m, scores)

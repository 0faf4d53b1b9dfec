"""Lays out the rig's memory: a table a set, its registry of parameters, rings. Thread: control.

A table is built aside from numpy arrays that it keeps alive; the rig sees only addresses. Every
parameter of a set has one row in the registry (path, Param), and its index is its place in the
value arrays.
"""

import math
import zlib

import numpy as np

from engine import rig_words as R
from engine.errors import EngineError, SetError, suggestion
from engine.kernels.guard import new_guard
from engine.kernels.loudness import Loudness, new_meter
from engine.object_code import c_function
from engine.param import Param
from engine.parts import OUT_PARAMS, SEND_LEVEL, STRIP_PARAMS, Registry, as_fx
from engine.records import CAUSE_BIT, EDIT, EVENT, FADE, TARGET
from engine.ring import Ring
from engine.rt import LANE, QUANTUM
from engine.unit import unit_of

EVENT_SLOTS = 4096
RIG = ("engine.rig_process", "process")


def _zeros(count, dtype=np.float32):
    """A zeroed array on a 64-byte boundary."""
    size = np.dtype(dtype).itemsize
    raw = np.zeros(count * size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + count * size].view(dtype)


class Table:
    """A set's parts, sends, masters and duck as rig memory.

    sounding   False: nothing is compiled or opened; only the registry is of use
    """

    def __init__(self, parts, sends=None, master=(), duck=None, key_part="", out_level_db=0.0,
                 noise_seed=1, deck="a", rate_hz=48000, sounding=True):
        self.registry, self.parts, self._keep = Registry(deck), dict(parts), []
        self._sounding = sounding
        self.rate_hz = rate_hz
        self.sends = {name: as_fx(fx) for name, fx in (sends or {}).items()}
        self.words = self._array(R.TABLE_WORDS, np.int64)
        w, masters = self.words, [as_fx(fx) for fx in master]
        if key_part and key_part not in self.parts:
            raise SetError(f"key_part is {key_part!r}{suggestion(key_part, self.parts)}")
        if len(self.sends) > R.PART_FLOATS - R.LAST_SENDS:
            raise SetError(f"a set has at most {R.PART_FLOATS - R.LAST_SENDS} sends")
        rows = self._array(len(self.parts) * R.PART_WORDS, np.int64).reshape(-1, R.PART_WORDS)
        chokes = sorted({p.choke for p in self.parts.values() if p.choke})
        groups = {name: i + 1 for i, name in enumerate(chokes)}
        self.meters = []
        for number, (name, part) in enumerate(self.parts.items()):
            self._part(rows[number], name, part, groups.get(part.choke, 0), noise_seed)
        effects = self._array((1 + len(self.sends) + len(masters)) * R.EFFECT_WORDS, np.int64)
        effects = effects.reshape(-1, R.EFFECT_WORDS)  # one row to spare: never empty
        for row, (name, fx) in zip(effects, self.sends.items(), strict=False):
            own = (*fx.effect.params, SEND_LEVEL)
            self._effect(row, name, fx, own)
            row[R.E_LEVEL] = self.registry.index[f"{name}.level_db"]
        for row, fx in zip(effects[len(self.sends) :], masters, strict=False):
            self._effect(row, fx.effect.name, fx, fx.effect.params)
        if duck is not None:
            self._duck(as_fx(duck))
        out = self.registry.add("out", OUT_PARAMS, {"level_db": out_level_db}, "out")
        self._values()
        self.floats = self._array(R.TABLE_FLOATS)
        bus = self._array((1 + len(self.sends)) * 2 * QUANTUM)
        self._places = {**dict(zip(self.parts, rows[:, R.OWN:], strict=True)),
                        **dict(zip(self.sends, effects[:, R.E_OWN:], strict=False))}
        self.place([*self.parts, *self.sends])
        w[R.PARTS], w[R.SENDS], w[R.MASTERS] = len(rows), len(self.sends), len(masters)
        w[R.PART_ROWS], w[R.EFFECT_ROWS] = rows.ctypes.data, effects.ctypes.data
        w[R.KEY_PART] = list(self.parts).index(key_part) if key_part else -1
        w[R.OUT_LEVEL], w[R.BUS], w[R.DECK_FLOATS] = out, bus.ctypes.data, self.floats.ctypes.data

    def _array(self, count, dtype=np.float32):
        array = _zeros(max(1, count), dtype)
        self._keep.append(array)
        return array

    def _address(self, sound):
        """Where the sound's compiled unit is."""
        return unit_of(sound) if self._sounding else 0

    def _seeds(self, fields, count, state, noise_seed, name):
        offset = 0
        for field_name, size in fields.sizes.items():
            if field_name == "seed":
                base = zlib.crc32(f"{noise_seed}/{name}".encode())
                seeds = base + np.arange(count * size, dtype=np.uint32) * np.uint32(7919)
                state[offset * count : (offset + size) * count] = seeds % (1 << 24)
            offset += size

    def _part(self, row, name, part, group, noise_seed):
        voice = part.voice
        count, _ = voice.layout(part.voices)
        sends = tuple(Param(f"{send}_send", 0.0, 1.0, 0.0, "lin", 0.02) for send in self.sends)
        names = {p.name for p in (*voice.params, *STRIP_PARAMS, *sends)}
        if len(names) < len(voice.params) + len(STRIP_PARAMS) + len(sends):
            raise SetError(f"part {name!r}: {voice.name} has a parameter named like a strip's")
        where = f"part {name!r} ({voice.name})"
        first = self.registry.add(name, (*voice.params, *STRIP_PARAMS, *sends), part.values, where)
        state = self._array(count * max(1, voice.state.floats))
        self._seeds(voice.state, count, state, noise_seed, name)
        if voice.begin and self._sounding:
            self._begin(part, state, count)
        slots = self._array(count * R.VOICE_WORDS, np.int64)
        pitch = self._array(count * R.VOICE_FLOATS)
        pitch[:] = 100.0
        mono, last = self._array(2 * voice.oversample * QUANTUM), self._array(R.PART_FLOATS)
        half = self._array(8)
        self._settle(last, name)
        self.meters.append(last)
        address = self._address(voice)
        row[[R.UNIT, R.OVER, R.COUNT, R.POLYPHONY, R.STATE]] = (
            address, voice.oversample, count, part.voices, state.ctypes.data)
        row[[R.FIRST, R.STRIP, R.CHOKE_GROUP]] = first, first + len(voice.params), group
        row[[R.VOICES, R.PITCH, R.MONO, R.HALF, R.LAST]] = [
            a.ctypes.data for a in (slots, pitch, mono, half, last)]
        rows = self._array((1 + len(part.inserts)) * R.EFFECT_WORDS, np.int64)
        for one, fx in zip(rows.reshape(-1, R.EFFECT_WORDS), part.inserts, strict=False):
            self._effect(one, f"{name}_{fx.effect.name}", fx, fx.effect.params)
        row[[R.INSERTS, R.INSERT_ROWS, R.FINISHES]] = (
            len(part.inserts), rows.ctypes.data, voice.finish is not None)

    def _begin(self, part, state, count):
        """What a voice brings from outside (addresses) into the fields of its state."""
        values, keep = part.voice.begin(part, self.rate_hz)
        self._keep.append(keep)
        offset = 0
        for field_name, size in part.voice.state.sizes.items():
            if field_name in values:
                bits = np.asarray(values[field_name], np.int64).view(np.float32)
                start = offset * count
                state[start : start + len(bits)] = bits
            offset += size

    def _settle(self, last, name):
        """The strip stands where the set puts it: the first quantum does not fade in."""
        value = dict(zip(self.registry.paths, self.registry.values, strict=True))
        level_db = value[f"{name}.level_db"]
        gain = 10.0 ** (level_db / 20.0) if level_db > -120.0 else 0.0
        gain *= 1.0 - value[f"{name}.mute"]
        angle = (value[f"{name}.pan"] + 1.0) * math.pi / 4.0
        last[[R.LAST_LEFT, R.LAST_RIGHT]] = gain * math.cos(angle), gain * math.sin(angle)
        for k, send in enumerate(self.sends):
            last[R.LAST_SENDS + k] = value[f"{name}.{send}_send"]

    def _effect(self, row, name, fx, params):
        first = self.registry.add(name, params, fx.values, f"effect {name!r}")
        state = self._array(max(1, fx.effect.state.floats))
        self._seeds(fx.effect.state, 1, state, 1, name)
        row[:3] = self._address(fx.effect), state.ctypes.data, first

    def _duck(self, fx):
        row = self._array(R.EFFECT_WORDS, np.int64)
        self._effect(row, "duck", fx, fx.effect.params)
        self.words[[R.DUCK_UNIT, R.DUCK_STATE, R.DUCK_PARAM]] = row[:3]

    def _values(self):
        n = len(self.registry.paths)
        arrays = [self._array(-(-n // LANE) * LANE) for _ in range(6)]
        arrays[0][:n] = arrays[1][:n] = np.array(self.registry.values, np.float32)
        arrays[2][:] = arrays[3][:] = 1.0
        arrays[4][:n] = [p.low for p in self.registry.params]
        arrays[5][:n] = [p.high for p in self.registry.params]
        self.value, self.goal = arrays[0][:n], arrays[1][:n]
        self.words[R.PARAMS] = n
        self.words[[R.VALUE, R.GOAL, R.RISE, R.FALL, R.LOW, R.HIGH]] = [
            a.ctypes.data for a in arrays]

    def place(self, names):
        """Which pair of channels each part and send is given out on, by its place in `names`."""
        for name, word in self._places.items():
            word[0] = names.index(name)

    def part_index(self, name):
        return list(self.parts).index(name)

    def levels_db(self):
        """Peak of each part after its strip, dB."""
        return {
            name: 20 * float(np.log10(max(last[R.METER], 1e-6)))
            for name, last in zip(self.parts, self.meters, strict=True)
        }


class Rig:
    """The audio thread's memory: two tables, an event ring in, a ring of applied events out.

    channels   2 master, 2 cue, then 2 a part and 2 a send, as far as they go
    premaster  2 more before the parts: the sum of parts and sends, which the master effects are
               given
    raises     EngineError without room for those two, or four
    """

    def __init__(self, rate_hz=48000, channels=4, limiter=None, premaster=False):
        least = 6 if premaster else 2
        if channels < least:
            raise EngineError(f"a rig of {channels} channels: give it at least {least}")
        self.rate_hz, self.channels, self._keep, self.tables = rate_hz, channels, [], [None, None]
        self.events = Ring(None, EVENT, slots=EVENT_SLOTS)
        self.applied = Ring(None, EVENT, slots=EVENT_SLOTS)
        h = self.header = self._array(R.HEADER, np.int64)
        self.floats = self._array(R.RIG_FLOATS)
        self.floats[R.DT] = 1.0 / rate_hz
        pending = self._array(R.PENDING_SLOTS, EVENT)
        out, fifo = self._array(channels * QUANTUM), self._array(channels * QUANTUM)
        scratch = self._array(R.SCRATCH_FLOATS)
        h[R.CHANNELS], h[R.STEMS] = channels, 6 if premaster else 4
        guard, meter = self._copied(new_guard(rate_hz)), self._copied(new_meter(rate_hz))
        self.loudness = Loudness(meter)
        h[R.EVENT_SLOTS] = h[R.DONE_SLOTS] = EVENT_SLOTS
        h[[R.EVENT_WORDS, R.EVENT_ROWS, R.DONE_WORDS, R.DONE_ROWS, R.PENDING_ROWS, R.OUT, R.FIFO,
           R.SCRATCH, R.FLOATS, R.GUARD, R.LOUDNESS]] = [a.ctypes.data for a in (
               self.events.words, self.events.rows, self.applied.words, self.applied.rows,
               pending, out, fifo, scratch, self.floats, guard, meter)]
        if limiter is not None:
            self._limiter(as_fx(limiter))
        self.process, self.pointer = c_function(*RIG), h.ctypes.data

    def _array(self, count, dtype=np.float32):
        array = _zeros(count, dtype)
        self._keep.append(array)
        return array

    def _copied(self, values):
        array = self._array(len(values))
        array[:] = values
        return array

    def _limiter(self, fx):
        effect, h = fx.effect, self.header
        state = self._array(max(1, effect.state.floats))
        values = self._array(max(1, len(effect.params)))
        for name in fx.values:
            if name not in [p.name for p in effect.params]:
                raise SetError(f"limiter has no {name!r}")
        values[: len(effect.params)] = [
            p.check(fx.values.get(p.name, p.default), "limiter") for p in effect.params]
        h[[R.FINAL_UNIT, R.FINAL_STATE, R.FINAL_PARAMS]] = (
            unit_of(effect), state.ctypes.data, values.ctypes.data)

    @property
    def sample(self):
        """The start of the next quantum."""
        return int(self.header[R.SAMPLE])

    def load(self, table, deck=0, gain=1.0):
        """Puts a table on a deck, at a fader position (only while that deck is silent)."""
        level_db = table.registry.values[table.registry.index["out.level_db"]]
        table.floats[[R.GAIN, R.GAIN_GOAL]] = gain
        table.floats[R.OUT_LAST] = 10.0 ** (level_db / 20.0)
        self.tables[deck] = table
        self.header[R.TABLE + deck] = table.words.ctypes.data

    def push(self, sample, kind, deck=0, part=0, **values):
        """One event for the rig; False when the ring is full (it is counted by the caller)."""
        row = self.events.slot()
        if row is None:
            return False
        row["sample"], row["kind"], row["deck"], row["part"] = sample, kind, deck, part
        for name in ("length", "flags", "pitch_hz", "level", "rise_s", "fall_s"):
            row[name] = values.get(name, 0)
        row["flags"] |= values.get("cause", 0) << CAUSE_BIT
        self.events.publish()
        return True

    def target(self, sample, path, value, rise_s=None, fall_s=None, deck=0, edit=False, **more):
        """Moves a parameter; without times it glides at its own pace.

        edit  a person's hand moves it: the guard watches;  more  its cause, its record as length
        """
        index, param = self.tables[deck].registry.find(path, "a target")
        rise_s = param.glide_s if rise_s is None else max(rise_s, param.glide_s)
        fall_s = rise_s if fall_s is None else max(fall_s, param.glide_s)
        return self.push(sample, TARGET, deck, index, level=param.clip(value), rise_s=rise_s,
                         fall_s=fall_s, flags=EDIT * edit, **more)

    def fade(self, sample, deck, gain, time_s, edit=False, **more):
        return self.push(sample, FADE, deck, level=gain, rise_s=time_s, flags=EDIT * edit, **more)

    def collect(self):
        """The events applied since the last call, as a copied array of EVENT rows."""
        rows = []
        while (row := self.applied.front()) is not None:
            rows.append(row.copy())
            self.applied.pop()
        return np.array(rows, EVENT) if rows else np.zeros(0, EVENT)

    def counters(self):
        names = {"late_events": R.LATE, "unreported_events": R.LOST, "steals": R.STEALS,
                 "strikes": R.STRIKES, "not_finite": R.NOT_FINITE, "pending": R.PENDING}
        return {name: int(self.header[word]) for name, word in names.items()}

    def master_db(self):
        """Peak of the master output, dB."""
        return 20 * float(np.log10(max(self.floats[R.PEAK], 1e-6)))

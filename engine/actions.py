"""What can be asked of a set that plays: every address of the registry, carried out. Thread:
control (the conductor's).

Keys, OSC, MIDI controllers and the page all end here. What is wrong raises one line and changes
nothing.
"""
import math
import time

from engine.clock import check_bpm
from engine.clock_in import Tap
from engine.errors import SetError, suggestion
from engine.follow import nudge
from engine.records import NOTE, OFF
from engine.sets import check_temperature
from engine.steering import LOWEST, check_amount

TEMPERATURE_S = 0.25                      # a model's look-ahead is thrown away at most so often
WARMER, LEAN, SWEEP_BARS, SWEEP = 0.1, 0.25, 2, 0.7
HELD_S = 3600.0                           # a played note ends by itself after an hour
MOST_BARS = 256


class Actions:
    """Belongs to one conductor.

    say      say(text): a line for the performer
    panics   called beside the conductor's own panic (the board's, for ports and decks)
    pending  what waits for the next bar, "" for nothing
    follower   of another clock, or None
    """

    def __init__(self, conductor, say):
        self.conductor, self.say = conductor, say
        self.pending, self.panics, self.follower, self._tap = "", (), None, Tap()
        self._told_s, self._wanted, self._asked_s, self._amounts = 0.0, None, 0.0, {}
        self.verbs = {
            "/panic": self.panic, "/next": self.next, "/scene": self.scene, "/prompt": self.prompt,
            "/temperature": self.warm_to, "/hold": self.hold, "/sweep": self.sweep,
            "/tempo": self.tempo, "/ramp": self.ramp, "/nudge": self.nudge, "/tap": self.tap,
            "/start": self.start, "/stop": self.stop, "/continue": self.go_on,
            "/position": self.position, "/release": self.release, "/unsteer": self.unsteer}
        self._place = None                # where continue begins, a 16th of the song

    def act(self, address, values=(), text="", time_ns=0):
        """Carries out one command.

        time_ns  when it was meant, monotonic; 0 is now
        raises  SetError for an address that is none, or arguments that do not fit
        """
        self._asked_s = time_ns / 1e9 or time.monotonic()
        if address in self.verbs:
            self.verbs[address](*self._arguments(address, values, text))
            return
        _, group, *rest = address.split("/") if address.count("/") > 1 else ("", "")
        parts = self._table.parts
        if group in ("mute", "play", "let_go") and len(rest) == 1:
            if rest[0] not in parts:
                raise SetError(f"{address}: no part {rest[0]!r}{suggestion(rest[0], parts)}")
            getattr(self, group)(rest[0], *values)
        elif group in LOWEST and len(rest) == 1:
            self.steer(f"{group}.{rest[0]}", *self._arguments(address, values, ""))
        elif group == self._table.registry.deck and rest:
            self.move(".".join(rest), *self._arguments(address, values, ""))
        else:
            raise SetError(f"{address}: no such address{suggestion(address, self.verbs)}")

    @property
    def temperature(self):
        """What the model was told last, by hand or by a set."""
        return self.conductor.warmth

    @property
    def _table(self):
        return self.conductor.rig.tables[self.conductor.deck]

    def _arguments(self, address, values, text):
        if not all(math.isfinite(value) for value in values):
            raise SetError(f"{address}: needs numbers, got {list(values)}")
        return [*values, *([text] if text else [])]

    def attend(self):
        """Now and then: what must not be done too often is done once."""
        if self._wanted is None and not self._amounts or (
                time.monotonic() - self._told_s <= TEMPERATURE_S):
            return
        self._told_s = time.monotonic()
        if self._wanted is not None:
            wanted, self._wanted = self._wanted, None
            self.conductor.temperature(wanted)
            self.say(f"temperature {wanted:.1f}")
        amounts, self._amounts = self._amounts, {}
        for path, amount in amounts.items():
            self.conductor.steer(path, amount)

    def at_bar(self, text):
        """Shows what waits for the bar."""
        self.pending = text
        self.conductor.at_bar["pending"] = lambda step: setattr(self, "pending", "")

    # ---- music
    def next(self, *_):
        self.conductor.player.next_section()
        self.at_bar("next section")

    def scene(self, name="", *more):
        """By name, or by its number in the set, from 0."""
        scenes = [scene.name for scene in getattr(self.conductor.made.music, "scenes", ())]
        if not isinstance(name, str):
            if not 0 <= name < len(scenes):
                raise SetError(f"/scene: the set has scenes 0 to {len(scenes) - 1}, got {name:g}")
            name = scenes[int(name)]
        self.conductor.player.go_to(name)
        self.at_bar(f"scene {name}")

    def mute(self, part, on=None):
        """1 mutes, 0 opens, nothing: whichever it is not."""
        mute = self.conductor.hands.mute(part, None if on is None else on >= 0.5)
        self.at_bar(f"{'mute' if mute else 'open'} {part}")

    def sweep(self, position=None):
        """The filter to a place -1..1; nothing: away, or back."""
        hands = self.conductor.hands
        if position is None:
            position = 0.0 if hands.swept else SWEEP
        hands.sweep(min(max(position, -1.0), 1.0), SWEEP_BARS)

    def move(self, path, value=None):
        if value is None:
            raise SetError(f"{path}: needs a number")
        self.conductor.hands.move(path, value)

    def release(self, path=""):
        """Gives a parameter, or all, back to the model."""
        held = self.conductor.hands.held
        if path and path not in held:
            raise SetError(f"/release: no hand holds {path!r}{suggestion(path, held)}")
        for name in [path] if path else list(held):
            del held[name]

    def play(self, part, pitch_st=60.0, level=0.8):
        """Strikes a part by hand; the tuning is the set's. Not in the silence after a panic."""
        c = self.conductor
        if c.silent:
            return
        hz = c.made.tuning.hz(min(max(float(pitch_st), 0.0), 127.0))
        if hz == hz:
            c.send(c.rig.push(0, NOTE, c.deck, self._table.part_index(part), pitch_hz=hz,
                              level=min(max(float(level), 0.0), 1.0),
                              cause=c.why("hand", "played by hand"),
                              length=round(HELD_S * c.clock.rate_hz)))

    def let_go(self, part, pitch_st=60.0):
        c = self.conductor
        hz = c.made.tuning.hz(min(max(float(pitch_st), 0.0), 127.0))
        if hz == hz:
            c.send(c.rig.push(0, OFF, c.deck, self._table.part_index(part), pitch_hz=hz,
                              cause=c.why("hand", "let go by hand")))

    # ---- the model
    def prompt(self, text=""):
        if not str(text).strip():
            raise SetError("the prompt is empty: the old one goes on")
        self.conductor.prompt(str(text))

    def warm_to(self, value=None):
        self._wanted = check_temperature(value)

    def warm(self, change):
        """Hotter or cooler by a step, at once."""
        wish = self.temperature if self._wanted is None else self._wanted
        self._wanted, self._told_s = min(max(wish + change, 0.0), 2.0), 0.0
        self.attend()

    def steer(self, path, amount=None):
        """How far the model is steered along a direction; back to 0 at once."""
        amounts = self.conductor.steering.amounts
        amount = check_amount(path, amount, amounts)
        self._amounts.pop(path, None)
        if amount != amounts[path]:
            self._amounts[path] = amount
            if amount == 0.0:
                self._told_s = 0.0
                self.attend()

    def lean(self, change):
        """Along the first direction of the set, by a step, at once."""
        path = next(iter(self.conductor.steering.amounts), "steer")
        now = self._amounts.get(path, self.conductor.steering.amounts.get(path, 0.0))
        self._told_s = 0.0
        self.steer(path, min(max(round(now + change, 6), -1.0), 1.0))
        self.attend()

    def unsteer(self, *_):
        """Every amount back to 0: the model goes on as it is."""
        self._amounts = {path: 0.0 for path, amount in self.conductor.steering.amounts.items()
                         if amount}
        self._told_s = 0.0
        self.attend()

    def hold(self, on=None):
        """1 holds the model, 0 lets it go on, nothing: whichever it does not."""
        held = not self.conductor.held if on is None else on >= 0.5
        if held != self.conductor.held:
            self.conductor.hold(held)
            self.say("the model holds" if held else "the model goes on")

    def panic(self, *_):
        for also in self.panics:
            also()
        self.conductor.panic()

    # ---- time
    def tempo(self, bpm=None):
        self._tempo(check_bpm(bpm, "/tempo"))

    def ramp(self, bpm=None, bars=4.0):
        if not 0.0 < bars <= MOST_BARS:
            raise SetError(f"/ramp: bars must be above 0, at most {MOST_BARS}, got {bars:g}")
        self._tempo(check_bpm(bpm, "/ramp"), bars)

    def _tempo(self, bpm, bars=0.0):
        """Of the session that is followed, or else our own."""
        (self.follower or self.conductor.transport).tempo(bpm, bars)

    def nudge(self, ms=0.0):
        """What is heard comes so much later (negative: earlier), and stays there."""
        if self.follower:
            self.follower.nudge(ms)
        else:
            nudge(self.conductor.clock, self.conductor.step, ms)

    def tap(self, *_):
        bpm = self._tap.tap(self._asked_s)
        if bpm:
            self.tempo(bpm)

    def start(self, *_):
        self._place = None
        if not self._tell(True, 0):
            self.conductor.transport.go_on(self._soon(), 0)

    def stop(self, *_):
        self._tell(False)
        self.conductor.transport.stop()

    def _tell(self, playing, place=None):
        """Whoever shares our transport starts and stops too; True when we start with them."""
        return self.follower is not None and self.follower.playing(playing, place)

    def go_on(self, *_):
        place, self._place = self._place, None
        if place is not None or not self.conductor.clock.rolls:
            if not self._tell(True, place):
                self.conductor.transport.go_on(self._soon(), place)

    def position(self, place=0.0):
        """Where continue begins; a music that rolls goes there with the next continue."""
        if not 0 <= place < 1 << 14:
            raise SetError(f"/position: 0 to 16383 sixteenths, got {place:g}")
        self._place = int(place)

    def _soon(self):
        """The first sample that can still be on time."""
        c = self.conductor
        return c.rig.sample + c.lead

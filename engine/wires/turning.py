"""One control under a hand: pickup, endless encoders, buttons, and what its light or motor shows.
Thread: control.

Shares are 0..1 of the row's range along its curve. A value that a hand sent is taken as the present
one for SETTLE_NS, because the stage needs a moment to say so itself; what a button did, such as a
mute, may happen at the next bar only, so it is believed until it is seen, or BAR_NS.
"""
import math

from engine.formats.controls import RELATIVE
from engine.wires.bound import BUTTON_MODES

SETTLE_NS, BAR_NS = 500_000_000, 5_000_000_000
TOUCH_NS, FEEDBACK_NS = 300_000_000, 33_000_000     # no feedback under a hand; 30 a second
TURN_NS = 50_000_000                                # messages of one turn are closer than this
QUICK_NS = 100_000_000                              # ticks closer than this are accelerated
STEP = 1.0 / 127.0                                  # of a 7-bit control
WRAP = 0.75                       # a hand passes no more of the range between two messages
NEVER = -1 << 62


def ticks_of(mode, raw):
    """How many steps an endless encoder went, and which way."""
    if mode == RELATIVE[0]:               # two's complement: 1 up, 127 down
        return raw if raw < 64 else raw - 128
    if mode == RELATIVE[1]:               # offset: 65 up, 63 down
        return raw - 64
    return raw if raw < 64 else 64 - raw  # sign: 1 up, 65 down


class Control:
    """A bound row while it plays.

    held   whether the control has picked its value up
    port, channel  where it was heard last: there goes its feedback
    """

    def __init__(self, bound):
        self.bound, self.held, self.at = bound, False, None
        self.port, self.channel = None, bound.row.channel
        self._sent, self._sent_ns, self._seen = None, NEVER, False
        self._heard_ns, self._raw, self._on = NEVER, None, False
        self._tick_ns, self._way = NEVER, 0
        self._shown, self._shown_ns = None, NEVER

    # ---- in
    def moved(self, raw, top, now_ns, present):
        """The value to send, in the target's unit, or None.

        present   the target's value as it is, NaN if nobody knows
        """
        if raw == self._shown and now_ns - self._shown_ns < TOUCH_NS and self.bound.mode not in (
                BUTTON_MODES + RELATIVE):
            return None                   # the motor's own echo of what we sent
        before_ns, self._heard_ns = self._heard_ns, now_ns
        mode = self.bound.mode
        if mode in BUTTON_MODES:
            self._shown = None            # many pads light themselves: shown again after the touch
            share = self._pressed(raw, top, now_ns, present)
        elif mode in RELATIVE:
            share = self._ticked(raw, now_ns, present)
        else:
            self._shown = raw
            share = self._turned(self._way_up(raw / top), before_ns, now_ns, present)
        return None if share is None else self._send(share, now_ns)

    def fired(self, raw, top, now_ns):
        """Whether a button that is only set off was pressed by this."""
        self._heard_ns, was, before = now_ns, self._on, self._raw
        self._on, self._raw = self._down(raw, top), raw
        again = self.bound.row.message.kind in ("note", "program") or raw == before
        return self._on and (not was or again)

    def _down(self, raw, top):
        return raw > 0 if self.bound.row.message.kind == "note" else 2 * raw > top

    def _way_up(self, share):
        return 1.0 - share if self.bound.row.invert else share

    def _send(self, share, now_ns):
        """The value at a share, and the memory of it."""
        param = self.bound.param
        value = param.clip(param.at(share))
        if self.bound.whole:
            value = float(min(max(round(value), math.ceil(param.low)), math.floor(param.high)))
        self._sent, self._sent_ns, self.held, self._seen = share, now_ns, True, False
        return value

    def _share(self, present, now_ns):
        """Where the target stands; None if nobody knows."""
        button = self.bound.mode in BUTTON_MODES
        if not (button and self._seen) and now_ns - self._sent_ns < (
                BAR_NS if button else SETTLE_NS):
            return self._sent
        return None if present != present else self.bound.param.share(present)

    def settle(self, present, now_ns):
        """Lets go of a value that something else has moved by more than a step."""
        if not self.held or present != present:
            return
        near = abs(self.bound.param.share(present) - self._sent) <= self._slack()
        self._seen = self._seen or near
        if not near and now_ns - self._sent_ns >= SETTLE_NS:
            self.held = False

    def _grain(self):
        """The share of one whole number, 0 where fractions are allowed."""
        param = self.bound.param
        return 1.0 / (param.high - param.low) if self.bound.whole else 0.0

    def _slack(self):
        """How far a share may be off and still be the same."""
        return max(STEP, 0.5 * self._grain()) * 1.001

    def _turned(self, share, before_ns, now_ns, present):
        before, self.at = self.at, share
        if self.bound.mode == "jump":
            return share
        self.settle(present, now_ns)
        if self.held:
            if abs(share - before) > WRAP and now_ns - before_ns < TURN_NS:
                self.held = False         # an endless pot went round: no value jumps
                return None
            return share
        target = self._share(present, now_ns)
        crossed = before is not None and target is not None and (
            abs(share - before) <= WRAP and min(before, share) <= target <= max(before, share))
        if target is None or crossed or abs(share - target) <= self._slack():
            return share
        return None

    def _ticked(self, raw, now_ns, present):
        ticks = ticks_of(self.bound.mode, raw)
        ticks = -ticks if self.bound.row.invert else ticks
        way = (ticks > 0) - (ticks < 0)
        if not way:
            return None
        row, gap_ns = self.bound.row, now_ns - self._tick_ns
        quick = max(0.0, 1.0 - max(gap_ns, 0) / QUICK_NS) if way == self._way else 0.0
        self._tick_ns, self._way = now_ns, way
        target = self._share(present, now_ns)
        target = 0.0 if target is None else target
        step = max(row.step, self._grain()) * (1.0 + row.acceleration * quick)
        return min(max(target + ticks * step, 0.0), 1.0)

    def _pressed(self, raw, top, now_ns, present):
        was = self._on
        pressed = self.fired(raw, top, now_ns)
        if self.bound.mode == "trigger":
            return self._way_up(1.0) if pressed else None
        if self.bound.mode == "momentary":
            return self._way_up(float(self._on)) if pressed or was != self._on else None
        target = self._share(present, now_ns)
        return None if not pressed else 0.0 if target is not None and target > 0.5 else 1.0

    # ---- out
    def shows(self, present, now_ns):
        """(raw, top) that the control's light or motor must be told now, or None."""
        row, kind = self.bound.row, self.bound.row.message.kind
        if (not row.feedback or present != present or self.bound.does != "value"
                or kind in ("pressure", "program", "bend") or self.bound.mode == "trigger"
                or now_ns - self._heard_ns < TOUCH_NS or now_ns - self._shown_ns < FEEDBACK_NS):
            return None
        share = self._share(present, now_ns)
        top = 16383 if kind == "nrpn" or kind == "cc" and row.message.other >= 0 else 127
        if self.bound.mode in BUTTON_MODES:
            raw = row.lights[share > 0.5] << (7 if top > 127 else 0)
        else:
            raw = round(self._way_up(share) * top)
        if raw == self._shown:
            return None
        self._shown, self._shown_ns = raw, now_ns
        return raw, top

    def unseen(self):
        """What was to be shown was not: it is told again."""
        self._shown = None


def message_of(control, raw, top):
    """[bytes] of the control's own message, to be sent back to it."""
    message, status = control.bound.row.message, max(control.channel, 1) - 1
    high, low = raw >> 7, raw & 127
    if message.kind == "note":
        return [bytes((0x90 | status, message.number, raw))]
    if message.kind == "nrpn":
        pairs = ((99, message.number >> 7), (98, message.number & 127), (6, high), (38, low))
    elif message.other >= 0:
        pairs = ((message.number, high), (message.other, low))
    else:
        pairs = ((message.number, raw),)
    return [bytes((0xB0 | status, *pair)) for pair in pairs]

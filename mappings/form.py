"""Form: which section, for how long. Sections end on lines of four or eight bars, where the text's
phrases end.

With a wanted number of bars a table says which ends are still possible, so the text decides freely
and the piece still closes on its last bar. Thread: any.
"""
from engine.errors import MappingError, suggestion

LINE = 8                                  # bars between the places where a section may end
SHORT = 64                                # forms under this many bars have lines of four
TINY = 16                                 # forms under this many bars are divided, not decided
CYCLE, PEAKS = 192, 2                     # bars that are one cycle; peaks that it has, if it can


def _lengths(scene, unit):
    """The scene's lengths in lines: as written, or any up to half the longest for a short form."""
    if unit == LINE:
        return tuple(sorted({max(1, bars // LINE) for bars in scene.bars}))
    return tuple(range(1, max(2, max(scene.bars) // LINE) + 1))


class Form:
    """Walks the scenes. `bars` None: without an end, cycle after cycle."""

    def __init__(self, scenes, bars=None):
        self.scenes = {scene.name: scene for scene in scenes}
        self.first, self.last = scenes[0].name, scenes[-1].name
        self.bars, self.bar = bars, 0
        self.unit = LINE if bars is None or bars >= SHORT else 4
        self.lengths = {s.name: _lengths(s, self.unit) for s in scenes}
        self.plan = self._divide() if bars is not None and bars < TINY else None
        self.can = self._table() if bars is not None and not self.plan else None
        self.name = next(iter(self.plan)) if self.plan else self.first
        self.start, self.cycle, self.peaks, self.anchor = 0, 0, 0, 0
        self.skip, self.wish = False, ""

    def _divide(self):
        """A form too short to decide: whole bars, the longest scene taking what is left."""
        names = [name for name, scene in self.scenes.items() if not scene.spare]
        peak = max(names, key=lambda name: (self.scenes[name].peak, max(self.scenes[name].bars)))
        if self.bars < len(names):
            return {peak: self.bars}
        share = self.bars // len(names)
        return {name: share + (name == peak) * (self.bars % len(names)) for name in names}

    def _table(self):
        """What may still end in time; one cycle where it is long enough, for up to CYCLE bars."""
        total = self.bars // self.unit
        once = self._possible(total, cycles=False)
        return once if self.bars <= CYCLE and once[self.first][total] else self._possible(total)

    def _possible(self, total, cycles=True):
        """can[name][n]: a scene entered with n lines left can still end on the last one."""
        can = {name: [False] * (total + 1) for name in self.scenes}
        for left in range(1, total + 1):
            for name, scene in self.scenes.items():
                can[name][left] = any(
                    length == left and name == self.last
                    or length < left and (cycles or name != self.last)
                    and any(can[n][left - length] for n in scene.then)
                    for length in self.lengths[name])
        return can

    def _follow(self, left):
        """What may follow the scene now, `left` lines before the end."""
        then = self.scenes[self.name].then
        if self.can is None:
            return list(then)
        return [name for name in then if 0 <= left < len(self.can[name]) and self.can[name][left]]

    @property
    def section_bar(self):
        return self.bar - self.start

    @property
    def section_bars(self):
        """Bars until the next place where the section may end, counted from its start."""
        if self.plan:
            return self.plan[self.name]
        to_end = None if self.bars is None else self.bars - self.start
        if self.name == self.last and to_end is not None and to_end < 2 * self.unit:
            return to_end
        lines = [length * self.unit for length in self.lengths[self.name]]
        return next((bars for bars in lines if bars > self.section_bar), lines[-1])

    @property
    def done(self):
        return self.bars is not None and self.bar >= self.bars

    @property
    def fill(self):
        """True in the bar that closes eight."""
        return (self.bar - self.anchor) % 8 == 7

    def advance(self, ended, choose):
        """Moves to the next bar; returns True when a new section begins there.

        ended   a phrase of the text ended in the bar that is over
        choose  choose(options) -> one of the scenes that may follow
        """
        self.bar += 1
        if self.done:
            return False
        if self.plan:
            return self._advance_plan()
        if self.skip:
            return self._leave(choose)
        elapsed = self.section_bar
        lengths = self.lengths[self.name]
        if elapsed % self.unit or elapsed // self.unit not in lengths:
            return elapsed >= max(lengths) * self.unit and self._leave(choose)
        lines = elapsed // self.unit
        later = [n for n in lengths if n > lines and self._ends_after(n - lines)]
        if not self._ends_after(0) or later and not ended:
            return False
        return self._leave(choose)

    def _left(self):
        return None if self.bars is None else (self.bars - self.bar) // self.unit

    def _ends_after(self, lines):
        """True when the section may end `lines` lines from here."""
        left = self._left()
        if left is None:
            return True
        return left == lines and self.name == self.last or bool(self._follow(left - lines))

    def _advance_plan(self):
        passed = 0
        for name, bars in self.plan.items():
            if self.bar == passed and name != self.name:
                self._enter(name)
                return True
            passed += bars
        return False

    def _leave(self, choose):
        if self.skip and self.wish:       # the performer's word, whatever would have followed
            self._enter(self.wish)
            return True
        options = self._follow(self._left())
        if self.peaks < PEAKS and len(options) > 1 and self.last in options:
            options = [name for name in options if name != self.last]
        if not options:                   # pressed too late for anything but the end
            if self.name == self.last:
                self.skip = False
                return False
            options = [self.last]
        self._enter(choose(options))
        return True

    def _enter(self, name):
        if name == self.first and self.name == self.last:
            self.cycle, self.peaks = self.cycle + 1, 0
        if self.skip:
            self.anchor = self.bar
        self.skip, self.wish = False, ""
        self.peaks += self.scenes[name].peak
        self.name, self.start = name, self.bar


class Walker:
    """What a performer, or a link, may wish of whoever plays a `form`."""

    def turn(self, path, value):
        """A link's wish; here none decides anything in the music's place."""

    def next_section(self):
        """The performer's wish: the section ends at the next bar line."""
        self.form.skip, self.form.wish = True, ""

    def go_to(self, scene):
        """The performer's wish: this scene from the next bar line on."""
        if scene not in self.form.scenes:
            raise MappingError(f"no scene {scene!r}{suggestion(scene, self.form.scenes)}")
        self.form.skip, self.form.wish = True, scene

"""Edits: a surprising token changes the cell under it, there and then, at most k times a bar.
Thread: control."""
from dataclasses import replace

from mappings.memory import read
from mappings.music import STEPS

BANDS = (("attn.low.write", "bass"), ("attn.mid.write", "stab"), ("attn.high.write", "hook"),
         ("mlp.high.sparsity", "perc"))
OPEN = 0.6                                # the least place that may edit, however slow the model
USUAL_TOKENS = 8                          # a bar, that `edit_above` is written for
SURE = 0.35                               # margin under which what is there is dropped


class Editor:
    """k, the edits a bar may have, follows the surprisal of the bar before."""

    def __init__(self, music, memory, wishes=None):
        self.music, self.memory, self.wishes = music, memory, {} if wishes is None else wishes
        self.left = 0
        known = [role for _, role in BANDS]
        self.bands = BANDS + tuple((given.onset, given.role) for given in music.grammars
                                   if given.kind == "clip" and given.role not in known)

    def open_bar(self):
        """k for the bar: one after a calm bar, more after surprising ones."""
        surprise = self.memory.spread("token.surprisal_nat", self.memory.per_bar)
        usual = 1 + int(surprise * self.music.edits)
        self.left = round(self.wishes.get("music.edits", usual))

    def _above(self, frame, step):
        """The place from which a frame edits. A slow model's few words count for more."""
        share = self.memory.presence(step) if frame.seq >= 0 else 1.0
        rare = (1.0 - self.music.edit_above) * USUAL_TOKENS / self.memory.per_bar
        return max(OPEN, 1.0 - rare / share)

    def hear(self, frames, step, rows, arranger):
        """Edits the rows of this step or the next for each surprising frame."""
        for frame in frames:
            surprise, name = read(frame, "token.surprisal_nat")
            if self.left <= 0 or surprise < self._above(frame, step):
                continue
            role = self._role(frame, arranger.active)
            cause = f"edit {'recalled ' if frame.seq < 0 else ''}{name} {surprise:.2f}"
            if role and self._edit(frame, role, step % STEPS, rows, arranger, cause):
                self.left -= 1

    def _role(self, frame, active):
        """The sounding role whose band writes the most."""
        bands = [(read(frame, name)[0], role) for name, role in self.bands
                 if role in active]
        return max(bands)[1] if bands else ""

    def _edit(self, frame, role, place, rows, arranger, cause):
        """Strikes where there was nothing; else lifts or drops what is there."""
        place += read(frame, "token.entropy_nat")[0] > 0.5
        if role == "bass" and place % 4 == 0:
            place += 1                    # the kick's own sixteenth
        if place >= STEPS:
            return False
        here = [row for row in rows[place] if row.role == role]
        others = [row for row in rows[place] if row.role != role]
        if here and role != "stab" and read(frame, "token.margin_nat")[0] < SURE:
            rows[place] = others
            return True
        struck = (self._lifted(here, arranger.grammars[role].register) if here
                  else arranger.struck(role, read(frame, "resid.axis.2")[0]))
        rows[place] = others + [
            replace(row, step=place, length_steps=min(row.length_steps, 1.0), slide=False,
                    cause=cause, seq=frame.record) for row in struck]
        return True

    def _lifted(self, rows, register):
        """The same notes an octave away, where the register has room."""
        low, high = register
        if all(row.pitch_st + 12 <= high for row in rows):
            return [replace(row, pitch_st=row.pitch_st + 12) for row in rows]
        if all(row.pitch_st - 12 >= low for row in rows):
            return [replace(row, pitch_st=row.pitch_st - 12) for row in rows]
        return [replace(row, level=min(1.0, row.level * 1.3)) for row in rows]

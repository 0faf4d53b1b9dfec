"""Edits: a surprising token changes the cell under it, there and then, at most k times a bar. Thread: control."""
from dataclasses import replace

from mappings.memory import read
from mappings.music import STEPS

BANDS = (("attn.low.write", "bass"), ("attn.mid.write", "stab"), ("attn.high.write", "hook"),
         ("mlp.high.sparsity", "perc"))
OPEN = 0.6                                # the least place that may edit, however slow the model


class Editor:
    """k, the edits a bar may have, follows the surprisal of the bar before."""

    def __init__(self, music, memory):
        self.music, self.memory = music, memory
        self.left = 0

    def open_bar(self):
        """k for the bar: one at a calm mean surprisal, more as it rises."""
        calm = self.memory.spread("token.surprisal_nat", self.memory.per_bar)
        self.left = 1 + int(calm * self.music.edits)

    def _above(self, frame, step):
        """The place from which a frame edits. A slow model's few words count for more."""
        rare = 1.0 - self.music.edit_above
        share = self.memory.presence(step) if frame.seq >= 0 else 1.0
        return max(OPEN, 1.0 - rare / share)

    def hear(self, frames, step, rows, writer):
        """Edits the rows of this step or the next for each surprising frame."""
        for frame in frames:
            surprise, name = read(frame, "token.surprisal_nat")
            if self.left <= 0 or surprise < self._above(frame, step):
                continue
            role = self._role(frame, writer.active)
            cause = f"edit {'recalled ' if frame.seq < 0 else ''}{name} {surprise:.2f}"
            if role and self._edit(frame, role, step % STEPS, rows, writer, cause):
                self.left -= 1

    def _role(self, frame, active):
        """The sounding role whose band writes the most."""
        bands = [(read(frame, name)[0], role) for name, role in BANDS if role in active]
        return max(bands)[1] if bands else ""

    def _edit(self, frame, role, place, rows, writer, cause):
        """Adds a strike where there is none, else lifts or drops the one there."""
        step = place + (read(frame, "token.entropy_nat")[0] > 0.5)
        if role == "bass" and step % 4 == 0:
            step += 1
        if step >= STEPS:
            return False
        here = [row for row in rows[step] if row.role == role]
        if here and read(frame, "token.margin_nat")[0] < 0.35 and role != "stab":
            rows[step] = [row for row in rows[step] if row.role != role]
            return True
        rows[step] = [row for row in rows[step] if row.role != role] + [
            replace(row, step=step, length_steps=min(row.length_steps, 1.0), slide=False, cause=cause)
            for row in self._struck(frame, role, here, writer)]
        return True

    def _struck(self, frame, role, here, writer):
        """What sounds instead: the notes there lifted, or new ones."""
        grammar = writer.grammars[role]
        low, high = grammar.register
        if here and role != "perc":
            return [replace(r, pitch_st=r.pitch_st + (12 if r.pitch_st + 12 <= high else -12))
                    if low <= r.pitch_st - 12 or r.pitch_st + 12 <= high else r for r in here]
        return writer.struck(grammar, read(frame, "resid.axis.2")[0])

"""Plays a language model that a program already holds.

    take = hiddenstage.listen(model, tokenizer).play("The night was warm", bars=32)
    take.features()["token.surprisal_nat"]

Importing this imports next to nothing. Thread: control.
"""
import shutil
import tempfile
import weakref
from dataclasses import fields
from pathlib import Path

__all__ = ["listen"]


def listen(model, tokenizer):
    """A Listener of a causal LM and its tokenizer, both of transformers."""
    return Listener(model, tokenizer)


class Listener:
    """Plays its model. The model stays untouched: a process of its own plays a copy of it."""

    def __init__(self, model, tokenizer):
        self.model, self.tokenizer = model, tokenizer

    def play(self, prompt=None, **options):
        """Plays until `bars` are over or Ctrl-C; without a sound device, renders to a WAV file.

        options  as in `engine.performance.Options` (set, bars, bpm, seed, audio, ...);
                 out="x.wav" renders in any case
        returns  an `engine.journal.Take`; its `.features()` are named arrays, one value a record,
                 its `.sound` the file it was rendered to, if it was
        """
        from engine.model.serve import save
        home = Path(tempfile.mkdtemp(prefix="hiddenstage-"))
        try:
            chosen = _choose(options, prompt, home)
            save(self.model, self.tokenizer, home / "model")
            take = _perform(chosen)
        except BaseException:
            shutil.rmtree(home, ignore_errors=True)
            raise
        shutil.rmtree(home / "model", ignore_errors=True)
        weakref.finalize(take, shutil.rmtree, home, ignore_errors=True)
        return take


def _choose(options, prompt, home):
    """The Options, checked before anything is written."""
    from engine.errors import ParamError, suggestion
    from engine.performance import Options, choose
    known = [field.name for field in fields(Options) if field.name not in ("model", "prompt")]
    for name in options:
        if name not in known:
            raise ParamError(f"play: no option {name!r}{suggestion(name, known)}")
    given = {"record": home / "listen.take"} | {k: v for k, v in options.items() if v is not None}
    chosen = Options(model=str(home / "model"), prompt=prompt, **given)
    choose(chosen)
    return chosen


def _perform(options):
    """Plays or renders; returns the take."""
    from engine import console, session
    from engine.journal import Take
    from engine.render import DEFAULT_BARS
    if options.out is None and (options.audio or _heard()):
        with session.play(options) as live:
            try:
                live.wait()
            except KeyboardInterrupt:
                console.say("stopped")
        return Take(options.record)
    if options.out is None:
        options.out = console.free_name(Path(options.set).stem, ".wav")
        console.say(f"no sound device found: rendering {options.bars or DEFAULT_BARS} bars to "
                    f"{options.out}")
    report, take = session.render(options), Take(options.record)
    take.sound = report["files"][0]
    return take


def _heard():
    """Whether there is a sound device."""
    from engine.errors import DeviceError
    from engine.stream import devices
    try:
        return bool(devices())
    except (DeviceError, OSError):
        return False

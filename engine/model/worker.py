"""The model process: `python -m engine.model.worker FOLDER SETTINGS_JSON`. Thread: control.

It loads a model, makes the rings in FOLDER, says so in `ready.json` (or why not in `error.json`),
and writes records until it is told to stop or its standard input ends, which is how it learns that
the process which started it is gone. Settings, all but `model` optional:

model             "embedded", a folder, or a hub id
prompt            how the text begins;  history, mid_prompt: the ids already spoken instead
temperature, top_p, repetition_guard, model_seed      the sampler
limit             records it may be ahead of the reader;  first_seq, generation: of the first one
threads, nice     processor share;  throttle: tokens a second at most;  context: window, tokens
calibrate, standby, held      read the neutral text first; wait for a task; begin on hold
features, tiers               what its records are measured by: where a profile of that meter is
                              kept, nothing is read first; tiers dearer than T2 that are wanted
layers, chosen                those tiers only in these; whose heads and rows travel whole
calibration                   {"text": file, "skip": contexts already taken}: another text
directions                    names of those that it can be steered by;  steering  {"steer.NAME":
                              -1..1, "ablate.NAME": 0..1} to begin with;  steer_limit_nat
chat                          prompts go through the tokenizer's chat template
"""
import gc
import json
import os
import shutil
import sys
import threading
import time
from pathlib import Path

from engine.errors import EngineError, ModelError
from engine.model.process import LOADING, PREFIX
from engine.records import CONTROL, DEARER, HOLD, PROMPT, SKIP, STEER, STOP, TEMPERATURE
from engine.ring import Ring

DEFAULT_PROMPT = "Once upon a time, when the night was long and the house was quiet,"
BEAT_S = 0.02                             # longest sleep while nothing is to be done


def write(folder, name, data):
    """Writes a small JSON file at once or not at all."""
    side = folder / f".{name}.part"
    side.write_text(json.dumps(data))
    os.replace(side, folder / name)


def follow_parent(folder):
    """Ends this process when its standard input ends, and takes its folder away."""
    def watch():
        try:
            while sys.stdin.buffer.read(1):
                continue
        except (OSError, ValueError):
            pass
        if folder.name.startswith(PREFIX):
            shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)
    threading.Thread(target=watch, daemon=True, name="parent").start()


def beat_while_loading(folder):
    """Shows life from a thread of its own; returns the function that ends it."""
    words, over = Ring(folder / "control", CONTROL).words, threading.Event()

    def beat():
        while not over.wait(0.1):
            words[LOADING] = time.perf_counter_ns()
    threading.Thread(target=beat, daemon=True, name="loading").start()
    return over.set


def check(settings):
    """Raises ModelError for settings that cannot be played."""
    prompt = settings.get("prompt")
    if prompt is not None and not str(prompt).strip():
        raise ModelError("the prompt is empty: give it some words, or leave it out")
    for name, low, high in (("temperature", 0.0, 5.0), ("top_p", 0.01, 1.0),
                            ("repetition_guard", 0.0, 1.0)):
        value = settings.get(name)
        if value is not None and not low <= float(value) <= high:
            raise ModelError(f"{name} is {value}: give a number from {low} to {high}")


class Session:
    """One model, loaded and mapped, and its rings."""

    def __init__(self, folder, settings):
        from engine.model.capture import Capture, describe
        from engine.model.chat import Chat
        from engine.model.decode import probe
        from engine.model.discover import discover
        from engine.model.load import load
        from engine.model.profile import find as find_profile
        from engine.model.publish import Rings
        from engine.model.tiers import extras_of
        self.folder, self.settings = folder, settings
        self.loaded = load(settings.get("model", "embedded"), settings.get("context"))
        found = discover(self.loaded.model)
        extras = extras_of(self.loaded.model, found, settings.get("tiers") or (),
                           settings.get("layers"), settings.get("chosen"))
        self.profile, self.trouble = None, ""
        if settings.get("features") and settings.get("calibrate", True):
            tiers = {tier for tier in DEARER if tier in extras}
            self.profile, self.trouble = find_profile(self.loaded.weight_hash,
                                                      settings["features"], tiers)
        self.descriptor = describe(self.loaded.model, found, self.loaded.name, self.loaded.context,
                                   self.loaded.weight_hash, extras,
                                   self.profile["sinks"] if self.profile else (0,))
        self.steer = self._steer(found)
        self.capture = Capture(found, self.descriptor, extras=extras)
        self.ways = probe(self.loaded.model, self.capture)
        if self.steer:
            self.steer.prepare(self.loaded, self.capture, self.ways)
            self.trouble = self.trouble or self.steer.refused
        self.chat = Chat(self.loaded.tokenizer, self.loaded.name, self.loaded.context // 2) \
            if settings.get("chat") else None
        control = Ring(folder / "control", CONTROL)
        self.rings = Rings(folder, self.descriptor, settings.get("limit"), control)
        self.rings.beat()
        self.held = bool(settings.get("held"))

    def _steer(self, found):
        """The Steer of the directions that are wanted, None without any."""
        if not (names := self.settings.get("directions")):
            return None
        from engine.model.directions import load_all
        from engine.model.steer import Steer
        from engine.steering import LIMIT_NAT, checked
        directions = load_all(names, self.descriptor)
        limit_nat = self.settings.get("steer_limit_nat", LIMIT_NAT)
        checked([one.name for one in directions], self.settings.get("steering") or {}, limit_nat)
        return Steer(found, directions, limit_nat)

    def begin(self, settings):
        """Makes the generator and gives it its first task."""
        from engine.model.calibrate import calibrate
        from engine.model.generate import Generator
        self.settings = settings
        self.rings.state.limit = settings.get("limit") or self.rings.state.slots
        self.generator = Generator(self.loaded, self.capture, self.rings, settings, self.ways,
                                   self.steer, self.chat)
        for path, amount in (settings.get("steering") or {}).items():
            if self.steer:
                self.steer.set(path, float(amount))
        self.held = bool(settings.get("held"))
        if settings.get("calibrate", True) and self.profile is None:
            calibrate(self.generator, settings.get("calibration"))
        prompt = settings.get("prompt") or DEFAULT_PROMPT
        if settings.get("history"):
            self.generator.resume(settings["history"], prompt, settings.get("mid_prompt", False))
        else:
            self.generator.open(prompt)

    def stand_by(self):
        """Waits, loaded, until told to take over (new settings in takeover.json) or to stop."""
        while True:
            self.rings.beat()
            row = self.rings.control.front()
            if row is not None:
                kind = int(row["kind"])
                self.rings.control.pop()
                if kind == STOP:
                    return None
                return json.loads((self.folder / "takeover.json").read_text())
            time.sleep(BEAT_S)

    def obey(self):
        """Reads one control; False when it says stop."""
        row = self.rings.control.front()
        kind, generation = int(row["kind"]), int(row["generation"])
        after, value = int(row["after_seq"]), float(row["value"])
        words = bytes(row["text"][:int(row["text_bytes"])]).decode(errors="replace")
        self.rings.control.pop()
        if kind == STOP:
            return False
        generator = self.generator
        generator.rewind(after, generation)
        if kind == TEMPERATURE:
            generator.temperature = min(max(value, 0.0), 5.0)
        elif kind == STEER and generator.steer:
            generator.steer.set(words, value)
        elif kind == HOLD:
            self.held = value > 0
        elif kind == SKIP:
            generator.skip()
        elif kind == PROMPT and words.strip():
            generator.prompt(words)
        return True

    def run(self):
        """Writes records until told to stop."""
        from engine.model.publish import Interrupted
        pause_s = 1.0 / rate if (rate := float(self.settings.get("throttle") or 0.0)) > 0 else 0.0
        due = time.perf_counter()
        while True:
            if len(self.rings.control):
                if not self.obey():
                    return
            elif self.held or time.perf_counter() < due:
                self.rings.beat()
                time.sleep(min(BEAT_S, max(due - time.perf_counter(), 1e-3)))
            else:
                if pause_s:
                    due = max(due, time.perf_counter() - pause_s) + pause_s
                try:
                    self.generator.step()
                except Interrupted:
                    continue


def serve(folder, settings):
    """Loads, reports, writes records; returns when told to stop.

    raises  ModelError when the model cannot be played
    """
    begin = time.perf_counter()
    loaded = beat_while_loading(folder)
    gc.disable()                          # thousands of modules come, nothing goes: a sixth faster
    import torch
    check(settings)
    torch.set_num_threads(int(settings.get("threads") or max(1, (os.cpu_count() or 1) - 2)))
    with torch.inference_mode():
        session = Session(folder, settings)
        gc.collect()
        gc.freeze()
        gc.enable()
        loaded()
        session.rings.beat()
        if session.profile is not None:
            write(folder, "profile.json", session.profile)
        write(folder, "ready.json", {
            "descriptor": session.descriptor.data(), "pid": os.getpid(),
            "seconds": time.perf_counter() - begin, "trouble": session.trouble,
            "profile": session.profile is not None})
        if settings.get("standby"):
            settings = session.stand_by()
        if settings is not None:
            check(settings)
            session.begin(settings)
            session.run()
        session.rings.close()


def attempt(folder, settings):
    """Serves; a failure becomes one line in `error.json`. Returns the exit status."""
    try:
        serve(folder, settings)
    except EngineError as error:
        write(folder, "error.json", {"message": str(error)})
        return 1
    except Exception as error:
        line = (str(error).strip().splitlines() or [""])[0][:200]
        said = f"the model stopped ({type(error).__name__}: {line}): try another, or 'embedded'"
        write(folder, "error.json", {"message": said})
        raise
    return 0


def main(arguments):
    folder, settings = Path(arguments[0]), json.loads(arguments[1])
    follow_parent(folder)
    if settings.get("nice"):
        os.nice(int(settings["nice"]))
    return attempt(folder, settings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

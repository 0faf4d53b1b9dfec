"""Calibrates a model once and keeps what was learned: later plays begin without reading. Thread:
control.

After each context of the text the state so far is kept beside the profiles; the same command goes
on from there, and the profile comes out the same.
"""
import hashlib
import json
import time
from pathlib import Path

from engine.errors import ModelError
from engine.model import profile
from engine.model.supervisor import Worker
from engine.performance import meter_class
from engine.records import CALIBRATION, DEARER, SINK

FEWEST = 64                               # records that a profile needs
PATIENCE_S = 600.0                        # without any record


def checked_text(text):
    """The text's file; its digest, "" for the neutral text."""
    if text is None:
        return None, ""
    path = Path(text).resolve()
    try:
        words = path.read_text("utf-8")
    except OSError as fault:
        raise ModelError(f"cannot read the text {text}: {fault.strerror or fault}") from None
    except UnicodeDecodeError:
        raise ModelError(f"{text} is no UTF-8 text: save it as UTF-8") from None
    if not words.strip():
        raise ModelError(f"the text {text} is empty: give one of some pages")
    return path, hashlib.sha256(words.encode()).hexdigest()[:16]


class Part:
    """What an interrupted calibration has got so far, in one file."""

    def __init__(self, where, key, weight_hash):
        self.path, self.key = Path(where) / f"{weight_hash}.part", key
        self.contexts, self.records = 0, 0

    def load(self, meter):
        """Goes on from it, if it is of the same text, model and meter."""
        try:
            data = json.loads(self.path.read_text("utf-8"))
            if data["key"] != self.key:
                return
            meter.resume(data["meter"])
            self.contexts, self.records = int(data["contexts"]), int(data["records"])
        except (OSError, ValueError, KeyError, TypeError):
            return                        # none, or damaged: from the beginning

    def save(self, meter):
        """Keeps the state after one more context; a full disk costs only the resuming."""
        self.contexts += 1
        data = {"key": self.key, "contexts": self.contexts, "records": self.records,
                "meter": meter.pause()}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            profile.write_whole(self.path, json.dumps(data).encode())
        except OSError:
            pass


def loaded(worker, report):
    """Waits until the worker has loaded; raises ModelError with its words when it cannot."""
    begin = time.monotonic()
    while (state := worker.poll()) == "starting":
        report(0.0, f"loading the model ({time.monotonic() - begin:.0f} s)")
        time.sleep(0.02)
    if state != "ready":
        raise ModelError(worker.error)


def records(worker):
    """The calibration records of a worker, one after another; each is valid until the next."""
    end = time.monotonic() + PATIENCE_S
    while True:
        state, token = worker.state.front(), worker.token.front()
        if state is None or token is None:
            if worker.poll() != "ready":
                raise ModelError(worker.error or "the model process ended: the same command goes "
                                 "on where it stopped")
            if time.monotonic() > end:
                raise ModelError(f"the model gave no record in {PATIENCE_S:.0f} s")
            time.sleep(0.001)
            continue
        end = time.monotonic() + PATIENCE_S
        if not int(state["flags"]) & CALIBRATION:
            return
        yield state, token
        last = int(state["seq"]) == -1
        worker.state.pop()
        worker.token.pop()
        if last:
            return


def calibrate(model, text=None, out=None, again=False, report=lambda share, words="": None):
    """Makes the profile of a model; returns {"profile": path, "model", "records", "new"}.

    text    a file to read instead of the neutral text, all of it
    out     the folder for the profile, None for the user's own
    again   also where there is one already
    raises  ModelError when the model cannot be loaded, the text not be read, nothing be written
    """
    path, digest = checked_text(text)
    meter_of, where = meter_class(), Path(out or profile.folder())
    worker = Worker({"model": model, "tiers": list(DEARER), "standby": True, "held": True,
                     "calibration": {"text": path and str(path)}}).start()
    try:
        loaded(worker, report)
        shape = worker.descriptor
        if not again:
            there, _ = profile.find(shape.weight_hash, meter_of.signature, shape.tiers[3:])
            if there is not None and out is None:
                return {"profile": None, "model": shape.name, "records": 0, "new": False,
                        "weight_hash": shape.weight_hash}
        meter = meter_of(shape)
        part = Part(where, [shape.weight_hash, meter.signature, digest, list(shape.tiers),
                            shape.context], shape.weight_hash)
        part.load(meter)
        worker.take_over({"calibration": {"text": path and str(path), "skip": part.contexts}})
        take_in(worker, meter, part, report)
        return kept(meter, part, where, text)
    finally:
        worker.stop()


def take_in(worker, meter, part, report):
    """Feeds every record to the meter; the part is kept at the end of each context."""
    before, first = part.records, True
    for state, token in records(worker):
        if int(state["flags"]) & SINK and not first:
            part.save(meter)
        first = False
        meter.learn(state, token)
        part.records += 1
        left = -int(state["seq"]) - 1
        report(part.records / (part.records + left), f"reading ({part.records} records)")
    return part.records - before


def kept(meter, part, where, text):
    """Freezes the meter and writes its profile."""
    if meter.learned < FEWEST:
        raise ModelError(f"{text or 'the text'} gives {meter.learned} records that count, {FEWEST} "
                         "are needed: give a longer one")
    learned = meter.learned
    meter.freeze()
    path = profile.save(meter.profile(), where)
    part.path.unlink(missing_ok=True)
    return {"profile": str(path), "model": meter.descriptor.name, "records": learned, "new": True,
            "tiers": list(meter.descriptor.tiers), "weight_hash": meter.descriptor.weight_hash,
            "sinks": list(meter.layers.sinks), "huge": int(meter.layers.huge.sum())}

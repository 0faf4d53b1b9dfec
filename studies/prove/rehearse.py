"""The model reads unrelated prompts, and what it does is measured: frames, and the frames of null
models. One process of the model serves them all, with frozen calibration. Thread: control."""
import time
from dataclasses import dataclass, field

import numpy as np

from engine.errors import ModelError
from engine.mapping import read_by
from engine.model.directions import load_all
from engine.model.supervisor import Supervised
from engine.performance import meter_class, worker_settings
from engine.records import PROMPT
from engine.source import Source

PATIENCE_S, RESTARTS = 120.0, 3           # without any record; processes that may be lost
KEPT_BYTES = 400 << 20                    # of raw records of the first text
STATES = ("resid", "attn", "mlp", "act")
# unrelated, and of unequal length: 4 to 60 words
TEXTS = (
    "The night was warm.",
    "Add the flour to the butter, stir until it is smooth, and pour in the milk.",
    "Article 4. The tenant shall pay the rent on the first day of each month, in advance, and "
    "shall keep the rooms, the stairs and the garden in good repair until the end of the lease.",
    "The engine coughs once and dies on the steep road.",
    "Dear Mother, I write to you from the ship. We have had nine days of storm, and the captain "
    "says that we shall not see land before Sunday. Do not worry about me: I have the blue coat, "
    "and the cook, who comes from our village, puts aside the best bread for me each evening.",
    "Two plus two is four, and four plus four is eight.",
    "The general looked at the map for a long time and said nothing, while outside the horses "
    "stood in the rain and the guns could be heard from the other side of the river.",
    "O moon, cold lamp above the sleeping sea, what do you know of those who wait",
)


@dataclass
class Rehearsal:
    """What the model did with each text.

    made    the Set;  names  the features its frames may carry;  texts  the prompts
    frames  of each text, in order;  lengths  tokens of each prompt;  said  what was written
    noise   the same records with Gaussian states of equal norms, measured alike
    shuffled  the same records in another order, measured alike
    records   (state, token) copies of the first text's beginning;  meter  measures them again
    """
    made: object
    names: tuple
    bars: int
    texts: list = field(default_factory=list)
    frames: list = field(default_factory=list)
    lengths: list = field(default_factory=list)
    noise: list = field(default_factory=list)
    shuffled: list = field(default_factory=list)
    records: list = field(default_factory=list)
    descriptor: object = None
    meter: object = None

    @property
    def said(self):
        return ["".join(frame.text for frame in frames) for frames in self.frames]


def bars_for(made, records=512, low=32, high=128):
    """How many bars a rehearsal has: about 512 records, within 32..128 bars."""
    return max(low, min(high, records // made.tokens_per_bar))


class Model:
    """A running model and its meter; `read` gives the records of a text.

    directions  of another model, to be measured in this one's states; None: its own
    """

    def __init__(self, made, report, directions=None):
        self.made, self.directions = made, directions
        foreign = {} if directions is None else {"directions": [], "steering": {}}
        self.supervised = Supervised(worker_settings(made, None) | foreign, reserve=False)
        self.supervised.start()
        try:
            source = Source(self.supervised)
            source.wait_ready(lambda s: report(0.0, f"loading the model ({s:.0f} s)"))
            self.descriptor = self.supervised.descriptor
            if directions is None:
                self.directions = load_all(made.directions, self.descriptor)
            self.meter = self._meter()
            source.calibrate(self.meter)
            self.profile = self.meter.profile()
        except BaseException:
            self.close()
            raise
        self.fresh = True

    def _meter(self):
        return meter_class()(self.descriptor, read_by(self.made), self.directions)

    def meters(self, count):
        """So many meters of the same calibration, each with a history of its own."""
        found = [self._meter() for _ in range(count)]
        for meter in found:
            meter.load_profile(self.profile)
        return found

    def read(self, text, count):
        """`count` records of a text, as it would be played from its beginning: copies. A process
        that is lost on the way is replaced, and the text read again.

        raises  ModelError when that does not help
        """
        if not self.fresh or text != self.made.prompt:
            self.supervised.control(PROMPT, text=text, after_seq=-1)
        self.fresh = False
        for _ in range(RESTARTS):
            lost, found = self.supervised.restarts, []
            end = time.monotonic() + PATIENCE_S
            while len(found) < count and self.supervised.restarts == lost:
                pair = self.supervised.front()
                if pair is None:
                    if self.supervised.poll() == "failed" or time.monotonic() > end:
                        raise ModelError(self.supervised.error
                                         or f"the model gave no record in {PATIENCE_S:.0f} s")
                    time.sleep(0.0005)
                    continue
                if int(pair[0]["seq"]) >= 0:
                    found.append((pair[0].copy(), pair[1].copy()))
                    end = time.monotonic() + PATIENCE_S
                self.supervised.pop()
            if len(found) == count:
                return found
            self.supervised.control(PROMPT, text=text, after_seq=-1)
        raise ModelError(f"the model process ended {RESTARTS} times: "
                         f"{self.supervised.messages[-1]}")

    def frames_of(self, text, count):
        """The frames of a text's first records."""
        return measured(self.meter, self.read(text, count))

    def close(self):
        self.supervised.stop()


def measured(meter, records):
    """The frames of records, from the beginning of a performance."""
    meter.forget()
    return [meter.measure(state, token) for state, token in records]


def gaussian(records, seed):
    """The records with every row of activations replaced by Gaussian noise of the same norm."""
    random, found = np.random.default_rng(seed), []
    for state, token in records:
        state = state.copy()
        for name in STATES:
            rows = state[name]
            noise = random.normal(size=rows.shape).astype(np.float32)
            norms = np.linalg.norm(rows, axis=-1, keepdims=True)
            rows[:] = noise * norms / np.maximum(np.linalg.norm(noise, axis=-1, keepdims=True),
                                                 1e-20)
        found.append((state, token))
    return found


def in_another_order(records, seed):
    """The records shuffled; each keeps its words, the places of the sequence stay."""
    order = np.random.default_rng(seed).permutation(len(records))
    found = []
    for place, k in enumerate(order):
        state, token = records[k][0].copy(), records[k][1].copy()
        state["seq"] = token["seq"] = place
        found.append((state, token))
    return found


def prompt_tokens(records):
    """How many of the records were given, not sampled."""
    return sum(bool(np.isnan(token["temperature"])) for _, token in records)


def rehearse(model, texts=None, bars=None, report=lambda share, words="": None, nulls=True):
    """A Rehearsal with a running Model. nulls: with the frames of Gaussian and of shuffled records.
    """
    texts, made = list(texts or TEXTS), model.made
    bars = bars or bars_for(made)
    count = bars * made.tokens_per_bar
    real, other, mixed = model.meters(3)
    found = Rehearsal(made, tuple(model.meter.names), bars, texts, descriptor=model.descriptor,
                      meter=real)
    for number, text in enumerate(texts):
        report(number / len(texts), f"the model reads text {number + 1} of {len(texts)}")
        records = model.read(text, count)
        found.frames.append(measured(real, records))
        found.lengths.append(prompt_tokens(records))
        if nulls:
            found.noise.append(measured(other, gaussian(records, number)))
            found.shuffled.append(measured(mixed, in_another_order(records, number)))
        if not number:
            keep = max(64, min(count, KEPT_BYTES // records[0][0].nbytes))
            found.records = records[:keep]
    return found


def once(made, texts, bars, report, directions=None):
    """A Rehearsal with a model of its own, without nulls."""
    model = Model(made, report, directions)
    try:
        return rehearse(model, texts, bars, report, nulls=False)
    finally:
        model.close()


def exchanged_record(rehearsal, t):
    """The frames of the kept records, record t exchanged for another; None: as they were."""
    records = list(rehearsal.records)
    if t is not None:
        state, token = (row.copy() for row in records[(t + len(records) // 3) % len(records)])
        state["seq"] = token["seq"] = int(records[t][0]["seq"])
        state["position"] = int(records[t][0]["position"])
        records[t] = state, token
    return measured(rehearsal.meter, records)

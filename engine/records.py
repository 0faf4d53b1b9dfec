"""What crosses the rings: STATE, TOKEN, control, event and parameter layouts, each from one table.
Thread: any."""

from dataclasses import asdict, dataclass, field

import numpy as np

SLOTS, RING_BYTES = 64, 32 << 20
TEXT_BYTES = 64
TOP = 8  # log-probabilities carried with a token
HEATS = tuple(0.2 * 10.0 ** (k / 15) for k in range(16))  # temperatures, 0.2 to 2

# flags of STATE and TOKEN
PREFILL, TEMPLATE, RENEWED, SINK, END, CALIBRATION, INVALID = 1, 2, 4, 8, 16, 32, 64


# Tiers of capture: logits; block outputs; attention and MLP writes; writes of single heads; rows of
# attention. What a head looks at (T4), one number each:
#   entropy   of its row over the log of the visible places: 0 one place, 1 all alike
#   spread    the same without the sinks, renormalised
#   sink, previous, itself   the weight on the sinks, the place before, its own
#   gaze_octaves   mean of log2(1 + tokens back), without the sinks
#   link_tokens, link        how far back the strongest place is that is no sink, and its weight
# The lens: what needs the head's weights or the whole law of the next token; it comes with TOKEN.
TIERS = ("T0", "T1", "T2", "T3", "T4", "lens")
DEARER = TIERS[3:]                        # those that are captured only for sets that ask
GAZE = ("entropy", "spread", "sink", "previous", "itself", "gaze_octaves", "link_tokens", "link")
RESID, ATTN, MLP, ACT, HEADS, ROWS = range(6)         # lines of `valid`
MEASURED = ("resid", "attn", "mlp", "act", "head_norm", "head_axis", "heads", "gaze", "row")


@dataclass(frozen=True)
class Descriptor:
    """A model's shape; travels once, and offsets of STATE follow from it.

    widths   MLP activation width of each layer, 0 where there is none to tap
    heads    attention heads;  tiers  what is captured, of TIERS: fields of other tiers are absent
    chosen   layers whose heads and attention rows travel whole;  sinks  places of a context that
             draw attention whatever they say
    """

    name: str
    layers: int
    width: int
    widths: tuple = ()
    heads: int = 0
    vocabulary: int = 0
    context: int = 0
    weight_hash: str = ""
    tiers: tuple = ("T0", "T1", "T2")
    notes: tuple = ()
    chosen: tuple = ()
    sinks: tuple = (0,)

    def data(self):
        return asdict(self)

    @classmethod
    def from_data(cls, data):
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})


def lead_layer(layers):
    """The layer that leads, counted from 0: two thirds up."""
    return -(-2 * layers // 3) - 1


def state_dtype(model):
    """One STATE row. Rows of a (layer, field) whose bit in `valid` is 0 are absent, never zero.

    resid  (layers + 1, width): row 0 the embedding, row i + 1 the output of block i
    attn, mlp  (layers, width): what attention and MLP wrote;  act  (layers, widest): MLP
    activations
    valid  (6, layers + 1) uint8: for resid, attn, mlp, act, heads (T3), rows of attention (T4)
    T3: head_norm, head_axis (layers, heads): the norm of each head's write, and where it stands on
    the layer's fixed direction;  heads (chosen, heads, width): the writes themselves
    T4: gaze (layers, heads, len(GAZE)), NaN where a place has nothing to choose from;
    row (chosen, context): mean row of the heads, by place in the context
    """
    widest, chosen = max((*model.widths, 1)), len(model.chosen)
    fields = [
        *((name, "i8") for name in STAMPS),
        ("resid", "f4", (model.layers + 1, model.width)),
        ("attn", "f4", (model.layers, model.width)),
        ("mlp", "f4", (model.layers, model.width)),
        ("act", "f4", (model.layers, widest)),
        ("valid", "u1", (6, model.layers + 1)),
    ]
    if "T3" in model.tiers:
        fields += [("head_norm", "f4", (model.layers, model.heads)),
                   ("head_axis", "f4", (model.layers, model.heads)),
                   ("heads", "f4", (chosen, model.heads, model.width))]
    if "T4" in model.tiers:
        fields += [("gaze", "f4", (model.layers, model.heads, len(GAZE))),
                   ("row", "f4", (chosen, model.context))]
    return np.dtype(fields, align=True)


STAMPS = ("seq", "generation", "token", "position", "flags", "done_ns", "published_ns")


# One TOKEN row: what was sampled after STATE `seq`. NaN marks a number the model did not give, as
# for the tokens of a prompt.
TOKEN = np.dtype(
    [
        ("seq", "i8"),
        ("generation", "i8"),
        ("token", "i8"),
        ("flags", "i8"),
        ("sampled_ns", "i8"),
        ("surprisal_nat", "f4"),
        ("entropy_nat", "f4"),
        ("margin_nat", "f4"),
        ("temperature", "f4"),
        ("top_log_probability", "f4", TOP),
        # the lens: depth 0..1 from which on the token was first; rise of its log share a layer;
        # divergence of the laws at three quarters and at the end; E[-log p] at each of HEATS
        ("commit", "f4"),
        ("slope_nat", "f4"),
        ("unrest_nat", "f4"),
        ("heat_nat", "f4", len(HEATS)),
        # steering: how far the law played diverges from the unsteered one, and the share of the way
        # that the limit let it go
        ("steer_nat", "f4"),
        ("steer_share", "f4"),
        ("text_bytes", "i4"),
        ("text", "u1", TEXT_BYTES),
    ],
    align=True,
)

# One control to the model: kind, the seq after which it holds, a number, a text (of STEER: which
# amount, "steer.NAME" or "ablate.NAME")
CONTROL_TEXT = 8192
PROMPT, TEMPERATURE, HOLD, SKIP, STOP, STEER = 1, 2, 3, 4, 5, 6
CONTROL = np.dtype(
    [
        ("kind", "i8"),
        ("generation", "i8"),
        ("after_seq", "i8"),
        ("value", "f8"),
        ("text_bytes", "i8"),
        ("text", "u1", CONTROL_TEXT),
    ],
    align=True,
)

# One event to the rig, or one it reports as applied. sample: when; 0 means now.
NOTE, OFF, TARGET, CHOKE, PANIC, FADE, MIDI = 1, 2, 3, 4, 5, 6, 7
# flag of NOTE: glide the sounding voice there, do not strike
SLIDE = 1
# flag of TARGET and FADE: a person changed something; the guard watches what comes of it
EDIT = 2
# from this bit of an event's flags up: the number of its cause in the take, 0 for none
CAUSE_BIT = 8
EVENT = np.dtype(
    [
        ("sample", "i8"),
        ("length", "i8"),  # NOTE: samples until its release; MIDI: bytes, their count on top;
        # TARGET: 1 + seq of the record that it was read from, 0 for none
        ("kind", "i4"),
        ("deck", "i4"),
        ("part", "i4"),
        ("flags", "i4"),
        ("pitch_hz", "f4"),  # OFF: 0 lets all notes of the part go
        ("level", "f4"),  # NOTE; TARGET and FADE: level is the value
        ("rise_s", "f4"),
        ("fall_s", "f4"),  # TARGET: part is the parameter's index; MIDI: part is the port
    ],
    align=True,
)

# One MIDI message on its way out or in. sample: when on the sample counter, 0 means now (out).
# time_ns: monotonic, when it came in (0: only the sample is known). port: which of the stage's own
MESSAGE = np.dtype(
    [
        ("sample", "i8"),
        ("time_ns", "i8"),
        ("port", "i4"),
        ("size", "i4"),
        ("data", "u1", 16),
    ],
    align=True,
)

# What a surface (OSC, MIDI, page, key) asks of the stage: an address of the registry and its
# arguments. kind: VALUE may be overtaken by a later one, TRIGGER never; SAY is a line for the
# performer, in `text`. time_ns: monotonic, when it is meant; 0 means now.
VALUE, TRIGGER, SAY = 1, 2, 3
COMMAND_TEXT, ADDRESS_BYTES = 2048, 128
COMMAND = np.dtype(
    [
        ("time_ns", "i8"),
        ("kind", "i4"),
        ("count", "i4"),
        ("value", "f8", 4),
        ("address_bytes", "i4"),
        ("text_bytes", "i4"),
        ("address", "u1", ADDRESS_BYTES),
        ("text", "u1", COMMAND_TEXT),
    ],
    align=True,
)

# What goes out to surfaces: entry is the place in the registry, sample when it is (or was) heard.
FEED = np.dtype(
    [
        ("sample", "i8"),
        ("entry", "i4"),
        ("count", "i4"),
        ("value", "f8", 4),
        ("text_bytes", "i4"),
        ("text", "u1", TEXT_BYTES),
    ],
    align=True,
)


def slots_for(dtype):
    """Ring slots of a record: 64, or what 32 MB hold, at least 4."""
    return max(4, min(SLOTS, RING_BYTES // np.dtype(dtype).itemsize))


@dataclass
class Frame:
    """One record as music sees it: STATE and TOKEN joined, measured and calibrated.

    raw    feature name -> value in its own unit; a missing feature has no key
    unit   feature name -> 0..1, its place among the calibrated values (a frozen quantile)
    events   (name, strength, voice, how many records ago) of what happened
    rows   name -> numbers over depth, notes or steps; for whoever lays them out in time
    steered  (nat, share) of its TOKEN where the model is steered, else ()
    """

    seq: int
    token: int
    text: str
    flags: int
    raw: dict = field(default_factory=dict)
    unit: dict = field(default_factory=dict)
    sentence_end: bool = False
    punctuation: bool = False
    paragraph_end: bool = False
    events: list = field(default_factory=list)
    rows: dict = field(default_factory=dict)
    steered: tuple = ()
    of: int = -1                          # a recalled frame (seq -1): the record it recalls

    @property
    def record(self):
        """The seq of the record that it came from, or recalls; -1 for none."""
        return self.of if self.seq < 0 else self.seq

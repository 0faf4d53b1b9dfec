"""Two controls for the embedded model's held-out figure: `xz -9`, and an order-5 character model.

The character model counts every run of up to six bytes of the training text and blends the orders
by Witten and Bell (IEEE Trans. Inf. Theory 37(4), 1991): a context that was followed by many
different bytes trusts its shorter one more. Thread: control.
"""
import lzma

import numpy as np

ORDER = 5                                 # bytes of context
MARK = b"\0"                              # between sections, as the model reads an end mark
DICTIONARY = 128 << 20                    # bytes xz may look back: past the whole training text


def joined(sections):
    """Sections as one row of bytes, a mark before each."""
    return b"".join(MARK + part.encode() for part in sections)


def text_bytes(sections):
    """Bytes of text, without marks: what a bit is divided by."""
    return sum(len(part.encode()) for part in sections)


def xz_bits(held, extreme=False):
    """Bits per byte of the held-out text alone under `xz -9` (or -9e)."""
    packed = lzma.compress(joined(held), preset=9 | (lzma.PRESET_EXTREME if extreme else 0))
    return 8.0 * len(packed) / text_bytes(held)


def xz_bits_after(train, held):
    """Bits per byte that the held-out text adds under xz after it has seen the training text."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": DICTIONARY}]
    before = joined(dict.fromkeys(train))
    sizes = [len(lzma.compress(text, filters=filters)) for text in (before, before + joined(held))]
    return 8.0 * (sizes[1] - sizes[0]) / text_bytes(held)


def runs(text):
    """Every run of ORDER + 1 bytes as one number, the oldest byte highest; (n - ORDER,) uint64."""
    row = np.frombuffer(text, np.uint8)
    keys = np.zeros(len(row) - ORDER, np.uint64)
    for k in range(ORDER + 1):
        keys <<= np.uint64(8)
        keys |= row[k:k + len(keys)]
    return keys


def counted(keys):
    """(different values, how often each) of sorted keys."""
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return keys[first], np.diff(np.append(first, len(keys)))


def looked_up(values, counts, wanted):
    """counts of the wanted values, 0 where a value is unknown."""
    place = np.minimum(np.searchsorted(values, wanted), len(values) - 1)
    return np.where(values[place] == wanted, counts[place], 0)


def character_nats(train, held):
    """-log p of every byte of `held` (marks too) under the character model, (n,) float64.

    train, held  bytes; the model is fixed after the training text
    """
    wanted = runs(MARK * ORDER + held)                       # each byte of `held` ends one run
    every = np.sort(runs(train))                             # of all orders: prefixes stay sorted
    byte = wanted & np.uint64(255)
    probability = np.full(len(wanted), 1.0 / 256.0)
    for order in range(ORDER + 1):
        # the last `order + 1` bytes of a run that ends at the wanted byte are the first of another
        drop = np.uint64(8 * (ORDER - order))
        values, counts = counted(every >> drop)
        mask = np.uint64((1 << 8 * (order + 1)) - 1)
        context = (wanted & mask) >> np.uint64(8)
        seen = looked_up(values, counts, context << np.uint64(8) | byte)
        contexts, first = np.unique(values >> np.uint64(8), return_index=True)
        total = looked_up(contexts, np.add.reduceat(counts, first), context)
        kinds = looked_up(contexts, np.diff(np.append(first, len(values))), context)
        known = total > 0
        blended = (seen + kinds * probability) / np.maximum(total + kinds, 1)
        probability = np.where(known, blended, probability)
    return -np.log(probability)


def character_bits(train, held):
    """Bits per byte of the held-out sections under the order-5 model of the training sections."""
    nats = character_nats(joined(train), joined(held))
    return float(nats.sum() / np.log(2.0) / text_bytes(held))


def controls(train, held, say=lambda line: None):
    """All control figures, bits per byte."""
    found = {}
    for name, measure in (("xz_9", lambda: xz_bits(held)), ("xz_9e", lambda: xz_bits(held, True)),
                          ("order_5", lambda: character_bits(train, held)),
                          ("xz_9_after_training_text", lambda: xz_bits_after(train, held))):
        found[name] = round(measure(), 4)
        say(f"control {name}: {found[name]:.3f} bits/byte")
    return found

"""The words of MIDI out, and how a message gets into a port's ring. Thread: audio.

Messages of a quantum are gathered in the order of their samples, then published.
"""
from engine.rig_words import words
from engine.ring import HEAD, TAIL
from engine.rt import f32, load_acquire, rt, store_release

# words of the whole
(M_PORTS, M_PORT_ROWS, M_ROUTES, M_WAITING, M_WAITING_ROWS, M_SOUNDING, M_SOUNDING_ROWS, M_GATHER,
 M_MAP, M_HALVES, M_RATE_HZ, M_CONTROLS, M_CONTROL_ROWS, M_DROPPED, M_FULL, M_EMITTED,
 MIDI_WORDS) = range(17)
# words of a port; CHANNELS a bit for each that is played
(P_RING, P_ROWS, P_SLOTS, P_OFFSET, P_CLOCK, P_FRAMES_S, P_TICK, P_QUARTER, P_ORIGIN, P_GATHERED,
 P_HELD, P_CHANNELS, P_LOST, P_LATE, P_MEMBER, PORT_WORDS) = range(16)
# words of a route (deck, part): port -1 for none, key -1 for the note's own
R_PORT, R_CHANNEL, R_KEY, R_MPE, R_MUTE, ROUTE_WORDS = range(6)
# words of a sounding note
S_END, S_PORT, S_CHANNEL, S_PITCH, S_DECK, S_PART, SOUNDING_WORDS = range(7)
# words of a controller: a parameter of a deck's table, and the last value that went out
(C_DECK, C_PARAM, C_PORT, C_CHANNEL, C_NUMBER, C_CURVE, C_LAST, CONTROL_WORDS) = range(8)
PARTS_MOST, WAITING_MOST, SOUNDING_MOST, GATHER_MOST = 64, 1024, 256, 512
EVENT_INTS, MESSAGE_INTS = 6, 5           # int64 words of an EVENT and of a MESSAGE row
SPARE = 32                                # rows of a ring that note-ons leave to others
NOWHERE = -(1 << 60)                      # origin of a time code that stands
CONTROL_EVERY = 8                         # quanta between two looks at the controllers
MEMBERS, BEND_STEPS = 15, f32(8192.0 / 48.0)        # of an MPE zone; a semitone of its bend


@rt
def port_of(m, p):
    return words(m[M_PORT_ROWS] + 8 * PORT_WORDS * p, PORT_WORDS)


@rt
def sounding_of(m, k):
    return words(m[M_SOUNDING_ROWS] + 8 * SOUNDING_WORDS * k, SOUNDING_WORDS)


@rt
def room(p):
    """Rows of a port's ring that are still free, those gathered counted as taken."""
    ring = words(p[P_RING], 32)
    return p[P_SLOTS] - (ring[HEAD] - load_acquire(ring, TAIL)) - p[P_GATHERED]


@rt
def emit(m, port, sample, size, data, spare):
    """Gathers a message for the end of the quantum, at its place in time; False without room."""
    p = port_of(m, port)
    count = p[P_GATHERED]
    if room(p) <= spare or count >= GATHER_MOST:
        p[P_LOST] += 1
        return False
    rows = words(m[M_GATHER] + 8 * MESSAGE_INTS * GATHER_MOST * port, MESSAGE_INTS * GATHER_MOST)
    at = count
    while at > 0 and rows[(at - 1) * MESSAGE_INTS] > sample:
        for i in range(MESSAGE_INTS):
            rows[at * MESSAGE_INTS + i] = rows[(at - 1) * MESSAGE_INTS + i]
        at -= 1
    row = at * MESSAGE_INTS
    rows[row], rows[row + 1], rows[row + 2] = sample, 0, port + (size << 32)
    rows[row + 3], rows[row + 4] = data, 0
    p[P_GATHERED] += 1
    return True


@rt
def publish(m, port):
    """What was gathered, into the port's ring."""
    p = port_of(m, port)
    ring, head = words(p[P_RING], 32), words(p[P_RING], 32)[HEAD]
    rows = words(m[M_GATHER] + 8 * MESSAGE_INTS * GATHER_MOST * port, MESSAGE_INTS * GATHER_MOST)
    for k in range(p[P_GATHERED]):
        place = p[P_ROWS] + 8 * MESSAGE_INTS * ((head + k) & (p[P_SLOTS] - 1))
        target = words(place, MESSAGE_INTS)
        for i in range(MESSAGE_INTS):
            target[i] = rows[k * MESSAGE_INTS + i]
    if p[P_GATHERED]:
        m[M_EMITTED] += p[P_GATHERED]
        store_release(ring, HEAD, head + p[P_GATHERED])
        p[P_GATHERED] = 0

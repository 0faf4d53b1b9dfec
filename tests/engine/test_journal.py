"""Takes: read back as written; cut anywhere, whole up to the cut; a full disk is survived."""
import numpy as np
import pytest

from engine.errors import TakeError
from engine.journal import Recorder, Take, from_bf16, to_bf16
from engine.records import EVENT


def rows(count, first=0):
    made = np.zeros(count, EVENT)
    made["sample"] = np.arange(first, first + count) * 10
    return made


def written(path, chunks=3):
    recorder = Recorder(path, {"set": "x", "rate_hz": 48000})
    recorder.table(0, 0, "source", "x", 1)
    for k in range(chunks):
        recorder.chunk(b"FRAM", {"step": 2 * k, "seq": k, "text": "é" * k, "raw": {"a.b": k / 2}})
        recorder.events(rows(100, 100 * k))
        recorder.flush()
    return recorder


def test_a_take_reads_back(tmp_path):
    written(tmp_path / "a.take").close(123456)
    take = Take(tmp_path / "a.take")
    assert take.whole and take.samples == 123456 and take.head["set"] == "x"
    assert np.array_equal(take.events, rows(300))
    features = take.features()
    assert list(features["a.b"]) == [0.0, 0.5, 1.0] and features["text"][2] == "éé"


def test_a_take_cut_anywhere_is_whole_up_to_the_cut(tmp_path):
    written(tmp_path / "a.take").close(99)
    data = (tmp_path / "a.take").read_bytes()
    head = data.index(b"EVNT")
    for cut in range(head, len(data), 997):
        (tmp_path / "cut.take").write_bytes(data[:cut])
        take = Take(tmp_path / "cut.take")
        assert not take.whole and len(take.events) % 100 == 0
        assert np.array_equal(take.events, rows(len(take.events)))


def test_a_flipped_bit_ends_the_take_there(tmp_path):
    written(tmp_path / "a.take").close(99)
    data = bytearray((tmp_path / "a.take").read_bytes())
    second = data.index(b"EVNT", data.index(b"EVNT") + 4)
    data[second + 200] ^= 1
    (tmp_path / "bad.take").write_bytes(data)
    assert len(Take(tmp_path / "bad.take").events) == 100


@pytest.mark.parametrize("content", [b"", b"RIFF....WAVE", b"hiddenstage take 1\n"])
def test_what_is_no_take_is_refused(tmp_path, content):
    (tmp_path / "x.take").write_bytes(content)
    with pytest.raises(TakeError):
        Take(tmp_path / "x.take")


def test_missing_and_unwritable_takes_say_so(tmp_path):
    with pytest.raises(TakeError, match="cannot read"):
        Take(tmp_path / "none.take")
    with pytest.raises(TakeError, match="cannot write"):
        Recorder(tmp_path / "no folder" / "a.take", {})


def test_a_full_disk_stops_the_recording_not_the_caller():
    recorder = Recorder.__new__(Recorder)
    recorder.path, recorder.fault, recorder._events = "/dev/full", "", []
    recorder._file = open("/dev/full", "wb")
    recorder.chunk(b"FRAM", {"x": "y" * 100000})
    recorder.flush()
    assert "stopped" in recorder.fault
    recorder.events(rows(10000))
    recorder.close(5)


def test_bf16_rounds_to_nearest():
    values = np.array([0.0, 1.0, -1.5, 3.14159, 1e-30, 6.55e4, np.inf], np.float32)
    back = from_bf16(to_bf16(values))
    finite = np.isfinite(values) & (values != 0)
    assert np.abs(back[finite] / values[finite] - 1).max() <= 2 ** -8
    assert np.array_equal(from_bf16(to_bf16(back)), back) and np.isinf(back[-1])


def test_a_stages_take_keeps_the_one_before_and_a_renders_comes_whole(tmp_path):
    path = tmp_path / "a.take"

    def recorder(name, **more):
        made = Recorder(path, {"set": name}, **more)
        made.table(0, 0, "x", "toy", 1)
        return made
    recorder("one").close(1)
    stage = recorder("two")
    stage.flush()
    assert Take(path).head["set"] == "two" and Take(tmp_path / "a.take.before").head["set"] == "one"
    stage.close(1)
    for ending in ("shut", "close"):
        render = recorder(ending, whole=True)
        assert Take(path).head["set"] == "two"
        render.close(1) if ending == "close" else render.shut()
    assert Take(path).head["set"] == "close" and Take(path).whole
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.take", "a.take.before"]


def test_shut_twice_is_once(tmp_path):
    recorder = written(tmp_path / "a.take")
    recorder.shut()
    recorder.shut()
    recorder.close(5)
    take = Take(tmp_path / "a.take")
    assert not take.whole and len(take.events) == 300


def test_states_of_every_tier_are_kept_rounded(tmp_path):
    """What was recorded is what the features then measure, NaN (absent) still NaN."""
    from engine.records import GAZE, MEASURED, Descriptor, state_dtype
    random = np.random.default_rng(3)
    for tiers in (("T0", "T1", "T2"), ("T0", "T1", "T2", "T3", "T4")):
        shape = Descriptor("x", 2, 4, (6, 6), 2, 9, 16, "", tiers, (), (1,) * (len(tiers) > 3))
        row = np.zeros((), state_dtype(shape))
        names = [name for name in MEASURED if name in row.dtype.names]
        for name in names:
            row[name] = random.normal(size=row[name].shape)
        if "T4" in tiers:
            row["gaze"][0, 0, GAZE.index("spread")] = np.nan
        recorder = Recorder(tmp_path / "a.take", {"set": "x"})
        before = {name: row[name].copy() for name in names}
        rounded = recorder.state(row)
        recorder.close(1)
        size = 8 + 2 * sum(before[name].size for name in names)
        assert (tmp_path / "a.take").read_bytes().count(b"STAT") == 1
        assert size < (tmp_path / "a.take").stat().st_size < size + 200
        for name in names:
            again = from_bf16(to_bf16(before[name])).reshape(before[name].shape)
            assert np.array_equal(rounded[name], again, equal_nan=True)
        assert len(names) == (4 if len(tiers) == 3 else 9)

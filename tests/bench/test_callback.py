"""The callback bench: what it reads from the server, and what it concludes."""
from bench import _stage, callback

LOG = """JACK server starting in realtime mode with priority 70
JackTimedDriver::Process XRun = 11 usec
JackEngine::XRun: client = PortAudio was not finished, state = Triggered
JackAudioDriver::ProcessGraphAsyncMaster: Process error
JackEngine::XRun: client = PortAudio-01 was not finished, state = Running
JackAudioDriver::ProcessGraphAsyncMaster: Process error
"""


def found(late=0, xruns=0, share=0.03, seconds=60.0):
    return {"late_blocks": late, "server_xruns": xruns, "cost_p99_share": share, "seconds": seconds}


def test_xruns_are_told_apart(tmp_path):
    path = tmp_path / "log"
    path.write_text(LOG)
    assert _stage.xruns(path) == (1, 2)


def test_judge():
    good = callback.judge(found(late=9, xruns=4), found(late=5000))
    assert good["late_beyond_server"] == 5 and all(good["holds"].values())
    assert good["python_over_compiled"] == 555.6
    bad = callback.judge(found(late=10, xruns=4, share=0.21), found(late=900))
    assert not any(bad["holds"].values())


def test_summary_counts_only_the_window():
    before = _stage.np.zeros(_stage.layout.WORDS, _stage.np.int64)
    before[[_stage.layout.BLOCKS, _stage.layout.FRAMES, _stage.layout.LATE]] = 100, 12800, 7
    before[_stage.layout.RATE_HZ] = 48000
    after = before.copy()
    after[_stage.layout.BLOCKS] += 365                     # a second has 375 blocks
    after[_stage.layout.FRAMES] += 365 * 128
    after[_stage.layout.LATE] += 2
    after[_stage.layout.HISTOGRAM + 64] = 365
    result = _stage.summary("compiled", before, after, 1.0, 1, 0)
    assert result["blocks"] == 365 and result["late_blocks"] == 2 and result["server_xruns"] == 1
    assert result["blocks_missing"] == 10
    assert 16.0 < result["cost_p99_us"] < 18.0

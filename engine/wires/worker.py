"""The wires process: `python -m engine.wires.worker FOLDER`. Thread: control.

Each service is one part of what `settings` asks for: it takes the stage's ends, and runs until it
is cancelled. When the stage goes, however it goes, standard input ends and so does this process.
"""
import asyncio
import os
import signal
import sys
import time

from engine.errors import EngineError
from engine.records import FEED
from engine.ring import Ring
from engine.wires.board import LINK_COUNT, WIRES_NS, Board
from engine.wires.stage import Stage

LOOK_S = 0.05


def _warm():
    """Loads (or compiles) what the rings and the board call, before anybody waits for it: 0.3 s."""
    ring, board = Ring(None, FEED, slots=4), Board(None)
    ring.slot()
    ring.publish()
    if ring.front() is not None:
        ring.pop()
    board.write(LINK_COUNT, LINK_BEAT=0.0)


def services(stage):
    """The coroutines of what the settings ask for. What cannot be had (a port that is taken) is
    found out here, before the process calls itself ready.

    raises  EngineError
    """
    found = []
    if "osc" in stage.settings:
        from engine.wires.osc import serve_osc
        found.append(serve_osc(stage))
        if stage.settings["osc"].get("port"):              # who only sends is not to be found
            from engine.wires.query import serve_query
            found.append(serve_query(stage))
    if stage.settings.get("midi_out") or stage.settings.get("midi_in"):
        from engine.wires.midi import serve_midi
        found.append(serve_midi(stage))
    if "controls" in stage.settings and stage.settings.get("midi_in"):
        from engine.wires.controls_service import serve_controls
        found.append(serve_controls(stage))
    if stage.settings.get("link"):
        from engine.wires.link import serve_link
        found.append(serve_link(stage))
    return found


async def _look(stage):
    """Twenty times a second: a sign of life, and the registry if it is another."""
    while True:
        stage.board.words[WIRES_NS] = time.monotonic_ns()
        stage.look()
        await asyncio.sleep(LOOK_S)


async def _run(stage, found):
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    tasks = [asyncio.ensure_future(service) for service in (_look(stage), *found)]
    leaving = asyncio.ensure_future(reader.read())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leaving.cancel)
    try:
        done, _ = await asyncio.wait([leaving, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {leaving}:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def main(folder):
    stage = Stage(folder)
    try:
        found = services(stage)
        _warm()
        (stage.folder / "ready").touch()
        asyncio.run(_run(stage, found))
    except (EngineError, OSError) as fault:
        (stage.folder / "error").write_text(str(fault))
        return 1
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1])
    sys.stderr.flush()
    os._exit(code)                        # taking the compiler down takes up to a second

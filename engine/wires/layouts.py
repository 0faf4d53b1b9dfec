"""Layouts of a set as files, for surfaces that draw themselves. Thread: control."""
import contextlib
import errno
import os
from pathlib import Path

from engine.errors import EngineError
from engine.wires import open_stage_control, touchosc
from engine.wires.layout_pages import pages


def _write(path, data):
    """The whole file or none of it.

    raises  EngineError
    """
    part = path.parent / f".{path.name}.part"
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        part.write_bytes(data)
        os.replace(part, path)
    except OSError as fault:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise EngineError(f"{path}: cannot be written ({fault.strerror or fault})") from None


def write_touchosc(path, entries, title):
    """raises  EngineError"""
    _write(Path(path), touchosc.layout(pages(entries), title))


def write_open_stage_control(path, entries, port):
    """raises  EngineError"""
    _write(Path(path), open_stage_control.layout(pages(entries), port))

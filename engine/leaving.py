"""Leaving on a signal, even from inside a compiler that swallows exceptions. Thread: control.

LLVM calls back into Python while it compiles; an exception raised there is dropped, and what
follows fails in odd ways. So a dropped one is raised again, and whoever asked is remembered.
"""
import signal
import sys

AGAIN_S = 0.1
LEAVING = (KeyboardInterrupt, SystemExit)


class Leaving:
    """Within: Ctrl-C raises KeyboardInterrupt; SIGTERM and SIGHUP raise SystemExit.

    code   128 + the signal that asked, None so far
    """

    def __init__(self):
        self.code = None

    def __enter__(self):
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
        self._old = {number: signal.signal(number, self._leave) for number in numbers}
        self._hook, sys.unraisablehook = sys.unraisablehook, self._dropped
        return self

    def __exit__(self, *_):
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        sys.unraisablehook = self._hook
        for number, old in self._old.items():
            signal.signal(number, old)

    def _leave(self, number, _):
        if number != signal.SIGALRM:
            self.code = 128 + number
        if self.code == 128 + signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(self.code)

    def _dropped(self, dropped):
        if issubclass(dropped.exc_type, LEAVING):
            signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
        else:
            self._hook(dropped)

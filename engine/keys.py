"""Single keys from a terminal, put back as it was however the program ends. Thread: control.

Characters arrive one by one without echo; Ctrl-C and Ctrl-Z keep their meaning. Escape sequences
(arrow keys, pasted brackets) are swallowed whole, except a lone Escape.
"""
import atexit
import codecs
import os
import re
import select
import signal
import sys
import termios

ESCAPE = "\x1b"
SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|[^\[O\x1b])")


class Keys:
    """with Keys() as keys: keys.read(0.07) gives the characters typed meanwhile, often "".

    stream  a terminal; anything else (a pipe, a closed file) simply never has keys
    """

    def __init__(self, stream=None):
        self._stream = sys.stdin if stream is None else stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._old, self._signals, self.live = None, {}, False

    def __enter__(self):
        try:
            self._file = self._stream.fileno()
            self._old = termios.tcgetattr(self._file)
        except (AttributeError, OSError, ValueError, termios.error):
            return self                                        # no terminal: no keys
        self.live = True
        self._raw()
        atexit.register(self.restore)
        self._signals = {signal.SIGTSTP: signal.signal(signal.SIGTSTP, self._pause),
                         signal.SIGCONT: signal.signal(signal.SIGCONT, self._resume)}
        return self

    def __exit__(self, *_):
        for number, old in self._signals.items():
            signal.signal(number, old)
        self.restore()
        atexit.unregister(self.restore)
        self.live = False

    def _raw(self):
        mode = termios.tcgetattr(self._file)
        mode[3] &= ~(termios.ICANON | termios.ECHO)
        mode[6][termios.VMIN], mode[6][termios.VTIME] = 0, 0
        termios.tcsetattr(self._file, termios.TCSADRAIN, mode)

    def restore(self):
        """The terminal as it was before; safe to call again."""
        if self._old is not None:
            try:
                termios.tcsetattr(self._file, termios.TCSADRAIN, self._old)
            except termios.error:
                self._old = None                               # the terminal itself is gone

    def _pause(self, *_):
        self.restore()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)

    def _resume(self, *_):
        signal.signal(signal.SIGTSTP, self._pause)
        self._raw()

    def read(self, timeout_s):
        """Characters typed within timeout_s; returns at the first, or when the time is over."""
        if not self.live:
            select.select([], [], [], timeout_s)
            return ""
        if not select.select([self._file], [], [], timeout_s)[0]:
            return ""
        try:
            data = os.read(self._file, 4096)
        except OSError:
            data = b""
        if not data:
            self.live = False                                  # hung up
        return SEQUENCE.sub("", self._decoder.decode(data))

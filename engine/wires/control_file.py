"""A set's control file on disk: where it is, read, changed and noticed when it is saved. Thread:
control."""
import os
import tempfile
from pathlib import Path

from engine.errors import SetError
from engine.formats.controls import edited, read

ENDING, LARGEST_BYTES = ".controls.toml", 1 << 20


class ControlFile:
    """A control file on disk; one that is not there has no rows."""

    def __init__(self, path):
        self.path, self._stamp = Path(path), None

    def changed(self):
        """Whether it is another than when it was read or written last; one that is gone is not: an
        editor that saves may take it away for a moment."""
        return self._now() not in (None, self._stamp)

    def _now(self):
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _text(self):
        try:
            if os.path.getsize(self.path) > LARGEST_BYTES:
                raise SetError(f"{self.path}: over {LARGEST_BYTES >> 20} MB is no control file")
            return self.path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as fault:
            raise SetError(f"{self.path}: cannot be read: "
                           f"{getattr(fault, 'strerror', None) or fault}") from fault

    def read(self, check=None):
        """Its rows; raises SetError (see `read`)."""
        self._stamp = self._now()
        return read(self._text(), self.path.name, check)

    def change(self, changed):
        """Writes what `changed` makes of the rows on disk, whole or not at all; returns them.

        raises  SetError when it cannot be read or written; it stays as it is
        """
        text, name = self._text(), self.path.name
        rows = changed(read(text, name))
        self._write(edited(text or f"# {name.removesuffix(ENDING)}: controllers, one row a line; "
                           "saved while playing, it takes over at once\n", rows, name))
        return rows

    def _write(self, text):
        part, path = None, Path(os.path.realpath(self.path))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent,
                                             suffix=".part", delete=False) as file:
                part = file.name
                file.write(text)
            os.chmod(part, path.stat().st_mode & 0o777 if path.exists() else 0o644)
            os.replace(part, path)
        except OSError as fault:
            if part:
                Path(part).unlink(missing_ok=True)
            raise SetError(f"{self.path}: cannot be written: {fault.strerror}") from fault
        self._stamp = self._now()


def file_of(name, set_path):
    """Where a set's control file is: beside a set of one's own, else in the user's own folder."""
    beside = Path(set_path).with_suffix(ENDING)
    if str(name).endswith(".py") or beside.exists():
        return beside
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(home) / "hiddenstage" / beside.name

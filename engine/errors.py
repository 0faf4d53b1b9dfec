"""What can go wrong, in words a performer can act on. Thread: any."""
import difflib
import os

LISTED = 12


class EngineError(Exception):
    """Says where, what, and what to write instead; the command line prints it as one line."""


class SetError(EngineError): ...
class ParamError(SetError): ...
class MappingError(SetError): ...
class DeviceError(EngineError): ...
class ModelError(EngineError): ...
class TakeError(EngineError): ...


def suggestion(name, known):
    """"; did you mean 'x'?" for a near name, else a short list of the known ones."""
    near = difflib.get_close_matches(str(name), list(known), n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    more = f" and {len(known) - LISTED} more" if len(known) > LISTED else ""
    return f"; known: {', '.join(sorted(known)[:LISTED])}{more}" if known else ""


def distinct(**paths):
    """Raises EngineError when two of the files that a command reads and writes are one: what was
    written first would be lost, and the take with it."""
    seen = {}
    for name, path in paths.items():
        if path:
            real = os.path.realpath(path)
            if real in seen:
                raise EngineError(f"{seen[real]} and {name} are one file, {path}: give each its "
                                  "own")
            seen[real] = name

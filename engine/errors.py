"""What can go wrong, in words a performer can act on. Thread: any."""
import difflib


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
    return f"; known: {', '.join(sorted(known)[:12])}" if known else ""

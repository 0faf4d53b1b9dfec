"""C functions kept as machine code in the kernel cache: read in a tenth of the time that numba's
own cache takes for a function. Thread: control.
"""
import functools
import hashlib
import importlib
import os
import sys
from contextlib import suppress

from llvmlite import binding
from numba import config
from numba.core.registry import cpu_target
from numba.core.runtime import rtsys

from engine.rt import CACHE

DIGEST = 32
_kept = {}                                # (address, what owns the code), by module and name


@functools.cache
def _target():
    """What code is compiled for here; its names that are not LLVM's are known from now on."""
    rtsys.initialize(cpu_target.target_context)
    return sys.version_info[:2], *cpu_target.target_context.codegen().magic_tuple()


def _file(module, name):
    key = hashlib.sha256(repr(_target()).encode()).hexdigest()[:12]
    return CACHE / "objects" / f"{module}.{name}.{key}.o"


def _read(module, name):
    """(symbol, machine code) as written, or None: not there, or not whole."""
    try:
        data = _file(module, name).read_bytes()
    except OSError:
        return None
    whole = hashlib.sha256(data[DIGEST:]).digest() == data[:DIGEST]
    symbol, _, code = data[DIGEST:].partition(b"\n")
    return (symbol.decode(), code) if whole else None


def _write(module, name, symbol, code):
    path, data = _file(module, name), symbol.encode() + b"\n" + code
    side = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        side.write_bytes(hashlib.sha256(data).digest() + data)
        side.replace(path)
    except OSError:                       # a full disk: it is compiled at the next start, too
        with suppress(OSError):
            side.unlink(missing_ok=True)


def _linked(symbol, code):
    machine = binding.Target.from_triple(binding.get_process_triple()).create_target_machine()
    engine = binding.create_mcjit_compiler(
        binding.parse_assembly(""), machine, use_lmm=config.USE_LLVMLITE_MEMORY_MANAGER)
    engine.add_object_file(binding.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine.get_function_address(symbol), engine


def is_kept(module, name):
    """Whether the cache has the code of a module's C function."""
    return _file(module, name).exists()


def c_function(module, name):
    """The address of a module's `cfunc`, for as long as the process lives: from the cache, where
    its code must depend on nothing but the module's name and the engine; else the module is
    imported, which compiles it, and the code is kept.

    raises what importing the module raises
    """
    if (module, name) not in _kept:
        found = _read(module, name)
        if found:
            _kept[module, name] = _linked(*found)
        else:
            made = getattr(importlib.import_module(module), name)
            _write(module, name, made.native_name, made._library._get_compiled_object())
            _kept[module, name] = int(made.address), made
    return _kept[module, name][0]

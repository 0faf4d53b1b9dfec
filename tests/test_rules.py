"""The rules that hold the house up: who may import whom, what starts light, what is packed."""
import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("engine", "synths", "mappings", "sets", "studies", "bench")
FILES = [*sorted(f for name in FOLDERS for f in (ROOT / name).rglob("*.py")), *ROOT.glob("*.py")]
NAMES = [str(f.relative_to(ROOT)) for f in FILES]
DIALECT = {"engine.rt", "engine.lanes", "engine.kernels", "engine.param", "engine.voice",
           "engine.formats", "engine.fonts"}
HEAVY = {"torch", "transformers", "numba", "llvmlite", "numpy", "sounddevice", "soundfile", "scipy",
         "librosa", "fluidsynth"}
UNSAFE = {"eval", "exec", "torch.load", "pickle.load", "pickle.loads", "marshal.loads"}
ONE_FILE = {"sounddevice": {"engine/stream_portaudio.py"}, "fluidsynth": {"engine/fonts.py"},
            "link": {"engine/wires/link.py"}}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def imports(path):
    """Full names of everything a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def inside(name, packages):
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def offenders(folder, forbidden, allowed=()):
    """File: import pairs of a folder that no rule allows."""
    return [f"{name}: {one}" for name, path in zip(NAMES, FILES, strict=True)
            if name.startswith(folder) for one in sorted(imports(path))
            if inside(one, forbidden) and not inside(one, allowed)]


def test_there_is_something_to_check():
    assert len(FILES) > 20 and "engine/cli.py" in NAMES


def test_torch_only_under_engine_model():
    found = [line for line in offenders("", {"torch", "transformers", "safetensors", "tokenizers"})
             if not line.startswith(("engine/model/", "bench/"))]
    assert not found


def test_the_engine_knows_no_music_and_no_sounds():
    assert not offenders("engine/", {"synths", "mappings", "sets"})


def test_synths_speak_only_the_dialect():
    assert not offenders("synths/", set(FOLDERS), DIALECT)


def test_mappings_know_neither_rig_nor_wires():
    allowed = {"engine.records", "engine.mapping", "engine.errors", "engine.rt", "engine.lanes",
               "mappings"}
    assert not offenders("mappings/", set(FOLDERS), allowed)


def test_sets_import_only_ours():
    ours = {"engine", "synths", "mappings"}
    found = [f"{name}: {one}" for name, path in zip(NAMES, FILES, strict=True)
             if name.startswith("sets/") for one in imports(path) if not inside(one, ours)]
    assert not found


@pytest.mark.parametrize("library", ONE_FILE)
def test_one_file_imports_a_device_library(library):
    found = {line.split(":")[0] for line in offenders("", {library})}
    assert {name for name in found if not name.startswith("bench/")} <= ONE_FILE[library]


def test_every_module_says_its_thread():
    docs = {name: ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
            for name, path in zip(NAMES, FILES, strict=True) if path.read_text("utf-8").strip()}
    assert not [name for name, doc in docs.items()
                if name.split("/")[0] in ("engine", "synths", "mappings")
                and "Thread:" not in doc and "Process:" not in doc]


def test_no_pickle_no_eval_no_foreign_weights():
    found = []
    for name, path in zip(NAMES, FILES, strict=True):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in UNSAFE:
                found.append(f"{name}:{node.lineno} {ast.unparse(node.func)}")
            if isinstance(node, ast.keyword) and node.arg == "fastmath":
                if ast.unparse(node.value) == "True":
                    found.append(f"{name}:{node.value.lineno} fastmath=True")
    assert not found
    assert not offenders("", {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"})


@pytest.mark.parametrize("command", [["--help"], ["play", "--help"], ["bench"], ["version"]])
def test_the_command_line_starts_light(command):
    program = (f"import sys; sys.argv = ['hiddenstage', *{command!r}]\n"
               "from engine.cli import main\n"
               "try: main()\n"
               "except SystemExit as left: assert left.code in (0, None), left.code\n"
               f"sys.stderr.write(' '.join(sorted(set(sys.modules) & {HEAVY!r})))")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_the_stage_process_needs_no_torch():
    program = ("import sys, engine.session, engine.view, engine.sets, engine.stream\n"
               "sys.stdout.write(' '.join(sorted(set(sys.modules) & {'torch', 'transformers'})))")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_listed_packages_are_the_folders():
    folders = {f.parent.relative_to(ROOT) for f in FILES if f.parent != ROOT}
    packages = {str(folder).replace("/", ".") for folder in folders}
    assert packages == set(PROJECT["tool"]["setuptools"]["packages"])
    assert {f.stem for f in ROOT.glob("*.py")} == set(PROJECT["tool"]["setuptools"]["py-modules"])


def test_every_set_has_its_entry_point():
    found = {f"sets.{f.stem}" for f in (ROOT / "sets").glob("[a-z]*.py")}
    assert found == set(PROJECT["project"]["entry-points"]["hiddenstage.sets"].values())


def test_every_library_is_asked_for():
    """What the packages import is a dependency; `bench` may use the test extra's."""
    project, known = PROJECT["project"], set(sys.stdlib_module_names) | set(FOLDERS) | {"tests"}
    asked = {re.split("[<>=]", line)[0].replace("-", "_") for line in project["dependencies"]}
    extra = {re.split("[<>=]", line)[0] for line in project["optional-dependencies"]["test"]}
    brought = {"llvmlite", "fluidsynth", "ifaddr", "link", "rtmidi", "sklearn"}
    # by numba, pyfluidsynth, zeroconf, LinkPython-extern, python-rtmidi and scikit-learn
    for name, path in zip(NAMES, FILES, strict=True):
        libraries = {one.split(".")[0] for one in imports(path)} - known - asked - brought
        assert libraries <= (extra if name.startswith("bench/") else set()), name


def test_constraints_pin_every_requirement():
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()
              if "==" in line}
    project = PROJECT["project"]
    asked = project["dependencies"] + project["optional-dependencies"]["test"]
    assert {line.split(">")[0].split("=")[0].strip() for line in asked} <= pinned


def test_the_launcher_is_a_script():
    launcher = ROOT / "stage"
    assert launcher.stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", launcher], check=False).returncode == 0

"""A JACK server of our own on a dummy device, for what needs a sound card. Thread: control."""
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
import warnings
from pathlib import Path

RATE_HZ, BLOCK = 48000, 128
START_S = 10
SHARED = Path("/dev/shm")
REGISTRY = SHARED / "jack-shm-registry"
HEADER, NAME, SERVERS = 24, 260, 8        # of the registry: bytes, bytes of a name, places


def _forget_the_dead():
    """Frees the places of killed servers in JACK's registry: eight of them fill it. In place: a
    process that has libjack has the file mapped, and would never see another one."""
    with contextlib.suppress(OSError), open(REGISTRY, "r+b") as file:
        for place in range(SERVERS):
            file.seek(HEADER + place * (4 + NAME))
            pid = int.from_bytes(file.read(4), "little")
            if pid and not Path(f"/proc/{pid}").exists():
                file.seek(HEADER + place * (4 + NAME))
                file.write(bytes(4 + NAME))


class JackServer:
    """`jackd -d dummy` under a name nobody else has; this process and its children see only it.

    real_time  ask for real-time priority (-R), as a stage would
    waits      a cycle ends when every client has run (-S), however late: what two heard in it can
               be compared to the sample. Else a late client misses the cycle, as on a stage
    log        what the server said, among it its own xruns
    """

    def __init__(self, rate_hz=RATE_HZ, block=BLOCK, real_time=False, waits=False):
        self.name = f"hiddenstage-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.rate_hz, self.block = rate_hz, block
        self._options = ("-R", "-P", "70") if real_time else ("-r",)
        self._options += ("-S", "-t", "500") if waits else ()
        self.log_path = Path(tempfile.mkdtemp(prefix="jack-")) / "log"
        self._before, self._process, self._killed = {}, None, False

    @staticmethod
    def missing():
        """Why no server can run here, or nothing."""
        if not SHARED.is_dir():
            return "the dummy JACK server needs Linux"
        return "" if shutil.which("jackd") else "jackd is not installed (apt-get install jackd2)"

    def start(self):
        """Starts the server (again, after `kill`); returns when it takes clients."""
        ours = {"JACK_DEFAULT_SERVER": self.name, "JACK_NO_START_SERVER": "1"}
        for key, value in ours.items():
            self._before.setdefault(key, os.environ.get(key))
            os.environ[key] = value
        try:
            self._run()
        except RuntimeError as fault:
            warnings.warn(f"started once more: {fault}", stacklevel=2)
            self.kill()
            _forget_the_dead()
            self._run()
        return self

    def _run(self):
        line = ("jackd", *self._options, "-d", "dummy",
                "-r", str(self.rate_hz), "-p", str(self.block))
        with open(self.log_path, "ab") as log:
            self._process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._wait()

    def _wait(self):
        """Until the server listens."""
        door = SHARED / f"jack_{self.name}_{os.getuid()}_0"
        for _ in range(START_S * 20):
            if self._process.poll() is not None:
                raise RuntimeError(f"jackd ended: {self.log[-400:]}")
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
                client.connect(str(door))
                return
            time.sleep(0.05)
        raise RuntimeError(f"jackd did not start in {START_S} s: {self.log[-400:]}")

    @property
    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def kill(self):
        """As if the sound card was pulled out."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process, self._killed = None, True
        for left in SHARED.glob(f"jack*{self.name}*"):
            left.unlink(missing_ok=True)

    def close(self):
        """Ends the server and gives the environment back.

        One that was killed is started once more: a server that ends frees its place in the registry
        of eight, which this process has mapped and cannot look up anew.
        """
        if self._killed and self._process is None:
            with contextlib.suppress(RuntimeError):
                self._run()
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        self.kill()
        for key, value in self._before.items():
            os.environ.pop(key, None)
            if value is not None:
                os.environ[key] = value
        shutil.rmtree(self.log_path.parent, ignore_errors=True)

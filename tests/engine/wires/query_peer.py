"""A surface on its own, run as a process: finds the stage by zeroconf, reads what it can do, and
sets what it found. Prints one JSON object. Thread: any."""
import json
import socket
import sys
import threading
import time
import urllib.request

from pythonosc.osc_message_builder import build_msg
from zeroconf import ServiceBrowser, Zeroconf

KINDS = ("_oscjson._tcp.local.", "_osc._udp.local.")


class Found:
    """What a browser was told: {name: (addresses, port)}."""

    def __init__(self):
        self.services, self.gone, self.changed = {}, [], threading.Event()

    def add_service(self, zeroconf, kind, name):
        info = zeroconf.get_service_info(kind, name, timeout=3000)
        if info:
            self.services[name] = [info.parsed_addresses(), info.port]
            self.changed.set()

    def remove_service(self, zeroconf, kind, name):
        self.gone.append(name)
        self.changed.set()

    update_service = add_service


def browse(interface, wanted, limit_s):
    """What is announced on an interface, once there are `wanted` or after the limit."""
    found, zeroconf = Found(), Zeroconf([interface])
    ServiceBrowser(zeroconf, list(KINDS), found)
    end = time.monotonic() + limit_s
    while len(found.services) < wanted and time.monotonic() < end:
        found.changed.wait(0.05)
        found.changed.clear()
    zeroconf.close()
    return found.services


def leaf(node, wanted):
    """The first writable parameter in a unit, somewhere in the tree."""
    if node.get("ACCESS") == 3 and wanted in node.get("UNIT", ()):
        return node
    for inner in node.get("CONTENTS", {}).values():
        found = leaf(inner, wanted)
        if found:
            return found
    return None


def main(interface, wanted):
    services = browse(interface, 2, 10.0)
    (addresses, port), = (v for k, v in services.items() if k.endswith(KINDS[0]))
    (_, osc_port), = (v for k, v in services.items() if k.endswith(KINDS[1]))
    with urllib.request.urlopen(f"http://{addresses[0]}:{port}/", timeout=5) as answer:
        node = leaf(json.load(answer), wanted)
    limits = node["RANGE"][0]
    middle = (limits["MIN"] + limits["MAX"]) / 2
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(build_msg(node["FULL_PATH"], [middle]).dgram, (addresses[0], osc_port))
    print(json.dumps({"services": services, "set": node["FULL_PATH"], "to": middle}))  # noqa: T201


if __name__ == "__main__":
    if sys.argv[1] == "browse":
        print(json.dumps(browse(sys.argv[2], int(sys.argv[3]), 4.0)))  # noqa: T201
    else:
        main(*sys.argv[2:])

"""Who may ask: nobody's web page but our own. Thread: control (wires process).

A name that a stranger owns can be pointed at this machine, and then the performer's browser asks
us for the stranger's page. So the Host that a request names (and the Origin of a page, if one asks)
must be an address, not a name: loopback, or the very one that was connected to; or a name we gave.
Source: Jackson et al., Protecting Browsers from DNS Rebinding Attacks, CCS 2007.
"""
import ipaddress
from urllib.parse import urlsplit

SCHEMES = ("http", "https", "ws", "wss")


def welcome(request, names):
    """True when Host, and Origin if there is one, are ours."""
    transport = request.transport
    here = transport.get_extra_info("sockname")[0] if transport else ""
    hosts, origins = request.headers.getall("Host", ()), request.headers.getall("Origin", ())
    return (len(hosts) == 1 and ours(f"http://{hosts[0]}", here, names) and len(origins) < 2
            and all(ours(origin, here, names) for origin in origins))


def ours(url, here, names):
    """True for a URL whose host is loopback, the address `here`, or one of the names."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
        if parts.scheme not in SCHEMES or parts.username is not None or parts[2:] != ("",) * 3:
            return False
        if host in names:
            return True
        address = _plain(host)
        return address.is_loopback or address == _plain(here)
    except ValueError:
        return False


def _plain(host):
    """An address; the IPv4 one where IPv6 wraps it.

    raises  ValueError for a name
    """
    address = ipaddress.ip_address(host.split("%")[0])
    return getattr(address, "ipv4_mapped", None) or address

"""Adverts on the local network, so that surfaces find the stage by themselves. Thread: control
(wires process).

A stage that listens on loopback is announced on loopback; one that listens on all interfaces on
all but loopback, unless there is no other. Source: RFC 6762 and 6763 (multicast DNS, DNS-SD).
"""
import asyncio
import ipaddress

NAME = "hiddenstage"
MOST_NUMBERS, ASK_MS = 100, 1000


def addresses_of(host):
    """The addresses to announce for a bound one, which are also the interfaces to use."""
    bound = ipaddress.ip_address(host.split("%")[0])
    if not bound.is_unspecified:
        return [host]
    import ifaddr
    found = [ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips
             if isinstance(ip.ip, str)]
    return [a for a in found if not ipaddress.ip_address(a).is_loopback] or found


async def announce(stage, host, server, ports):
    """Announces until it is cancelled, then takes everything back.

    host    the bound address;  server  the name of this machine in the adverts, "….local."
    ports   {"_osc._udp": 9000, …}
    """
    from zeroconf import Error, IPVersion, ServiceInfo
    from zeroconf.asyncio import AsyncZeroconf
    try:
        addresses = addresses_of(host)
        six = ipaddress.ip_address(addresses[0].split("%")[0]).version == 6
        zeroconf = AsyncZeroconf(addresses, ip_version=IPVersion.V6Only if six
                                 else IPVersion.V4Only)
    except (OSError, RuntimeError, ValueError, IndexError) as fault:
        stage.say(f"not announced on the network ({fault}); the addresses still work")
        return
    try:
        name = await _free(zeroconf.zeroconf, ports)
        for kind, port in ports.items():
            service = f"{kind}.local."
            await zeroconf.async_register_service(
                ServiceInfo(service, f"{name}.{service}", port, server=server,
                            parsed_addresses=addresses, properties={"txtvers": "1"}),
                allow_name_change=True)        # two that began at once
        await asyncio.Event().wait()
    except (OSError, Error) as fault:
        stage.say(f"not announced on the network ({fault}); the addresses still work")
    finally:
        await zeroconf.async_close()           # says goodbye for each


async def _free(zeroconf, kinds):
    """"hiddenstage", or with a number where somebody has that name. Asked so that the answer comes
    to everybody: one that is sent to us alone may reach another program of this machine."""
    from zeroconf import DNSQuestionType
    from zeroconf.asyncio import AsyncServiceInfo
    for number in range(1, MOST_NUMBERS):
        name = f"{NAME}-{number}" if number > 1 else NAME
        asked = [AsyncServiceInfo(f"{kind}.local.", f"{name}.{kind}.local.") for kind in kinds]
        if not any(await asyncio.gather(*(one.async_request(
                zeroconf, ASK_MS, question_type=DNSQuestionType.QM) for one in asked))):
            break
    return name

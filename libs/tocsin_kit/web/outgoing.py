"""Where a service may call on behalf of its users: the addresses behind a name, looked at before a connection to exactly those.

Users choose URLs (of workflow calls, of polled sources, of webhooks to send), and the caller stands inside the installation.
Link-local addresses (which answer with a cloud machine's credentials) are refused always; loopback and private networks unless
the operator allows them. The check is of what a name resolves to, in the connector itself, so neither other spellings of an
address nor a name that changes between the check and the call get around it. Callers follow no redirects by themselves, so each
further call comes here again.
"""

import ipaddress
import socket
from collections.abc import Iterator
from typing import Final, TypeAlias

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver

from tocsin.errors import Forbidden

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

# Metadata services of clouds that do not use a link-local address.
_METADATA: Final = frozenset(
    map(
        ipaddress.ip_address,
        ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"),
    )
)
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")  # all that IANA has given out; what lies elsewhere is no public host
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_NAT64_LOCAL: Final = ipaddress.IPv6Network("64:ff9b:1::/48")  # RFC 8215: where in it the IPv4 address is, is a site's business
_TRANSLATED: Final = ipaddress.IPv6Network("::ffff:0:0:0/96")  # RFC 2765
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})  # RFC 5214: the upper half of an interface's id
# Set apart (RFC 6890, 7526, 9637), which the `is_global` of an older Python does not know.
_SET_APART: Final = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")))


class OutgoingRefused(Forbidden):
    """This address may not be called from here."""

    code = "outgoing_refused"


class OutgoingGuard(AbstractResolver):
    """Resolves names for a connector, and refuses where they lead.

    Args:
        allow_private: Whether loopback and private networks may be called.
        setting: Names the setting that allows it, for the refusal's text, e.g. ``worker.allow_private``.
        inner: Resolves; the system's resolver if not given.
    """

    def __init__(self, *, allow_private: bool, setting: str, inner: AbstractResolver | None = None) -> None:
        self._allow_private = allow_private
        self._setting = setting
        self._inner = inner

    def check(self, host: str | None) -> None:
        """Look at a host that is an address already, which a connector would not resolve.

        Raises:
            OutgoingRefused: It may not be called.
        """
        try:
            address = ipaddress.ip_address((host or "").partition("%")[0])
        except ValueError:
            return  # a name: `resolve` sees where it leads
        self._require(address)

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        """The addresses of a name; one that may not be called spoils them all, or a second answer would be a way around.

        Raises:
            OutgoingRefused: It may not be called.
            OSError: It has none.
        """
        if self._inner is None:
            self._inner = DefaultResolver()
        found = await self._inner.resolve(host, port, family)
        for one in found:
            self._require(ipaddress.ip_address(one["host"].partition("%")[0]))
        return found

    async def close(self) -> None:
        """Close the resolver behind."""
        if self._inner is not None:
            await self._inner.close()

    def _require(self, address: Address) -> None:
        for one in _meant(address):
            if one.is_link_local or one in _METADATA or one.is_multicast:
                raise _refused("link-local, metadata and multicast addresses are never called")
            if not _is_public(one) and not self._allow_private:
                raise _refused("loopback and private networks are not called here", f"`{self._setting}` allows it")


def _is_public(address: Address) -> bool:
    """Whether it is one of the internet's."""
    if not address.is_global or any(address in network for network in _SET_APART):
        return False
    return isinstance(address, ipaddress.IPv4Address) or address in _GLOBAL_UNICAST or address in _NAT64


def _meant(address: Address) -> Iterator[Address]:
    """The address, and the IPv4 addresses that an IPv6 one may carry."""
    yield address
    if isinstance(address, ipaddress.IPv6Address):
        carried = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        number = int(address)
        # The third is "IPv4-compatible", long deprecated, still understood.
        if address in _NAT64 or address in _TRANSLATED or number < 1 << 32 or number >> 32 & 0xFFFFFFFF in _ISATAP:
            carried.append(_low(number))
        if (
            address in _NAT64_LOCAL
        ):  # RFC 6052, section 2.2: behind prefixes of 96, 64, 56 and 48 bits, around the bits 64 to 71
            head, tail = number >> 64 & 0xFFFFFFFFFFFFFFFF, number & 0xFFFFFFFFFFFFFFFF
            joined = head << 56 | tail & 0x00FFFFFFFFFFFFFF
            carried += [_low(number), *(_low(joined >> right) for right in (24, 32, 40))]
        yield from (one for one in carried if one is not None)


def _low(number: int) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(number & 0xFFFFFFFF)


def _refused(why: str, allows: str | None = None) -> OutgoingRefused:
    """The address is not told: names must not become a way to map a network."""
    return OutgoingRefused(f"This call is refused: {why}{'; ' + allows if allows else ''}.")


def open_session(guard: OutgoingGuard, *, connections: int, timeout: ClientTimeout) -> ClientSession:
    """A pool of connections that go only where ``guard`` lets them; to be made inside the running loop.

    It reads no proxy from the environment and keeps no cookies. Its user asks :meth:`OutgoingGuard.check` for the host of each
    URL first (a connector resolves no addresses), and passes ``allow_redirects=False``.
    """
    connector = TCPConnector(limit=connections, ttl_dns_cache=30, resolver=guard)
    headers = {"User-Agent": "tocsin"}
    return ClientSession(connector=connector, headers=headers, timeout=timeout, trust_env=False, cookie_jar=DummyCookieJar())

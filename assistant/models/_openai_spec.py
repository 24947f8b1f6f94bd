"""Which model on which server an `openai:` spec names, and whether it may be talked to.

What is said to a chat model is patients' data: it goes over https, or over plain http to this
machine and its private network only. Sends nothing.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from assistant.errors import ConfigError

HOW = "openai:<model>@<url>, such as openai:qwen3-8b@http://127.0.0.1:8000/v1"
_LOCAL_NAMES = ("localhost",)
# Names that resolve inside a site only: RFC 6762, RFC 8375, and what clusters and routers use.
_PRIVATE_ENDS = (
    ".localhost", ".local", ".internal", ".lan", ".localdomain", ".home.arpa", ".cluster.local",
    ".svc",
)  # fmt: skip
_CALLS = ("/chat/completions", "/models", "/completions")


@dataclass(frozen=True, slots=True)
class Place:
    """A model on a server.

    Attributes:
        model: its name, as the server knows it.
        url: where the server's interface begins, without a slash at the end, e.g. ".../v1".
        host: name or address and port, to be shown.
        encrypted: whether it is https.
    """

    model: str
    url: str
    host: str
    encrypted: bool


def parse(argument: str) -> Place:
    """Return what `<model>@<url>` names.

    Raises:
        ConfigError: if the model or the address is missing or can't be used.
    """
    at = max(argument.rfind("@http://"), argument.rfind("@https://"))
    if at < 0:
        raise ConfigError(
            f"The chat model 'openai:{argument}' names no server's address: write {HOW}."
        )
    model, url = argument[:at].strip(), argument[at + 1 :].strip()
    if not model:
        raise ConfigError(f"The chat model 'openai:{argument}' names no model: write {HOW}.")
    parts = _split(url)
    path = parts.path.rstrip("/")
    for call in _CALLS:
        path = path.removesuffix(call)
    netloc = parts.netloc
    return Place(
        model=model,
        url=f"{parts.scheme}://{netloc}{path or '/v1'}",
        host=netloc,
        encrypted=parts.scheme == "https",
    )


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError as error:
        raise ConfigError(f"The chat server's address {url!r} is no URL: write {HOW}.") from error
    if not parts.hostname:
        raise ConfigError(f"The chat server's address {url!r} names no host: write {HOW}.")
    if parts.username or parts.password:
        raise ConfigError(
            "The chat server's address holds a user name or password: put the key into the setting "
            "openai_api_key (AUSCULT_OPENAI_API_KEY) and leave it out of the address."
        )
    if parts.query or parts.fragment:
        raise ConfigError(f"The chat server's address {url!r} has a '?' or '#': write {HOW}.")
    if parts.scheme == "http" and not is_private(parts.hostname):
        raise ConfigError(
            f"The chat server {parts.hostname} would get patients' data unencrypted: use https:// "
            "for a server outside of this machine and its private network."
        )
    return parts


def is_private(host: str) -> bool:
    """Whether a host is this machine or on a private network, told from its name or address alone.

    A name without a dot (a container, a host of the site) counts as private, as do the endings
    that no public name has.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        name = host.lower().rstrip(".")
        if name.isdigit() or name.startswith("0x"):  # an address in disguise
            return False
        return name in _LOCAL_NAMES or "." not in name or name.endswith(_PRIVATE_ENDS)
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    if address.is_loopback:
        return True
    odd = address.is_unspecified or address.is_multicast or address.is_reserved
    return address.is_private and not odd

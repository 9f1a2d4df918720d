"""Where a language model is asked, and what of that may be shown: never a key, a password or a query."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from urllib.request import getproxies

from zsderm.errors import InputError

EXAMPLE = "http://localhost:11434/v1"
SHOWN = 200  # characters of what a server says
SHORTEST = 8  # characters of a value in a query that may be a key, and not a version or a number


@dataclass(frozen=True)
class Address:
    """An endpoint for chat completions.

    Attributes:
        url: what questions are posted to; holds no user and no password.
        shown: the address as it was given, without user, password and query.
        authorization: value of the header of that name; empty where nothing has to be shown to the server.
        is_local: whether the server is on this machine. No proxy stands between, whatever the environment says.
    """

    url: str = field(repr=False)
    shown: str
    authorization: str = field(repr=False)
    is_local: bool
    _secrets: tuple[str, ...] = field(repr=False)

    @classmethod
    def of(cls, given: str, api_key: str | None = None) -> Address:
        """Read an address and a key as people paste them, with blanks and line ends around them.

        Args:
            given: base address, such as "http://localhost:11434/v1". The version /v1 and /chat/completions are added
                where they are missing. User and password may stand before the host.
            api_key: key, if the endpoint wants one; goes before user and password.

        Raises:
            InputError: it is no address, or the key cannot be sent. Neither is in the message.
        """
        expected = f"expected the address of the endpoint to look like {EXAMPLE}"
        given = given.strip()
        if not given.isprintable() or any(map(str.isspace, given)):
            raise InputError(f"{expected}, but it holds blanks or control characters.")
        try:
            parts = urlsplit(given)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise InputError(f"{expected}, but its host or its port cannot be read.") from None
        if parts.scheme not in ("http", "https") or not host:
            raise InputError(f"{expected}, with http:// or https:// and a host.")
        name = f"[{host}]" if ":" in host else host
        place = f"{parts.scheme}://{name}" + ("" if port is None else f":{port}")
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        key = _key(api_key)
        pair = base64.b64encode(f"{user}:{password}".encode()).decode() if user or password else ""
        secrets = [key, password, parts.password or "", pair, *_passwords_of_proxies()]
        secrets += [] if password else [user]  # a token may stand alone
        secrets += [value for _, value in parse_qsl(parts.query) if len(value) >= SHORTEST]
        secrets += [quote(secret, safe="") for secret in secrets]
        return cls(
            url=place + _path(parts.path) + (f"?{parts.query}" if parts.query else ""),
            shown=place + parts.path,
            authorization=f"Bearer {key}" if key else f"Basic {pair}" if pair else "",
            is_local=_is_local(host),
            _secrets=tuple(sorted({secret for secret in secrets if secret}, key=len, reverse=True)),
        )

    def hide(self, text: str) -> str:
        """A text of the server for a message: one line, nothing that steers a terminal, no key, not too long."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        line = "".join(character if character.isprintable() else " " for character in text)
        line = " ".join(line.split())
        return line if len(line) <= SHOWN else f"{line[:SHOWN]}..."


def _path(path: str) -> str:
    path = path.rstrip("/")
    if path.endswith("/chat/completions"):
        return path
    return f"{path}/chat/completions" if path.endswith("/v1") else f"{path}/v1/chat/completions"


def _key(given: str | None) -> str:
    key = (given or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise InputError(
            "expected the API key to be one line of ASCII characters, but it holds others. Copy it once more."
        )
    return key


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _passwords_of_proxies() -> list[str]:
    found = []
    for proxy in getproxies().values():
        try:
            found.append(unquote(urlsplit(proxy).password or ""))
        except ValueError:
            continue  # it names no host that could be reached
    return found

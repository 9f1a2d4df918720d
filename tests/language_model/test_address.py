"""Where a model is asked, and that no key is shown."""

from __future__ import annotations

import base64

import pytest

from zsderm import InputError
from zsderm.language_model.address import Address

KEY = "sk-SECRET123"


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://localhost:11434/v1", "http://localhost:11434/v1/chat/completions"),
        (" http://localhost:11434/v1/\r\n", "http://localhost:11434/v1/chat/completions"),
        ("http://localhost:11434", "http://localhost:11434/v1/chat/completions"),
        ("https://host/openai?api-version=2", "https://host/openai/v1/chat/completions?api-version=2"),
        ("http://host/v1/chat/completions", "http://host/v1/chat/completions"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1/chat/completions"),
        (f"http://user:{KEY}@host/v1", "http://host/v1/chat/completions"),
    ],
)
def test_the_path_of_the_protocol_is_added(given: str, url: str) -> None:
    assert Address.of(given).url == url


@pytest.mark.parametrize(
    ("host", "local"),
    [
        *((host, True) for host in ("localhost", "LOCALHOST", "127.8.8.8", "[::1]", "0.0.0.0", "a.localhost")),
        *((name, False) for name in ("example.org", "10.0.0.1", "localhost.org", "127.0.0.1.nip.io")),
    ],
)
def test_a_server_on_this_machine_is_known(host: str, local: bool) -> None:
    assert Address.of(f"http://{host}:80/v1").is_local is local


@pytest.mark.parametrize("key", [KEY, f" {KEY}\n", f"{KEY}\r", f"\t{KEY}\r\n"])
def test_a_key_is_stripped(key: str) -> None:
    assert Address.of("http://host", key).authorization == f"Bearer {KEY}"


@pytest.mark.parametrize("key", [None, "", " \r\n"])
def test_no_key_is_no_header(key: str | None) -> None:
    assert Address.of("http://host", key).authorization == ""


def test_user_and_password_of_an_address_are_sent_and_not_shown() -> None:
    address = Address.of("http://us%40er:pass%2Fword@host/v1?key=0123456789")
    pair = base64.b64encode(b"us@er:pass/word").decode()
    assert address.authorization == f"Basic {pair}" and address.shown == "http://host/v1"
    said = address.hide(f"no: pass/word, pass%2Fword, {pair}, 0123456789")
    assert said == "no: ***, ***, ***, ***" and "pass" not in repr(address)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://host", f"{KEY}\r\nX-Other: 1"),
        ("http://host", f"{KEY}é"),
        (f"user:{KEY}@host", None),
        (f"ftp://user:{KEY}@host/v1", None),
        (f"http://user:{KEY}@", None),
        (f"http://user:{KEY}@[host/v1", None),
        (f"http://user:{KEY}@host:99999/v1", None),
        (f"http://user:{KEY}@ho st/v1", None),
        (f"http://user:{KEY}@host\x1b/v1", None),
    ],
)
def test_what_cannot_be_used_is_refused_without_being_shown(url: str, key: str | None) -> None:
    with pytest.raises(InputError, match=r"^expected the (address|API key)") as caught:
        Address.of(url, key)
    assert "SECRET" not in str(caught.value)


def test_the_words_of_a_server_are_one_short_line() -> None:
    said = Address.of("http://host", KEY).hide(f"a\r\nb\x1b[31m Bearer {KEY} " + "long " * 100)
    assert said.startswith("a b [31m Bearer *** long") and said.endswith("...") and len(said) < 210


def test_the_password_of_a_proxy_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://user:{KEY}@proxy:3128")
    monkeypatch.setenv("HTTPS_PROXY", "http://[proxy")
    assert Address.of("http://host").hide(f"proxy {KEY}") == "proxy ***"

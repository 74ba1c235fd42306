from __future__ import annotations

import pytest

from pare.errors import InputError
from pare.remote import Endpoint


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1/chat/completions"),
        ("https://api.openai.com/v1/", "https://api.openai.com/v1/chat/completions"),
        ("http://localhost:8000", "http://localhost:8000/v1/chat/completions"),
        ("https://host/openai/chat/completions?api-version=2", "https://host/openai/chat/completions?api-version=2"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1/chat/completions"),
    ],
)
def test_the_address_is_found_from_a_base_or_a_whole_url(url: str, address: str) -> None:
    endpoint = Endpoint(url, "m")
    assert endpoint.address == address
    assert endpoint.place == address.partition("://")[2].partition("?")[0]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("api.openai.com", "must begin with https://"),
        ("ftp://host/v1", "must begin with https://"),
        ("http://host:port/v1", "url is none"),
        ("https://user:secret@host/v1", "no user or password"),
        ("https://host/v1?api_key=secret", "holds a key"),
        ("http://api.example.com/v1", "plain http"),
        ("http://127.example.com/v1", "plain http"),
        ("http://192.168.1.7:8000/v1", "plain http"),
        ("http://localhost@example.com/v1", "no user or password"),
    ],
)
def test_a_url_that_is_unsafe_or_none_is_refused_without_showing_a_secret(url: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as raised:
        Endpoint(url, "m")
    assert "secret" not in str(raised.value)


def test_plain_http_to_another_machine_can_be_allowed() -> None:
    assert Endpoint("http://192.168.1.7:8000/v1", "m", insecure=True).host == "192.168.1.7:8000"


def test_a_key_given_in_place_of_its_variable_is_not_shown() -> None:
    with pytest.raises(InputError, match="name of an environment variable") as raised:
        Endpoint("https://host/v1", "m", key_env="sk-test-0123456789")
    assert "0123456789" not in str(raised.value)


def test_a_model_needs_a_name() -> None:
    with pytest.raises(InputError, match="needs its name"):
        Endpoint("https://host/v1", " ")


def test_the_key_comes_from_the_environment_alone(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = Endpoint("https://host/v1", "m", key_env="TEACHER_KEY")
    assert endpoint.key() == key
    assert key not in repr(endpoint)
    monkeypatch.delenv("TEACHER_KEY")
    with pytest.raises(InputError, match="export TEACHER_KEY="):
        endpoint.key()


def test_a_local_server_is_never_sent_the_key_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-server")
    monkeypatch.setenv("LOCAL_KEY", "mine")
    assert Endpoint("http://127.0.0.1:8000/v1", "m").key() is None
    assert Endpoint("http://127.0.0.1:8000/v1", "m", key_env="LOCAL_KEY").key() == "mine"
    assert Endpoint("http://127.0.0.1:8000/v1", "m", key_env="ABSENT_KEY").key() is None


def test_a_key_that_no_header_can_hold_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_KEY", "sk-one\nX-Other: two")
    with pytest.raises(InputError, match="TEACHER_KEY holds characters") as raised:
        Endpoint("https://host/v1", "m", key_env="TEACHER_KEY").key()
    assert "sk-one" not in str(raised.value)

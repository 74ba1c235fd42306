"""Where a remote model is, and what proves that we may ask it. A key is read from the environment when it is used."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pare.errors import InputError

DEFAULT_KEY = "OPENAI_API_KEY"
CHAT = "/chat/completions"
SECRETS = frozenset({"key", "api_key", "api-key", "apikey", "token", "access_token", "code", "sig", "secret"})
"""Query parameters that carry a key: a URL is shown and logged, so none may stand in it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model behind the OpenAI chat-completions protocol.

    ``url`` is the base (``https://api.openai.com/v1``) or the whole address; a bare host means its ``/v1``. ``key_env``
    names the environment variable that holds the key. A local endpoint needs none, and is never sent the default
    variable's, which is another server's. Plain http to another machine is refused unless ``insecure``: prompts and key
    would be readable on the way. Raises InputError where the URL, the model or the variable's name cannot be meant.
    """

    url: str
    model: str
    key_env: str = DEFAULT_KEY
    insecure: bool = False

    def __post_init__(self) -> None:
        _check(self._parts())
        if not self.model.strip():
            raise InputError("a remote model needs its name, as the endpoint knows it, but it is empty")
        # What is no name is likely the key itself, given by mistake: it must not be shown.
        if not self.key_env.isidentifier():
            raise InputError(
                f"key_env must be the name of an environment variable, such as {DEFAULT_KEY}, but is no name"
            )
        if self._parts().scheme == "http" and not (self.local or self.insecure):
            raise InputError(
                f"{self.host} would be asked over plain http, readable on the way: use https, or allow it with insecure"
            )

    @property
    def host(self) -> str:
        """The host, with its port where one is named."""
        parts = self._parts()
        name = parts.hostname or ""
        name = f"[{name}]" if ":" in name else name
        return name if parts.port is None else f"{name}:{parts.port}"

    @property
    def place(self) -> str:
        """Host and path, without scheme and query: what an answer is remembered under."""
        path = self._parts().path.rstrip("/") or "/v1"
        return f"{self.host}{path if path.endswith(CHAT) else path + CHAT}"

    @property
    def address(self) -> str:
        """The URL that requests are posted to."""
        parts = self._parts()
        return f"{parts.scheme}://{self.place}" + (f"?{parts.query}" if parts.query else "")

    @property
    def local(self) -> bool:
        """Whether the host is this machine."""
        name = self._parts().hostname or ""
        if name == "localhost" or name.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(name).is_loopback  # parsed, because 127.example.com is a name like any other
        except ValueError:
            return False

    def key(self) -> str | None:
        """The key, or None where none is sent. Raises InputError where one is needed and absent, or cannot be sent."""
        if self.local and self.key_env == DEFAULT_KEY:
            return None
        key = os.environ.get(self.key_env, "").strip()
        if not key:
            if self.local:
                return None
            raise InputError(f"{self.host} needs a key and {self.key_env} is not set: export {self.key_env}=...")
        if not key.isascii() or not key.isprintable() or " " in key:
            raise InputError(f"{self.key_env} holds characters that no key has, such as spaces: set it again")
        return key

    def _parts(self) -> SplitResult:
        try:
            parts = urlsplit(self.url.strip())
            _ = parts.port
        except ValueError:
            raise InputError("the endpoint's url is none: give one such as https://api.openai.com/v1") from None
        return parts


def _check(parts: SplitResult) -> None:
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError("the endpoint's url must begin with https:// and a host, such as https://api.openai.com/v1")
    if parts.username is not None or parts.password is not None:
        raise InputError(
            f"{parts.hostname}: a url must hold no user or password: put the key into an environment variable"
        )
    held = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True) if name.lower() in SECRETS]
    if held:
        raise InputError(f"{parts.hostname}: the url holds a key ({held[0]}=...): put it into an environment variable")

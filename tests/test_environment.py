"""Certificates and proxies that the environment names, before anybody is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from routerctl import errors
from routerctl.providers.anthropic import AnthropicProvider
from routerctl.providers.base import Outside
from routerctl.providers.environment import checked_environment
from routerctl.providers.openai import OpenAIProvider
from routerctl.types import ProviderSpec

SPEC = ProviderSpec(name="p", kind="x")

# Signed by itself, for nobody.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBiDCCAS+gAwIBAgIUGnpyw+DrPcfRJ8YZM7AC5v16w0AwCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOcm91dGVyY3RsIHRlc3QwIBcNMjYxMTMwMjAzNzEzWhgPMjEy
NjExMDYyMDM3MTNaMBkxFzAVBgNVBAMMDnJvdXRlcmN0bCB0ZXN0MFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEbz2XHndhbPmkfX9r+od9HUqPKFQRUjnmsYijKOKS
w4DWvnvnIa3k4D168M4G8mnoup5C2+Altow+tGFktdRomqNTMFEwHQYDVR0OBBYE
FA8ZQD3uRgmmmPaJ+EoehMnttJX6MB8GA1UdIwQYMBaAFA8ZQD3uRgmmmPaJ+Eoe
hMnttJX6MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIgRibSEL81
iNs7eQk2BtomvnGs2XmmL+bmOwRjRoqIlW0CIAOT+eGbFlJz6dDaNRRviVNqndO1
E21UOp37DwuW6sJp
-----END CERTIFICATE-----
"""


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file or directory"),
        ("", "holds none that can be read"),
        ("no certificate", "holds none that can be read"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds none that can be read"),
    ],
)
def test_a_certificate_file_that_cannot_be_used_is_named(tmp_path: Path, content: str | None, words: str) -> None:
    """The variable and its value, not the library's exception."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    for maker in (AnthropicProvider, OpenAIProvider):
        with pytest.raises(errors.InputError) as caught:
            maker(
                ProviderSpec(name="p", kind="x", api_key_env="KEY"),
                Outside(env={"KEY": "k", "SSL_CERT_FILE": str(file)}),
            )
        assert f"SSL_CERT_FILE is '{file}'" in str(caught.value)
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "shown", "words"),
    [
        ("HTTP_PROXY", "ftp://me:pw@proxy:1", "'ftp://[password]@proxy:1'", "of the scheme 'ftp' cannot be used"),
        ("ALL_PROXY", "socks5://me:pw@proxy:1", "'socks5://[password]@proxy:1'", "expected one of: http, https"),
        ("all_proxy", "socks4://proxy", "'socks4://proxy'", "expected one of: http, https"),
        ("HTTPS_PROXY", "http://me:p#w@proxy:80", "'http://[password]@proxy:80'", "expected a proxy like"),
        ("https_proxy", "http://", "'http://'", "expected a proxy like"),
        ("HTTP_PROXY", "http://:80", "'http://:80'", "expected a proxy like"),
        ("HTTP_PROXY", "http://proxy:99999", "'http://proxy:99999'", "expected a proxy like"),
        ("HTTP_PROXY", "proxy:port", "'proxy:port'", "expected a proxy like"),
        ("HTTP_PROXY", "http://[::1", "'http://[::1'", "expected a proxy like"),
        ("HTTP_PROXY", "http://pro xy:1", "'http://pro xy:1'", "expected a proxy like"),
        ("SSL_CERT_DIR", "/no/such/folder", "'/no/such/folder'", "there is no such folder"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(name: str, value: str, shown: str, words: str) -> None:
    """With its value, but for the password in it."""
    with pytest.raises(errors.InputError) as caught:
        checked_environment({name: value}, SPEC, "X")
    assert f"the environment variable {name} is {shown}: " in str(caught.value)
    assert words in str(caught.value)
    assert "pw" not in str(caught.value)
    assert "p#w" not in str(caught.value)


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"HTTP_PROXY": "", "SSL_CERT_FILE": "", "NO_PROXY": ""},
        {"HTTP_PROXY": "http://proxy:3128", "https_proxy": "http://me:pw@10.0.0.1:3128/", "ALL_PROXY": "proxy:80"},
        {"HTTPS_PROXY": "http://[::1]:3128"},
        {"NO_PROXY": "::1,[::1, 10.0.0.0/8, *.corp, <local>"},  # what the client cannot read it ignores, as curl does
        {"REQUESTS_CA_BUNDLE": "/no/such/file"},  # another library's
    ],
)
def test_a_usual_environment_is_let_through(env: dict[str, str]) -> None:
    """Also an empty variable, which means none."""
    checked_environment(env, SPEC, "X")


def test_a_certificate_file_is_let_through(tmp_path: Path) -> None:
    """And a folder of them."""
    file = tmp_path / "ca.pem"
    file.write_text(CERTIFICATE)
    checked_environment({"SSL_CERT_FILE": str(file), "SSL_CERT_DIR": str(tmp_path)}, SPEC, "X")


@pytest.mark.parametrize(("maker", "vendor"), [(AnthropicProvider, "ANTHROPIC"), (OpenAIProvider, "OPENAI")])
def test_no_variable_moves_a_provider_elsewhere(maker: type, vendor: str) -> None:
    """The SDKs take a base URL from the environment: prompts and key would go to a place that no file names."""
    env = {f"{vendor}_API_KEY": "k", f"{vendor}_BASE_URL": "http://me:pw@elsewhere/v1"}
    with pytest.raises(errors.InputError) as caught:
        maker(SPEC, Outside(env=env))
    assert f"{vendor}_BASE_URL is 'http://[password]@elsewhere/v1', and provider 'p' has no base_url" in str(
        caught.value
    )
    maker(
        ProviderSpec(name="p", kind="x", base_url="http://host/v1", api_key_env=f"{vendor}_API_KEY"), Outside(env=env)
    )

"""Which address may be called, through which proxy, trusting whom: from an environment that is passed in."""

from __future__ import annotations

from pathlib import Path

import certifi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mics_iac.api.network import checked_base, network_settings
from mics_iac.errors import UsageError

API = "https://api.mediarithmics.com"


@pytest.mark.parametrize(
    ("url", "base"),
    [
        (API, API),
        (f"{API}/", API),
        ("https://gateway.acme.test:8443/mics/", "https://gateway.acme.test:8443/mics"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://localhost", "http://localhost"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://127.9.9.9", "http://127.9.9.9"),
    ],
)
def test_an_address_that_may_be_called(url: str, base: str) -> None:
    assert checked_base(url) == base


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.mediarithmics.com",
        "http://api.mediarithmics.com",
        "http://127.0.0.1.evil.test",
        "http://localhost.evil.test",
        "http://10.0.0.1",
        "ftp://127.0.0.1",
        "https://",
        "https://user:hidden-pass@api.mediarithmics.com",
        "http://127.0.0.1@evil.test",
        f"{API}?x=1",
        f"{API}#x",
        f"{API}\r\nHost: evil",
        f"{API} ",
        "https://[::1",
        "https://host:port",
        "https://host:99999",
    ],
)
def test_an_address_that_may_not(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        checked_base(url)
    assert "hidden-pass" not in str(caught.value)


@given(st.text())
def test_any_text_is_an_address_or_a_clear_error(url: str) -> None:
    try:
        base = checked_base(url)
    except UsageError:
        return
    assert base.lower().startswith(("https://", "http://"))


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://p:3128"}, "http://p:3128"),
        ({"https_proxy": "http://low:1", "HTTPS_PROXY": "http://up:1"}, "http://low:1"),
        ({"https_proxy": "", "HTTPS_PROXY": "http://up:1"}, "http://up:1"),
        ({"ALL_PROXY": "p:3128"}, "http://p:3128"),
        ({"HTTP_PROXY": "http://p:3128"}, None),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "*"}, None),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "x, mediarithmics.com"}, None),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": ".mediarithmics.com"}, None),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "API.Mediarithmics.com:443"}, None),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "api.mediarithmics.com:8443"}, "http://p"),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "arithmics.com,,10.0.0.0/8"}, "http://p"),
    ],
)
def test_the_proxy_is_taken_from_the_environment_as_curl_does(environ: dict[str, str], proxy: str | None) -> None:
    assert network_settings(environ, API).proxy == proxy


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://localhost:1", "https://[::1]"])
def test_this_machine_is_never_reached_through_a_proxy(url: str) -> None:
    assert network_settings({"ALL_PROXY": "http://p", "HTTP_PROXY": "http://p"}, url).proxy is None


def test_an_address_is_matched_by_its_network() -> None:
    environ = {"HTTPS_PROXY": "http://p", "NO_PROXY": "10.1.0.0/16"}
    assert network_settings(environ, "https://10.1.2.3").proxy is None
    assert network_settings(environ, "https://10.2.2.3").proxy == "http://p"


@pytest.mark.parametrize("value", ["socks5://user:hidden-pass@p:1", "http://", "http://[", "http://p:port"])
def test_a_proxy_that_cannot_be_used_is_named_by_its_variable_alone(value: str) -> None:
    with pytest.raises(UsageError, match="HTTPS_PROXY") as caught:
        network_settings({"HTTPS_PROXY": value}, API)
    assert "hidden-pass" not in f"{caught.value} {caught.value.remedy}"


def test_a_proxys_password_is_in_no_repr() -> None:
    assert "hidden-pass" not in repr(network_settings({"HTTPS_PROXY": "http://u:hidden-pass@p:1"}, API))


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_certificate_bundle_is_taken_and_a_bad_one_is_a_clear_error(tmp_path: Path, variable: str) -> None:
    assert network_settings({variable: certifi.where()}, API).ca_bundle == certifi.where()
    assert network_settings({variable: str(tmp_path)}, API).ca_bundle == str(tmp_path)
    with pytest.raises(UsageError, match=f"{variable}.*does not exist"):
        network_settings({variable: str(tmp_path / "none.pem")}, API)
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    with pytest.raises(UsageError, match=f"{variable}.*not a certificate bundle"):
        network_settings({variable: str(broken)}, API)


def test_a_bundle_matters_to_https_alone(tmp_path: Path) -> None:
    assert network_settings({"SSL_CERT_FILE": str(tmp_path / "none")}, "http://127.0.0.1:1").ca_bundle is None

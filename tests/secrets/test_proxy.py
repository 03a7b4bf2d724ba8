"""Proxies of the environment: which calls go through them, and what they get to see."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from proxy_kit import LOGIN, PASSWORD, USER, Proxy, proxying, videos
from secrets_kit import API_KEY, Answer, Guarded, Handler, leaks_of, serving
from test_tls import certificate  # noqa: F401 (a fixture)

NAME = "api.test"
"""A name that only the proxy finds: without it, nothing is found."""
TUNNELLED, FORWARDED = "https://", "http://"


@pytest.fixture
def keys() -> list[str | None]:
    """The key of each call that the API was asked."""
    return []


@pytest.fixture(params=[TUNNELLED, FORWARDED])
def api(request: pytest.FixtureRequest, keys: list[str | None], certificate: Path) -> Iterator[str]:  # noqa: F811
    def answer(asked: Handler) -> Answer:
        key = asked.headers["X-Goog-Api-Key"]
        if asked.command == "GET" or key is not None:  # for its time the API is asked without one
            keys.append(key)
        return videos(asked)

    tls = None
    if request.param == TUNNELLED:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    with serving(answer, tls) as address:
        yield address.replace("127.0.0.1", NAME)


@pytest.fixture
def crawl(guarded: Guarded, api: str, certificate: Path) -> Guarded:  # noqa: F811
    guarded.env |= {"HARVESTER_YOUTUBE__BASE_URL": api, "SSL_CERT_FILE": str(certificate)}
    return guarded


def address_of(proxy: type[Proxy], login: str = "") -> str:
    return f"http://{login}127.0.0.1:{proxy.port}"  # type: ignore[attr-defined]


def both(value: str, *, lower: bool = False) -> dict[str, str]:
    names = ("HTTP_PROXY", "HTTPS_PROXY")
    return {name.lower() if lower else name: value for name in names}


@pytest.mark.parametrize("lower", [False, True], ids=["HTTPS_PROXY", "https_proxy"])
def test_calls_go_through_it_and_a_tunnel_hides_the_key(
    crawl: Guarded, api: str, keys: list[str | None], lower: bool
) -> None:
    with proxying() as proxy:
        crawl.env |= both(address_of(proxy), lower=lower)
        done = crawl.run("run")
    assert done.returncode == 0, done.stderr
    assert "10 fetched" in done.stdout
    assert keys == [API_KEY]
    methods = {"CONNECT"} if api.startswith(TUNNELLED) else {"HEAD", "GET"}
    assert {line.partition(" ")[0] for line in proxy.asked} == methods
    # To a http API the key goes in clear, by a proxy or without.
    assert (API_KEY.encode() in proxy.seen) == api.startswith(FORWARDED)
    assert leaks_of(done, crawl.folder) == {}


def test_a_proxy_that_wants_a_password_gets_it_and_nobody_else(crawl: Guarded, keys: list[str | None]) -> None:
    login = f"{USER}:{quote(PASSWORD, safe='')}@"
    with proxying(login=LOGIN) as proxy:
        crawl.env |= both(address_of(proxy, login))
        done, doctor = crawl.run("run"), crawl.run("doctor")
    assert done.returncode == 0, done.stderr
    assert keys[0] == API_KEY
    assert f"through the proxy {address_of(proxy)}, which HTTP" in doctor.stdout
    assert "answers, and agrees about what time it is" in doctor.stdout
    for text in (done.stdout, done.stderr, doctor.stdout, doctor.stderr):
        assert quote(PASSWORD, safe="") not in text
        assert USER not in text


@pytest.mark.parametrize("refusal", [403, 407])
def test_a_proxy_that_refuses_ends_the_run_at_once(crawl: Guarded, keys: list[str | None], refusal: int) -> None:
    crawl.env["HARVESTER_RUN__PATIENCE_SECONDS"] = "600"
    with proxying(refusal=refusal) as proxy:
        crawl.env |= both(address_of(proxy))
        done, doctor = crawl.run("run"), crawl.run("doctor")
    assert done.returncode == 3, done.stderr
    assert "again later" not in done.stderr
    if refusal == 407:
        assert "HTTPS_PROXY" in done.stderr
        assert doctor.returncode == 3
        assert "user and password" in doctor.stdout
    assert keys == []
    status = crawl.run("status", "--json").stdout
    assert '"pending": 10' in status


def test_no_proxy_names_hosts_that_are_reached_without_it(
    guarded: Guarded,
    keys: list[str | None],
    api: str,
    certificate: Path,  # noqa: F811
) -> None:
    guarded.env |= {
        "HARVESTER_YOUTUBE__BASE_URL": api.replace(NAME, "127.0.0.1"),
        "SSL_CERT_FILE": str(certificate),
        **both("http://127.0.0.1:9"),
        "NO_PROXY": "example.org, 127.0.0.1,.test",
    }
    done = guarded.run("run")
    assert (done.returncode, keys) == (0, [API_KEY]), done.stderr


def test_a_proxy_that_is_not_there_is_named(crawl: Guarded) -> None:
    crawl.env |= both("http://127.0.0.1:9")
    done = crawl.run("run")
    assert done.returncode == 4
    assert "the proxy" in done.stderr
    assert crawl.run("doctor").returncode == 4


def test_what_is_no_proxy_is_said(crawl: Guarded) -> None:
    crawl.env |= both("socks5://127.0.0.1:1080")
    done, doctor = crawl.run("run"), crawl.run("doctor")
    assert (done.returncode, doctor.returncode) == (3, 3)
    for text in (done.stderr, doctor.stdout):
        assert "_PROXY names no proxy that harvester can use" in text


def test_a_rehearsal_needs_no_network(guarded: Guarded) -> None:
    guarded.env |= both("http://127.0.0.1:9")
    done = guarded.run("rehearse", "--videos", "60", "--faults", "none")
    assert done.returncode == 0, done.stderr


def test_sources_go_through_it_too(guarded: Guarded, certificate: Path) -> None:  # noqa: F811
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    guarded.env["REQUESTS_CA_BUNDLE"] = str(certificate)
    ids = b"song\n0000000011A\n"
    with serving(lambda _: (200, "text/csv", ids), tls) as address, proxying() as proxy:
        guarded.env["HTTPS_PROXY"] = address_of(proxy)
        named = address.replace("127.0.0.1", NAME)
        done = guarded.run("load", f"{named}/songs.csv")
        assert done.returncode == 0, done.stderr
        with proxying(refusal=407) as refusing:
            guarded.env["HTTPS_PROXY"] = address_of(refusing)
            refused = guarded.run("load", f"{named}/songs.csv")
    assert [line.partition(" ")[0] for line in proxy.asked] == ["CONNECT"]
    assert refused.returncode == 3
    assert "HTTP 407" in refused.stderr

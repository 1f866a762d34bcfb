"""Faults of a hub: a fetch survives them or says what happened, and a wrong file is never visible."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from mlenv.store.store import Store

from .fake_hub import FakeHub, Tampering, stored
from .run_mlenv import Result, mlenv
from .store_contents import everything_below, visible_snapshots
from .tampering import (
    body,
    cut,
    expired,
    redirect,
    silent,
    slow,
    stall,
    status,
    untouched,
    whole,
    whole_cut,
    wrong_byte,
    wrong_length,
)

REVISION = "e5" * 20
LISTING = f"/api/models/Org/Name/tree/{REVISION}"
WEIGHTS = random.Random(7).randbytes(1_000_000)
FILES = {"config.json": b'{"a": 1}', "model.safetensors": WEIGHTS, "tokenizer.json": WEIGHTS[:70_000]}
CONFIG = f"/Org/Name/resolve/{REVISION}/config.json"
RESOLVE = f"/Org/Name/resolve/{REVISION}/model.safetensors"
STORED = stored("Org/Name", REVISION, "model.safetensors")
TOKENIZER = stored("Org/Name", REVISION, "tokenizer.json")
BUSY = status(503, retry_after="0")


@pytest.fixture(params=[1, 4], ids=["1 connection", "4 connections"])
def fetch(store: Store, hub: FakeHub, request: pytest.FixtureRequest) -> Iterator:
    """Runs `mlenv fetch` with parts of 100,000 bytes, so that the large file has ten, and a short time-out."""
    hub.add("Org/Name", REVISION, FILES)

    def run(*options: str) -> Result:
        arguments = ("--store", store.root, "--repo", "Org/Name", "--revision", REVISION, "--endpoint", hub.endpoint)
        limits = ("--part-size", 100_000, "--connections", request.param, "--timeout", 1)
        return mlenv("fetch", *arguments, *limits, *options, MLENV_TEST_PAUSE="0.01")

    return run


SURVIVED: dict[str, tuple[str, list[Tampering]]] = {
    "listing: busy": (LISTING, [status(429, retry_after="0"), BUSY, status(500, retry_after="0")]),
    "listing: silent": (LISTING, [silent]),
    "small file: busy": (CONFIG, [status(429, retry_after="0"), BUSY]),
    "small file: cut": (CONFIG, [cut(3)]),
    "small file: stalls": (CONFIG, [stall(3)]),
    "one part: cut": (TOKENIZER, [cut(30_000), cut(0), cut(10_000)]),
    "one part: stalls": (TOKENIZER, [stall(30_000)]),
    "one part: cut, and no ranges": (TOKENIZER, [cut(30_000), whole]),
    "hub URL: busy": (RESOLVE, [BUSY, status(429, retry_after="0")]),
    "hub URL: silent": (RESOLVE, [silent]),
    "first part: cut": (STORED, [cut(50_000)]),
    "later parts: cut": (STORED, [untouched, cut(1), cut(99_999), cut(0), cut(50_000)]),
    "first part: stalls": (STORED, [stall(50_000)]),
    "later parts: stall": (STORED, [untouched, stall(50_000), stall(0)]),
    "parts: busy": (STORED, [BUSY, untouched, BUSY, BUSY]),
    "signed URL: expired at once": (STORED, [expired]),
    "signed URL: expired later": (STORED, [untouched, untouched, expired, expired]),
    "parts: slow": (STORED, [slow(200_000, 40_000), untouched, slow(200_000, 40_000)]),
    "no ranges": (STORED, [whole] * 20),
    "no ranges, and cut": (STORED, [whole_cut(50_000), whole_cut(450_000), whole]),
    "ranges ignored once": (STORED, [untouched, untouched, whole]),
}


@pytest.mark.parametrize("fault", SURVIVED)
def test_a_fetch_survives_a_fault(store: Store, hub: FakeHub, fetch, fault: str):
    path, answers = SURVIVED[fault]
    hub.tamper(path, *answers)
    result = fetch()
    assert result.status == 0, result.err
    assert everything_below(store.hub / "models--Org--Name/snapshots" / REVISION) == FILES
    assert hub.tampering[path] == [] or set(hub.tampering[path]) == {whole}


REPORTED: dict[str, tuple[str, list[Tampering], str]] = {
    "small file: wrong byte": (CONFIG, [wrong_byte(2)], "config.json is not what the hub lists: git blob "),
    "small file: too long": (CONFIG, [body(b'{"a": 1} ')], "9 bytes, listed 8"),
    "small file: too short": (CONFIG, [body(b'{"a": 1')], "7 bytes, listed 8"),
    "small file: missing": (CONFIG, [status(404)], "answered HTTP 404 for "),
    "part: wrong byte": (STORED, [untouched, wrong_byte(99)], "model.safetensors is not what the hub lists: sha256 "),
    "part: of a longer file": (STORED, [wrong_length(1)], "1000001 bytes, listed 1000000"),
    "part: of a shorter file": (STORED, [untouched, wrong_length(-1)], "999999 bytes, listed 1000000"),
    "no ranges: wrong byte": (STORED, [body(b"?" + WEIGHTS[1:])], "sha256 "),
    "no ranges: too short": (STORED, [body(WEIGHTS[1:])], "999999 bytes, listed 1000000"),
    "stays busy": (STORED, [BUSY] * 30, "HTTP 503"),
    "stays cut": (STORED, [cut(0)] * 30, "bytes early"),
    "stays expired": (STORED, [expired] * 30, "the signed URL is no longer valid"),
    "gated": (RESOLVE, [status(403, x_error_code="GatedRepo")], "accept its licence at "),
    "goes in a circle": (RESOLVE, [redirect(RESOLVE)] * 30, "redirects in a circle"),
}


@pytest.mark.parametrize("fault", REPORTED)
def test_a_fetch_reports_a_fault_and_the_next_one_completes(store: Store, hub: FakeHub, fetch, fault: str):
    path, answers, expected = REPORTED[fault]
    hub.tamper(path, *answers)
    result = fetch()
    assert (result.status, expected in result.err) == (1, True), result.err
    assert "Traceback" not in result.err
    assert visible_snapshots(store) == []
    hub.tampering.clear()
    again = fetch()
    assert again.status == 0, again.err
    assert everything_below(store.hub / "models--Org--Name/snapshots" / REVISION) == FILES


def test_signed_urls_that_expire_are_renewed(store: Store, hub: FakeHub, fetch):
    hub.signature_uses = 3
    result = fetch()
    assert result.status == 0, result.err
    assert everything_below(store.hub / "models--Org--Name/snapshots" / REVISION) == FILES
    assert len(hub.requests_to("/resolve/")) > 4


def test_a_dropped_connection_loses_no_received_byte(store: Store, hub: FakeHub, fetch):
    hub.tamper(STORED, untouched, cut(60_000), cut(20_000))
    assert fetch().status == 0
    assert hub.sent == sum(map(len, FILES.values()))

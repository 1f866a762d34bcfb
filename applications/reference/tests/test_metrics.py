from collections.abc import Callable
from typing import Any

from tests.conftest import Api


def test_requests_are_counted_by_route_and_not_by_path(api: Api) -> None:
    for name in ("one", "two"):
        api.http.get(f"/api/progress/{name}")
        api.http.get(f"/nowhere/{name}")
    api.http.request("BREW", "/nowhere")
    assert (
        api.metric('archon_request_seconds_count{method="GET",route="/api/progress/{progress_id}",status="404"}') == 2
    )
    assert api.metric('archon_request_seconds_count{method="GET",route="unmatched",status="404"}') == 2
    assert api.metric('archon_request_seconds_count{method="other",route="unmatched",status="404"}') == 1


def test_what_a_search_costs_is_measured(api: Api) -> None:
    api.upload("# A\n\notter\n\n# B\n\notter")
    api.search("otter")
    assert api.metric("archon_rerank_pairs_total") == 2
    assert api.metric("archon_rerank_seconds_count") == api.metric("archon_retrieval_seconds_count") == 1
    assert api.metric("archon_reranker_ready") == 1
    assert api.metric("archon_model_load_seconds") > 0
    assert (api.metric("archon_documents"), api.metric("archon_chunks")) == (1, 2)
    assert api.metric("process_resident_memory_bytes") > 0


def test_refused_requests_are_counted_too(serve: Callable[..., Any]) -> None:
    with serve(token="t") as api:
        api.http.get("/metrics")
        api.http.headers["authorization"] = "Bearer t"
        assert api.metric('archon_request_seconds_count{method="GET",route="unmatched",status="401"}') == 1

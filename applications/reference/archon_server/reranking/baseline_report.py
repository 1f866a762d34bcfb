"""`python3 -m archon_server.proof`: prints the baselines of the models that this container's server has loaded, as one
line of JSON:

    {"models": [{"name", "repo", "revision", "proof": {"answers": [{"query", "right", "best_other"}], "device", "dtype",
    "environment"}}]}

The names are stable. `proof` is the baseline, which the store tool's `record --repo … --revision …` takes on its
standard input. No model is loaded for this. Exits with 1 and a reason if the server is not ready.
"""

import json
import os
import sys
from http.client import HTTPConnection, HTTPException
from typing import Any

TIMEOUT_SECONDS = 30


class NotReady(Exception):
    pass


def main() -> int:
    try:
        print(json.dumps({"models": baselines(_health())}))
    except (NotReady, OSError, HTTPException, ValueError) as error:
        print(f"archon_server.proof: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def baselines(health: dict[str, Any]) -> list[dict[str, Any]]:
    """The baselines of the models that passed, from the body of /health/ml. Raises NotReady if the active failed."""
    if health["status"] not in ("ready", "not configured"):
        raise NotReady(f"the reranker is {health['status']}: {health['error'] or 'ask again when /health is 200'}")
    return [
        {
            "name": each["model"]["name"],
            "repo": each["model"]["repo"],
            "revision": each["model"]["revision"],
            "proof": {
                "answers": each["known_answer"]["questions"],
                "device": each["device"],
                "dtype": each["dtype"],
                "environment": health["environment_key"],
            },
        }
        for each in health["models"]
        if each["known_answer"]["passed"]
    ]


def _health() -> dict[str, Any]:
    # http.client, because urllib would use a proxy of the environment variables.
    connection = HTTPConnection("127.0.0.1", int(os.environ.get("PORT") or 8181), timeout=TIMEOUT_SECONDS)
    try:
        token = os.environ.get("ARCHON_API_TOKEN")
        connection.request("GET", "/health/ml", headers={"Authorization": f"Bearer {token}"} if token else {})
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise NotReady(f"the server answered {response.status}: {body[:200].decode(errors='replace')}")
        return json.loads(body)
    finally:
        connection.close()

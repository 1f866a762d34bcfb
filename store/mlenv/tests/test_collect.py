"""Garbage collection removes everything except what a GC root names or a running container mounts."""

from __future__ import annotations

import json

import pytest

from mlenv.store.store import Store

from .run_mlenv import mlenv
from .store_commands import ROOT, collect, content, hold, listed, prune, report, used
from .store_contents import left_in_staging, visible_environments, visible_snapshots
from .wheels import Wheel, make_wheel

SITE = "lib/python3.11/site-packages"


@pytest.fixture
def fetch(store: Store, archive_of):
    """Puts a model from an archive in place: `fetch("local/demo", files)`; returns its name."""

    def run(repo: str, files: dict[str, bytes]) -> str:
        data, commit = archive_of(files)
        arguments = ("--store", store.root, "--repo", repo, "--revision", commit, "--archive", "-")
        result = mlenv("fetch", *arguments, stdin=data)
        assert result.status == 0, result.err
        return f"{repo}@{commit}"

    return run


@pytest.fixture
def environments(prepare, populate, wheelhouse, alpha: Wheel, beta: Wheel) -> list[str]:
    """Three environments: k1 and k2 share alpha, k3 is beta alone."""
    newer_beta = make_wheel(wheelhouse, "beta", "2.1")

    def fill() -> list[str]:
        assert populate("k1", alpha, beta).status == 0
        assert populate("k2", alpha, newer_beta).status == 0
        assert populate("k3", beta).status == 0
        return ["k1", "k2", "k3"]

    return prepare("three environments", fill)


def test_hold_adds_to_the_gc_roots_of_a_stack(store: Store):
    first = hold(store, "archon-dev", content(["server:1"], ["k1"], ["Org/Name@" + "0" * 40]))
    assert (first.status, first.err) == (0, "")
    assert hold(store, "archon-dev", content(["server:2", "server:1"], [], ["Org/Name@" + "1" * 40])).status == 0
    document = json.loads((store.gc_roots / "archon-dev.json").read_text())
    assert document.pop("updated")
    assert document == {
        "format": 1,
        "stack": "archon-dev",
        "images": ["server:1", "server:2"],
        "environments": ["k1"],
        "models": ["Org/Name@" + "0" * 40, "Org/Name@" + "1" * 40],
    }


def test_the_gc_roots_of_every_stack_are_kept(store: Store, environments, fetch):
    one, two = fetch("local/one", {"config.json": b"1"}), fetch("local/two", {"config.json": b"2"})
    assert hold(store, "archon-prod", content([], ["k3"], [one])).status == 0
    done = report(collect(store, "archon-dev", content([], ["k1"], [])))
    assert [item["key"] for item in done["environments"]] == ["k2"]
    assert [item["model"] for item in done["models"]] == [two]
    assert visible_environments(store) == ["k1", "k3"]
    assert visible_snapshots(store) == [f"models--local--one/{one.split('@')[1]}"]
    assert not (store.hub / "models--local--two").exists()
    assert not (store.manifests / "models--local--two").exists()
    assert left_in_staging(store) == []
    assert mlenv("verify", "--store", store.root, "--full").status == 0


@pytest.mark.parametrize(
    ("mounted", "kept"),
    [
        ([f"{ROOT}/envs/k2"], ["k2"]),
        ([f"{ROOT}//envs/k2/{SITE}/", {"path": f"{ROOT}/envs/k3", "stack": "other-prod"}], ["k2", "k3"]),
        ([f"{ROOT}/envs"], ["k1", "k2", "k3"]),
        ([f"{ROOT}/envs/k2/../../elsewhere", f"{ROOT}2/envs/k1", "/envs/k1", ROOT, "/srv", "/"], ["k2"]),
        ([f"{ROOT}/data/dev", f"{ROOT}/envs/missing"], []),
    ],
)
def test_environments_that_running_containers_mount_are_kept(store: Store, environments, mounted, kept):
    report(collect(store, "archon-dev", content(), mounted))
    assert visible_environments(store) == kept


HUB = f"{ROOT}/models/huggingface"


@pytest.mark.parametrize(
    ("mount", "kept"),
    [
        # The GC roots of its stack say what it serves.
        ({"path": HUB, "stack": "archon-prod"}, {"a"}),
        ({"path": HUB, "stack": "archon-prod", "models": ""}, {"a"}),
        # Its own label says what it serves.
        ({"path": HUB, "stack": "archon-prod", "models": ["B"]}, {"a", "b"}),
        ({"path": HUB, "models": "B C"}, {"a", "b", "c"}),
        # It is not known what it serves.
        (HUB, {"a", "b", "c"}),
        ({"path": HUB, "stack": "unknown-stack"}, {"a", "b", "c"}),
        ({"path": f"{ROOT}/models", "stack": "-"}, {"a", "b", "c"}),
        (f"{HUB}/hub", {"a", "b", "c"}),
        # One model, or one snapshot of it.
        ({"path": f"{HUB}/hub/models--local--b", "stack": "archon-prod"}, {"a", "b", "c"}),
        (f"{HUB}/hub/models--local--b/snapshots/B", {"a", "b"}),
    ],
)
def test_models_that_running_containers_serve_are_kept(store: Store, fetch, mount, kept):
    names = {
        "a": fetch("local/a", {"config.json": b"a"}),
        "b": fetch("local/b", {"config.json": b"b"}),
        "c": fetch("local/b", {"config.json": b"c"}),
    }

    def real(text: str) -> str:
        return text.replace("B", names["b"]).replace("C", names["c"])

    if isinstance(mount, str):
        mount = mount.replace("/B", "/" + names["b"].split("@")[1])
    elif mount.get("models"):
        models = mount["models"]
        mount = mount | {"models": real(models) if isinstance(models, str) else [real(item) for item in models]}
    assert hold(store, "archon-prod", content([], [], [names["a"]])).status == 0
    report(collect(store, "archon-dev", content(), [mount]))
    assert {
        letter for letter, name in names.items() if name in [item["model"] for item in listed(store)["models"]]
    } == kept


def test_the_reported_bytes_are_really_freed(store: Store, environments, fetch):
    fetch("local/one", {"config.json": b"1" * 10_000})
    before = used(store.root)
    done = report(collect(store, "archon-dev", content([], ["k1"], [])))
    # The GC roots of the stack are replaced.
    assert before - used(store.root) == done["bytes"] - used(store.gc_roots / "archon-dev.json")
    parts = [*done["environments"], *done["models"]]
    assert sum(item["bytes"] for item in parts) + sum(done["caches"].values()) + done["staging"] == done["bytes"]
    assert done["caches"]["wheels"] > 0
    assert done["caches"]["bytecode"] > 0


def test_a_dry_run_reports_what_the_run_does(store: Store, environments):
    before = used(store.root)
    planned = report(prune(store, "--dry-run"))
    assert planned["dryRun"] is True
    assert (visible_environments(store), used(store.root)) == (environments, before)
    assert report(prune(store)) == planned | {"dryRun": False}
    assert visible_environments(store) == []


def test_caches_lose_what_no_environment_links_to_and_keep_working(
    store: Store, environments, populate, alpha: Wheel, beta: Wheel
):
    report(collect(store, "archon-dev", content([], ["k1"], [])))
    kept = {path.name for path in store.uv_cache.glob("wheels-v*/*/*/*/*") if path.is_symlink()}
    assert kept == {"1.2-py3-none-any", "2.0-py3-none-any"}
    assert [path.name.rsplit("-", 1)[0] for path in sorted(store.pyc_cache.glob("*/*"))] == ["alpha-1.2", "beta-2.0"]
    assert len(list(store.uv_cache.glob("archive-v*/*"))) == 2
    # From cached wheels, and from wheels that must be unpacked again.
    again = populate("k4", alpha, make_wheel(beta.path.parent, "beta", "2.1"), imports=("alpha.deep.table",))
    assert again.status == 0, again.err
    assert "byte code: 1 compiled, 3 from the cache" in again.out
    report(collect(store, "archon-dev", content()))
    assert list(store.uv_cache.glob("archive-v*/*")) == []
    assert populate("k1", alpha, beta, imports=("alpha",)).status == 0
    assert mlenv("verify", "--store", store.root, "--full").status == 0


def test_wheels_of_an_interrupted_populate_are_kept(store: Store, populate, alpha: Wheel, beta: Wheel):
    assert hold(store, "archon-prod", content([], ["k1"], [])).status == 0
    assert populate("k1", alpha, beta, MLENV_FAILPOINT="populate.installed").status < 0
    result = collect(store, "archon-dev", content())
    assert report(result)["caches"] == {"wheels": 0, "bytecode": 0}
    assert "referenced, but not in the store: k1" in result.out
    assert left_in_staging(store) == []
    alpha.path.unlink()
    beta.path.unlink()
    assert report(prune(store, "--forget", "archon-prod"))["caches"]["wheels"] > 0


def test_partly_unpacked_wheels_of_a_killed_uv_are_removed(store: Store):
    partial = store.uv_cache / ".tmpAbCdEf/alpha"
    partial.mkdir(parents=True)
    (partial / "__init__.py").write_text("partial")
    assert report(prune(store))["staging"] > 0
    assert not partial.parent.exists()


def test_refs_main_names_a_snapshot_that_is_kept(store: Store, fetch):
    old, new = fetch("local/one", {"config.json": b"old"}), fetch("local/one", {"config.json": b"new"})
    main = store.hub / "models--local--one/refs/main"
    assert main.read_text() == new.split("@")[1]
    report(collect(store, "archon-dev", content([], [], [old])))
    assert main.read_text() == old.split("@")[1]
    report(collect(store, "archon-dev", content()))
    assert not main.parent.parent.exists()


def test_images_without_any_reference_are_reported(store: Store, tmp_path):
    assert hold(store, "archon-dev", content(["server:1", "server:2", "server:3", "server:4"])).status == 0
    assert hold(store, "archon-prod", content(["server:2"])).status == 0
    other = tmp_path / "other"
    other.mkdir()
    (other / "else-dev.json").write_text(
        json.dumps({"format": 1, "stack": "else-dev", "updated": "now", **content(["server:3"], ["k9"])})
    )
    done = report(collect(store, "archon-dev", content(["server:4"]), [], "--also-references", other))
    assert done["images"] == ["server:1"]
    offered = ["server:1", "server:2", "server:3", "server:4", "server:5"]
    assert report(prune(store, images=offered))["images"] == ["server:1", "server:3", "server:5"]
    assert report(prune(store, "--forget", "archon-prod", "--also-references", other))["images"] == ["server:2"]
    assert sorted(path.name for path in store.gc_roots.iterdir()) == ["archon-dev.json"]


def test_a_stack_that_is_still_deployed_is_not_forgotten(store: Store):
    assert hold(store, "archon-prod", content(["server:1"])).status == 0
    claim = store.gc_roots / "archon-prod.owner"
    claim.write_text("6f9c\nada@gpu1, checkout /home/ada/archon\n")
    refused = prune(store, "--forget", "archon-prod")
    assert refused.status == 2
    assert "--forget archon-prod: it is still deployed by ada@gpu1, checkout /home/ada/archon." in refused.err
    assert listed(store)["owners"] == {"archon-prod": "ada@gpu1, checkout /home/ada/archon"}
    claim.unlink()
    assert prune(store, "--forget", "archon-prod").status == 0


def test_a_dry_run_forgets_no_stack(store: Store, environments):
    assert hold(store, "archon-dev", content([], environments)).status == 0
    assert len(report(prune(store, "--dry-run", "--forget", "archon-dev"))["environments"]) == 3
    assert report(prune(store))["environments"] == []
    unknown = prune(store, "--forget", "archon-prod")
    assert unknown.status == 2
    assert "--forget archon-prod: no such stack; this store has the GC roots of archon-dev" in unknown.err


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"format": 1}',
        '{"format": 1, "stack": "archon-other", "updated": "x", "images": [], "environments": [], "models": []}',
        '{"format": 1, "stack": "archon-prod", "updated": "x", "images": [], "environments": [3], "models": []}',
        '{"format": 2, "stack": "archon-prod"}',
    ],
)
def test_damaged_gc_roots_stop_every_collection(store: Store, environments, text: str):
    (store.gc_roots / "archon-prod.json").write_text(text)
    for result in (
        collect(store, "archon-dev", content()),
        prune(store),
        prune(store, "--forget", "archon-prod"),
        hold(store, "archon-dev", content()),
        mlenv("list", "--store", store.root),
    ):
        assert result.status == 1
        assert f"{store.gc_roots}/archon-prod.json " in result.err
        assert "Nothing was removed." in result.err
        assert "Traceback" not in result.err
    assert visible_environments(store) == environments
    assert [path.name for path in store.gc_roots.iterdir()] == ["archon-prod.json"]


@pytest.mark.parametrize(
    ("command", "document", "expected"),
    [
        ("collect", {"keep": content()}, "standard input lacks mounted and root"),
        ("collect", {"keep": content(), "mounted": [], "root": "/"}, "root '/': expected the absolute path"),
        ("collect", {"mounted": [], "root": ROOT}, "keep: expected an object with images"),
        ("collect", {"keep": content(), "mounted": "x", "root": ROOT}, "mounted: expected a list of paths"),
        ("collect", {"keep": content(), "mounted": ["envs/k1"], "root": ROOT}, "expected an absolute path of the host"),
        ("collect", {"keep": content(), "mounted": [{"path": "/a", "models": "x"}], "root": ROOT}, "expected Org/Name"),
        ("collect", {"keeps": content()}, "unknown names keeps; known are keep, mounted, root"),
        ("hold", {"images": []}, "environments: expected a list of strings, got None"),
        ("hold", content([" "], ["../x"], ["gpt2"]), "models: repository 'gpt2': expected Org/Name"),
        ("hold", [], "expected a JSON object, got list"),
    ],
)
def test_invalid_input_is_refused(store: Store, environments, command: str, document, expected: str):
    result = mlenv(command, "--store", store.root, "--stack", "archon-dev", stdin=json.dumps(document))
    assert (result.status, result.out) == (2, "")
    assert expected in result.err
    assert visible_environments(store) == environments
    assert list(store.gc_roots.iterdir()) == []


def test_input_that_is_not_json_is_refused(store: Store):
    result = mlenv("hold", "--store", store.root, "--stack", "archon-dev", stdin="{")
    assert (result.status, "standard input is not JSON" in result.err) == (2, True)


def test_an_invalid_stack_name_is_refused(store: Store):
    result = hold(store, "../dev", content())
    assert (result.status, "stack '../dev': expected <project>-<stack>" in result.err) == (2, True)


def test_the_list_says_who_uses_what(store: Store, environments, fetch):
    name = fetch("local/one", {"config.json": b"12345"})
    assert hold(store, "archon-dev", content(["server:1"], ["k1"], [name])).status == 0
    assert hold(store, "archon-prod", content([], ["k1"], [])).status == 0
    (store.data / "dev/server").mkdir(parents=True)
    document = listed(store)
    assert [(item["key"], item["packages"], item["usedBy"]) for item in document["environments"]] == [
        ("k1", 2, ["archon-dev", "archon-prod"]),
        ("k2", 2, []),
        ("k3", 1, []),
    ]
    [model] = document["models"]
    assert (model["model"], model["bytes"], model["proven"], model["usedBy"]) == (name, 5, False, ["archon-dev"])
    assert document["caches"] == {"wheels": 0, "bytecode": 0}
    assert [item["path"] for item in document["data"]] == ["dev/server"]
    assert [item["stack"] for item in document["references"]] == ["archon-dev", "archon-prod"]
    (store.environment("k2") / ".mlenv/manifest.json").write_text("")
    table = mlenv("list", "--store", store.root).out
    assert "  k2  size unknown  its manifest is damaged  used by no stack" in table.splitlines()
    assert any(
        line.startswith("archon-dev holds 1 image, 1 environment, 1 model (since ") for line in table.splitlines()
    )

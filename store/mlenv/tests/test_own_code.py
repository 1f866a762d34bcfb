"""Models that need code of their own."""

from __future__ import annotations

import json

import pytest

from .fake_hub import FakeHub
from .run_mlenv import mlenv

REVISION = "b7" * 20


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"config.json": {"auto_map": {"AutoModel": "modeling_own.Own"}}}, ["modeling_own.py"]),
        (
            {"config.json": {"auto_map": {"AutoConfig": "Org/Base--configuration_own.Own", "AutoModel": "m.Own"}}},
            ["Org/Base--configuration_own.py", "m.py"],
        ),
        ({"config.json": {"auto_map": {"AutoTokenizer": ["tokenization_own.Own", None]}}}, ["tokenization_own.py"]),
        (
            {
                "config.json": {},
                "tokenizer_config.json": {"auto_map": {"AutoTokenizer": ["tokenization_own.Own", None]}},
            },
            ["tokenization_own.py"],
        ),
        ({"preprocessor_config.json": {"auto_map": {"AutoImageProcessor": "images.Own"}}}, ["images.py"]),
        (
            {"processor_config.json": {"auto_map": {"AutoProcessor": "Org/Base--processing.Own"}}},
            ["Org/Base--processing.py"],
        ),
        ({"config.json": {"custom_pipelines": {"pair": {"impl": "pair_pipeline.Pair"}}}}, ["pair_pipeline.py"]),
        ({"config.json": {"auto_map": None, "custom_pipelines": [1]}, "tokenizer_config.json": [1]}, []),
        ({"config.json": {}, "modules.json": [{"type": "custom_st.Transformer"}]}, ["custom_st.py"]),
        ({"config.json": {}, "modules.json": [{"type": "sentence_transformers.models.Transformer"}]}, []),
        ({"config.json": {"architectures": ["Qwen3ForCausalLM"]}}, []),
        ({"config.json": ["no object"]}, []),
        ({"model.safetensors": {}}, []),
    ],
)
def test_the_code_that_a_configuration_names_is_listed(hub: FakeHub, files: dict[str, object], code: list[str]):
    hub.add("Org/Name", REVISION, {name: json.dumps(content).encode() for name, content in files.items()})
    result = mlenv("resolve", "--repo", "Org/Name", "--revision", REVISION, "--endpoint", hub.endpoint)
    assert result.status == 0, result.err
    assert json.loads(result.out)["code"] == code

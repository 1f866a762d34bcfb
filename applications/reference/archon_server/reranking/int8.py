"""Weights of 8 bits: which layers get them, how they are computed, and how transformers loads them.

A derived snapshot contains the weight of each linear layer as int8, with one float32 scale per row. Inputs are
quantized at run time with one scale per token, so that a pair's score does not depend on the other pairs of its batch.
Imports torch, so `cross_encoder` and `quantize` import this module only when they need it.
"""

import re

import torch
from transformers.quantizers.auto import register_quantization_config, register_quantizer
from transformers.quantizers.base import HfQuantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

METHOD = "archon-int8"
"""Name of the method in config.json's `quantization_config`."""

SCALE = "weight_scale"
_LARGEST = 127
_IN_A_LAYER = re.compile(r"\.\d+\.")


def is_quantized(name: str, shape: list[int]) -> bool:
    """Whether a weight becomes 8 bits: a matrix of one of the numbered layers. Embeddings and heads stay."""
    return name.endswith(".weight") and len(shape) == 2 and _IN_A_LAYER.search(name) is not None


def quantize(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The nearest int8 matrix, and the float32 factor of each of its rows."""
    exact = weight.float()
    scale = (exact.abs().amax(1) / _LARGEST).clamp_min(torch.finfo(torch.float32).tiny)
    return (exact / scale[:, None]).round().to(torch.int8), scale


class Int8Linear(torch.nn.Module):
    """A linear layer of `weight` (outputs by inputs, int8) and `weight_scale` (outputs)."""

    def __init__(self, inputs: int, outputs: int, bias: bool, dtype: torch.dtype | None) -> None:
        super().__init__()
        self.register_buffer("weight", torch.empty(outputs, inputs, dtype=torch.int8))
        self.register_buffer(SCALE, torch.empty(outputs, dtype=torch.float32))
        self.bias = torch.nn.Parameter(torch.empty(outputs, dtype=dtype)) if bias else None

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        rows = inputs.reshape(-1, inputs.shape[-1]).float()
        scale = (rows.abs().amax(1, keepdim=True) / _LARGEST).clamp_min(torch.finfo(torch.float32).tiny)
        product = torch._int_mm((rows / scale).round().to(torch.int8), self.weight.t())
        outputs = (product * (scale * self.weight_scale)).to(inputs.dtype)
        outputs = outputs.reshape(*inputs.shape[:-1], -1)
        return outputs if self.bias is None else outputs + self.bias


@register_quantization_config(METHOD)
class Int8Config(QuantizationConfigMixin):
    def __init__(self, **_: object) -> None:
        self.quant_method = METHOD


@register_quantizer(METHOD)
class Int8Quantizer(HfQuantizer):
    """Replaces linear layers by Int8Linear where the snapshot has 8 bits, before the weights are loaded."""

    requires_calibration = True

    def _process_model_before_weight_loading(self, model: torch.nn.Module, **_: object) -> None:
        for name, module in list(model.named_modules()):
            if isinstance(module, torch.nn.Linear) and is_quantized(f"{name}.weight", [*module.weight.shape]):
                parent, _, child = name.rpartition(".")
                with torch.device(module.weight.device):
                    replacement = Int8Linear(
                        module.in_features, module.out_features, module.bias is not None, module.weight.dtype
                    )
                setattr(model.get_submodule(parent), child, replacement)

    def is_serializable(self) -> bool:
        return False

    @property
    def is_trainable(self) -> bool:
        return False

"""Low-rank adapters (Hu et al. 2021) in place of the transformer's weights, through peft; folded in at the end.

A training then holds gradients and optimiser state for the adapters and the head alone: of wav2vec2-base 6 % of the
weights. What is exported and served is a plain model.
"""

from __future__ import annotations

from typing import Any

from torch import nn

TARGETS = r".*encoder\.layers\..*\.(q_proj|k_proj|v_proj|out_proj|intermediate_dense|output_dense)"
"""The linear layers of the transformer."""


def add_adapters(model: nn.Module, rank: int) -> None:
    """Puts an adapter beside each linear layer of the transformer; only these and the head are trained then."""
    from peft import LoraConfig, inject_adapter_in_model

    model.requires_grad_(False)
    # Scaled by 1 whatever the rank: the learning rate alone decides.
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=rank, target_modules=TARGETS), model)
    head: Any = model
    head.lm_head.requires_grad_(True)


def merge_adapters(model: nn.Module) -> None:
    """Adds what the adapters learned to the weights beside them, and takes them out."""
    from peft.tuners.lora import LoraLayer

    for name, layer in list(model.named_modules()):
        if isinstance(layer, LoraLayer):
            merged: Any = layer
            merged.merge()
            parent, _, attribute = name.rpartition(".")
            setattr(model.get_submodule(parent), attribute, merged.get_base_layer())

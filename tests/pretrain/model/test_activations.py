from __future__ import annotations

import pytest
import torch
from transformers import BertConfig, BertModel

from tests.narratives.tiny_model import SIZE
from zsderm.errors import SettingsError
from zsderm.pretrain.model.activations import compute_twice


def test_activations_computed_twice_give_the_same_gradients_and_fewer_are_kept() -> None:
    gradients, kept = [], []
    for switched in (False, True):
        torch.manual_seed(0)
        model = BertModel(BertConfig(vocab_size=20, **SIZE)).train()
        if switched:
            compute_twice(model)  # a warning, such as that of a name that goes, is an error here
        sizes: list[int] = []
        torch.manual_seed(1)  # dropout
        with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):  # noqa: B023
            states = model(torch.arange(12).reshape(2, 6)).last_hidden_state
        states.square().sum().backward()
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
        kept.append(sum(sizes))
    assert gradients[0].keys() == gradients[1].keys() and len(gradients[0]) > 30
    assert all(torch.equal(gradients[0][name], gradients[1][name]) for name in gradients[0])
    assert kept[1] < 0.5 * kept[0]


def test_a_model_that_cannot_is_refused() -> None:
    model = BertModel(BertConfig(vocab_size=20, **SIZE))
    model.supports_gradient_checkpointing = False
    with pytest.raises(SettingsError, match="BertModel cannot"):
        compute_twice(model)

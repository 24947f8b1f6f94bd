"""The loss of a batch: logits at the learned positions only, cross-entropy in blocks.

A vocabulary of 150,000 makes the output layer the largest of a small model, and a prompt has no
use for it: a hook picks the hidden states that matter just before that layer, whatever the
architecture does before and after it (scaling, soft caps). The same hook style adds NEFTune's noise
(Jain et al. 2023, arXiv:2310.05914). Works inside DDP and FSDP, as hooks run where the layers do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from finetune.chat.batches import Batch

_ROWS = 2048


class Scorer:
    """Computes the summed loss of a batch with a causal language model, wrapped or not."""

    def __init__(self, model: Any, neftune: float = 0.0) -> None:
        """Put the hooks in place.

        Args:
            model: of transformers or peft, before it is wrapped for several devices.
            neftune: alpha of the noise on the embeddings while training; 0 for none.

        Raises:
            ModelError: if the model has no output layer to hook.
        """
        from assistant.errors import ModelError

        head = model.get_output_embeddings()
        if head is None:
            raise ModelError("The base has no output layer: it is no causal language model.")
        self._places: Tensor | None = None
        self._lengths: Tensor | None = None
        self.neftune = neftune
        self._hooks = [head.register_forward_pre_hook(self._pick)]
        if neftune:
            self._hooks.append(model.get_input_embeddings().register_forward_hook(self._shake))

    def close(self) -> None:
        """Take the hooks away; the model is as it was."""
        for hook in self._hooks:
            hook.remove()

    def logits(self, model: Any, batch: Batch, **more: Any) -> Tensor:
        """Return the logits (learned, vocabulary) at the batch's places.

        Args:
            model: the hooked model, or what wraps it.
            batch: its input.
            more: further inputs of the model, such as pixels.
        """
        self._places = batch.places
        if self.neftune and model.training:
            self._lengths = batch.lengths
        if batch.positions is not None:
            more["position_ids"] = batch.positions
        try:
            out = model(input_ids=batch.ids, use_cache=False, **more).logits
        finally:
            self._places = self._lengths = None
        return out.reshape(-1, out.shape[-1])

    def loss(self, model: Any, batch: Batch, **more: Any) -> Tensor:
        """Return the summed cross-entropy of the batch's targets, a float32 scalar."""
        return cross_entropy(self.logits(model, batch, **more), batch.targets)

    def _pick(self, _module: Any, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if self._places is None:
            return None
        hidden = arguments[0]
        picked = hidden.reshape(-1, hidden.shape[-1])[self._places]
        return (picked.unsqueeze(0), *arguments[1:])

    def _shake(self, module: Any, _arguments: Any, output: Tensor) -> Tensor:
        if self._lengths is None or not module.training:
            return output
        # alpha / sqrt(L d), with the sample's own length L: padding and neighbours don't count.
        scale = (self.neftune / (self._lengths * output.shape[-1]).sqrt()).unsqueeze(-1)
        return output + (torch.rand_like(output) * 2 - 1) * scale.to(output.dtype)


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the summed cross-entropy of logits (n, vocabulary) and targets (n,), in float32.

    Rows are worked on in blocks and the gradient is computed at once, so that no float32 copy of
    all logits exists.
    """
    found: Tensor = _CrossEntropy.apply(logits, targets)
    return found


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        total = torch.zeros((), dtype=torch.float32, device=logits.device)
        wanted = ctx.needs_input_grad[0]
        gradient = torch.empty_like(logits) if wanted else None
        for start in range(0, len(logits), _ROWS):
            block = logits[start : start + _ROWS].float()
            goal = targets[start : start + _ROWS].unsqueeze(1)
            norm = block.logsumexp(-1, keepdim=True)
            total += (norm - block.gather(1, goal)).sum()
            if gradient is not None:
                block = (block - norm).exp_()
                block.scatter_add_(1, goal, block.new_full((len(goal), 1), -1.0))
                gradient[start : start + _ROWS] = block
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor | None, None]:
        (gradient,) = ctx.saved_tensors
        return (gradient * above[0].to(gradient.dtype), None)

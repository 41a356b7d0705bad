"""What a library may change in a model or a picture, and whether it has."""

from typing import Any

import torch
from torch import Tensor, nn

Snapshot = dict[str, Any]


def snapshot(model: nn.Module, x: Tensor, modules: list[nn.Module] | None = None) -> Snapshot:
    """Everything that an explanation should leave as it was, of these modules, else of all of the model."""
    modules = modules or list(model.modules())
    parameters = [p for m in modules for p in m.parameters(recurse=False)]
    return {
        "modules": list(dict(model.named_modules(remove_duplicate=False)).items()),
        "hooks": [_hooks(m) for m in modules],
        "attributes of modules": [sorted(vars(m)) for m in modules],
        "training mode": [m.training for m in modules],
        "running statistics": [b.detach().clone() for m in modules for b in m.buffers(recurse=False)],
        "values of the parameters": [p.detach().clone() for p in parameters],
        "gradients of the parameters": [_copy(p.grad) for p in parameters],
        "requires_grad of the parameters": [p.requires_grad for p in parameters],
        "values of the picture": x.detach().clone(),
        "gradient of the picture": _copy(x.grad),
        "requires_grad of the picture": x.requires_grad,
    }


def changes(before: Snapshot, model: nn.Module, x: Tensor) -> list[str]:
    """The names of what is not as it was."""
    after = snapshot(model, x, list(dict.fromkeys(module for _, module in before["modules"])))
    return [name for name, value in before.items() if not _same(value, after[name])]


def _hooks(module: nn.Module) -> int:
    return sum(len(value) for key, value in vars(module).items() if "hook" in key and isinstance(value, dict))


def _copy(gradient: Tensor | None) -> Tensor | None:
    return None if gradient is None else gradient.clone()


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return torch.equal(a, b)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_same(*pair) for pair in zip(a, b, strict=True))
    if isinstance(a, nn.Module):
        return a is b
    if isinstance(a, tuple) and isinstance(b, tuple):
        return _same(list(a), list(b))
    return bool(a == b)

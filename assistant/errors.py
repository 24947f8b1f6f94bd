"""The assistant's branch of the error tree (its root and drawing: `retrieval.errors`)."""

from __future__ import annotations

from retrieval.errors import AuscultError, ConfigError, InputError, ModelError

__all__ = [
    "AttachmentError",
    "AuscultError",
    "ConfigError",
    "InputError",
    "ModelError",
    "ToolError",
]


class ToolError(AuscultError):
    """A tool call that the chat model or the user can repair; its message goes back to the model."""


class AttachmentError(InputError):
    """An upload that is empty, too large, damaged, hostile, or not what its name says."""

"""The error tree. Every error a user can meet descends from `AuscultError`.

AuscultError
├── ConfigError      the operator can mend it: a setting, a missing package, an unknown name
│   └── ModelError   a model or its weights can't be found, verified or loaded
├── InputError       the user can mend it: a file, a question, an option
│   └── SourceError  a literature file that can't be read
├── IndexError_      the index on disk is damaged, foreign or full
├── TrainingError    (finetune.checkpoints) a training can't go on; its checkpoints stand
└── ToolError        (assistant.errors) the chat model or the user can repair the call

Anything else that is raised is a bug and surfaces as a traceback.
"""

from __future__ import annotations


class AuscultError(Exception):
    """Root of the tree. The message is one clear sentence and names the next step.

    Attributes:
        exit_code: what the command line exits with.
        http_status: what an HTTP way in answers with.
    """

    exit_code = 1
    http_status = 500


class ConfigError(AuscultError):
    """A setting, name or installation that the operator has to mend."""

    exit_code = 2


class ModelError(ConfigError):
    """A model or its weights are missing, damaged, or not what their card says."""


class InputError(AuscultError):
    """Something the user gave can't be used as it is."""

    exit_code = 3
    http_status = 400


class SourceError(InputError):
    """A literature file can't be read as the format it claims to be."""


class IndexError_(AuscultError):
    """The search index is damaged, was built by another encoder, or can't be written."""

    exit_code = 4

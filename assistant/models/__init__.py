"""Chat models behind LangChain's `BaseChatModel`, one file each.

A spec string picks one: `<name>` or `<name>:<argument>`. The module of that name exposes
`build(argument: str, resources: Resources) -> BaseChatModel`; the model can bind tools.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrieval import plugins

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from assistant.resources import Resources


def resolve(spec: str, resources: Resources) -> BaseChatModel:
    """Return the chat model that a spec string names.

    Raises:
        ConfigError: if there is no such model, or its argument can't be used.
    """
    name, _, argument = spec.partition(":")
    module = plugins.load(__name__, name.strip())
    model: BaseChatModel = module.build(argument.strip(), resources)
    return model

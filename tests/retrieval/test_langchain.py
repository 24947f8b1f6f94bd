"""The search as a LangChain retriever, alone and in a chain."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace

import pytest
from pydantic import ValidationError

from retrieval.langchain import AuscultRetriever, document
from retrieval.search import Searcher
from retrieval.types import Filters, Hit

QUESTION = "What are the side effects of metformin?"


@pytest.fixture(scope="module")
def retriever(searcher: Searcher) -> AuscultRetriever:
    return AuscultRetriever(searcher=searcher, k=5)


def test_it_returns_what_the_search_finds(retriever: AuscultRetriever, searcher: Searcher) -> None:
    found = retriever.invoke(QUESTION)
    hits = searcher.search(QUESTION, 5)
    assert [d.metadata["id"] for d in found] == [h.passage.id for h in hits]
    assert [d.page_content for d in found] == [h.passage.text for h in hits]
    assert found[0].metadata["document"] == "metformin"
    assert [d.metadata["score"] for d in found] == pytest.approx([h.score for h in hits], abs=1e-5)
    assert found[0].metadata["parts"].keys() == dict(hits[0].parts).keys()


def test_the_span_is_the_passage_in_its_section(
    retriever: AuscultRetriever, searcher: Searcher
) -> None:
    for found in retriever.invoke(QUESTION):
        told = found.metadata
        whole = searcher.index.documents.get(told["document"])
        assert whole is not None
        texts = [s.text for s in whole.sections if s.title == told["section"]]
        assert found.page_content in [text[told["start"] : told["end"]] for text in texts]


def test_fields_are_passed_on(searcher: Searcher) -> None:
    drugs = AuscultRetriever(searcher=searcher, k=3, filters=Filters(kinds=("drug",)))
    asked = drugs.invoke("asthma attack")
    assert {searcher.index.documents.get(d.metadata["document"]).kind for d in asked} == {"drug"}  # type: ignore[union-attr]
    lexical = AuscultRetriever(searcher=searcher, k=3, mode="lexical").invoke("metformin")
    assert "dense" not in lexical[0].metadata["parts"]
    with pytest.raises(ValidationError):
        AuscultRetriever(searcher=searcher, k=0)
    with pytest.raises(ValidationError):
        AuscultRetriever(searcher=searcher, top=3)  # type: ignore[call-arg]


def test_a_retracted_work_says_so(searcher: Searcher) -> None:
    hit = searcher.search("metformin", 1)[0]
    marked = document(Hit(replace(hit.passage, status="retracted"), hit.score))
    assert marked.metadata["citation"].startswith("RETRACTED: ")
    assert marked.metadata["status"] == "retracted"
    assert not document(hit).metadata["citation"].startswith("RETRACTED")


def test_asynchronous_and_batched_calls_agree(retriever: AuscultRetriever) -> None:
    questions = [QUESTION, "How is gout treated?", "Red flags of chest pain"]

    async def ask() -> tuple[list[str], list[list[str]]]:
        one = await retriever.ainvoke(QUESTION)
        many = await retriever.abatch(questions)
        return [d.metadata["id"] for d in one], [[d.metadata["id"] for d in m] for m in many]

    one, many = asyncio.run(ask())
    expected = [[d.metadata["id"] for d in retriever.invoke(q)] for q in questions]
    assert one == expected[0]
    assert many == expected
    assert [[d.metadata["id"] for d in m] for m in retriever.batch(questions)] == expected


def test_it_works_inside_a_chain(retriever: AuscultRetriever) -> None:
    from langchain_core.documents import Document
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_core.runnables import RunnableLambda, RunnablePassthrough

    prompts: list[str] = []

    def printed(documents: list[Document]) -> str:
        return "\n".join(f"[{d.metadata['id']}] {d.page_content}" for d in documents)

    def seen(prompt: object) -> object:
        prompts.append(str(prompt))
        return prompt

    template = ChatPromptTemplate.from_template("{sources}\n\nQuestion: {question}")
    model = GenericFakeChatModel(messages=iter([AIMessage("Nausea [metformin].")]))
    chain = (
        {"sources": retriever | RunnableLambda(printed), "question": RunnablePassthrough()}
        | template
        | RunnableLambda(seen)
        | model
        | StrOutputParser()
    )
    assert chain.invoke(QUESTION) == "Nausea [metformin]."
    assert all(f"[{d.metadata['id']}]" in prompts[0] for d in retriever.invoke(QUESTION))


def test_importing_it_loads_no_model_library() -> None:
    code = (
        "import sys, retrieval.langchain\n"
        "heavy = {'torch', 'transformers', 'faiss', 'peft', 'ray'} & sys.modules.keys()\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr

"""Questions to the chat model, with passages and without: are its words near a reference, and supported?

Dataset: JSON lines with question and
    answer, long_answer or ideal_answer   a reference, or a list of them
    contexts or passages                  optional: what the answer stands in, a list of texts, of
                                          [heading, text], or of {title, text}
    final_decision                        optional: "yes", "no" or "maybe"
    pmid, doc_id or id                    optional: what the bootstrap draws together
Solver: settings.chat_model. With passages it answers in the assistant's own loop, where a search has
just returned them (the sample's own; where it has none, what the library holds), and its sentences go
through the grounding check. Without, it gets the question alone. Scorer: token F1 and ROUGE-L of what it
wrote, without keys, against the nearest reference; an abstention, an empty answer and an endless round
of tool calls score 0. Where the data has yes, no or maybe: accuracy and macro F1 of the first such word;
an answer without one is wrong. Knows nothing of how a model is trained.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from assistant.settings import Settings
from evals import metrics, reading
from evals.tasks import _qa_questions
from evals.types import Arm, Dataset, Figure, Interval, Prediction, Progress
from retrieval.errors import InputError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

    from assistant.resources import Resources
    from assistant.tools import ToolResult, TurnContext
    from assistant.types import Evidence

OPTIONAL_PASSAGES = True
LABELS = ("yes", "no", "maybe")
REFERENCES = ("answer", "long_answer", "ideal_answer")
_ALONE = (
    "You answer medical questions for clinicians, from what you know, in one to three sentences."
)
_DECIDE = " Begin the answer with yes, no or maybe."
_CALL = "search001"
_WORD = re.compile(r"\b(yes|no|maybe)\b", re.IGNORECASE)


class QaTask:
    """Questions to the chat model itself."""

    def __init__(self, settings: Settings, seed: int, arm: Arm) -> None:
        """Load nothing yet."""
        self.settings = settings
        self.seed = seed
        self.arm = arm

    def load(self, data: Path | None, limit: int | None) -> Dataset:
        """Read questions; without `data`, some of our own.

        Raises:
            InputError: naming the file and line that can't be used.
        """
        if data is None:
            rows, name = _qa_questions.rows(), "built-in questions"
        else:
            rows, name = reading.json_lines(data, {"question": str}), data.name
        samples = tuple(_sample(row, str(data or name)) for row in rows[:limit])
        return Dataset(name, samples, (data,) if data else (), "questions")

    def solve(self, dataset: Dataset, progress: Progress) -> Iterator[Prediction]:
        """Yield what the model wrote on each question, and what of it is supported."""
        from assistant import lean, models
        from assistant.resources import Resources

        lean.import_langchain()
        resources = Resources(self.settings, adapters=self.arm.adapters)
        model = models.resolve(self.settings.chat_model, resources.view(""))
        for number, sample in enumerate(dataset.samples, 1):
            asked = sample["question"] + (_DECIDE if sample["label"] else "")
            said = (
                _grounded(model, asked, sample["passages"], resources)
                if self.arm.retrieval
                else _alone(model, asked)
            )
            progress(number, len(dataset.samples))
            yield {**{k: v for k, v in sample.items() if k != "passages"}, **said}

    def score(self, predictions: Sequence[Prediction]) -> dict[str, Interval]:
        """Return the figures with intervals over documents."""
        return metrics.intervals(self.figures(predictions), self.seed)

    def figures(self, predictions: Sequence[Prediction]) -> dict[str, Figure]:
        """Return nearness to the references, support of what was written, and the decisions."""
        referenced = [p for p in predictions if p["references"]]
        decided = [p for p in predictions if p["label"]]
        out = {"answered": _mean(predictions, [float(bool(p["answer"])) for p in predictions])}
        for name, measure in (("token_f1", metrics.token_f1), ("rouge_l", metrics.rouge_l)):
            if referenced:
                nearest = [
                    max(measure(p["answer"], r) for r in p["references"]) for p in referenced
                ]
                out[name] = _mean(referenced, nearest)
        if self.arm.retrieval:
            kept = np.array([[p["shown"], p["written"]] for p in predictions], dtype=np.float64)
            out["supported"] = Figure(metrics.ratio(kept), [p["unit"] for p in predictions])
        if decided:
            true = np.array([LABELS.index(p["label"]) for p in decided])
            found = np.array([_decision(p["answer"]) for p in decided])
            units = [p["unit"] for p in decided]
            out["accuracy"] = _mean(decided, [float(v) for v in true == found])
            out["macro_f1"] = Figure(
                lambda rows: metrics.macro_f1(true[rows], found[rows], range(len(LABELS))), units
            )
        return out

    def weights(self) -> Sequence[Path]:
        """Return the chat adapter's file, where there is one."""
        name = self.arm.adapter(self.settings, "chat")
        path = Path(name) / "adapter_model.safetensors"
        return (path,) if name and path.is_file() else ()


def build(settings: Settings, seed: int = 0, arm: Arm | None = None) -> QaTask:
    """Return the task."""
    return QaTask(settings, seed, arm or Arm())


def _mean(predictions: Sequence[Prediction], values: Sequence[float]) -> Figure:
    return metrics.mean_figure(values, [p["unit"] for p in predictions])


def _decision(answer: str) -> int:
    """Return the place of the first label that an answer names, or -1."""
    found = _WORD.search(answer)
    return LABELS.index(found[1].lower()) if found else -1


def _alone(model: BaseChatModel, question: str) -> dict[str, Any]:
    from langchain_core.messages import HumanMessage, SystemMessage

    reply = model.invoke([SystemMessage(_ALONE), HumanMessage(question)])
    return {"answer": _plain(str(reply.text)), "shown": 0, "written": 0}


def _grounded(
    model: BaseChatModel, question: str, passages: Sequence[dict[str, str]], resources: Resources
) -> dict[str, Any]:
    """Return what the model writes after a search, in the loop that serves."""
    from assistant import agent
    from assistant.tools import TurnContext

    view = resources.view("")
    context = TurnContext(view, [], question)
    outcome = agent.Outcome()
    messages = _searched(question, passages, context)
    for _ in agent.run(model, messages, context, outcome):
        pass
    return {
        "answer": _plain(outcome.text),
        "shown": len(outcome.claims),
        "written": len(outcome.claims) + len(outcome.withheld),
    }


def _searched(
    question: str, passages: Sequence[dict[str, str]], context: TurnContext
) -> list[BaseMessage]:
    """Return the messages that a conversation has come to when a search has returned."""
    from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

    from assistant.tools import render

    result = _given(passages, context) if passages else _found(question, context)
    call = {"name": "literature", "args": {"query": question}, "id": _CALL}
    return [
        HumanMessage(question),
        AIMessage("", tool_calls=[call]),
        ToolMessage(
            render(result.evidence), name="literature", tool_call_id=_CALL, artifact=result
        ),
    ]


def _given(passages: Sequence[dict[str, str]], context: TurnContext) -> ToolResult:
    from assistant.tools import ToolResult

    kept = tuple(context.cite(_evidence(n, p)) for n, p in enumerate(passages, 1))
    return ToolResult(f"{len(kept)} passages", kept)


def _found(question: str, context: TurnContext) -> ToolResult:
    from assistant.tools import ToolResult
    from assistant.tools.literature import as_evidence

    wanted = context.resources.settings.passages_per_question
    found = context.resources.librarian.find(question, k=wanted)
    kept = tuple(context.cite(as_evidence(hit)) for hit in found.hits)
    return ToolResult(f"{len(kept)} passages", kept, found=found)


def _evidence(number: int, passage: dict[str, str]) -> Evidence:
    from assistant.types import Evidence

    return Evidence(
        key="",
        kind="passage",
        text=passage["text"],
        document=f"given-{number}",
        title=passage["title"],
        source="given with the question",
        url="",
        start=0,
        section="",
        passage=f"given-{number}",
    )


def _plain(text: str) -> str:
    """Return what a model wrote without keys; "" for an abstention."""
    from assistant import writing
    from assistant.safety import grounding

    if text.strip().upper().startswith(writing.ABSTAIN):
        return ""
    return " ".join(grounding.KEY.sub("", text).split())


def _sample(row: dict[str, Any], path: str) -> dict[str, Any]:
    where = f"{path} line {row['_line']}"
    if not row["question"].strip():
        raise InputError(f"{where}: the question is empty: write one, or remove the line.")
    label = row.get("final_decision")
    if label is not None and label not in LABELS:
        raise InputError(f"{where}: final_decision is {label!r}, not yes, no or maybe: mend it.")
    references = _references(row, where)
    if not references and not label:
        raise InputError(
            f"{where} has neither {', '.join(REFERENCES)} nor final_decision: add one."
        )
    identity = str(row.get("id", row.get("pmid", row["_line"])))
    return {
        "id": identity,
        "unit": str(row.get("pmid", row.get("doc_id", identity))),
        "question": row["question"],
        "references": references,
        "label": label or "",
        "passages": _passages(row, where),
    }


def _references(row: dict[str, Any], where: str) -> list[str]:
    given: Any = next((row[key] for key in REFERENCES if row.get(key)), [])
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise InputError(f"{where}: the answer is no text or list of texts: mend it.")
    return [text for text in texts if text.strip()]


def _passages(row: dict[str, Any], where: str) -> list[dict[str, str]]:
    given: Any = row.get("passages") or row.get("contexts") or []
    if not isinstance(given, list):
        raise InputError(f"{where}: the passages are no list: mend it.")
    out = []
    for item in given:
        if isinstance(item, dict):
            title, text = item.get("title", ""), item.get("text")
        elif isinstance(item, list) and len(item) == 2:
            title, text = item
        else:
            title, text = "", item
        if not isinstance(text, str) or not isinstance(title, str) or not text.strip():
            raise InputError(f"{where}: a passage is no text, [heading, text] or {{title, text}}.")
        out.append({"title": title or "Passage", "text": text})
    return out

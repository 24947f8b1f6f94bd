"""Checks the data of a training before any weight is loaded, and says what is wrong with it.

Schema, empty rows, duplicates, leakage between training and validation, length, language, order of
roles, personal data: a `DataReport` with errors, which stop a run, warnings, which don't, counts,
and the digest of every file. Findings name rows by number; no text of a row leaves this module.
Knows nothing of models beyond the tokenizer that counts tokens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from finetune import _validation_scan as scanning
from finetune import _validation_sources as sources
from finetune.recipe import IMAGE_TASKS
from retrieval import files
from retrieval.errors import InputError

if TYPE_CHECKING:
    from finetune.image.recipe import ImageRecipe
    from finetune.recipe import AnyRecipe, TextRecipe

SHOWN_ROWS = 5
# Share of rows in another language that is worth a warning: names and titles fool the check.
FOREIGN_SHARE = 0.02
REPORT = "data_report.json"


@dataclass(frozen=True, slots=True)
class Issue:
    """One kind of fault in one file.

    Attributes:
        kind: schema, empty, duplicate, near_duplicate, leakage, long, language or personal.
        file: the file's name.
        message: one sentence, without any word of the data.
        count: rows concerned.
        rows: numbers of the first of them.
    """

    kind: str
    file: str
    message: str
    count: int
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FileReport:
    """What a file holds.

    Attributes:
        name: of the file, without its folder.
        part: train or validation.
        format: of its rows.
        rows: how many.
        tokens: of all rows together; 0 where they weren't counted.
        longest: tokens of the longest row; 0 where they weren't counted.
        languages: rows by language, "?" where it can't be told.
        sha256: digest of the file.
    """

    name: str
    part: str
    format: str
    rows: int
    tokens: int
    longest: int
    languages: Mapping[str, int]
    sha256: str


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long the rows to train on are, for planning.

    Attributes:
        tokens: of each row as training renders it, none above the recipe's `max_tokens`.
        learned: how many of them are learned, by row.
    """

    tokens: tuple[int, ...] = ()
    learned: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class DataReport:
    """What the checks found.

    Attributes:
        files: each file that the recipe reads.
        errors: what stops a run.
        warnings: what doesn't.
        personal: identifiers by kind, in all files together.
        counts: rows by what is wrong with them, and all rows.
        lengths: of the rows to train on; empty where they weren't counted. Not stored.
    """

    files: tuple[FileReport, ...]
    errors: tuple[Issue, ...]
    warnings: tuple[Issue, ...]
    personal: Mapping[str, int]
    counts: Mapping[str, int]
    lengths: Lengths = Lengths()

    def as_json(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        found = asdict(self)
        del found["lengths"]
        return found

    def enforce(self) -> None:
        """Stop a run whose data has errors.

        Raises:
            InputError: with the first error, and how many more there are.
        """
        if self.errors:
            more = len(self.errors) - 1
            rest = f" There {_be(more)} {more} more: --dry-run lists them." if more else ""
            raise InputError(self.errors[0].message + rest)


def check(
    recipe: AnyRecipe, data: Path | None, *, count: scanning.Count | None = None
) -> DataReport:
    """Read every row that a recipe trains or validates on and report what is wrong.

    Args:
        recipe: of any task.
        data: the data folder, where relative paths are looked for first; None if there is none.
        count: gives a row's tokens, and how many of them are learned, by (format, row); None leaves
            lengths unchecked.

    Raises:
        InputError: if a file is missing, empty or damaged, a row is no JSON object, or columns are
            missing: without these nothing else can be told.
    """
    if recipe.task in IMAGE_TASKS:
        from finetune.image import report

        return report.check(cast("ImageRecipe", recipe), data)
    return _check_rows(cast("TextRecipe", recipe), data, count)


def _check_rows(recipe: TextRecipe, data: Path | None, count: scanning.Count | None) -> DataReport:
    from assistant.records import deidentify

    scan = scanning.Scan(recipe, count, deidentify.find)
    reports, lengths = [], []
    errors: list[Issue] = []
    warnings: list[Issue] = []
    personal: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for source in sources.of(recipe, data):
        found = scan.file(source)
        reports.append(
            FileReport(
                source.path.name,
                source.part,
                found.format,
                found.rows,
                found.tokens,
                found.longest[0],
                dict(found.languages.most_common()),
                files.sha256(source.path),
            )
        )
        if source.part == "train":
            lengths += [(min(n, recipe.max_tokens), said) for n, said in found.lengths]
        personal += found.personal
        counts["rows"] += found.rows
        for issue, fatal in _issues(recipe, source, found):
            counts[issue.kind] += issue.count
            (errors if fatal and not source.public else warnings).append(issue)
    return DataReport(
        tuple(reports),
        tuple(errors),
        tuple(warnings),
        dict(personal),
        dict(counts),
        Lengths(tuple(n for n, _ in lengths), tuple(min(n, said) for n, said in lengths)),
    )


def _issues(
    recipe: TextRecipe, source: sources.Source, found: scanning.Found
) -> Iterator[tuple[Issue, bool]]:
    """Yield what is wrong with a file, and whether it stops a run."""
    name = source.path.name

    def made(kind: str, rows: Sequence[int], said: str) -> Issue:
        # A number may stand twice where a row has two faults of a kind.
        where = ", ".join(map(str, rows[:SHOWN_ROWS])) + (", ..." if len(rows) > SHOWN_ROWS else "")
        noun = "row" if len(rows) == 1 else "rows"
        text = f"{name}: {said.format(n=f'{len(rows)} {noun}')} ({noun} {where})."
        return Issue(kind, name, text, len(rows), tuple(rows[:SHOWN_ROWS]))

    for fault, rows in found.faults.items():
        yield made("schema", rows, f"in {{n}}, {_plain(fault)}; mend or remove them"), True
    marks = found.marks
    for key, kind, said, fatal in _MARKS:
        if marks[key]:
            yield made(kind, marks[key], said), fatal
    for key in [key for key in marks if key.startswith("leak ")]:
        unit = key.removeprefix("leak ")
        what = "the text" if unit == "text" else f"the {unit}"
        said = f"{{n}} share {what} with training, so validation would say too much: move them"
        if recipe.allow_leakage:
            said += " (let pass by allow_leakage)"
        yield made("leakage", marks[key], said), not recipe.allow_leakage
    if marks["long"]:
        tokens, longest = found.longest
        said = (
            f"{{n}} are longer than max_tokens ({recipe.max_tokens}) and are cut; the longest, row "
            f"{longest}, has {tokens} tokens"
        )
        yield made("long", marks["long"], said), False
    if len(marks["language"]) > FOREIGN_SHARE * found.rows:
        share = 100 * len(marks["language"]) / found.rows
        said = f"{{n}} ({share:.0f}%) aren't in the recipe's language ({recipe.language})"
        yield made("language", marks["language"], said), False
    if marks["personal"]:
        yield (
            made("personal", marks["personal"], _personal(recipe, found)),
            (not recipe.allow_personal_data),
        )


_MARKS = (
    ("no input", "empty", "{n} have nothing for the model to read: remove them", True),
    ("no answer", "empty", "{n} have nothing for the model to answer with: remove them", True),
    ("same", "duplicate", "{n} repeat an earlier row", False),
    ("near", "near_duplicate", "{n} repeat an earlier row nearly word for word", False),
    ("near leak", "near_duplicate", "{n} are nearly the same as rows to train on", False),
)


def _personal(recipe: TextRecipe, found: scanning.Found) -> str:
    kinds = ", ".join(f"{kind} {n}" for kind, n in found.personal.most_common())
    said = f"{{n}} seem to hold personal data ({_plain(kinds)})"
    if recipe.allow_personal_data:
        return said + ", let pass by allow_personal_data"
    return said + ": de-identify them, or set allow_personal_data if you may train on them"


def _plain(text: str) -> str:
    """Keep braces of a fault's text from being read as places."""
    return text.replace("{", "{{").replace("}", "}}")


def _be(count: int) -> str:
    return "is" if count == 1 else "are"


def table(report: DataReport) -> str:
    """Return a report as plain text: files, what is wrong, and whether that stops a run."""
    head = ("file", "part", "format", "rows", "tokens", "longest", "languages", "sha256")
    lines = [head]
    for f in report.files:
        spoken = " ".join(f"{code}:{n}" for code, n in list(f.languages.items())[:3])
        tokens = f"{f.tokens:,}" if f.tokens else "-"
        lines.append(
            (f.name, f.part, f.format, f"{f.rows:,}", tokens,
             f"{f.longest:,}" if f.longest else "-", spoken, f.sha256[:12])
        )  # fmt: skip
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    out = [
        "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines
    ]
    if report.personal:
        out.append("identifiers: " + ", ".join(f"{k} {n}" for k, n in report.personal.items()))
    out += [f"error: {issue.message}" for issue in report.errors]
    out += [f"warning: {issue.message}" for issue in report.warnings]
    if not report.errors and not report.warnings:
        out.append("nothing is wrong with the data")
    return "\n".join(out) + "\n"


def write(report: DataReport, folder: Path) -> Path:
    """Store a report beside an adapter; return its file."""
    path = folder / REPORT
    files.write_json(path, report.as_json())
    return path

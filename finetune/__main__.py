"""Training by a recipe: `python -m finetune RECIPE`.

On several devices: `accelerate launch -m finetune RECIPE`. The options are those of `auscult
finetune`.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from finetune import _command
from retrieval.errors import AuscultError

INTERRUPTED = 130


def _say(text: str) -> None:
    sys.stdout.write(text)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    options = vars(_parser().parse_args(arguments))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    try:
        return _command.execute(options.pop("recipe"), _command.given(options), _say)
    except AuscultError as error:
        sys.stderr.write(f"finetune: {' '.join(str(error).split())}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m finetune", description="Train an adapter by a recipe."
    )
    add = parser.add_argument
    add("recipe", help="a shipped recipe's name, or a YAML file")
    add("--set", dest="changes", action="append", default=[], metavar="KEY=VALUE",
        help="replace one value of the recipe; repeatable")  # fmt: skip
    add("--data", type=Path, metavar="DIR", help="data folder; else AUSCULT_DATA")
    add("--out", type=Path, metavar="DIR", help="the adapter's folder; else under --run")
    add("--run", type=Path, default=Path("runs"), metavar="DIR", help="checkpoints and caches")
    add("--dry-run", action="store_true", help="check the data, estimate memory, show a sample")
    add("--explain", action="store_true", help="describe every key of the recipe's task")
    add("--fresh", action="store_true", help="begin anew instead of resuming")
    add("--search", type=int, default=0, metavar="N", help="try N settings of the search: block")
    add("--tensorboard", action=argparse.BooleanOptionalAction, default=True,
        help="write TensorBoard events to --run")  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""The error tree: who can act decides the exit code and the HTTP status."""

from __future__ import annotations

import pytest

from retrieval import errors


def test_every_error_of_the_module_descends_from_the_root() -> None:
    found = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, Exception)]
    assert len(found) >= 6
    assert all(issubclass(error, errors.AuscultError) for error in found)


@pytest.mark.parametrize(
    ("error", "parent"),
    [
        (errors.ConfigError, errors.AuscultError),
        (errors.ModelError, errors.ConfigError),
        (errors.InputError, errors.AuscultError),
        (errors.SourceError, errors.InputError),
        (errors.IndexError_, errors.AuscultError),
    ],
)
def test_the_tree_is_the_one_that_is_drawn(error: type, parent: type) -> None:
    assert error.__bases__ == (parent,)


def test_what_the_user_can_mend_answers_400_and_all_else_500() -> None:
    assert errors.SourceError("x").http_status == 400
    assert errors.InputError("x").http_status == 400
    assert {e("x").http_status for e in (errors.ModelError, errors.IndexError_)} == {500}


def test_exit_codes_tell_the_branches_apart_and_are_never_success() -> None:
    branches = (errors.AuscultError, errors.ConfigError, errors.InputError, errors.IndexError_)
    codes = [branch.exit_code for branch in branches]
    assert len(set(codes)) == len(codes)
    assert 0 not in codes
    assert errors.ModelError.exit_code == errors.ConfigError.exit_code
    assert errors.SourceError.exit_code == errors.InputError.exit_code


def test_the_index_error_is_not_pythons_own() -> None:
    assert not issubclass(errors.IndexError_, LookupError)

"""A JSON value and a JSON Schema -> the first problem, in words.

The scorer `json_schema` calls it in its own process or (as `run(job)`) in a limited child. It imports no part of the
package, so that the child can load it by its path.
"""

from __future__ import annotations

from typing import Any

from jsonschema.exceptions import SchemaError, best_match
from jsonschema.validators import validator_for
from referencing import Registry


def problem_with_schema(schema: dict[str, Any]) -> str | None:
    """Say what is wrong with a schema itself, or None."""
    try:
        validator_for(schema).check_schema(schema)
    except SchemaError as error:
        return f"{error.json_path}: {error.message}"
    return None


def run(job: dict[str, Any]) -> dict[str, str | None]:
    """Check `reply` against `schema`; give `problem`, None where it is valid.

    Raises: referencing.exceptions.Unresolvable for a reference to another document.
    """
    registry: Registry[Any] = Registry()  # an empty one: the default would fetch references over the network
    validator = validator_for(job["schema"])(job["schema"], registry=registry)
    error = best_match(validator.iter_errors(job["reply"]))
    return {"problem": None if error is None else f"{error.json_path}: {error.message[:300]}"}

"""The cells of the matrix: which there are, which are expected to fail and why."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MIXED = "mixed"  # in the place of a dialer and a listener: the ten nodes of a mesh


@dataclass(frozen=True)
class Combination:
    """Who connects to whom, and how: one row."""

    dialer: str
    listener: str
    transport: str
    security: str

    def __str__(self) -> str:
        who = "mixed mesh" if self.is_mesh else f"{self.dialer} -> {self.listener}"
        return f"{who} {self.transport} {self.security}"

    @property
    def is_mesh(self) -> bool:
        return self.dialer == MIXED

    @property
    def folder(self) -> str:
        return f"{self.dialer}-{self.listener}-{self.transport}-{self.security}"

    def implementations(self) -> set[str]:
        return {self.dialer, self.listener}


@dataclass(frozen=True)
class Cell:
    combination: Combination
    test: str

    def __str__(self) -> str:
        return f"{self.combination} {self.test}"


@dataclass(frozen=True)
class KnownFailure:
    """Cells that cannot pass, and how they fail. `where` may leave out what does not matter."""

    where: dict[str, str]
    failure: str  # a part of what is said
    reason: str

    @classmethod
    def of(cls, entry: dict[str, str]) -> KnownFailure:
        where = {name: value for name, value in entry.items() if name not in ("failure", "reason")}
        strange = set(where) - {"dialer", "listener", "transport", "security", "test"}
        if strange or not entry["failure"]:
            raise ValueError(f"a known failure without a failure, or with {sorted(strange)}: {entry}")
        return cls(where, entry["failure"], entry["reason"])

    def covers(self, cell: Cell) -> bool:
        row = cell.combination
        actual = {
            "dialer": row.dialer,
            "listener": row.listener,
            "transport": row.transport,
            "security": row.security,
            "test": cell.test,
        }
        return all(actual[name] == value for name, value in self.where.items())


@dataclass(frozen=True)
class Matrix:
    """What expected.json declares."""

    pairs: list[tuple[str, str]]
    transports: list[str]
    securities: list[str]
    tests: list[str]
    mesh: dict[str, int]  # implementation to number of nodes
    meshes: list[tuple[str, str]]  # transport and security of each mesh
    mesh_tests: list[str]
    known: list[KnownFailure]

    @classmethod
    def load(cls, path: Path) -> Matrix:
        def pairs(value: list[list[str]]) -> list[tuple[str, str]]:
            return [(first, second) for first, second in value]

        try:
            raw: dict[str, Any] = json.loads(path.read_text())
            return cls(
                pairs(raw["pairs"]),
                list(raw["transports"]),
                list(raw["securities"]),
                list(raw["tests"]),
                dict(raw["mesh"]),
                pairs(raw["meshes"]),
                list(raw["mesh_tests"]),
                [KnownFailure.of(entry) for entry in raw["known_failures"]],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: {type(error).__name__}: {error}") from error

    def combinations(self) -> list[Combination]:
        rows = [
            Combination(dialer, listener, transport, security)
            for transport in self.transports
            for security in self.securities
            for dialer, listener in self.pairs
        ]
        return rows + [Combination(MIXED, MIXED, transport, security) for transport, security in self.meshes]

    def tests_of(self, combination: Combination) -> list[str]:
        return self.mesh_tests if combination.is_mesh else self.tests

    def cells(self) -> list[Cell]:
        return [Cell(row, test) for row in self.combinations() for test in self.tests_of(row)]

    def known_failure(self, cell: Cell) -> KnownFailure | None:
        return next((known for known in self.known if known.covers(cell)), None)

    def idle_failures(self) -> list[KnownFailure]:
        """Known failures that cover no cell."""
        cells = self.cells()
        return [known for known in self.known if not any(known.covers(cell) for cell in cells)]

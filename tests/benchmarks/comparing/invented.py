"""Workers that nobody started."""

from collections.abc import Callable
from typing import Any


class Invented:
    """Answers at once; notes what it was asked in a log that several may share."""

    def __init__(
        self,
        name: str,
        log: list[tuple[str, Any]],
        ms: Callable[[dict[str, Any]], float] = lambda cell: 1.0,
        fails: Callable[[dict[str, Any]], str | None] = lambda cell: None,
        hello: dict[str, Any] | None = None,
    ) -> None:
        self.name, self.log, self.ms, self.fails = name, log, ms, fails
        self.hello = hello or {"kernels": "avx2", "source_hash": None}
        self.entered: list[dict[str, Any]] = []

    def hear(self) -> dict[str, Any]:
        self.log.append((self.name, "hello"))
        return self.hello

    def ask(self, **request: Any) -> dict[str, Any]:
        if "enter" in request:
            self.log.append((self.name, "enter"))
            if error := self.fails(request["enter"]):
                return {"error": error}
            self.entered.append(request["enter"])
            return {"warm_ms": 25.0}
        self.log.append((self.name, request["calls"]))
        return {"ms": self.ms(self.entered[request["time"]]), "cpu_s": 0.5}

    def close(self) -> None:
        self.log.append((self.name, "end"))

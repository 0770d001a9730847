"""The cases with pydantic-evals: pydantic_cases.py URL CASES AT_ONCE"""
import re
import sys
from dataclasses import dataclass

import httpx
from pydantic_evals import Case, Dataset
from pydantic_evals.evaluators import Evaluator, EvaluatorContext

url, cases, at_once = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


@dataclass
class Contains(Evaluator):
    def evaluate(self, ctx: EvaluatorContext) -> bool:
        return ctx.expected_output in ctx.output


@dataclass
class Matches(Evaluator):
    def evaluate(self, ctx: EvaluatorContext) -> bool:
        return re.search(r"number \d+ is", ctx.output) is not None


@dataclass
class Lacks(Evaluator):
    def evaluate(self, ctx: EvaluatorContext) -> bool:
        return "as an AI" not in ctx.output


client = httpx.AsyncClient(limits=httpx.Limits(max_connections=at_once))


async def ask(question: str) -> str:
    body = {"model": "agent", "messages": [{"role": "user", "content": question}]}
    answer = await client.post(f"{url}/chat/completions", json=body)
    return answer.json()["choices"][0]["message"]["content"]


dataset = Dataset(
    name="parcels",
    cases=[
        Case(name=f"parcel {n}", inputs=f"Where is parcel {n}?", expected_output=str(n))
        for n in range(cases)
    ],
    evaluators=[Contains(), Matches(), Lacks()],
)
report = dataset.evaluate_sync(ask, max_concurrency=at_once, progress=False)
assert len(report.cases) == cases and report.averages().assertions == 1.0

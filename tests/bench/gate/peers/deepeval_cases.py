"""The cases with DeepEval: deepeval_cases.py URL CASES AT_ONCE"""
import asyncio
import re
import sys

import httpx
from deepeval import evaluate
from deepeval.evaluate import AsyncConfig, CacheConfig, DisplayConfig
from deepeval.metrics import BaseMetric
from deepeval.test_case import LLMTestCase

url, cases, at_once = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


class Check(BaseMetric):
    def __init__(self, name, holds):
        self.name, self.holds, self.threshold, self.async_mode = name, holds, 0.5, True

    def measure(self, test_case):
        self.score = float(self.holds(test_case.actual_output, test_case.expected_output))
        self.success = self.score >= self.threshold
        return self.score

    async def a_measure(self, test_case, *_, **__):
        return self.measure(test_case)

    def is_successful(self):
        return self.success

    @property
    def __name__(self):
        return self.name


async def asked():
    places = asyncio.Semaphore(at_once)
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=at_once)) as client:

        async def ask(number):
            question = f"Where is parcel {number}?"
            body = {"model": "agent", "messages": [{"role": "user", "content": question}]}
            async with places:
                answer = await client.post(f"{url}/chat/completions", json=body)
            text = answer.json()["choices"][0]["message"]["content"]
            return LLMTestCase(input=question, actual_output=text, expected_output=str(number))

        return await asyncio.gather(*(ask(number) for number in range(cases)))


metrics = [
    Check("contains", lambda text, number: number in text),
    Check("matches", lambda text, _: re.search(r"number \d+ is", text) is not None),
    Check("lacks", lambda text, _: "as an AI" not in text),
]
result = evaluate(
    test_cases=asyncio.run(asked()), metrics=metrics,
    async_config=AsyncConfig(max_concurrent=at_once),
    display_config=DisplayConfig(show_indicator=False, print_results=False),
    cache_config=CacheConfig(write_cache=False),
)
assert len(result.test_results) == cases and all(it.success for it in result.test_results)

"""The cases with Inspect: inspect_cases.py URL CASES AT_ONCE"""
import re
import sys
import tempfile

from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.scorer import Score, accuracy, scorer
from inspect_ai.solver import generate

url, cases, at_once = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def check(holds):
    async def score(state, target):
        return Score(value=1 if holds(state.output.completion, target.text) else 0)

    return score


@scorer(metrics=[accuracy()])
def contains():
    return check(lambda text, number: number in text)


@scorer(metrics=[accuracy()])
def matches():
    return check(lambda text, _: re.search(r"number \d+ is", text) is not None)


@scorer(metrics=[accuracy()])
def lacks():
    return check(lambda text, _: "as an AI" not in text)


samples = [Sample(input=f"Where is parcel {n}?", target=str(n)) for n in range(cases)]
task = Task(dataset=samples, solver=generate(), scorer=[contains(), matches(), lacks()])
with tempfile.TemporaryDirectory() as logs:
    (log,) = eval(
        task, model="openai/agent", model_base_url=url, model_args={"responses_api": False},
        max_connections=at_once, max_samples=at_once, display="none", log_dir=logs,
    )
rates = [score.metrics["accuracy"].value for score in log.results.scores]
assert log.status == "success" and rates == [1.0] * 3, (log.status, rates)

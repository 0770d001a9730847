"""The deployment script that people have: kubectl in a shell, and one look at one pod.

python3 deploy.py IMAGE NAMESPACE
"""
import os
import subprocess
import sys
import time
import urllib.request

KUBECTL = os.environ.get("KUBECTL", "kubectl")
NAMESPACE = sys.argv[2]


def run(command: str) -> str:
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    if done.returncode != 0:
        print(f"FAILED: {command}\n{done.stderr}")
        sys.exit(1)
    return done.stdout.strip()


def live_slot() -> str:
    path = "jsonpath='{.spec.selector.slot}'"
    return run(f"{KUBECTL} get svc agent-service -n {NAMESPACE} -o {path}").strip("'")


def validate(slot: str) -> bool:
    forward = subprocess.Popen(
        ["bash", "-c", f"exec {KUBECTL} port-forward deploy/agent-{slot} 9090:8000 -n {NAMESPACE}"],
        stdout=subprocess.DEVNULL,
    )
    time.sleep(3)
    try:
        with urllib.request.urlopen("http://localhost:9090/readyz", timeout=10) as answer:
            return answer.status == 200
    finally:
        forward.terminate()


def main() -> None:
    image = sys.argv[1]
    live = live_slot()
    idle = "green" if live == "blue" else "blue"
    run(f"{KUBECTL} set image deployment/agent-{idle} agent={image} -n {NAMESPACE}")
    run(f"{KUBECTL} rollout status deployment/agent-{idle} -n {NAMESPACE} --timeout=120s")
    if not validate(idle):
        print("Validation failed. Aborting.")
        sys.exit(1)
    patch = '{"spec": {"selector": {"slot": "' + idle + '"}}}'
    run(f"{KUBECTL} patch svc agent-service -n {NAMESPACE} -p '{patch}'")


main()

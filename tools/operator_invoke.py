"""Invokes a function of a stack past API Gateway, as an operator: on AWS by the AWS CLI, or on this machine."""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.request


def parser(documentation):
    """For a tool's own arguments; it has `--stack` already."""
    made = argparse.ArgumentParser(description=documentation.splitlines()[0])
    made.add_argument("--stack", help="the stack on AWS; without it, the one on this machine that TOLLGATE_READY_FILE describes")
    return made


def invoke(stack, function, event):
    """The function's answer. `function` is a binary's name, as `sweep`."""
    return on_aws(stack, function, event) if stack else on_this_machine(function, event)


def on_this_machine(function, event):
    ready = os.environ.get("TOLLGATE_READY_FILE")
    if not ready:
        sys.exit(f"{pathlib.Path(sys.argv[0]).name}: no stack: give --stack NAME, or set TOLLGATE_READY_FILE to the ready file of `local up`")
    url = json.loads(pathlib.Path(ready).read_text())["lambda"]
    request = urllib.request.Request(f"{url}/2015-03-31/functions/{function}/invocations", json.dumps(event).encode())
    with urllib.request.urlopen(request, timeout=600) as answer:
        return json.load(answer)


def deployed_name(stack, function):
    query = "StackResourceDetail.PhysicalResourceId"
    command = ["aws", "cloudformation", "describe-stack-resource", "--stack-name", stack, "--output", "text", "--query", query]
    command += ["--logical-resource-id", f"{function.capitalize()}Function"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def on_aws(stack, function, event):
    with tempfile.TemporaryDirectory() as folder:
        answer = pathlib.Path(folder) / "answer.json"
        command = ["aws", "lambda", "invoke", "--function-name", deployed_name(stack, function), "--cli-read-timeout", "0"]
        command += ["--cli-binary-format", "raw-in-base64-out", "--payload", json.dumps(event), str(answer)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return json.loads(answer.read_text())

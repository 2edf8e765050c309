"""The template as CloudFormation gets it: transformed by SAM's own translator, on this machine, without credentials."""

import contextlib
import copy
import functools
import io
import os
import pathlib
import re

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

ROOT = pathlib.Path(__file__).resolve().parents[2]


@functools.cache
def _source():
    return yaml_parse((ROOT / "template.yaml").read_text())


@functools.cache
def _transformed(parameters=()):
    template = copy.deepcopy(_source())
    # `sam package` puts the place of the uploaded code here.
    template["Globals"]["Function"]["CodeUri"] = "s3://bucket/code"
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name="us-east-1"))
    with contextlib.redirect_stderr(io.StringIO()):  # it complains of a feature switch that only AWS has
        return translator.translate(template, {"Issuer": "https://gateway.example", **dict(parameters)})


def source():
    return copy.deepcopy(_source())


def transformed(**parameters):
    """What SAM makes of it with these parameters; of some of them SAM makes other resources."""
    return copy.deepcopy(_transformed(tuple(sorted(parameters.items()))))


def resources(kind):
    """Logical id to properties, of every resource of this type."""
    return {name: it["Properties"] for name, it in transformed()["Resources"].items() if it["Type"] == kind}


def operations():
    """(method, path) to operation, of every route of the API."""
    (api,) = resources("AWS::ApiGateway::RestApi").values()
    return {(method.upper(), path): it for path, methods in api["Body"]["paths"].items() for method, it in methods.items()}


def functions_by_binary():
    """Binary to properties of its function."""
    functions = {n: it for n, it in transformed()["Resources"].items() if it["Type"] == "AWS::Lambda::Function"}
    return {it["Metadata"]["BuildProperties"]["Binary"]: it["Properties"] for it in functions.values()}


def role_statements(function):
    """The policy statements of a function's role, those that a condition adds among them."""
    role = resources("AWS::IAM::Role")[function["Role"]["Fn::GetAtt"][0]]
    return [chosen(statement)[1] for policy in role["Policies"] for statement in policy["PolicyDocument"]["Statement"]]


def chosen(value):
    """The condition of what is there by a condition alone, and what that is; None and the value itself for any other."""
    if not isinstance(value, dict) or "Fn::If" not in value:
        return None, value
    condition, then, otherwise = value["Fn::If"]
    if otherwise not in ({"Ref": "AWS::NoValue"}, ""):
        raise AssertionError(f"a choice of two: {value}")
    return condition, then


def references(node):
    """Logical ids and parameters that a part of a template refers to."""
    if isinstance(node, list):
        return set().union(*map(references, node)) if node else set()
    if not isinstance(node, dict):
        return set()
    found = set()
    for key, value in node.items():
        if key == "Ref":
            found.add(value)
        elif key == "Fn::GetAtt":
            found.add(value[0] if isinstance(value, list) else value.split(".")[0])
        elif key == "Fn::Sub":
            text, names = (value, {}) if isinstance(value, str) else value
            found |= {name.split(".")[0] for name in re.findall(r"\$\{([^!}]+)\}", text)} - set(names)
            found |= references(names)
        elif key == "DependsOn":
            found |= {value} if isinstance(value, str) else set(value)
        else:
            found |= references(value)
    return found

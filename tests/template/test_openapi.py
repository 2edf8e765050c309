"""The OpenAPI document against the template's routes, the events' answers, and what it is made of."""

import functools
import json
import pathlib
import re
import subprocess
import sys
import unittest

import jsonschema
import yaml
from transformed import ROOT, operations

DOCUMENT = ROOT / "functions" / "admin" / "openapi" / "openapi.json"
METHODS = {"get", "head", "post", "put", "patch", "delete"}


@functools.cache
def document():
    return json.loads(DOCUMENT.read_text())


@functools.cache
def described():
    return {(method.upper(), path): it for path, item in document()["paths"].items() for method, it in item.items() if method in METHODS}


class OpenApi(unittest.TestCase):
    def test_it_is_what_its_source_makes(self):
        done = subprocess.run([sys.executable, ROOT / "tools" / "openapi", "--check"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, f"run tools/openapi:\n{done.stdout[:2000]}{done.stderr}")

    def test_every_route_of_the_template_is_in_it_and_the_other_way_round(self):
        served = {(method, path) for method, path in operations() if method in {it.upper() for it in METHODS}}
        self.assertEqual(set(described()), served)

    def test_a_route_asks_for_a_credential_where_the_template_has_an_authorizer(self):
        for route, deployed in operations().items():
            if route in described():
                authorized = any("NONE" not in name for it in deployed.get("security", ()) for name in it)
                self.assertEqual(bool(described()[route]["security"]), authorized, route)

    def test_every_answer_in_events_is_as_described(self):
        compared, faults = 0, []
        for answer_file in sorted((ROOT / "events").glob("*/*.response.json")):
            event = json.loads(answer_file.with_name(answer_file.name.replace(".response", "")).read_text())
            answer = json.loads(answer_file.read_text())
            operation = described().get((event.get("httpMethod"), event.get("resource")))
            if operation is None or "statusCode" not in answer:
                continue
            compared += 1
            fault = self.fault(operation, answer)
            if fault:
                faults.append(f"{answer_file.relative_to(ROOT)}: {fault}")
        self.assertEqual(faults, [])
        self.assertGreater(compared, 100)

    def fault(self, operation, answer):
        """What of an answer is not as described; its statuses, its type and its body, but for what differs from call to call."""
        response = operation["responses"].get(str(answer["statusCode"]))
        if response is None:
            return f"no status {answer['statusCode']}"
        if "$ref" in response:
            response = self.looked_up(response["$ref"])
        kind = answer.get("headers", {}).get("content-type", "").split(";")[0]
        content = response.get("content")
        if content is None:
            return f"a body of {kind}" if answer.get("json") is not None else None
        if kind not in content:
            return f"a body of {kind or 'no type'}, not of {sorted(content)}"
        if "json" not in answer:
            return None
        schema = {**content[kind]["schema"], "components": document()["components"]}
        validator = jsonschema.Draft202012Validator(schema)
        errors = [it for it in validator.iter_errors(answer["json"]) if not placeholder(it)]
        return "; ".join(f"{it.json_path}: {it.message[:200]}" for it in errors) or None

    def looked_up(self, reference):
        node = document()
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]
        return node

    def test_the_reference_for_readers_links_only_to_what_is_there(self):
        text = (ROOT / "docs" / "reference.md").read_text()
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            self.assertTrue((ROOT / "docs" / target).exists(), target)
        self.assertEqual(text.count("<br>"), len(yaml.safe_load(DOCUMENT.with_name("routes.yaml").read_text())["routes"]))


def placeholder(error):
    """Goldens have `<time>` and the like in the place of what differs, and decoded tokens."""
    inner = [error, *(error.context or ())]
    return any(isinstance(it.instance, str) and it.instance.startswith("<") for it in inner) or error.json_path.endswith("access_token")


if __name__ == "__main__":
    unittest.main()

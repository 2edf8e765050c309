"""localstack/compose.yaml and the script that it has LocalStack run, against `ministack`, which speaks the same and needs no Docker."""

import contextlib
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

import boto3
import yaml
from samtranslator.yaml_helper import yaml_parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "localstack" / "compose.yaml"
SCRIPT = ROOT / "localstack" / "init" / "10-tollgate.py"
MINISTACK = ROOT / ".tools" / "venv-ministack" / "bin" / "ministack"
PATIENCE_SECONDS = 30


@contextlib.contextmanager
def ministack():
    """Its URL. All that it holds is in memory."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as home:
        variables = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "HOME": home, "TMPDIR": home, "SFTP_ENABLED": "0"}
        process = subprocess.Popen([MINISTACK], env={**os.environ, **variables}, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        try:
            wait_for(url, process)
            yield url
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE_SECONDS)


def wait_for(url, process):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{url}/_localstack/health", timeout=5).close()
            return
        time.sleep(0.05)
    raise RuntimeError("ministack did not start")


class Init(unittest.TestCase):
    def client(self, service, url):
        credentials = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        return boto3.client(service, endpoint_url=url, **credentials)

    def run_script(self, url):
        environment = {**os.environ, "TOLLGATE_TEMPLATE": str(ROOT / "template.yaml"), "AWS_ENDPOINT_URL": url}
        done = subprocess.run([sys.executable, SCRIPT], env=environment, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.splitlines()

    def test_a_fresh_localstack_gets_the_templates_table_bucket_and_secret_once(self):
        declared = yaml_parse((ROOT / "template.yaml").read_text())["Resources"]["Table"]["Properties"]
        with ministack() as url:
            made = self.run_script(url)
            self.assertEqual(len(made), 3, made)
            dynamodb = self.client("dynamodb", url)
            table = dynamodb.describe_table(TableName="tollgate-table")["Table"]
            self.assertEqual(table["KeySchema"], declared["KeySchema"])
            indexes = [(it["IndexName"], it["KeySchema"]) for it in table["GlobalSecondaryIndexes"]]
            self.assertEqual(indexes, [(it["IndexName"], it["KeySchema"]) for it in declared["GlobalSecondaryIndexes"]])
            expiry = dynamodb.describe_time_to_live(TableName="tollgate-table")["TimeToLiveDescription"]
            self.assertEqual(expiry["AttributeName"], declared["TimeToLiveSpecification"]["AttributeName"])
            self.assertEqual([it["Name"] for it in self.client("s3", url).list_buckets()["Buckets"]], ["tollgate-bucket"])
            secret = self.client("secretsmanager", url).get_secret_value(SecretId="tollgate-signing-secret")["SecretString"]
            self.assertRegex(json.loads(secret)["seed"], r"^[A-Za-z0-9]{64}$")
            self.assertEqual(json.loads(secret)["alg"], "EdDSA")
            self.assertEqual(self.run_script(url), [], "what is there stays")
            again = self.client("secretsmanager", url).get_secret_value(SecretId="tollgate-signing-secret")["SecretString"]
            self.assertEqual(again, secret)


class Compose(unittest.TestCase):
    def test_the_image_is_pinned_the_port_is_on_loopback_and_what_is_mounted_is_there(self):
        (service,) = yaml.safe_load(COMPOSE.read_text())["services"].values()
        self.assertTrue(re.fullmatch(r"[a-z/]+:\d+\.\d+\.\d+", service["image"]), service["image"])
        for port in service["ports"]:
            self.assertTrue(port.startswith("127.0.0.1:"), port)
        for volume in service["volumes"]:
            source, target, mode = volume.split(":")
            self.assertTrue((COMPOSE.parent / source).exists(), source)
            self.assertEqual(mode, "ro", target)
        self.assertIn("./init:/etc/localstack/init/ready.d:ro", service["volumes"])
        self.assertTrue(os.access(SCRIPT, os.X_OK))


if __name__ == "__main__":
    unittest.main()

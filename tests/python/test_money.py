"""Budgets, sums and the recomputing of bills, as an administrator and a user of the running gateway meet them."""

import datetime
import json
import pathlib
import secrets
import subprocess
import sys
import unittest
import urllib.request

from gateway import ALIAS, mock, ready, records, request

RECOMPUTE = pathlib.Path(__file__).resolve().parents[2] / "tools" / "recompute"


def call(key, **directive):
    body = {"model": ALIAS, "max_tokens": 64, "messages": [mock(**directive)]}
    return request("POST", "/anthropic/v1/messages", key, body)


def new_user():
    """(subject, API key) of somebody of whom no function knows yet that they have no limits."""
    subject = f"user:{secrets.token_hex(8)}"
    status, _, made = request("POST", "/api/keys", ready()["admin_key"], {"name": "a test's", "owner": subject})
    assert status == 201, made
    return subject, made["key"]


def sweep():
    url = f"{ready()['lambda']}/2015-03-31/functions/sweep/invocations"
    with urllib.request.urlopen(urllib.request.Request(url, b"{}"), timeout=60) as answer:
        return json.load(answer)


def limit(subject, limits):
    path = f"/api/admin/budgets/user/{subject.replace(':', '%3A')}"
    status, _, answer = request("PUT", path, ready()["admin_key"], {"limits": limits})
    assert status == 200, answer


class Money(unittest.TestCase):
    def test_a_budget_is_seen_spent_and_refused_with_what_is_missing(self):
        """A-15"""
        subject, key = new_user()
        limit(subject, [{"unit": "picodollars", "window": "month", "limit_dollars": "0.05"}])
        status, headers, _ = call(key, output_tokens=20)
        self.assertEqual(status, 200)
        cost = int(headers["x-tollgate-cost"].replace(".", ""))
        status, _, own = request("GET", "/api/budgets", key)
        self.assertEqual(status, 200)
        (budget,) = [it for it in own["budgets"] if it["scope"] == "user"]
        self.assertEqual((int(budget["spent"]), int(budget["available"])), (cost, 50_000_000_000 - cost))
        poor, key = new_user()
        limit(poor, [{"unit": "picodollars", "window": "day", "limit_picodollars": "7"}])
        status, _, refused = call(key, output_tokens=20)
        self.assertEqual((status, refused["error"]["type"]), (402, "billing_error"))
        self.assertIn("$0.000000000007 of $0.000000000007 a day is left", refused["error"]["message"])

    def test_a_month_recomputed_from_its_rows_is_what_the_rows_and_the_sums_say(self):
        """A-13"""
        for tokens in range(1, 6):
            self.assertEqual(call(ready()["api_key"], output_tokens=tokens)[0], 200)
        self.assertTrue(sweep()["complete"])
        today = datetime.datetime.now(datetime.timezone.utc).date()
        first = today.replace(day=1)
        done = subprocess.run([sys.executable, RECOMPUTE, str(first), str(today)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        report = json.loads(done.stdout)
        own = records().values()
        self.assertGreaterEqual(report["rows"], len(own))
        self.assertEqual(report["recomputed_picodollars"], report["cost_picodollars"])
        status, _, page = request("GET", f"/api/usage/summary?period=month&group=user&from={first}", ready()["api_key"])
        self.assertEqual(status, 200, page)
        self.assertEqual(sum(it["cost_picodollars"] for it in page["summaries"]), sum(it["cost_picodollars"] for it in own))


if __name__ == "__main__":
    unittest.main()

"""Budgets, sums and the recomputing of bills, as an administrator and a user of the running gateway meet them."""

import datetime
import json
import pathlib
import subprocess
import sys
import unittest
import urllib.request

from gateway import ALIAS, mock, ready, records, request

RECOMPUTE = pathlib.Path(__file__).resolve().parents[2] / "tools" / "recompute"
USER = "user:dev"


def call(max_tokens=64, **directive):
    body = {"model": ALIAS, "max_tokens": max_tokens, "messages": [mock(**directive)]}
    return request("POST", "/anthropic/v1/messages", ready()["api_key"], body)


def sweep():
    url = f"{ready()['lambda']}/2015-03-31/functions/sweep/invocations"
    with urllib.request.urlopen(urllib.request.Request(url, b"{}"), timeout=60) as answer:
        return json.load(answer)


def limit_to(limits):
    path = f"/api/admin/budgets/user/{USER.replace(':', '%3A')}"
    status, _, answer = request("PUT", path, ready()["admin_key"], {"limits": limits})
    assert status == 200, answer


class Money(unittest.TestCase):
    def tearDown(self):
        limit_to([])

    def test_a_budget_is_seen_spent_and_refused_with_what_is_missing(self):
        """A-15"""
        limit_to([{"unit": "picodollars", "window": "month", "limit_dollars": "0.05"}])
        status, headers, _ = call(output_tokens=20)
        self.assertEqual(status, 200)
        cost = headers["x-tollgate-cost"]
        status, _, own = request("GET", "/api/budgets", ready()["api_key"])
        self.assertEqual(status, 200)
        (budget,) = [it for it in own["budgets"] if it["scope"] == "user"]
        self.assertEqual(int(budget["spent"]), int(cost.replace(".", "")))
        # A limit that is known to an environment as none is seen by it within half a minute; what is spent is known at once.
        limit_to([{"unit": "picodollars", "window": "day", "limit_picodollars": "1"}])
        self.assertEqual(request("GET", "/api/budgets", ready()["api_key"])[2]["budgets"][0]["limit"], "1")

    def test_a_month_recomputed_from_its_rows_is_what_the_rows_and_the_sums_say(self):
        """A-13"""
        for tokens in range(1, 6):
            self.assertEqual(call(output_tokens=tokens)[0], 200)
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

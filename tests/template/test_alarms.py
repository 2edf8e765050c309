"""Alarms and the dashboard: they look at metrics that there are, are told somewhere, and cost nothing where nobody asked for them."""

import json
import re
import unittest

from transformed import ROOT, resources, source, transformed

NAMES = ROOT / "shared" / "src" / "telemetry" / "names.rs"
ALARMS = "AWS::CloudWatch::Alarm"


def metrics():
    """Name to labels, of every metric that the functions tell CloudWatch, from the one list in the code."""
    text = NAMES.read_text()
    constants = dict(re.findall(r'const (\w+): Label = \("(\w+)"', text))
    text = text[text.index("pub const ALL") : text.index("#[cfg(test)]")]
    found = {}
    names = list(re.finditer(r'"(\w+(?:_total|_seconds|_to_expiry))"', text))
    for this, following in zip(names, [*names[1:], None]):
        until = following.start() if following else len(text)
        found[this[1]] = labels(text[this.end() : until], constants)
    return found


def labels(text, constants):
    array = re.search(r"&\[(.*?)\]", text, re.S)
    if array is None:
        return set()
    literal = re.findall(r'\(\s*"(\w+)",', array[1])
    return set(literal) | {constants[it] for it in re.findall(r"\b[A-Z_]{3,}\b", array[1]) if it in constants}


def looked_at(alarm):
    """(namespace, metric, dimensions) of each that the alarm reads."""
    if "MetricName" in alarm:
        yield alarm["Namespace"], alarm["MetricName"], alarm.get("Dimensions", [])
    for query in alarm.get("Metrics", ()):
        if "MetricStat" in query:
            metric = query["MetricStat"]["Metric"]
            yield metric["Namespace"], metric["MetricName"], metric.get("Dimensions", [])


class Alarms(unittest.TestCase):
    def test_the_list_of_metrics_is_read_as_it_is(self):
        found = metrics()
        self.assertEqual(found["model_calls_total"], {"dialect", "outcome"})
        self.assertEqual(found["tls_certificate_days_to_expiry"], {"peer", "certificate"})
        self.assertEqual(found["usage_rows_lost_total"], set())

    def test_each_looks_at_a_metric_that_there_is_with_all_of_its_dimensions(self):
        known = metrics()
        for name, alarm in resources(ALARMS).items():
            ours = [(metric, {it["Name"] for it in dimensions}) for namespace, metric, dimensions in looked_at(alarm) if namespace == "Tollgate"]
            for metric, dimensions in ours:
                self.assertIn(metric, known, name)
                self.assertEqual(dimensions, known[metric] | {"function"}, f"{name}: {metric}")
            self.assertTrue(list(looked_at(alarm)), name)

    def test_there_are_those_that_an_operator_needs(self):
        wanted = {"Latency", "Errors", "FunctionErrors", "FunctionThrottles", "BedrockThrottles", "Spend", "BudgetRefusals", "AuthorizerFailures"}
        wanted |= {"ReservationAge", "UsageRowsLost", "SigningKeys", "CertificateExpiry", "DeadLetters"}
        self.assertEqual({name.removesuffix("Alarm") for name in resources(ALARMS)}, wanted)

    def test_each_is_told_when_it_begins_and_when_it_ends(self):
        for name, alarm in resources(ALARMS).items():
            self.assertEqual(alarm["AlarmActions"], [{"Ref": "AlarmTopicArn"}], name)
            self.assertEqual(alarm["OKActions"], [{"Ref": "AlarmTopicArn"}], name)
            self.assertTrue(alarm["AlarmDescription"], name)
            self.assertEqual(alarm["TreatMissingData"], "notBreaching", name)

    def test_nothing_of_it_is_there_unless_it_is_asked_for(self):
        for name, resource in transformed()["Resources"].items():
            if resource["Type"] == ALARMS:
                self.assertEqual(resource["Condition"], "HasAlarms", name)
            if resource["Type"] == "AWS::CloudWatch::Dashboard":
                self.assertEqual(resource["Condition"], "HasDashboard", name)
        self.assertEqual(source()["Parameters"]["AlarmTopicArn"]["Default"], "")
        self.assertEqual(source()["Parameters"]["Dashboard"]["Default"], "false")

    def test_the_guide_says_of_each_what_to_do(self):
        guide = (ROOT / "docs" / "operations.md").read_text()
        told = set(re.findall(r"^\| `(\w+)` \|", guide, re.M))
        self.assertEqual(told, {name.removesuffix("Alarm") for name in resources(ALARMS)})


class Cost(unittest.TestCase):
    def test_the_cost_script_counts_what_alarms_look_at_and_the_rules_of_the_web_acl(self):
        # CloudWatch bills an alarm by the metrics that it looks at.
        metrics = sum(len(list(looked_at(alarm))) for alarm in resources(ALARMS).values())
        self.assertEqual(cost("ALARM_METRICS"), metrics)
        (acl,) = resources("AWS::WAFv2::WebACL").values()
        self.assertEqual(cost("WAF_RULES"), len(acl["Rules"]))


def cost(name):
    """A constant of tools/cost."""
    (value,) = re.findall(rf"^{name} = (\d+)$", (ROOT / "tools" / "cost").read_text(), re.M)
    return int(value)


class Dashboard(unittest.TestCase):
    def body(self):
        (dashboard,) = resources("AWS::CloudWatch::Dashboard").values()
        body = dashboard["DashboardBody"]["Fn::Sub"]
        return json.loads(re.sub(r"\$\{[\w:]+\}", "x", body)), body

    def test_it_is_a_dashboard_of_metrics_that_there_are(self):
        parsed, _ = self.body()
        known = metrics()
        for widget in parsed["widgets"]:
            text = json.dumps(widget["properties"]["metrics"])
            for name in re.findall(r'MetricName=\\+"(\w+)', text) + re.findall(r'"Tollgate", "(\w+)"', text):
                self.assertIn(name, known, widget["properties"]["title"])

    def test_a_search_names_all_dimensions_of_its_metric(self):
        # A search by other dimensions than the metric's own finds nothing, and says nothing of it.
        known, (_, body) = metrics(), self.body()
        searches = re.findall(r'\{Tollgate,([\w,]+)\} MetricName=\\"(\w+)', body)
        self.assertGreater(len(searches), 5)
        for dimensions, name in searches:
            self.assertEqual(set(dimensions.split(",")), known[name] | {"function"}, name)


class Grafana(unittest.TestCase):
    def test_every_panel_asks_for_metrics_and_labels_that_there_are(self):
        known = metrics()
        dashboard = json.loads((ROOT / "docs" / "grafana" / "tollgate.json").read_text())
        self.assertGreater(len(dashboard["panels"]), 8)
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                asked = re.findall(r"\b\w+(?:_total|_seconds_bucket|_seconds|_to_expiry)\b", target["expr"])
                names = [it.removesuffix("_bucket") for it in asked]
                self.assertTrue(names, target["expr"])
                self.assertLessEqual(set(names), set(known), panel["title"])
                by = re.findall(r"by \(([\w, ]+)\)", target["expr"])
                labels_asked = {label for group in by for label in group.split(", ")} - {"le"}
                self.assertLessEqual(labels_asked, {label for name in names for label in known[name]}, target["expr"])


if __name__ == "__main__":
    unittest.main()

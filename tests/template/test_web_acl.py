"""A web ACL before the API: there where it is asked for alone, and no rule of it takes a prompt for an attack."""

import json
import unittest

from transformed import resources, source, transformed

ACL, ASSOCIATION = "AWS::WAFv2::WebACL", "AWS::WAFv2::WebACLAssociation"
# What of AWS's common rules looks into bodies. ("AWS Managed Rules rule groups list", Core rule set, 2026-11.)
OF_BODIES = {"SizeRestrictions_BODY", "CrossSiteScripting_BODY", "EC2MetaDataSSRF_BODY", "GenericLFI_BODY", "GenericRFI_BODY"}
# What of its rules for queries a sign-in would run into.
OF_SIGN_IN = {"GenericRFI_QUERYARGUMENTS", "SizeRestrictions_QUERYSTRING"}


def rules():
    return {it["Name"]: it for it in resources(ACL)["WebAcl"]["Rules"]}


class WebAcl(unittest.TestCase):
    def test_there_is_none_unless_it_is_asked_for(self):
        every = transformed()["Resources"]
        conditions = {it["Type"]: it.get("Condition") for it in every.values() if it["Type"] in (ACL, ASSOCIATION)}
        self.assertEqual(conditions, {ACL: "HasOwnWebAcl", ASSOCIATION: "HasWebAcl"})
        parameters = source()["Parameters"]
        self.assertEqual((parameters["Waf"]["Default"], parameters["WebAclArn"]["Default"]), ("false", ""))

    def test_one_that_is_there_already_comes_before_one_of_its_own(self):
        own = {"Fn::And": [{"Fn::Equals": [{"Ref": "Waf"}, "true"]}, {"Fn::Equals": [{"Ref": "WebAclArn"}, ""]}]}
        self.assertEqual(transformed()["Conditions"]["HasOwnWebAcl"], own)
        (association,) = resources(ASSOCIATION).values()
        chosen = {"Fn::If": ["HasOwnWebAcl", {"Fn::GetAtt": ["WebAcl", "Arn"]}, {"Ref": "WebAclArn"}]}
        self.assertEqual(association["WebACLArn"], chosen)

    def test_it_stands_before_the_one_stage(self):
        (association,) = resources(ASSOCIATION).values()
        text, names = association["ResourceArn"]["Fn::Sub"]
        self.assertEqual(text, "arn:${AWS::Partition}:apigateway:${AWS::Region}::/restapis/${Gateway}/stages/${Stage}")
        (stage,) = resources("AWS::ApiGateway::Stage")
        self.assertEqual(names, {"Stage": {"Ref": stage}})

    def test_its_name_is_a_regional_web_acls(self):
        pattern = source()["Parameters"]["WebAclArn"]["AllowedPattern"]
        self.assertRegex("arn:aws:wafv2:us-east-1:123456789012:regional/webacl/name/1a2b-3c", pattern)
        self.assertNotRegex("arn:aws:wafv2:us-east-1:123456789012:global/webacl/name/1a2b-3c", pattern)

    def test_who_asks_too_often_from_one_address_is_told_so_and_when_to_come_again(self):
        rule = rules()["requests-per-address"]
        statement = rule["Statement"]["RateBasedStatement"]
        expected = {"AggregateKeyType": "IP", "EvaluationWindowSec": 300, "Limit": {"Ref": "WafRequestsPerAddress"}}
        self.assertEqual(statement, expected)
        response = rule["Action"]["Block"]["CustomResponse"]
        self.assertEqual(response["ResponseCode"], 429)
        self.assertEqual(response["ResponseHeaders"], [{"Name": "Retry-After", "Value": "60"}])
        bodies = resources(ACL)["WebAcl"]["CustomResponseBodies"]
        body = json.loads(bodies[response["CustomResponseBodyKey"]]["Content"])
        self.assertEqual((body["error"]["type"], body["error"]["message"]), ("rate_limit_error", body["message"]))

    def test_what_looks_into_bodies_counts_and_blocks_nothing(self):
        group = rules()["common"]["Statement"]["ManagedRuleGroupStatement"]
        self.assertEqual((group["VendorName"], group["Name"]), ("AWS", "AWSManagedRulesCommonRuleSet"))
        counted = {it["Name"] for it in group["RuleActionOverrides"] if it["ActionToUse"] == {"Count": {}}}
        self.assertEqual(counted, OF_BODIES | OF_SIGN_IN)
        self.assertEqual(rules()["common"]["OverrideAction"], {"None": {}})
        # Another group of rules would have to be looked at like this one.
        self.assertEqual(set(rules()), {"requests-per-address", "common"})

    def test_it_is_no_part_of_who_may_come_in(self):
        self.assertEqual(resources(ACL)["WebAcl"]["DefaultAction"], {"Allow": {}})


if __name__ == "__main__":
    unittest.main()

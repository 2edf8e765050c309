"""A deployment that takes over step by step, and goes back by itself when an alarm is raised: on what SAM makes of the template."""

import graphlib
import json
import unittest

from transformed import references, source, transformed

GRADUAL = {"GradualDeployment": "true"}
CANARY_ALARMS = ["ErrorsAlarm", "FunctionErrorsAlarm", "AuthorizerFailuresAlarm", "UsageRowsLostAlarm"]


def of_kind(template, kind):
    return {name: it for name, it in template["Resources"].items() if it["Type"] == kind}


class Gradual(unittest.TestCase):
    def test_every_function_is_reached_by_an_alias(self):
        template = transformed()
        aliases = {it["Properties"]["FunctionName"]["Ref"] for it in of_kind(template, "AWS::Lambda::Alias").values()}
        self.assertEqual(aliases, set(of_kind(template, "AWS::Lambda::Function")))
        (api,) = of_kind(template, "AWS::ApiGateway::RestApi").values()
        for path, methods in api["Properties"]["Body"]["paths"].items():
            for operation in methods.values():
                self.assertIn("FunctionAliaslive}", json.dumps(operation["x-amazon-apigateway-integration"]["uri"]), path)
        (authorizer,) = [it for it in api["Properties"]["Body"]["components"]["securitySchemes"].values() if "x-amazon-apigateway-authorizer" in it]
        self.assertIn("AuthorizerFunctionAliaslive", json.dumps(authorizer))
        (rule,) = of_kind(template, "AWS::Events::Rule").values()
        self.assertEqual([it["Arn"] for it in rule["Properties"]["Targets"]], [{"Ref": "SweepFunctionAliaslive"}])

    def test_it_is_off_unless_it_is_asked_for(self):
        self.assertEqual(of_kind(transformed(), "AWS::CodeDeploy::DeploymentGroup"), {})
        self.assertEqual(source()["Parameters"]["GradualDeployment"]["Default"], "false")

    def test_every_function_moves_by_steps_and_back_on_an_alarm(self):
        template = transformed(**GRADUAL)
        groups = of_kind(template, "AWS::CodeDeploy::DeploymentGroup")
        self.assertEqual(len(groups), len(of_kind(template, "AWS::Lambda::Function")))
        for name, group in groups.items():
            properties = group["Properties"]
            rollback = properties["AutoRollbackConfiguration"]
            self.assertTrue(rollback["Enabled"], name)
            self.assertIn("DEPLOYMENT_STOP_ON_ALARM", rollback["Events"], name)
            condition, then, _ = properties["AlarmConfiguration"]["Fn::If"]
            self.assertEqual(condition, "HasAlarms")
            self.assertTrue(then["Enabled"])
            self.assertEqual([it["Name"]["Ref"] for it in then["Alarms"]], CANARY_ALARMS, name)
            self.assertEqual(properties["DeploymentStyle"]["DeploymentOption"], "WITH_TRAFFIC_CONTROL")
        for name, alias in of_kind(template, "AWS::Lambda::Alias").items():
            self.assertIn(alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]["DeploymentGroupName"]["Ref"], groups, name)

    def test_the_steps_are_those_that_are_chosen(self):
        template = transformed(**GRADUAL, GradualDeploymentType="Linear10PercentEvery1Minute")
        for group in of_kind(template, "AWS::CodeDeploy::DeploymentGroup").values():
            self.assertIn("Linear10PercentEvery1Minute", json.dumps(group["Properties"]["DeploymentConfigName"]))

    def test_nothing_in_it_depends_on_itself(self):
        every = transformed(**GRADUAL)["Resources"]
        graph = {name: references(resource) & set(every) for name, resource in every.items()}
        graphlib.TopologicalSorter(graph).prepare()  # raises CycleError

    def test_the_role_that_moves_them_is_for_codedeploy_alone(self):
        added = set(of_kind(transformed(**GRADUAL), "AWS::IAM::Role")) - set(of_kind(transformed(), "AWS::IAM::Role"))
        (name,) = added
        (statement,) = transformed(**GRADUAL)["Resources"][name]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        self.assertEqual(statement["Principal"], {"Service": ["codedeploy.amazonaws.com"]})


if __name__ == "__main__":
    unittest.main()

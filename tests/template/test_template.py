"""What must hold of the template, checked on what SAM makes of it. `python -m unittest discover -s tests/template`"""

import graphlib
import json
import re
import unittest

from transformed import ROOT, chosen, functions_by_binary, operations, references, resources, role_statements, source, transformed

MODEL_ROUTES = {
    ("POST", "/bedrock/model/{id}/invoke"),
    ("POST", "/bedrock/model/{id}/invoke-with-response-stream"),
    ("POST", "/bedrock/model/{id}/converse"),
    ("POST", "/bedrock/model/{id}/converse-stream"),
    ("POST", "/bedrock/model/{id}/count-tokens"),
    ("GET", "/bedrock/inference-profiles"),
    ("POST", "/anthropic/v1/messages"),
    ("POST", "/anthropic/v1/messages/count_tokens"),
    ("GET", "/anthropic/v1/models"),
    ("GET", "/anthropic/v1/models/{id}"),
    ("POST", "/openai/v1/chat/completions"),
    ("GET", "/openai/v1/models"),
    ("GET", "/openai/v1/models/{id}"),
}
FILE_ROUTES = {
    ("POST", "/api/v1/files/upload"),
    ("GET", "/api/v1/files"),
    ("GET", "/api/v1/files/{id}"),
    ("DELETE", "/api/v1/files/{id}"),
    ("GET", "/api/v1/files/{id}/content"),
    ("GET", "/api/v1/files/{id}/finalize"),
    ("POST", "/api/v1/files/{id}/finalize"),
    ("POST", "/api/v1/files/sessions"),
    ("GET", "/api/v1/files/sessions/{id}"),
    ("DELETE", "/api/v1/files/sessions/{id}"),
    ("POST", "/api/v1/files/sessions/{id}/parts"),
    ("PUT", "/api/v1/files/sessions/{id}/parts/{number}"),
    ("POST", "/api/v1/files/sessions/{id}/complete"),
    ("POST", "/anthropic/v1/files"),
    ("GET", "/anthropic/v1/files"),
    ("GET", "/anthropic/v1/files/{id}"),
    ("GET", "/anthropic/v1/files/{id}/content"),
    ("DELETE", "/anthropic/v1/files/{id}"),
}
OPEN_ROUTES = {
    ("GET", "/openapi.json"),
    ("HEAD", "/"),
    ("HEAD", "/anthropic"),
    ("POST", "/oauth/token"),
    ("POST", "/api/v1/auth/token"),
    ("POST", "/oauth/revoke"),
    ("POST", "/oauth/introspect"),
    ("GET", "/.well-known/openid-configuration"),
    ("GET", "/.well-known/jwks.json"),
    ("GET", "/.well-known/oauth-authorization-server"),
    ("GET", "/oauth/authorize"),
    ("POST", "/oauth/consent"),
    ("GET", "/oauth/logout"),
    ("POST", "/oauth/logout"),
    ("GET", "/oauth/logout/done"),
    ("POST", "/oauth/device_authorization"),
    ("GET", "/oauth/device"),
    ("POST", "/oauth/device"),
    ("GET", "/auth/providers"),
    ("GET", "/auth/authorize/{provider}"),
    ("GET", "/auth/callback/{provider}"),
    ("POST", "/auth/token"),
    ("POST", "/auth/refresh"),
    ("GET", "/health"),
    ("GET", "/health/live"),
    ("GET", "/openapi.json"),
}
LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
MONEY = {f"dynamodb:{it}" for it in ("GetItem", "BatchGetItem", "PutItem", "UpdateItem", "DeleteItem")}
ACTIONS = {
    "token": LOGS
    | {f"dynamodb:{it}" for it in ("GetItem", "BatchGetItem", "PutItem", "UpdateItem", "DeleteItem", "Query")}
    | {"secretsmanager:GetSecretValue"},
    "authorizer": LOGS | {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:UpdateItem", "secretsmanager:GetSecretValue"},
    "invoke": LOGS | MONEY | {"s3:GetObject", "bedrock:InvokeModel", "bedrock:CountTokens", "sts:AssumeRole"},
    "stream": LOGS
    | MONEY
    | {"s3:GetObject", "bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream", "bedrock:CountTokens"}
    | {"sts:AssumeRole"},
    "upload": LOGS
    | {f"dynamodb:{it}" for it in ("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query")}
    | {f"s3:{it}" for it in ("GetObject", "PutObject", "DeleteObject", "ListBucket")}
    | {"s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"},
    "admin": LOGS
    | {
        f"dynamodb:{it}"
        for it in (
            "GetItem",
            "BatchGetItem",
            "PutItem",
            "UpdateItem",
            "DeleteItem",
            "Query",
            "ConditionCheckItem",
        )
    }
    | {"s3:ListBucket", "bedrock:CountTokens"},
    "sweep": LOGS
    | MONEY
    | {"dynamodb:Query", "dynamodb:BatchWriteItem", "s3:ListBucket", "s3:GetObject"}
    # Migrations.
    | {"dynamodb:Scan", "dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive"}
    | {"s3:DeleteObject", "s3:AbortMultipartUpload", "sts:AssumeRole"}
    | {"events:PutEvents", "sns:Publish", "sqs:SendMessage", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"},
}
# Who reaches files, and with them the storage service where there is one.
REACH_FILES = {"invoke", "stream", "upload", "admin", "sweep"}
for name in REACH_FILES:
    ACTIONS[name] |= {"secretsmanager:GetSecretValue"}
# By the deployment's own key, where there is one: test_keys.py.
for name in ACTIONS:
    ACTIONS[name] |= {"kms:Decrypt"}
for name in ("upload", "sweep"):
    ACTIONS[name] |= {"kms:GenerateDataKey"}
# What is there by a condition alone: rights, by the parameter without which they are not.
CONDITIONAL = {
    ("sts", "HasUpstreamRoles"),
    ("s3", "HasInvocationLog"),
    ("events", "HasAlertBus"),
    ("sns", "HasAlertTopic"),
    ("secretsmanager", "HasAlertWebhook"),
    ("secretsmanager", "HasStorageSecret"),
    ("kms", "HasKmsKey"),
}
# What identity providers gave us: made by hand, under the stack's name.
LOGIN_SECRETS = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:${AWS::StackName}/login/*"
READS_BY_DAY = {"admin", "sweep"}
EVERY_FUNCTION = {
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "TOLLGATE_LOG",
    "TOLLGATE_METRICS_FLUSH_SECONDS",
    "TOLLGATE_SETTINGS",
    "TOLLGATE_TABLE",
}
CACHED = {"TOLLGATE_CACHE_REDIS_SECRET"}
TOKENS = {"TOLLGATE_SIGNING_SECRET", "TOLLGATE_SIGNING_ALGORITHM", "TOLLGATE_ISSUER", "TOLLGATE_AUDIENCE"}
PROFILES = {"TOLLGATE_MODELS_APPLICATION_PROFILES"}
ENVIRONMENT = {
    "token": EVERY_FUNCTION | CACHED | TOKENS | {"TOLLGATE_LOGIN", "TOLLGATE_MUTUAL_TLS_URL"},
    "authorizer": EVERY_FUNCTION | CACHED | TOKENS | {"TOLLGATE_TRUSTED_ISSUERS"},
    "invoke": EVERY_FUNCTION | CACHED | {"TOLLGATE_BUCKET", "TOLLGATE_USAGE_RETENTION_DAYS"} | PROFILES,
    "stream": EVERY_FUNCTION | CACHED | {"TOLLGATE_BUCKET", "TOLLGATE_SSE_PING_SECONDS", "TOLLGATE_USAGE_RETENTION_DAYS"} | PROFILES,
    "upload": EVERY_FUNCTION
    | {"TOLLGATE_BUCKET"}
    | {f"TOLLGATE_FILES_{it}_PER_OWNER" for it in ("STORED_BYTES", "UPLOAD_SESSIONS")},
    "admin": EVERY_FUNCTION | CACHED | {"TOLLGATE_API_KEYS_PER_OWNER", "TOLLGATE_BUCKET", "TOLLGATE_ISSUER", "TOLLGATE_LOGIN"},
    "sweep": EVERY_FUNCTION
    | {"TOLLGATE_SIGNING_SECRET", "TOLLGATE_SIGNING_ALGORITHM", "TOLLGATE_KEY_ROTATION_DAYS"}
    | {"TOLLGATE_ACCOUNT", "TOLLGATE_BUCKET", "TOLLGATE_USAGE_RETENTION_DAYS"}
    | {f"TOLLGATE_INVOCATION_LOG_{it}" for it in ("BUCKET", "PREFIX", "GRACE_SECONDS")}
    | {f"TOLLGATE_ALERT_{it}" for it in ("BUS", "TOPIC", "WEBHOOK_URL", "WEBHOOK_SECRET")},
}
TLS = {f"TLS_{it}" for it in ("ENABLED", "CA_FILE", "CERTIFICATE_FILE", "KEY_FILE", "MINIMUM_VERSION")}
STORAGE = {"BASE_URL", "TOKEN_BASE_URL", "TOKEN_CLIENT_ID", "TOKEN_CLIENT_SECRET_NAME"} | TLS | {f"TOKEN_{it}" for it in TLS}
for name in REACH_FILES:
    ENVIRONMENT[name] |= {f"TOLLGATE_STORAGE_SERVICE_{it}" for it in STORAGE}
# None of these costs anything while nobody calls, but for the secret (by the month) and what is stored. Alarms, the dashboard and the web ACL
# are billed by the month, and there only where they are asked for (test_alarms.py, test_web_acl.py).
BILLED_BY_USE = {
    "AWS::ApiGateway::BasePathMapping",
    "AWS::ApiGateway::Deployment",
    "AWS::ApiGateway::DomainName",
    "AWS::ApiGateway::RestApi",
    "AWS::ApiGateway::Stage",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::DynamoDB::Table",
    "AWS::Events::Rule",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::Lambda::Alias",
    "AWS::Lambda::Function",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Version",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::S3::BucketPolicy",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
    "AWS::WAFv2::WebACL",
    "AWS::WAFv2::WebACLAssociation",
}


class Routes(unittest.TestCase):
    def test_model_and_file_routes_stream_and_no_other_route_does(self):
        streaming = set()
        for route, operation in operations().items():
            integration = operation["x-amazon-apigateway-integration"]
            uri = integration["uri"]["Fn::Sub"]
            if integration.get("responseTransferMode") == "STREAM":
                self.assertRegex(uri, r":lambda:path/2021-11-15/functions/.*/response-streaming-invocations$", route)
                streaming.add(route)
            else:
                self.assertRegex(uri, r":lambda:path/2015-03-31/functions/.*/invocations$", route)
            self.assertEqual(integration["type"], "aws_proxy", route)
        self.assertEqual(streaming, MODEL_ROUTES | FILE_ROUTES)

    def test_every_route_but_the_open_ones_is_behind_the_authorizer(self):
        unguarded = {route for route, it in operations().items() if it["security"] != [{"Authorizer": []}]}
        self.assertEqual(unguarded, OPEN_ROUTES)
        for route in OPEN_ROUTES:
            self.assertEqual(operations()[route]["security"], [{"NONE": []}], route)

    def test_every_event_of_a_function_is_a_route(self):
        events = set()
        for resource in source()["Resources"].values():
            for event in resource.get("Properties", {}).get("Events", {}).values():
                if event["Type"] == "Schedule":
                    continue
                properties = event["Properties"]
                self.assertEqual((event["Type"], properties["RestApiId"]), ("Api", {"Ref": "Gateway"}))
                events.add((properties["Method"].upper(), properties["Path"]))
        self.assertEqual(set(operations()), events)

    def test_there_is_one_stage(self):
        self.assertEqual(len(resources("AWS::ApiGateway::Stage")), 1)

    def test_request_bodies_of_every_type_stay_bytes(self):
        (api,) = resources("AWS::ApiGateway::RestApi").values()
        self.assertEqual(api["Body"]["x-amazon-apigateway-binary-media-types"], ["*/*"])


class Domains(unittest.TestCase):
    DOMAINS = {"Domain": "HasDomain", "MutualTlsDomain": "HasMutualTls"}

    def resource(self, name):
        return transformed()["Resources"][name]

    def test_each_is_there_only_where_it_is_named_and_serves_the_one_stage(self):
        for name, condition in self.DOMAINS.items():
            domain, mapping = self.resource(name), self.resource(f"{name}Mapping")
            self.assertEqual((domain["Condition"], mapping["Condition"]), (condition, condition))
            (stage,) = resources("AWS::ApiGateway::Stage")
            expected = {"DomainName": {"Ref": name}, "RestApiId": {"Ref": "Gateway"}, "Stage": {"Ref": stage}}
            self.assertEqual(mapping["Properties"], expected)
            self.assertEqual(domain["Properties"]["DomainName"], {"Ref": f"{name}Name"})
            self.assertEqual(transformed()["Outputs"][f"{name}Target"]["Condition"], condition)
        self.assertEqual(set(resources("AWS::ApiGateway::DomainName")), set(self.DOMAINS))

    # API Gateway has mutual TLS on regional domains with TLS 1.2 alone.
    def test_each_is_regional_and_speaks_no_tls_before_1_2(self):
        for name in self.DOMAINS:
            properties = self.resource(name)["Properties"]
            self.assertEqual(properties["EndpointConfiguration"], {"Types": ["REGIONAL"]})
            self.assertEqual(properties["SecurityPolicy"], "TLS_1_2")

    def test_the_second_alone_asks_for_certificates_by_the_truststore(self):
        self.assertNotIn("MutualTlsAuthentication", self.resource("Domain")["Properties"])
        mutual = self.resource("MutualTlsDomain")["Properties"]["MutualTlsAuthentication"]
        version = {"Fn::If": ["HasTruststoreVersion", {"Ref": "TruststoreVersion"}, {"Ref": "AWS::NoValue"}]}
        self.assertEqual(mutual, {"TruststoreUri": {"Ref": "TruststoreUri"}, "TruststoreVersion": version})

    def test_the_default_endpoint_is_off_exactly_where_mutual_tls_is_on(self):
        (api,) = resources("AWS::ApiGateway::RestApi").values()
        (server,) = api["Body"]["servers"]
        expected = {"disableExecuteApiEndpoint": {"Fn::If": ["HasMutualTls", True, False]}}
        self.assertEqual(server, {"x-amazon-apigateway-endpoint-configuration": expected})
        # Otherwise the change of a parameter would change the API and never reach its stage.
        self.assertIs(source()["Resources"]["Gateway"]["Properties"]["AlwaysDeploy"], True)

    def test_the_token_function_alone_is_told_of_mutual_tls(self):
        url = {"Fn::If": ["HasMutualTls", {"Fn::Sub": "https://${MutualTlsDomainName}"}, ""]}
        for name, function in functions_by_binary().items():
            found = function["Environment"]["Variables"].get("TOLLGATE_MUTUAL_TLS_URL")
            self.assertEqual(found, url if name == "token" else None)

    def test_what_names_a_domain_a_certificate_or_a_truststore_is_one(self):
        good = {
            "MutualTlsDomainName": ["mtls.gateway.example"],
            "MutualTlsCertificateArn": ["arn:aws:acm:us-east-1:123456789012:certificate/1a2b-3c"],
            "TruststoreUri": ["s3://bucket/trust/store.pem"],
        }
        bad = {
            "MutualTlsDomainName": ["gateway", "*.gateway.example", "https://gateway.example", "gateway.example/x", "a..example"],
            "MutualTlsCertificateArn": ["arn:aws:iam::1:server-certificate/x"],
            "TruststoreUri": ["bucket/store.pem", "https://bucket/store.pem", "s3://bucket"],
        }
        parameters = source()["Parameters"]
        for name, values in good.items():
            for value in values:
                self.assertRegex(value, parameters[name]["AllowedPattern"])
        for name, values in bad.items():
            for value in values:
                self.assertNotRegex(value, parameters[name]["AllowedPattern"])


class Schedules(unittest.TestCase):
    def test_the_sweep_alone_runs_on_a_schedule_and_as_often_as_is_chosen(self):
        (rule,) = resources("AWS::Events::Rule").values()
        self.assertEqual(rule["ScheduleExpression"], {"Fn::Sub": "rate(${SweepMinutes} minutes)"})
        self.assertNotIn("State", rule)
        (target,) = rule["Targets"]
        self.assertEqual(target["Arn"], {"Ref": "SweepFunctionAliaslive"})
        self.assertNotIn("Input", target)
        # `rate(1 minutes)` is no rate.
        self.assertGreaterEqual(source()["Parameters"]["SweepMinutes"]["MinValue"], 2)


class Authorizer(unittest.TestCase):
    def test_it_sees_the_whole_request_and_its_answers_are_not_cached(self):
        (api,) = resources("AWS::ApiGateway::RestApi").values()
        scheme = api["Body"]["components"]["securitySchemes"]["Authorizer"]
        authorizer = scheme["x-amazon-apigateway-authorizer"]
        self.assertEqual(authorizer["type"], "request")
        self.assertEqual(authorizer["authorizerResultTtlInSeconds"], 0)
        self.assertNotIn("identitySource", authorizer)


class GatewayResponses(unittest.TestCase):
    STATUS = {
        "UNAUTHORIZED": "401",
        "ACCESS_DENIED": "403",
        "MISSING_AUTHENTICATION_TOKEN": "404",
        "INVALID_SIGNATURE": "404",
        "AUTHORIZER_FAILURE": "503",
        "AUTHORIZER_CONFIGURATION_ERROR": "503",
        "REQUEST_TOO_LARGE": "413",
        "THROTTLED": "429",
        "INTEGRATION_FAILURE": "502",
        "INTEGRATION_TIMEOUT": "504",
        "DEFAULT_4XX": None,
        "DEFAULT_5XX": None,
    }

    def setUp(self):
        (api,) = resources("AWS::ApiGateway::RestApi").values()
        self.responses = api["Body"]["x-amazon-apigateway-gateway-responses"]

    def header(self, response, name):
        value = self.responses[response]["responseParameters"].get(f"gatewayresponse.header.{name}")
        # API Gateway takes a value in single quotes as it is, and anything else as an expression.
        return value and re.fullmatch(r"'([^']*)'", value)[1]

    def test_status_codes(self):
        self.assertEqual({name: it.get("statusCode") for name, it in self.responses.items()}, self.STATUS)

    def test_one_body_serves_every_client(self):
        for name, response in self.responses.items():
            with self.subTest(name):
                (template,) = response["responseTemplates"].values()
                filled = template.replace("$context.requestId", "id").replace("$context.error.messageString", '"text"')
                self.assertNotIn("$", filled)
                body = json.loads(filled)
                self.assertEqual(body["type"], "error")
                self.assertRegex(body["error"]["type"], "^[a-z_]+$")
                self.assertTrue(body["error"]["message"])
                self.assertEqual(body["error"]["message"], body["message"])
                self.assertEqual(body["request_id"], "id")
                self.assertRegex(self.header(name, "x-amzn-ErrorType"), "Exception$")

    def test_unauthenticated_callers_are_challenged(self):
        self.assertEqual(self.header("UNAUTHORIZED", "WWW-Authenticate"), 'Bearer realm="tollgate"')

    def test_what_a_retry_may_cure_says_when(self):
        retried = {name for name in self.responses if self.header(name, "Retry-After")}
        self.assertEqual(retried, {"AUTHORIZER_FAILURE", "AUTHORIZER_CONFIGURATION_ERROR", "THROTTLED"})


class Functions(unittest.TestCase):
    def test_each_binary_is_a_crate_of_the_workspace(self):
        crates = {it.parent.name for it in ROOT.glob("functions/*/Cargo.toml")}
        self.assertEqual(set(functions_by_binary()), crates)

    def test_each_has_the_environment_it_needs_and_no_more(self):
        found = {name: set(it["Environment"]["Variables"]) for name, it in functions_by_binary().items()}
        self.assertEqual(found, ENVIRONMENT)

    def test_model_functions_run_15_minutes_and_the_others_no_longer_than_api_gateway_waits(self):
        for name, function in functions_by_binary().items():
            with self.subTest(name):
                if name in ("invoke", "stream"):
                    self.assertEqual(function["Timeout"], 900)
                elif name == "upload":
                    # It is silent while it verifies, and API Gateway ends a stream that is silent for 5 minutes.
                    self.assertEqual(function["Timeout"], 300)
                elif name == "sweep":
                    self.assertEqual(function["Timeout"], 300)
                    self.assertEqual(function["MemorySize"], 256)
                    self.assertNotIn("ReservedConcurrentExecutions", function)
                else:
                    self.assertLessEqual(function["Timeout"], 29)

    def test_each_keeps_its_logs_for_a_time_that_is_chosen(self):
        for name, function in functions_by_binary().items():
            group = resources("AWS::Logs::LogGroup")[function["LoggingConfig"]["LogGroup"]["Ref"]]
            self.assertEqual(group["RetentionInDays"], {"Ref": "LogRetentionDays"}, name)


    def test_who_reaches_files_and_nobody_else_has_the_storage_services_layer(self):
        layer = {"Fn::If": ["HasStorageLayer", [{"Ref": "StorageServiceTlsLayerArn"}], {"Ref": "AWS::NoValue"}]}
        for name, function in functions_by_binary().items():
            self.assertEqual(function.get("Layers"), layer if name in REACH_FILES else None, name)
def listed(actions):
    return [actions] if isinstance(actions, str) else actions


class Roles(unittest.TestCase):
    def test_each_function_has_its_own_and_nothing_else_has_one(self):
        used = [it["Role"]["Fn::GetAtt"][0] for it in functions_by_binary().values()]
        self.assertEqual(sorted(used), sorted(resources("AWS::IAM::Role")))

    def test_only_lambda_can_take_one_on_and_it_has_no_policy_but_those_written_out(self):
        for name, role in resources("AWS::IAM::Role").items():
            (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
            self.assertEqual(statement["Principal"], {"Service": "lambda.amazonaws.com"}, name)
            self.assertNotIn("ManagedPolicyArns", role)

    def test_each_allows_exactly_the_actions_its_function_takes(self):
        found = {}
        for name, function in functions_by_binary().items():
            statements = [it for it in role_statements(function) if it["Effect"] == "Allow"]
            found[name] = {action for statement in statements for action in listed(statement["Action"])}
        self.assertEqual(found, ACTIONS)

    def test_nothing_is_denied_but_changes_of_the_audit_trail(self):
        denied = {
            name: [it for it in role_statements(function) if it["Effect"] != "Allow"]
            for name, function in functions_by_binary().items()
        }
        changes = {"dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem"}
        for name, actions in ACTIONS.items():
            statements = denied.pop(name)
            if name == "authorizer":
                # It may change its counters, and nothing else.
                self.assertEqual(statements, [])
                continue
            # Whoever may change items of the table may not change these.
            self.assertEqual({it for statement in statements for it in statement["Action"]}, actions & changes, name)
            for statement in statements:
                self.assertEqual(statement["Condition"], {"ForAnyValue:StringLike": {"dynamodb:LeadingKeys": ["AUDIT#*"]}})
        self.assertEqual(denied, {})

    def test_each_names_its_resources(self):
        models = [
            "arn:${AWS::Partition}:bedrock:*::foundation-model/*",
            "arn:${AWS::Partition}:bedrock:*:${AWS::AccountId}:inference-profile/*",
            "arn:${AWS::Partition}:bedrock:${AWS::Region}:${AWS::AccountId}:application-inference-profile/*",
        ]
        for name, function in functions_by_binary().items():
            logs = function["LoggingConfig"]["LogGroup"]["Ref"]
            allowed = {
                "logs": [{"Fn::GetAtt": [logs, "Arn"]}],
                "dynamodb": [{"Fn::GetAtt": ["Table", "Arn"]}],
                "secretsmanager": [{"Ref": "SigningSecret"}] + ([{"Fn::Sub": LOGIN_SECRETS}] if name == "token" else []),
                "s3": [{"Fn::Sub": "${Bucket.Arn}/files/*"}],
                "bedrock": [{"Fn::Sub": model} for model in models],
                "sts": [{"Fn::Split": [",", {"Ref": "UpstreamRoleArns"}]}],
                "kms": [{"Ref": "KmsKeyArn"}],
            }
            index = {"Fn::Sub": "${Table.Arn}/index/by_day"}
            if name == "sweep":
                log = "arn:${AWS::Partition}:s3:::${InvocationLogBucket}"
                records = "/*AWSLogs/${AWS::AccountId}/BedrockModelInvocationLogs/${AWS::Region}/*"
                allowed |= {
                    "secretsmanager": [{"Ref": "AlertWebhookSecret"}],
                    "s3": [{"Fn::Sub": log + records}],
                    "events": [{"Ref": "AlertBusArn"}],
                    "sns": [{"Ref": "AlertTopicArn"}],
                    "sqs": [{"Fn::GetAtt": ["DeadLetters", "Arn"]}],
                }
            for statement in role_statements(function):
                (service,) = {action.split(":")[0] for action in listed(statement["Action"])}
                resource = statement["Resource"]
                named = resource if isinstance(resource, list) else [resource]
                if statement["Effect"] == "Deny":
                    self.assertEqual(named, [{"Fn::GetAtt": ["Table", "Arn"]}], name)
                    continue
                if name in READS_BY_DAY and named == [index]:
                    # An index is read, and nothing else is done to it.
                    self.assertEqual(statement["Action"], ["dynamodb:Query"], name)
                    continue
                if name == "sweep" and "dynamodb:Scan" in statement["Action"]:
                    # Only migrations scan, and only the table.
                    self.assertEqual(named, [{"Fn::GetAtt": ["Table", "Arn"]}])
                    continue
                if named == [{"Ref": "StorageServiceClientSecretArn"}]:
                    self.assertIn(name, REACH_FILES)
                    self.assertEqual(statement["Action"], ["secretsmanager:GetSecretValue"])
                    continue
                if statement["Action"] == ["bedrock:CountTokens"]:
                    # Counted is for models, and for no profile.
                    health = "arn:${AWS::Partition}:bedrock:${AWS::Region}::foundation-model/anthropic.tollgate-health"
                    self.assertEqual(named, [{"Fn::Sub": health if name == "admin" else models[0]}])
                    continue
                if statement["Action"] == ["s3:ListBucket"]:
                    # A bucket is listed, and objects are what else is done.
                    bucket = {"Fn::Sub": log} if name == "sweep" else {"Fn::GetAtt": ["Bucket", "Arn"]}
                    self.assertEqual(named, [bucket], name)
                    continue
                if name == "sweep" and named == [{"Fn::Sub": "${Bucket.Arn}/files/*"}]:
                    # It removes files, and never reads one.
                    self.assertEqual(statement["Action"], ["s3:DeleteObject", "s3:AbortMultipartUpload"])
                    continue
                if name == "sweep" and named == [{"Ref": "SigningSecret"}]:
                    # It alone writes the keys.
                    rotation = ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"]
                    self.assertEqual(statement["Action"], rotation)
                    continue
                self.assertEqual(sorted(named, key=str), sorted(allowed[service], key=str), (name, service))

    def test_none_is_on_every_resource_or_for_every_action(self):
        """What has a `*` in it is listed, with what it stands for."""
        patterns = {
            # Below one resource of the deployment's.
            "${Bucket.Arn}/files/*",
            LOGIN_SECRETS,
            "arn:${AWS::Partition}:s3:::${InvocationLogBucket}/*AWSLogs/${AWS::AccountId}/BedrockModelInvocationLogs/${AWS::Region}/*",
            # A profile calls its model in the regions that it chooses, and which models there are is the account's affair (docs/api.md).
            "arn:${AWS::Partition}:bedrock:*::foundation-model/*",
            "arn:${AWS::Partition}:bedrock:*:${AWS::AccountId}:inference-profile/*",
            "arn:${AWS::Partition}:bedrock:${AWS::Region}:${AWS::AccountId}:application-inference-profile/*",
        }
        found = set()
        for name, function in functions_by_binary().items():
            for statement in role_statements(function):
                self.assertNotIn("*", "".join(listed(statement["Action"])), name)
                for resource in (statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]):
                    if "*" in str(resource):
                        found.add(resource["Fn::Sub"])
        self.assertEqual(found, patterns)

    def test_a_right_that_a_parameter_asks_for_is_not_there_without_it(self):
        found = set()
        for role in resources("AWS::IAM::Role").values():
            for statement in role["Policies"][0]["PolicyDocument"]["Statement"]:
                condition, then = chosen(statement)
                if condition:
                    (service,) = {action.split(":")[0] for action in listed(then["Action"])}
                    found.add((service, condition))
        self.assertEqual(found, CONDITIONAL)
        parameters = {
            "HasUpstreamRoles": "UpstreamRoleArns",
            "HasInvocationLog": "InvocationLogBucket",
            "HasAlertBus": "AlertBusArn",
            "HasAlertTopic": "AlertTopicArn",
            "HasAlertWebhook": "AlertWebhookUrl",
            "HasDomain": "DomainName",
            "HasMutualTls": "MutualTlsDomainName",
            "HasTruststoreVersion": "TruststoreVersion",
            "HasSettingsObject": "SettingsObject",
            "HasSettingsParameter": "SettingsParameter",
            "HasCacheSecret": "CacheSecretArn",
            "HasStorageService": "StorageServiceUrl",
            "HasStorageSecret": "StorageServiceClientSecretArn",
            "HasStorageLayer": "StorageServiceTlsLayerArn",
            "HasAlarms": "AlarmTopicArn",
            "HasKmsKey": "KmsKeyArn",
            "HasGivenWebAcl": "WebAclArn",
        }
        conditions = {name: {"Fn::Not": [{"Fn::Equals": [{"Ref": it}, ""]}]} for name, it in parameters.items()}
        conditions["HasDashboard"] = {"Fn::Equals": [{"Ref": "Dashboard"}, "true"]}
        own = [{"Fn::Equals": [{"Ref": "Waf"}, "true"]}, {"Fn::Equals": [{"Ref": "WebAclArn"}, ""]}]
        conditions["HasOwnWebAcl"] = {"Fn::And": own}
        conditions["HasWebAcl"] = {"Fn::Or": [{"Condition": "HasGivenWebAcl"}, {"Condition": "HasOwnWebAcl"}]}
        self.assertEqual(transformed()["Conditions"], conditions)
        for parameter in parameters.values():
            self.assertEqual(source()["Parameters"][parameter]["Default"], "", parameter)

    def test_settings_and_the_caches_secret_are_read_by_those_who_need_them_and_where_they_are_there_alone(self):
        every = {f"{name.capitalize()}Role" for name in ACTIONS}
        wanted = {
            "HasSettingsObject": ("s3:GetObject", every),
            "HasSettingsParameter": ("ssm:GetParameter", every),
            "HasCacheSecret": ("secretsmanager:GetSecretValue", every - {"UploadRole", "SweepRole"}),
        }
        found = {}
        policies = [it for it in transformed()["Resources"].values() if it["Type"] == "AWS::IAM::Policy"]
        for policy in policies:
            properties = policy["Properties"]
            (statement,) = properties["PolicyDocument"]["Statement"]
            (action,) = statement["Action"]
            self.assertEqual(statement["Effect"], "Allow")
            named = str(statement["Resource"])
            self.assertTrue("${Settings" in named or named == "{'Ref': 'CacheSecretArn'}", named)
            found[policy["Condition"]] = (action, {role["Ref"] for role in properties["Roles"]})
        self.assertEqual(found, wanted)


class Storage(unittest.TestCase):
    def test_what_holds_data_outlives_the_stack(self):
        for name in ("Table", "Bucket"):
            resource = transformed()["Resources"][name]
            self.assertEqual((resource["DeletionPolicy"], resource["UpdateReplacePolicy"]), ("Retain", "Retain"), name)

    def test_the_bucket_is_private_encrypted_and_speaks_tls_only(self):
        bucket = resources("AWS::S3::Bucket")["Bucket"]
        self.assertEqual(set(bucket["PublicAccessBlockConfiguration"].values()), {True})
        self.assertEqual(len(bucket["PublicAccessBlockConfiguration"]), 4)
        self.assertTrue(bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"])
        (statement,) = resources("AWS::S3::BucketPolicy")["BucketPolicy"]["PolicyDocument"]["Statement"]
        self.assertEqual((statement["Effect"], statement["Principal"], statement["Action"]), ("Deny", "*", "s3:*"))
        self.assertEqual(statement["Condition"], {"Bool": {"aws:SecureTransport": "false"}})

    def test_the_table_is_on_demand_with_time_to_live_and_recovery(self):
        table = resources("AWS::DynamoDB::Table")["Table"]
        self.assertEqual(table["BillingMode"], "PAY_PER_REQUEST")
        self.assertEqual(table["TimeToLiveSpecification"], {"AttributeName": "expires_at", "Enabled": True})
        recovery = table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
        self.assertEqual(recovery, {"Ref": "PointInTimeRecovery"})

    def test_the_signing_seed_is_made_by_the_deployment_itself(self):
        generate = resources("AWS::SecretsManager::Secret")["SigningSecret"]["GenerateSecretString"]
        self.assertEqual(json.loads(generate["SecretStringTemplate"]), {"alg": "EdDSA"})
        self.assertEqual((generate["GenerateStringKey"], generate["PasswordLength"]), ("seed", 64))

    def test_the_webhooks_secret_is_base64_of_a_key_and_there_only_with_a_webhook(self):
        secret = transformed()["Resources"]["AlertWebhookSecret"]
        self.assertEqual(secret["Condition"], "HasAlertWebhook")
        # Letters and digits alone, and a multiple of four of them.
        self.assertEqual(secret["Properties"]["GenerateSecretString"], {"PasswordLength": 64, "ExcludePunctuation": True})


class Template(unittest.TestCase):
    def test_nothing_in_it_is_billed_by_the_hour(self):
        self.assertLessEqual({it["Type"] for it in transformed()["Resources"].values()}, BILLED_BY_USE)

    def test_nothing_in_it_depends_on_itself(self):
        every = transformed()["Resources"]
        graph = {name: references(resource) & set(every) for name, resource in every.items()}
        graphlib.TopologicalSorter(graph).prepare()  # raises CycleError

    def test_everything_it_refers_to_exists(self):
        template = transformed()
        known = set(template["Resources"]) | set(template["Parameters"])
        unknown = {name for name in references(template) if name not in known and not name.startswith("AWS::")}
        self.assertEqual(unknown, set())

    def test_every_parameter_is_bounded_and_says_to_what(self):
        for name, parameter in source()["Parameters"].items():
            bounded = {"AllowedValues", "AllowedPattern"} & set(parameter) or {"MinValue", "MaxValue"} <= set(parameter)
            self.assertTrue(bounded, name)
            # Without it CloudFormation answers a wrong value with the pattern.
            self.assertTrue(parameter.get("ConstraintDescription"), name)

    def test_every_default_is_allowed(self):
        for name, parameter in source()["Parameters"].items():
            if "Default" not in parameter:
                continue
            default = parameter["Default"]
            with self.subTest(name):
                if "AllowedValues" in parameter:
                    self.assertIn(default, parameter["AllowedValues"])
                elif "AllowedPattern" in parameter:
                    self.assertRegex(default, parameter["AllowedPattern"])
                else:
                    self.assertTrue(parameter["MinValue"] <= default <= parameter["MaxValue"])

    def test_an_issuer_is_an_https_url_that_a_path_can_follow(self):
        pattern = source()["Parameters"]["Issuer"]["AllowedPattern"]
        for good in ("https://gateway.example", "https://x1.execute-api.us-east-1.amazonaws.com/live", "https://a:8443/b/c"):
            self.assertRegex(good, pattern)
        for bad in ("http://gateway.example", "https://gateway.example/", "https://a?b", "https://a#b", "https://", "gateway"):
            self.assertNotRegex(bad, pattern)


if __name__ == "__main__":
    unittest.main()

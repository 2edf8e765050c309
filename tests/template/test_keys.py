"""A key of the deployment's own (`KmsKeyArn`): what it encrypts, and what each role may do by it."""

import unittest

from transformed import chosen, functions_by_binary, resources, role_statements, source, transformed

KEY = {"Ref": "KmsKeyArn"}
NOTHING = {"Ref": "AWS::NoValue"}
WITH_THE_KEY = {"Fn::If": ["HasKmsKey", KEY, NOTHING]}
# Which services use the key for a function, to decrypt, and to encrypt. A table's own key is made once, by whoever deploys, so that to write an
# item takes no more than to read one.
DECRYPT = {
    "token": {"dynamodb", "secretsmanager"},
    "authorizer": {"dynamodb", "secretsmanager"},
    "invoke": {"dynamodb", "s3"},
    "stream": {"dynamodb", "s3"},
    "upload": {"dynamodb", "s3"},
    "admin": {"dynamodb"},
    # Lambda sends to the queue of dead letters by this role.
    "sweep": {"dynamodb", "secretsmanager", "sqs"},
}
ENCRYPT = {"upload": {"s3"}, "sweep": {"secretsmanager", "sqs"}}


class Keys(unittest.TestCase):
    def test_there_is_none_unless_it_is_named_and_an_alias_is_none(self):
        parameter = source()["Parameters"]["KmsKeyArn"]
        self.assertEqual(parameter["Default"], "")
        self.assertRegex("arn:aws:kms:eu-central-1:123456789012:key/1a2b3c4d-0000", parameter["AllowedPattern"])
        for bad in ("alias/tollgate", "arn:aws:kms:eu-central-1:123456789012:alias/tollgate", "1a2b3c4d-0000"):
            self.assertNotRegex(bad, parameter["AllowedPattern"])

    def test_the_table_is_encrypted_by_it(self):
        encrypted = {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY}
        self.assertEqual(resources("AWS::DynamoDB::Table")["Table"]["SSESpecification"], {"Fn::If": ["HasKmsKey", encrypted, NOTHING]})

    def test_the_bucket_is_encrypted_by_it_and_asks_for_it_seldom(self):
        (rule,) = resources("AWS::S3::Bucket")["Bucket"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        default = {"SSEAlgorithm": {"Fn::If": ["HasKmsKey", "aws:kms", "AES256"]}, "KMSMasterKeyID": WITH_THE_KEY}
        self.assertEqual(rule, {"ServerSideEncryptionByDefault": default, "BucketKeyEnabled": {"Fn::If": ["HasKmsKey", True, False]}})

    def test_every_secret_every_log_and_every_functions_variables_are_encrypted_by_it(self):
        for kind, property in (
            ("AWS::SecretsManager::Secret", "KmsKeyId"),
            ("AWS::Logs::LogGroup", "KmsKeyId"),
            ("AWS::Lambda::Function", "KmsKeyArn"),
        ):
            found = {name: it.get(property) for name, it in resources(kind).items()}
            self.assertEqual(found, dict.fromkeys(found, WITH_THE_KEY))
            self.assertTrue(found, kind)

    def test_the_queue_is_encrypted_by_it_or_by_a_key_of_the_services(self):
        queue = resources("AWS::SQS::Queue")["DeadLetters"]
        self.assertEqual(queue["KmsMasterKeyId"], WITH_THE_KEY)
        self.assertEqual(queue["SqsManagedSseEnabled"], {"Fn::If": ["HasKmsKey", False, True]})

    def test_nothing_that_keeps_data_is_forgotten(self):
        keeps = {"AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SecretsManager::Secret", "AWS::Logs::LogGroup", "AWS::SQS::Queue"}
        keeps |= {"AWS::Lambda::Function"}
        named = {it["Type"] for it in transformed()["Resources"].values() if "'KmsKeyArn'" in str(it) and it["Type"] != "AWS::IAM::Role"}
        # A version is one of a function, and has its key.
        self.assertEqual(named - {"AWS::Lambda::Version"}, keeps)

    def test_each_role_may_use_it_by_way_of_the_services_that_its_function_uses_and_no_other_way(self):
        decrypt, encrypt = {}, {}
        for name, function in functions_by_binary().items():
            for statement in role_statements(function):
                if statement["Resource"] != KEY:
                    continue
                self.assertEqual(statement["Effect"], "Allow")
                ((operator, keys),) = statement["Condition"].items()
                ((key, services),) = keys.items()
                self.assertEqual((operator, key), ("StringEquals", "kms:ViaService"))
                services = services if isinstance(services, list) else [services]
                named = {it["Fn::Sub"].removesuffix(".${AWS::Region}.${AWS::URLSuffix}") for it in services}
                (action,) = statement["Action"]
                {"kms:Decrypt": decrypt, "kms:GenerateDataKey": encrypt}[action][name] = named
        self.assertEqual((decrypt, encrypt), (DECRYPT, ENCRYPT))

    def test_no_role_may_use_any_key_where_there_is_none(self):
        for role in resources("AWS::IAM::Role").values():
            for policy in role["Policies"]:
                for statement in policy["PolicyDocument"]["Statement"]:
                    condition, then = chosen(statement)
                    self.assertEqual("kms:" in str(then["Action"]), condition == "HasKmsKey")


if __name__ == "__main__":
    unittest.main()

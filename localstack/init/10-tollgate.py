#!/usr/bin/env python3
"""Makes the table, the bucket and the signing secret of template.yaml in a LocalStack that has just come up. What is there stays.

LocalStack runs it (compose.yaml puts it into init/ready.d). By hand, against anything that speaks the same:

    TOLLGATE_TEMPLATE=template.yaml AWS_ENDPOINT_URL=http://127.0.0.1:4566 localstack/init/10-tollgate.py

Names are those of the program `local`: `tollgate-` and the logical id in kebab case. Needs boto3 and PyYAML, which LocalStack has.
"""

import os
import pathlib
import re
import secrets
import string

import boto3
import yaml

TEMPLATE = os.environ.get("TOLLGATE_TEMPLATE", "/opt/tollgate/template.yaml")
ENDPOINT = os.environ.get("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
# What CreateTable takes of a table's properties. Backups and the like are AWS's business.
TABLE_PROPERTIES = ("AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema")


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, whose values are of no interest here."""


def intrinsic(loader, _, node):
    # The three kinds of nodes that a `!Ref`, a `!GetAtt` and an `!If` can be.
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node)
    return loader.construct_mapping(node)


Loader.add_multi_constructor("!", intrinsic)


def resources(kind):
    """Name to properties of every resource of this type that the template makes whatever its parameters say."""
    everything = yaml.load(pathlib.Path(TEMPLATE).read_text(), Loader)["Resources"]
    wanted = {name: it for name, it in everything.items() if it["Type"] == kind and "Condition" not in it}
    return {f"tollgate-{kebab(name)}": it["Properties"] for name, it in wanted.items()}


def kebab(logical_id):
    return re.sub(r"(?<!^)(?=[A-Z])", "-", logical_id).lower()


def client(service):
    # LocalStack takes any credentials; without some boto3 sends nothing.
    return boto3.client(
        service,
        endpoint_url=ENDPOINT,
        region_name=os.environ.get("AWS_DEFAULT_REGION", "us-east-1"),
        aws_access_key_id=os.environ.get("AWS_ACCESS_KEY_ID", "test"),
        aws_secret_access_key=os.environ.get("AWS_SECRET_ACCESS_KEY", "test"),
    )


def tables():
    dynamodb = client("dynamodb")
    there = set(dynamodb.list_tables()["TableNames"])
    for name, properties in resources("AWS::DynamoDB::Table").items():
        if name in there:
            continue
        dynamodb.create_table(TableName=name, **{key: properties[key] for key in TABLE_PROPERTIES if key in properties})
        dynamodb.get_waiter("table_exists").wait(TableName=name)
        expiry = properties.get("TimeToLiveSpecification")
        if expiry:
            dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=expiry)
        yield f"table {name}"


def buckets():
    s3 = client("s3")
    there = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    for name in resources("AWS::S3::Bucket").keys() - there:
        s3.create_bucket(Bucket=name)
        yield f"bucket {name}"


def signing_secrets():
    manager = client("secretsmanager")
    there = {secret["Name"] for secret in manager.list_secrets()["SecretList"]}
    for name, properties in resources("AWS::SecretsManager::Secret").items():
        if name not in there:
            manager.create_secret(Name=name, SecretString=generated(properties["GenerateSecretString"]))
            yield f"secret {name}"


def generated(wish):
    """What CloudFormation would put in: letters and digits, in the template's JSON where it has one."""
    letters = string.ascii_letters + string.digits
    password = "".join(secrets.choice(letters) for _ in range(wish["PasswordLength"]))
    template = wish.get("SecretStringTemplate")
    if template is None:
        return password
    # The template is a JSON object; one more member goes before its closing brace.
    return f'{template.rstrip()[:-1]},"{wish["GenerateStringKey"]}":"{password}"}}'


if __name__ == "__main__":
    for made in (*tables(), *buckets(), *signing_secrets()):
        print(f"tollgate: made {made}", flush=True)

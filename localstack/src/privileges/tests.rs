#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::matching::matches;
use super::*;
use crate::template::{Template, Values};

const TABLE: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/tollgate-table";

/// A template whose one function has a role of these statements.
fn template(statements: &str) -> String {
    let text = r"
Resources:
  Gateway: {Type: AWS::Serverless::Api, Properties: {StageName: live}}
  Table: {Type: AWS::DynamoDB::Table, Properties: {KeySchema: [], AttributeDefinitions: []}}
  WorkFunction: {Type: AWS::Serverless::Function, Properties: {Role: !GetAtt WorkRole.Arn}}
  OtherFunction: {Type: AWS::Serverless::Function, Properties: {}}
  WorkRole:
    Type: AWS::IAM::Role
    Properties:
      Policies: [{PolicyName: work, PolicyDocument: {Statement: [STATEMENTS]}}]
  MorePolicy:
    Type: AWS::IAM::Policy
    Properties:
      PolicyName: more
      Roles: [!Ref WorkRole]
      PolicyDocument: {Statement: [{Effect: Allow, Action: 'ssm:Get*', Resource: 'arn:aws:ssm:*'}]}
";
    text.replace("STATEMENTS", statements)
}

fn privileges(statements: &str) -> Privileges {
    let template = Template::parse(&template(statements), &Values::default()).unwrap();
    let privileges = Privileges::default();
    privileges.enforce(&template.functions, None);
    privileges
}

fn asked(action: &str, keys: &[&str]) -> Asked {
    Asked {
        leading_keys: keys.iter().map(ToString::to_string).collect(),
        ..Asked::new(action, TABLE)
    }
}

fn may(privileges: &Privileges, action: &str, keys: &[&str]) -> bool {
    privileges.check(Caller::Function("work"), &asked(action, keys)).is_ok()
}

const GET: &str = "{Effect: Allow, Action: [dynamodb:GetItem, dynamodb:Query], Resource: !GetAtt Table.Arn}";

#[test]
fn patterns_stand_for_what_they_say() {
    for (pattern, text) in [
        ("a", "a"),
        ("*", ""),
        ("a*c", "abbc"),
        ("a*c*", "acxx"),
        ("a?c", "abc"),
        ("*b*b", "abab"),
    ] {
        assert!(matches(pattern, text), "{pattern} {text}");
    }
    for (pattern, text) in [
        ("a", ""),
        ("a", "ab"),
        ("a?c", "ac"),
        ("a*c", "abd"),
        ("", "a"),
        ("A", "a"),
    ] {
        assert!(!matches(pattern, text), "{pattern} {text}");
    }
}

#[test]
fn what_no_statement_allows_is_denied_in_awss_words() {
    let privileges = privileges(GET);
    assert!(may(&privileges, "dynamodb:GetItem", &[]));
    let denial = privileges.check(Caller::Function("work"), &asked("dynamodb:PutItem", &[]));
    assert_eq!(
        denial.unwrap_err().to_string(),
        format!(
            "User: arn:aws:sts::000000000000:assumed-role/tollgate-work-role/work is not authorized to perform: \
             dynamodb:PutItem on resource: {TABLE} because no identity-based policy allows the dynamodb:PutItem action"
        )
    );
    let other = Asked::new("dynamodb:GetItem", format!("{TABLE}/index/by_day"));
    assert!(privileges.check(Caller::Function("work"), &other).is_err());
}

#[test]
fn a_policy_of_its_own_adds_to_the_role() {
    let privileges = privileges(GET);
    let parameter = Asked::new("ssm:GetParameter", "arn:aws:ssm:us-east-1:000000000000:parameter/x");
    assert!(privileges.check(Caller::Function("work"), &parameter).is_ok());
}

#[test]
fn what_is_denied_is_denied_also_where_it_is_allowed() {
    let privileges = privileges(
        "{Effect: Allow, Action: 'dynamodb:*', Resource: !GetAtt Table.Arn}, {Effect: Deny, Action: [dynamodb:DeleteItem], \
         Resource: !GetAtt Table.Arn, Condition: {'ForAnyValue:StringLike': {dynamodb:LeadingKeys: ['AUDIT#*']}}}",
    );
    assert!(may(&privileges, "dynamodb:DeleteItem", &["KEY#1"]));
    assert!(may(&privileges, "dynamodb:PutItem", &["AUDIT#1"]));
    assert!(!may(&privileges, "dynamodb:DeleteItem", &["KEY#1", "AUDIT#1"]));
    assert!(privileges.report().denied[0].explicit);
}

#[test]
fn a_statement_for_some_keys_alone_is_for_them_alone() {
    let privileges = privileges(
        "{Effect: Allow, Action: dynamodb:UpdateItem, Resource: !GetAtt Table.Arn, Condition: {'ForAllValues:StringEquals': \
         {dynamodb:LeadingKeys: [METRICS]}, 'Null': {dynamodb:LeadingKeys: 'false'}}}",
    );
    assert!(may(&privileges, "dynamodb:UpdateItem", &["METRICS"]));
    for keys in [&["METRICS", "OTHER"][..], &["OTHER"], &[]] {
        assert!(!may(&privileges, "dynamodb:UpdateItem", keys), "{keys:?}");
    }
}

#[test]
fn what_was_used_is_told_of_the_first_statement_that_allows_it() {
    let privileges = privileges(&format!("{GET}, {GET}"));
    may(&privileges, "dynamodb:Query", &[]);
    let used: Vec<_> = privileges
        .report()
        .allowed
        .into_iter()
        .map(|it| (it.action, it.used))
        .collect();
    let expected = [
        ("dynamodb:GetItem", false),
        ("dynamodb:Query", true),
        ("dynamodb:GetItem", false),
        ("dynamodb:Query", false),
        ("ssm:Get*", false),
    ];
    assert_eq!(used, expected.map(|(action, used)| (action.to_owned(), used)));
}

#[test]
fn the_owner_and_functions_that_name_no_role_may_do_everything() {
    let privileges = privileges(GET);
    let put = asked("dynamodb:PutItem", &[]);
    assert!(privileges.check(Caller::Owner, &put).is_ok());
    assert!(privileges.check(Caller::Function("other"), &put).is_ok());
    assert!(Privileges::default().check(Caller::Function("work"), &put).is_ok());
}

#[test]
fn a_caller_is_known_by_its_access_key_id() {
    let header =
        |id: &str| format!("AWS4-HMAC-SHA256 Credential={id}/20261126/us-east-1/s3/aws4_request, SignedHeaders=host");
    assert_eq!(Caller::of_header(&header("local")), Some(Caller::Owner));
    assert_eq!(
        Caller::of_header(&header(&access_key_id("stream"))),
        Some(Caller::Function("stream"))
    );
    for stranger in ["", "locals", "AKIDEXAMPLE"] {
        assert_eq!(Caller::of_header(&header(stranger)), None, "{stranger}");
    }
    assert_eq!(Caller::of_header("Bearer local"), None);
}

#[test]
fn what_a_policy_says_that_is_not_known_here_is_not_passed_over() {
    for statement in [
        "{Effect: Allow, NotAction: 'x:y', Action: 'a:b', Resource: '*'}",
        "{Effect: Permit, Action: 'a:b', Resource: '*'}",
        "{Effect: Allow, Action: 'a:b', Resource: '*', Condition: {Bool: {'aws:SecureTransport': 'true'}}}",
    ] {
        assert!(
            Template::parse(&template(statement), &Values::default()).is_err(),
            "{statement}"
        );
    }
}

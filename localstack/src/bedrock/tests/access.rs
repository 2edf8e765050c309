//! Who may call which model.

use aws_sdk_bedrockruntime::types::{CountTokensInput, InvokeModelTokensRequest};

use super::*;
use crate::aws::SECRET_ACCESS_KEY;
use crate::privileges::access_key_id;
use crate::template::{Template, Values};

/// A function that may call one model and one profile, and count for the model.
const TEMPLATE: &str = "
Resources:
  Gateway: {Type: AWS::Serverless::Api, Properties: {StageName: live}}
  WorkFunction: {Type: AWS::Serverless::Function, Properties: {Role: !GetAtt WorkRole.Arn}}
  WorkRole:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyDocument:
            Statement:
              - Effect: Allow
                Action: bedrock:InvokeModel
                Resource:
                  - 'arn:aws:bedrock:*::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0'
                  - 'arn:aws:bedrock:*:000000000000:inference-profile/us.*'
                  - 'arn:aws:bedrock:*:000000000000:application-inference-profile/*'
              - Effect: Allow
                Action: bedrock:CountTokens
                Resource: 'arn:aws:bedrock:*::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0'
";

async fn held() -> (Mock, Client) {
    let template = Template::parse(TEMPLATE, &Values::default()).unwrap();
    let options = Options::default();
    options.privileges.enforce(&template.functions, None);
    let mock = start_with(options).await.unwrap();
    let credentials = Credentials::new(access_key_id("work"), SECRET_ACCESS_KEY, None, None, "test");
    let config = aws_sdk_bedrockruntime::config::Builder::from(&sdk_config(false)).credentials_provider(credentials);
    let client = Client::from_conf(config.endpoint_url(&mock.url).build());
    (mock, client)
}

async fn invoked(client: &Client, model: &str) -> Option<String> {
    let call = client.invoke_model().model_id(model).body(Blob::new(body_of("hello")));
    let error = call.send().await.err()?;
    Some(error.code().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_call_by_a_profile_must_be_allowed_on_the_profile_and_on_its_model() {
    let (_mock, client) = held().await;
    assert_eq!(invoked(&client, MODEL).await, None);
    assert_eq!(invoked(&client, APPLICATION_PROFILE_ARN).await, None);
    let denied = Some("AccessDeniedException".to_owned());
    // Of the model alone, and of the profile alone, it may not.
    assert_eq!(invoked(&client, &MODEL.replacen("us.", "global.", 1)).await, denied);
    assert_eq!(
        invoked(&client, "us.anthropic.claude-haiku-4-5-20251001-v1:0").await,
        denied
    );
}

#[tokio::test]
async fn to_stream_and_to_count_are_rights_of_their_own() {
    let (_mock, client) = held().await;
    let stream = client
        .invoke_model_with_response_stream()
        .model_id(MODEL)
        .body(Blob::new(body_of("hello")));
    assert_eq!(stream.send().await.unwrap_err().code(), Some("AccessDeniedException"));
    let converse = client.converse_stream().model_id(MODEL).send().await;
    assert_eq!(converse.unwrap_err().code(), Some("AccessDeniedException"));
    let input = InvokeModelTokensRequest::builder()
        .body(Blob::new(body_of("hello")))
        .build()
        .unwrap();
    let count = client
        .count_tokens()
        .model_id(&MODEL[3..])
        .input(CountTokensInput::InvokeModel(input));
    assert!(count.send().await.is_ok());
}

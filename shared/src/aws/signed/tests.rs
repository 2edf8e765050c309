use aws_sdk_s3::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};

use super::*;
use crate::aws::Aws;
use crate::config::Variables;

fn config(region: &'static str) -> SdkConfig {
    let variables = [
        ("AWS_REGION", region),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    let variables = variables.map(|(name, value)| (name, value.to_owned()));
    Aws::from_environment(Variables::Given(variables.to_vec()))
        .unwrap()
        .config
}

/// What the SDK's own rules say.
async fn by_rules(region: &str, bucket: &str) -> String {
    let params = Params::builder().region(region).bucket(bucket).build().unwrap();
    let endpoint = DefaultResolver::new().resolve_endpoint(&params).await.unwrap();
    format!("{}/", endpoint.url())
}

#[tokio::test]
async fn a_bucket_is_where_the_sdks_rules_have_it_in_every_partition() {
    for region in [
        "us-east-1",
        "eu-central-1",
        "us-gov-west-1",
        "cn-north-1",
        "eusc-de-east-1",
        "us-iso-east-1",
        "us-isob-east-1",
        "eu-isoe-west-1",
        "us-isof-south-1",
    ] {
        for bucket in ["a-bucket", "a.bucket"] {
            let config = config(region);
            let ours = match bucket.contains('.') {
                true => url(&config, "s3"),
                false => url(&config, &format!("{bucket}.s3")),
            };
            let reads = Reads::new(&config, None, bucket);
            assert_eq!(format!("{ours}{}", reads.path), by_rules(region, bucket).await);
        }
    }
}

#[test]
fn a_refusal_is_told_by_the_services_own_word() {
    let code = |body: &str| Refusal::read(body.as_bytes()).code().map(str::to_owned);
    let xml = "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code><Message>none</Message></Error>";
    assert_eq!(code(xml).as_deref(), Some("NoSuchKey"));
    for json in [
        r#"{"__type":"ParameterNotFound"}"#,
        r#"{"__type":"com.amazonaws.ssm#ParameterNotFound:http://internal.amazon.com/"}"#,
    ] {
        assert_eq!(code(json).as_deref(), Some("ParameterNotFound"), "{json}");
    }
    for other in ["", "{}", "<Code>", "no"] {
        assert_eq!(code(other), None, "{other}");
    }
}

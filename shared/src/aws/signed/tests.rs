use std::time::Duration;

use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_sdk_s3::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

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

#[tokio::test]
async fn a_body_that_stops_coming_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let half = async {
        let (mut connection, _) = listener.accept().await.unwrap();
        let _ = connection.read(&mut [0; 4096]).await.unwrap();
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf";
        connection.write_all(head).await.unwrap();
        connection
    };
    let patience = StalledStreamProtectionConfig::enabled().grace_period(Duration::from_millis(50));
    let config = config("us-east-1").to_builder();
    let config = config.stalled_stream_protection(patience.build()).build();
    let reads = Reads::new(&config, Some(url), "a-bucket");
    let (_held, answer) = tokio::join!(half, reads.get("a-key", Vec::new()));
    let read = answer.unwrap().body.collect();
    let read = tokio::time::timeout(Duration::from_secs(30), read).await;
    assert!(read.expect("it ends by itself").is_err());
}

//! Functions held to the roles of the project's own template, as the SDK meets it.

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::{Delete, TransactWriteItem};

use super::*;
use crate::privileges::access_key_id;
use crate::template::{Template, Values};

const TEMPLATE: &str = include_str!("../../../../template.yaml");
const TABLE: &str = "tollgate-table";
const BUCKET: &str = "tollgate-bucket";
const DENIED: Option<&str> = Some("AccessDeniedException");

struct Held {
    endpoints: Endpoints,
    privileges: Privileges,
    _data: tempfile::TempDir,
}

impl Held {
    async fn start() -> Self {
        let issuer = ("Issuer".to_owned(), "https://gate.example".to_owned());
        let mut values = Values {
            parameters: BTreeMap::from([issuer]),
            ..Values::default()
        };
        let template = Template::parse(TEMPLATE, &values).unwrap();
        let resources = Resources {
            tables: template.tables.iter().map(|table| table.definition.clone()).collect(),
            buckets: template.buckets.clone(),
            secrets: template
                .secrets
                .iter()
                .map(|it| (it.name.clone(), it.value.clone()))
                .collect(),
        };
        let (data, privileges) = (tempfile::tempdir().unwrap(), Privileges::default());
        let options = Options {
            data: data.path().to_owned(),
            aws_endpoint: None,
            privileges: Some(privileges.clone()),
        };
        let endpoints = start(&options, &resources).await.unwrap();
        values.secret_arns.clone_from(&endpoints.secret_arns);
        privileges.enforce(&Template::parse(TEMPLATE, &values).unwrap().functions, None);
        Self {
            endpoints,
            privileges,
            _data: data,
        }
    }

    fn config(function: &str) -> SdkConfig {
        let credentials = Credentials::new(access_key_id(function), SECRET_ACCESS_KEY, None, None, "test");
        let config = sdk_config(false).into_builder();
        config
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build()
    }

    fn dynamodb(&self, function: &str) -> aws_sdk_dynamodb::Client {
        let config = aws_sdk_dynamodb::config::Builder::from(&Self::config(function));
        aws_sdk_dynamodb::Client::from_conf(config.endpoint_url(&self.endpoints.functions_dynamodb).build())
    }

    fn s3(&self, function: &str) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&Self::config(function));
        aws_sdk_s3::Client::from_conf(config.endpoint_url(&self.endpoints.s3).force_path_style(true).build())
    }

    fn secrets(&self, function: &str) -> aws_sdk_secretsmanager::Client {
        let config = aws_sdk_secretsmanager::config::Builder::from(&Self::config(function));
        aws_sdk_secretsmanager::Client::from_conf(config.endpoint_url(&self.endpoints.secretsmanager).build())
    }
}

async fn put_into(client: &aws_sdk_dynamodb::Client, pk: &str) -> Result<(), Option<String>> {
    let put = client.put_item().table_name(TABLE);
    let put = put.item("pk", text(pk)).item("sk", text("a"));
    put.send()
        .await
        .map(drop)
        .map_err(|error| error.code().map(str::to_owned))
}

#[tokio::test]
async fn a_function_does_what_its_role_allows_and_is_told_when_it_does_not() {
    let held = Held::start().await;
    assert_eq!(put_into(&held.dynamodb("upload"), "FILES#1").await, Ok(()));
    let error = held
        .dynamodb("upload")
        .scan()
        .table_name(TABLE)
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), DENIED);
    let message = error.message().unwrap();
    assert!(
        message
            .starts_with("User: arn:aws:sts::000000000000:assumed-role/tollgate-upload-role/upload is not authorized"),
        "{message}"
    );
    let [denial] = &held.privileges.report().denied[..] else {
        panic!("one denial: {:?}", held.privileges.report().denied)
    };
    assert_eq!((&*denial.function, &*denial.action), ("upload", "dynamodb:Scan"));
}

/// By the roles too, whatever the code does.
#[tokio::test]
async fn no_function_changes_or_deletes_an_entry_of_the_audit_trail() {
    let held = Held::start().await;
    put_into(&held.dynamodb("admin"), "AUDIT#2026-11").await.unwrap();
    for function in ["admin", "authorizer", "invoke", "stream", "sweep", "token", "upload"] {
        let client = held.dynamodb(function);
        let update = client
            .update_item()
            .table_name(TABLE)
            .key("pk", text("AUDIT#2026-11"))
            .key("sk", text("a"));
        let update = update
            .update_expression("SET a = :a")
            .expression_attribute_values(":a", text("b"));
        assert_eq!(update.send().await.unwrap_err().code(), DENIED, "{function}");
        let delete = Delete::builder()
            .table_name(TABLE)
            .key("pk", text("AUDIT#2026-11"))
            .key("sk", text("a"));
        let part = TransactWriteItem::builder().delete(delete.build().unwrap()).build();
        let delete = client.transact_write_items().transact_items(part);
        assert_eq!(delete.send().await.unwrap_err().code(), DENIED, "{function}");
    }
}

#[tokio::test]
async fn a_url_counts_for_who_signed_it_and_what_is_missing_is_forbidden_to_whom_may_not_list() {
    let held = Held::start().await;
    let upload = held.s3("upload");
    let hour = || PresigningConfig::expires_in(Duration::from_secs(3600)).unwrap();
    let http = reqwest::Client::new();
    for (function, key, status) in [
        ("upload", "files/a", 200),
        ("upload", "other/a", 403),
        ("stream", "files/b", 403),
    ] {
        let put = held
            .s3(function)
            .put_object()
            .bucket(BUCKET)
            .key(key)
            .presigned(hour())
            .await
            .unwrap();
        assert_eq!(
            http.put(put.uri()).body("x").send().await.unwrap().status(),
            status,
            "{function} {key}"
        );
    }
    let read = held
        .s3("stream")
        .get_object()
        .bucket(BUCKET)
        .key("files/a")
        .send()
        .await;
    assert_eq!(read.unwrap().content_length(), Some(1));
    let missing = upload.get_object().bucket(BUCKET).key("files/none").send().await;
    assert_eq!(missing.unwrap_err().code(), Some("NoSuchKey"));
    let forbidden = held
        .s3("stream")
        .get_object()
        .bucket(BUCKET)
        .key("files/none")
        .send()
        .await;
    assert_eq!(forbidden.unwrap_err().code(), Some("AccessDenied"));
}

#[tokio::test]
async fn a_secret_is_read_by_whose_role_names_it() {
    let held = Held::start().await;
    let id = "tollgate-signing-secret";
    assert!(
        held.secrets("authorizer")
            .get_secret_value()
            .secret_id(id)
            .send()
            .await
            .is_ok()
    );
    let denied = held.secrets("stream").get_secret_value().secret_id(id).send().await;
    assert_eq!(denied.unwrap_err().code(), DENIED);
    let denied = held
        .secrets("authorizer")
        .put_secret_value()
        .secret_id(id)
        .secret_string("x")
        .send()
        .await;
    assert_eq!(denied.unwrap_err().code(), DENIED);
    let unknown = held
        .secrets("token")
        .get_secret_value()
        .secret_id("tollgate/login/none")
        .send()
        .await;
    assert_eq!(unknown.unwrap_err().code(), Some("ResourceNotFoundException"));
}

//! Making tables, buckets and secrets through the AWS SDK, keeping what is there.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_dynamodb::types::{
    GlobalSecondaryIndexDescription, IndexStatus, TableDescription, TableStatus, TimeToLiveSpecification,
    TimeToLiveStatus,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

use super::{Endpoints, Error, Resources, sdk_config};

/// How long a table may take to become active: the embedded one is at once, others take their time.
const ACTIVE_TIMEOUT: Duration = Duration::from_secs(30);
/// How often is asked whether it is.
const ACTIVE_POLL: Duration = Duration::from_millis(50);

/// Makes all of `resources`, side by side, and returns the secrets' ARNs by name.
///
/// # Errors
/// [`Error::Create`] and [`Error::Table`].
pub(super) async fn all(endpoints: &Endpoints, resources: &Resources) -> Result<BTreeMap<String, String>, Error> {
    let https = endpoints.dynamodb.starts_with("https:");
    let config = sdk_config(https);
    let (_, _, arns) = tokio::try_join!(
        tables(&config, &endpoints.dynamodb, &resources.tables),
        buckets(&config, &endpoints.s3, &resources.buckets),
        secrets(&config, &endpoints.secretsmanager, &resources.secrets),
    )?;
    Ok(arns)
}

/// What the service said, or, if it said nothing, why it could not be asked.
fn failed<E: std::error::Error + ProvideErrorMetadata>(resource: &str) -> impl FnOnce(E) -> Error {
    move |error| {
        let reason = match (error.code(), error.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            _ => DisplayErrorContext(&error).to_string(),
        };
        Error::Create {
            resource: resource.to_owned(),
            reason,
        }
    }
}

async fn tables(config: &SdkConfig, url: &str, tables: &[Value]) -> Result<(), Error> {
    let config = aws_sdk_dynamodb::config::Builder::from(config)
        .endpoint_url(url)
        .build();
    let client = aws_sdk_dynamodb::Client::from_conf(config);
    for description in tables {
        table(&client, description).await?;
    }
    Ok(())
}

async fn table(client: &aws_sdk_dynamodb::Client, description: &Value) -> Result<(), Error> {
    let name = description["TableName"]
        .as_str()
        .ok_or_else(|| Error::Table(description.to_string()))?;
    let resource = format!("table {name}");
    let mut request = description.clone();
    let time_to_live = request
        .as_object_mut()
        .and_then(|object| object.remove("TimeToLiveSpecification"));
    // The description goes out as it is: turning it into the SDK's types would lose whatever we do not know.
    let body = request.to_string();
    let created = client
        .create_table()
        .table_name(name)
        .customize()
        .mutate_request(move |http| replace(http, &body));
    match created.send().await {
        Ok(_) => {}
        Err(error) if error.code() == Some("ResourceInUseException") => {
            add_indexes(client, name, &request, &resource).await?;
        }
        Err(error) => return Err(failed(&resource)(error)),
    }
    wait_until_active(client, name, &resource).await?;
    match time_to_live {
        Some(specification) => expire(client, name, &specification, &resource).await,
        None => Ok(()),
    }
}

/// Adds the indexes that the table of an earlier description has not, one by one, as the service wants them and
/// `CloudFormation` does it.
async fn add_indexes(
    client: &aws_sdk_dynamodb::Client,
    name: &str,
    request: &Value,
    resource: &str,
) -> Result<(), Error> {
    let described = client.describe_table().table_name(name).send().await;
    let described = described.map_err(failed(resource))?.table;
    let existing = described.iter().flat_map(TableDescription::global_secondary_indexes);
    let existing: Vec<_> = existing.filter_map(|index| index.index_name()).collect();
    let wanted = request["GlobalSecondaryIndexes"].as_array().into_iter().flatten();
    let missing = wanted.filter(|index| !index["IndexName"].as_str().is_some_and(|name| existing.contains(&name)));
    for index in missing {
        let body = json!({
            "TableName": name,
            "AttributeDefinitions": request["AttributeDefinitions"],
            "GlobalSecondaryIndexUpdates": [{ "Create": index }],
        })
        .to_string();
        let update = client.update_table().table_name(name).customize();
        let update = update.mutate_request(move |http| replace(http, &body));
        update.send().await.map_err(failed(resource))?;
        wait_until_active(client, name, resource).await?;
    }
    Ok(())
}

fn replace(http: &mut HttpRequest, body: &str) {
    http.headers_mut().insert("content-length", body.len().to_string());
    *http.body_mut() = SdkBody::from(body);
}

async fn wait_until_active(client: &aws_sdk_dynamodb::Client, name: &str, resource: &str) -> Result<(), Error> {
    let started = Instant::now();
    loop {
        let described = client
            .describe_table()
            .table_name(name)
            .send()
            .await
            .map_err(failed(resource))?;
        let status = described.table().and_then(|table| table.table_status());
        let indexes = described
            .table()
            .into_iter()
            .flat_map(TableDescription::global_secondary_indexes);
        let is_filled = |index: &GlobalSecondaryIndexDescription| index.index_status() == Some(&IndexStatus::Active);
        if status == Some(&TableStatus::Active) && indexes.into_iter().all(is_filled) {
            return Ok(());
        }
        if started.elapsed() > ACTIVE_TIMEOUT {
            let reason = format!(
                "still {status:?}, or an index of it not filled, after {} s",
                ACTIVE_TIMEOUT.as_secs()
            );
            return Err(Error::Create {
                resource: resource.to_owned(),
                reason,
            });
        }
        tokio::time::sleep(ACTIVE_POLL).await;
    }
}

async fn expire(
    client: &aws_sdk_dynamodb::Client,
    name: &str,
    specification: &Value,
    resource: &str,
) -> Result<(), Error> {
    let attribute = specification["AttributeName"].as_str().unwrap_or_default();
    let enabled = specification["Enabled"].as_bool().unwrap_or(true);
    let described = client
        .describe_time_to_live()
        .table_name(name)
        .send()
        .await
        .map_err(failed(resource))?;
    let is_on = described
        .time_to_live_description()
        .and_then(|description| description.time_to_live_status())
        .is_some_and(|status| matches!(status, TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling));
    // Asking for what is already so is a ValidationException.
    if is_on == enabled {
        return Ok(());
    }
    let wanted = TimeToLiveSpecification::builder()
        .attribute_name(attribute)
        .enabled(enabled)
        .build();
    let wanted = wanted.map_err(|error| Error::Create {
        resource: resource.to_owned(),
        reason: error.to_string(),
    })?;
    let update = client
        .update_time_to_live()
        .table_name(name)
        .time_to_live_specification(wanted);
    update.send().await.map_err(failed(resource))?;
    Ok(())
}

async fn buckets(config: &SdkConfig, url: &str, buckets: &[String]) -> Result<(), Error> {
    let builder = aws_sdk_s3::config::Builder::from(config).endpoint_url(url);
    let client = aws_sdk_s3::Client::from_conf(builder.force_path_style(true).build());
    for name in buckets {
        match client.create_bucket().bucket(name).send().await {
            Ok(_) => {}
            Err(error) if is_there(error.code()) => {}
            Err(error) => return Err(failed(&format!("bucket {name}"))(error)),
        }
    }
    Ok(())
}

fn is_there(code: Option<&str>) -> bool {
    matches!(code, Some("BucketAlreadyOwnedByYou" | "BucketAlreadyExists"))
}

async fn secrets(
    config: &SdkConfig,
    url: &str,
    secrets: &[(String, String)],
) -> Result<BTreeMap<String, String>, Error> {
    let config = aws_sdk_secretsmanager::config::Builder::from(config)
        .endpoint_url(url)
        .build();
    let client = aws_sdk_secretsmanager::Client::from_conf(config);
    let mut arns = BTreeMap::new();
    for (name, value) in secrets {
        arns.insert(name.clone(), secret(&client, name, value).await?);
    }
    Ok(arns)
}

async fn secret(client: &aws_sdk_secretsmanager::Client, name: &str, value: &str) -> Result<String, Error> {
    let resource = format!("secret {name}");
    let arn = match client.create_secret().name(name).secret_string(value).send().await {
        Ok(created) => created.arn,
        Err(error) if error.code() == Some("ResourceExistsException") => {
            let described = client.describe_secret().secret_id(name).send().await;
            described.map_err(failed(&resource))?.arn
        }
        Err(error) => return Err(failed(&resource)(error)),
    };
    arn.ok_or_else(|| Error::Create {
        resource,
        reason: "the answer has no ARN".to_owned(),
    })
}

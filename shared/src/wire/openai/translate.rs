//! From a request of Chat Completions to one of `Converse`.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::abilities::{Abilities, Reasoning};
use super::content::Role;
use super::converse::{
    Block, Choice, ConverseBody, Inference, InputSchema, OutputConfig, SchemaDefinition, Structure, TextFormat,
    ToolConfig, ToolEntry, ToolSpec, Typed,
};
use super::request::{
    ChatRequest, ChoiceWord, Effort, FormatKind, JsonSchema, NamedChoice, Tier, Tool, ToolChoice, wrong,
};
use super::turns::{Files, has_tool_calls, turns};
use super::{JSON_TOOL, Json, Reading, Translated};
use crate::error::Error;
use crate::price::ServiceTier;

/// The least that a Claude model thinks, in tokens, and the least answer that there is room for it in.
const LEAST_BUDGET: u32 = 1_024;
const LEAST_ANSWER: u32 = 1_280;
/// The schema of a tool without parameters.
const NO_PARAMETERS: &str = r#"{"type":"object","properties":{}}"#;

/// What a model is told of how hard to think.
#[derive(Debug, Default)]
struct Thought {
    fields: Map<String, Value>,
    effort: Option<&'static str>,
    /// It is told to think, and then cannot be made to call a tool.
    thinks: bool,
}

/// The tools of a call, and which of them must be called.
#[derive(Debug)]
struct Tools<'a> {
    offered: Vec<ToolEntry<'a>>,
    choice: Choice<'a>,
}

impl ChatRequest<'_> {
    /// The request for a model, by its id without profile. `files` holds what [`ChatRequest::file_ids`] names.
    ///
    /// # Errors
    /// [`crate::error::Kind::InvalidRequest`] with the place of what `Converse`, or the model, has no counterpart of.
    pub fn to_converse(&self, base: &str, files: &Files) -> Result<Translated, Error> {
        let abilities = Abilities::of(base);
        let thought = self.thought(abilities)?;
        let mut tools = self.tools(abilities)?;
        let said = turns(
            &self.messages,
            files,
            tools.offered.is_empty() && has_tool_calls(&self.messages),
        )?;
        let mut system = said.system;
        let mut output = OutputConfig {
            effort: thought.effort,
            ..OutputConfig::default()
        };
        let json = self.json(abilities, thought.thinks, &mut tools, &mut system, &mut output)?;
        let one_call = self.parallel_tool_calls == Some(false) && !tools.offered.is_empty();
        let mut fields = thought.fields;
        let tool_config = self.tool_config(tools, abilities, &mut fields);
        let tier = self.tier()?;
        let body = ConverseBody {
            messages: said.turns,
            system,
            inference_config: self.inference(),
            tool_config,
            output_config: (output.effort.is_some() || output.text_format.is_some()).then_some(output),
            service_tier: (tier != ServiceTier::Default).then_some(Typed { kind: tier.name() }),
            additional_model_request_fields: fields,
        };
        Ok(Translated {
            body: Bytes::from(serde_json::to_vec(&body).map_err(Error::internal)?),
            reading: Reading {
                json,
                one_call,
                include_usage: self.include_usage(),
            },
            tier,
        })
    }

    /// `Converse` takes a temperature of 1 at the most, OpenAI's API 2: what is above is 1, as with Anthropic's own server of this API.
    fn inference(&self) -> Option<Inference<'_>> {
        let inference = Inference {
            max_tokens: self.longest_answer(),
            temperature: self.temperature.map(|given| given.min(1.0)),
            top_p: self.top_p,
            stop_sequences: self.stop(),
        };
        let says_something = inference.max_tokens.is_some()
            || inference.temperature.is_some()
            || inference.top_p.is_some()
            || !inference.stop_sequences.is_empty();
        says_something.then_some(inference)
    }

    fn tier(&self) -> Result<ServiceTier, Error> {
        match self.service_tier {
            None | Some(Tier::Auto | Tier::Default) => Ok(ServiceTier::Default),
            Some(Tier::Flex) => Ok(ServiceTier::Flex),
            Some(Tier::Priority | Tier::Fast) => Ok(ServiceTier::Priority),
            Some(Tier::Scale) => Err(wrong(
                "service_tier",
                "Bedrock has the tiers `default`, `flex` and `priority`",
            )),
        }
    }

    fn thought(&self, abilities: Abilities) -> Result<Thought, Error> {
        let Some(effort) = self.reasoning_effort else {
            return Ok(Thought::default());
        };
        let (word, three) = words(effort);
        let fields = |value: Value| match value {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        let told = |value: Value| Thought {
            fields: fields(value),
            ..Thought::default()
        };
        match abilities.reasoning {
            _ if effort == Effort::None && abilities.reasoning.is_silent_unasked() => Ok(Thought::default()),
            Reasoning::Unasked => Err(wrong("reasoning_effort", "this model cannot be told how hard to think")),
            Reasoning::Budget => self.budget(effort),
            Reasoning::Adaptive { .. } if effort == Effort::None => Ok(told(json!({"thinking": {"type": "disabled"}}))),
            Reasoning::Adaptive { .. } => Ok(Thought {
                fields: fields(json!({"thinking": {"type": "adaptive"}})),
                effort: Some(if effort == Effort::Minimal { "low" } else { word }),
                thinks: true,
            }),
            Reasoning::Nova if effort == Effort::None => Ok(told(json!({"reasoningConfig": {"type": "disabled"}}))),
            Reasoning::Nova => Ok(told(
                json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": three}}),
            )),
            Reasoning::Word => Ok(told(
                json!({"reasoning_effort": if effort == Effort::None { word } else { three }}),
            )),
            Reasoning::Object => Ok(told(json!({"reasoning": {"effort": word}}))),
        }
    }

    /// A Claude that answers to the result of a tool wants its earlier thoughts back, which no Chat Completion carries: then it does not
    /// think.
    fn budget(&self, effort: Effort) -> Result<Thought, Error> {
        if self.messages.last().is_some_and(|message| message.role == Role::Tool) {
            return Ok(Thought::default());
        }
        let wanted = match effort {
            Effort::None | Effort::Minimal => LEAST_BUDGET,
            Effort::Low => 2_048,
            Effort::Medium => 8_192,
            Effort::High | Effort::Xhigh | Effort::Max => 24_576,
        };
        let budget = match self.longest_answer() {
            Some(longest) if longest < LEAST_ANSWER => {
                return Err(wrong(
                    "reasoning_effort",
                    "this model thinks only where `max_completion_tokens` is 1,280 or more",
                ));
            }
            Some(longest) => wanted.min(longest - longest / 5),
            None => {
                return Err(wrong(
                    "reasoning_effort",
                    "this model thinks only together with `max_completion_tokens`",
                ));
            }
        };
        let Value::Object(fields) = json!({"thinking": {"type": "enabled", "budget_tokens": budget}}) else {
            return Ok(Thought::default());
        };
        Ok(Thought {
            fields,
            effort: None,
            thinks: true,
        })
    }

    fn tools(&self, abilities: Abilities) -> Result<Tools<'_>, Error> {
        let all = self.tools.as_deref().unwrap_or_default();
        let (allowed, choice) = match &self.tool_choice {
            Some(ToolChoice::Word(ChoiceWord::None)) => (Some(Vec::new()), Choice::Auto {}),
            None | Some(ToolChoice::Word(ChoiceWord::Auto)) => (None, Choice::Auto {}),
            Some(ToolChoice::Word(ChoiceWord::Required)) => (None, Choice::Any {}),
            Some(ToolChoice::Named(named)) => named_choice(named)?,
        };
        let mut offered = Vec::new();
        for (index, tool) in all.iter().enumerate() {
            let entry = tool_entry(tool, abilities, &format!("tools[{index}]"))?;
            let ToolEntry::ToolSpec(spec) = &entry;
            if allowed
                .as_ref()
                .is_none_or(|names| names.iter().any(|name| *name == spec.name))
            {
                offered.push(entry);
            }
        }
        if choice != (Choice::Auto {}) && offered.is_empty() {
            return Err(wrong("tool_choice", "there is no such tool in `tools`"));
        }
        Ok(Tools { offered, choice })
    }

    /// By which means the answer is JSON, if it is to be.
    fn json<'a>(
        &'a self,
        abilities: Abilities,
        thinks: bool,
        tools: &mut Tools<'a>,
        system: &mut Vec<Block<'a>>,
        output: &mut OutputConfig<'a>,
    ) -> Result<Json, Error> {
        let Some(format) = self
            .response_format
            .as_ref()
            .filter(|format| format.kind != FormatKind::Text)
        else {
            return Ok(Json::Text);
        };
        if tools.choice != (Choice::Auto {}) {
            // A tool is called and nothing is said.
            return Ok(Json::Text);
        }
        let wanted = match (format.kind, &format.json_schema) {
            (FormatKind::JsonSchema, None) => return Err(wrong("response_format.json_schema", "is missing")),
            (FormatKind::JsonSchema, Some(wanted)) => wanted.schema.map(|schema| (wanted, schema)),
            _ => None,
        };
        let Some((wanted, schema)) = wanted else {
            system.push(Block::Text(in_words(None)));
            return Ok(Json::InText);
        };
        if !schema.get().starts_with('{') {
            return Err(wrong("response_format.json_schema.schema", "is no JSON object"));
        }
        if abilities.schemas {
            output.text_format = Some(text_format(wanted, schema));
            return Ok(Json::Text);
        }
        let taken = |entry: &ToolEntry<'_>| matches!(entry, ToolEntry::ToolSpec(spec) if spec.name == JSON_TOOL);
        if !abilities.forced_tools || thinks || tools.offered.iter().any(taken) {
            system.push(Block::Text(in_words(Some(schema))));
            return Ok(Json::InText);
        }
        tools.choice = if tools.offered.is_empty() {
            Choice::Tool {
                name: Cow::Borrowed(JSON_TOOL),
            }
        } else {
            Choice::Any {}
        };
        tools.offered.push(json_tool(wanted, schema));
        Ok(Json::InTool)
    }

    /// Claude alone can be told to call one tool at a time, by a field of its own.
    fn tool_config<'a>(
        &self,
        tools: Tools<'a>,
        abilities: Abilities,
        fields: &mut Map<String, Value>,
    ) -> Option<ToolConfig<'a>> {
        if tools.offered.is_empty() {
            return None;
        }
        let one = abilities.claude && self.parallel_tool_calls == Some(false);
        if one {
            let mut choice = match &tools.choice {
                Choice::Auto {} => json!({"type": "auto"}),
                Choice::Any {} => json!({"type": "any"}),
                Choice::Tool { name } => json!({"type": "tool", "name": name}),
            };
            choice["disable_parallel_tool_use"] = true.into();
            fields.insert("tool_choice".to_owned(), choice);
        }
        Some(ToolConfig {
            tools: tools.offered,
            tool_choice: Some(tools.choice).filter(|choice| !one && *choice != (Choice::Auto {})),
        })
    }
}

impl Reasoning {
    /// Whether a model does not think that is told nothing of it.
    fn is_silent_unasked(self) -> bool {
        matches!(self, Self::Unasked | Self::Budget | Self::Adaptive { unasked: false })
    }
}

/// OpenAI's word, and the nearest of those that all models have.
const fn words(effort: Effort) -> (&'static str, &'static str) {
    match effort {
        Effort::None => ("none", "low"),
        Effort::Minimal => ("minimal", "low"),
        Effort::Low => ("low", "low"),
        Effort::Medium => ("medium", "medium"),
        Effort::High => ("high", "high"),
        Effort::Xhigh => ("xhigh", "high"),
        Effort::Max => ("max", "high"),
    }
}

/// The names of the tools that count, unless all do, and what the model must do with them.
fn named_choice<'a>(named: &'a NamedChoice<'a>) -> Result<(Option<Vec<&'a str>>, Choice<'a>), Error> {
    if let Some(function) = &named.function {
        let name = Cow::Borrowed(&*function.name);
        return Ok((None, Choice::Tool { name }));
    }
    let allowed = named.allowed_tools.as_ref();
    let allowed = allowed.ok_or_else(|| wrong("tool_choice", "only tools of type `function` are served"))?;
    let names = allowed.tools.iter().filter_map(|tool| tool.function.as_ref());
    let names = names.map(|function| &*function.name).collect();
    let choice = match allowed.mode {
        ChoiceWord::Required => Choice::Any {},
        _ => Choice::Auto {},
    };
    Ok((Some(names), choice))
}

fn tool_entry<'a>(tool: &'a Tool<'a>, abilities: Abilities, place: &str) -> Result<ToolEntry<'a>, Error> {
    let function = tool.function.as_ref();
    let function = function.ok_or_else(|| wrong(place, "only tools of type `function` are served"))?;
    let json = match function.parameters {
        Some(schema) if schema.get().starts_with('{') => Cow::Borrowed(schema),
        Some(schema) if schema.get() != "null" => {
            return Err(wrong(format!("{place}.function.parameters"), "is no JSON object"));
        }
        _ => Cow::Owned(RawValue::from_string(NO_PARAMETERS.to_owned()).map_err(Error::internal)?),
    };
    let description = function.description.as_deref().filter(|text| !text.trim().is_empty());
    Ok(ToolEntry::ToolSpec(ToolSpec {
        name: Cow::Borrowed(&*function.name),
        description: description.map(Cow::Borrowed),
        input_schema: InputSchema { json },
        strict: function.strict.filter(|strict| *strict && abilities.schemas),
    }))
}

fn json_tool<'a>(wanted: &'a JsonSchema<'a>, schema: &'a RawValue) -> ToolEntry<'a> {
    let description = wanted.description.as_deref().filter(|text| !text.trim().is_empty());
    ToolEntry::ToolSpec(ToolSpec {
        name: Cow::Borrowed(JSON_TOOL),
        description: Some(Cow::Borrowed(
            description.unwrap_or("Gives the answer to the user. Its input is the whole answer."),
        )),
        input_schema: InputSchema {
            json: Cow::Borrowed(schema),
        },
        strict: None,
    })
}

fn text_format<'a>(wanted: &'a JsonSchema<'a>, schema: &'a RawValue) -> TextFormat<'a> {
    TextFormat {
        kind: "json_schema",
        structure: Structure {
            json_schema: SchemaDefinition {
                schema: schema.get(),
                name: &wanted.name,
                description: wanted.description.as_deref().filter(|text| !text.trim().is_empty()),
            },
        },
    }
}

fn in_words(schema: Option<&RawValue>) -> Cow<'static, str> {
    let words = "Answer with one JSON object and nothing else: no words and no code fence around it.";
    match schema {
        None => Cow::Borrowed(words),
        Some(schema) => Cow::Owned(format!("{words} It must conform to this JSON schema:\n{schema}")),
    }
}

#[cfg(test)]
mod tests;

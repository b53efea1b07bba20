//! One endpoint: its handler, and what the OpenAPI document says of it.

use axum::handler::Handler;
use axum::routing::{MethodRouter, delete, get, post};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Shared;
use crate::admin::openapi::shape;

pub struct Endpoint {
    pub method: &'static str,
    /// Below `/api`; what is named in braces is a parameter.
    pub path: &'static str,
    pub summary: &'static str,
    pub parameters: Vec<Parameter>,
    /// Schema of the request's body.
    pub body: Option<Value>,
    /// Media type and schema of what it answers with 200.
    pub answer: (&'static str, Value),
    /// Status and code of what goes wrong, beside what may go wrong everywhere.
    pub complaints: Vec<(u16, &'static str)>,
    pub handler: MethodRouter<Shared>,
    pub opens_to: OpensTo,
}

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpensTo {
    /// Whom `access` lets in.
    LetIn,
    Everybody,
}

pub struct Parameter {
    pub name: &'static str,
    pub about: &'static str,
    pub schema: Value,
}

impl Parameter {
    pub fn text(name: &'static str, about: &'static str) -> Parameter {
        let schema = json!({"type": "string"});
        Parameter {
            name,
            about,
            schema,
        }
    }

    /// One of these words.
    pub fn word(name: &'static str, about: &'static str, words: &impl Serialize) -> Parameter {
        let schema = json!({ "enum": words });
        Parameter {
            name,
            about,
            schema,
        }
    }

    /// The schema of an object with these members.
    pub fn object(members: impl IntoIterator<Item = Parameter>) -> Value {
        let members = members.into_iter().map(|member| {
            let described = json!({"allOf": [member.schema], "description": member.about});
            (member.name.to_owned(), described)
        });
        json!({"type": "object", "properties": members.collect::<Map<_, _>>()})
    }
}

impl Endpoint {
    pub fn get<T: 'static>(path: &'static str, handler: impl Handler<T, Shared>) -> Endpoint {
        Endpoint::new("get", path, get(handler))
    }

    pub fn post<T: 'static>(path: &'static str, handler: impl Handler<T, Shared>) -> Endpoint {
        Endpoint::new("post", path, post(handler))
    }

    pub fn delete<T: 'static>(path: &'static str, handler: impl Handler<T, Shared>) -> Endpoint {
        Endpoint::new("delete", path, delete(handler))
    }

    fn new(method: &'static str, path: &'static str, handler: MethodRouter<Shared>) -> Endpoint {
        Endpoint {
            method,
            path,
            summary: "",
            parameters: Vec::new(),
            body: None,
            answer: ("application/json", json!({"type": "object"})),
            complaints: Vec::new(),
            handler,
            opens_to: OpensTo::LetIn,
        }
    }

    pub fn summary(self, summary: &'static str) -> Endpoint {
        Endpoint { summary, ..self }
    }

    pub fn for_everybody(self) -> Endpoint {
        Endpoint {
            opens_to: OpensTo::Everybody,
            ..self
        }
    }

    /// A parameter of the path, where the path has its name in braces, else of the query.
    pub fn parameter(mut self, name: &'static str, about: &'static str, schema: Value) -> Endpoint {
        self.parameters.push(Parameter {
            name,
            about,
            schema,
        });
        self
    }

    pub fn parameters(mut self, parameters: impl IntoIterator<Item = Parameter>) -> Endpoint {
        self.parameters.extend(parameters);
        self
    }

    /// Takes a JSON object with these members.
    pub fn takes(self, members: Value) -> Endpoint {
        Endpoint {
            body: Some(json!({"type": "object", "properties": members})),
            ..self
        }
    }

    /// Answers a JSON object with all of these members.
    pub fn gives(self, members: Value) -> Endpoint {
        Endpoint {
            answer: ("application/json", shape::object(members)),
            ..self
        }
    }

    /// Answers one of the named schemas of the document.
    pub fn gives_named(self, name: &str) -> Endpoint {
        Endpoint {
            answer: ("application/json", shape::named(name)),
            ..self
        }
    }

    /// Or, to a dry run, an object with all of these members.
    pub fn gives_in_a_dry_run(self, members: Value) -> Endpoint {
        let (media_type, schema) = self.answer;
        let either = json!({"anyOf": [schema, shape::object(members)]});
        Endpoint {
            answer: (media_type, either),
            ..self
        }
    }

    /// Answers something else than JSON.
    pub fn gives_other(self, media_type: &'static str, schema: Value) -> Endpoint {
        Endpoint {
            answer: (media_type, schema),
            ..self
        }
    }

    pub fn complains(mut self, status: u16, code: &'static str) -> Endpoint {
        self.complaints.push((status, code));
        self
    }

    /// Whether a name stands in braces in its path.
    pub fn is_in_path(&self, name: &str) -> bool {
        self.path.contains(&format!("{{{name}}}"))
    }
}

//! Holds a value against a JSON Schema, as far as our own schemas go.
//!
//! Promises: a member that is not described is a problem: consumers ignore what they do not know, but we must not send it. Deliberately no
//! validator for others: a keyword that is not among these is a problem, so that none is passed over in silence.

use serde_json::Value;

/// Every way in which a value breaks a schema.
pub fn problems(schema: &Value, value: &Value) -> Vec<String> {
    problems_within(schema, schema, value)
}

/// The same for a schema inside a document.
pub fn problems_within(root: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let mut check = Check {
        root,
        problems: &mut problems,
    };
    check.value(schema, value, "$");
    problems
}

/// What ajv's strict mode asks of a schema: each object says its type, and what it requires is among what it describes.
pub fn is_strict(schema: &Value) {
    if let Some(members) = schema.as_object() {
        let described = members.get("properties").and_then(Value::as_object);
        for name in members
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let name = name.as_str().unwrap();
            assert!(
                described.is_some_and(|described| described.contains_key(name)),
                "{name} is required and not described: {schema}"
            );
        }
        assert!(
            described.is_none() || members.contains_key("type"),
            "properties without a type: {schema}"
        );
    }

    // `properties` itself is no schema: its keys are names.
    let below = schema
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(keyword, _)| *keyword != "required" && *keyword != "enum");
    for (keyword, value) in below {
        match (keyword.as_str(), value) {
            ("properties" | "$defs", Value::Object(named)) => named.values().for_each(is_strict),
            (_, Value::Array(several)) => several.iter().for_each(is_strict),
            _ => is_strict(value),
        }
    }
}

struct Check<'a> {
    root: &'a Value,
    problems: &'a mut Vec<String>,
}

impl Check<'_> {
    fn value(&mut self, schema: &Value, value: &Value, path: &str) {
        for (keyword, rule) in schema.as_object().expect("a schema is an object") {
            if !self.holds(keyword, rule, schema, value, path) {
                self.problems
                    .push(format!("{path}: {value} breaks {keyword} {rule}"));
            }
        }
    }

    fn holds(
        &mut self,
        keyword: &str,
        rule: &Value,
        schema: &Value,
        value: &Value,
        path: &str,
    ) -> bool {
        match keyword {
            "$schema" | "$id" | "$defs" | "title" | "description" | "examples" | "format" => true,
            "enum" => rule.as_array().expect("a list").contains(value),
            "propertyNames" => value.as_object().is_none_or(|members| {
                let mut names = members.keys().map(|name| Value::from(name.as_str()));
                names.all(|name| self.would_hold(rule, &name, path))
            }),
            "type" => rule.as_array().map_or_else(
                || is(rule, value),
                |types| types.iter().any(|rule| is(rule, value)),
            ),
            "const" => value == rule,
            "pattern" => value.as_str().is_none_or(|text| self.matches(rule, text)),
            "minimum" => value
                .as_f64()
                .is_none_or(|number| number >= rule.as_f64().expect("a minimum is a number")),
            "maximum" => value
                .as_f64()
                .is_none_or(|number| number <= rule.as_f64().expect("a maximum is a number")),
            "minLength" => value
                .as_str()
                .is_none_or(|text| text.chars().count() as u64 >= rule.as_u64().expect("a length")),
            "maxLength" => value
                .as_str()
                .is_none_or(|text| text.chars().count() as u64 <= rule.as_u64().expect("a length")),
            "required" => value.as_object().is_none_or(|members| {
                let mut names = rule.as_array().expect("a list").iter();
                names.all(|name| members.contains_key(name.as_str().expect("a name")))
            }),
            _ => self.holds_within(keyword, rule, schema, value, path),
        }
    }

    /// The keywords whose rule is another schema, or holds some.
    fn holds_within(
        &mut self,
        keyword: &str,
        rule: &Value,
        schema: &Value,
        value: &Value,
        path: &str,
    ) -> bool {
        match keyword {
            "anyOf" => {
                let mut schemas = rule.as_array().expect("a list").iter();
                return schemas.any(|schema| self.would_hold(schema, value, path));
            }
            "$ref" => {
                let pointer = rule.as_str().and_then(|rule| rule.strip_prefix('#'));
                let named = self.root.pointer(pointer.expect("a local reference"));
                self.value(named.expect("it is there"), value, path);
            }
            "properties" => self.members(rule, schema, value, path),
            "additionalProperties" if rule.is_object() => {
                let described = schema["properties"].as_object();
                let members = value.as_object().into_iter().flatten();
                let others =
                    members.filter(|(name, _)| described.is_none_or(|it| !it.contains_key(*name)));
                others.for_each(|(name, value)| self.value(rule, value, &format!("{path}.{name}")));
            }
            "additionalProperties" => {}
            "maxItems" => {
                let most = rule.as_u64().expect("a count") as usize;
                return value
                    .as_array()
                    .is_none_or(|elements| elements.len() <= most);
            }
            "items" => {
                let elements = value.as_array().into_iter().flatten();
                elements.for_each(|value| self.value(rule, value, &format!("{path}[]")));
            }
            _ => panic!("{keyword} of {schema} is not checked here"),
        }
        true
    }

    fn would_hold(&self, schema: &Value, value: &Value, path: &str) -> bool {
        let mut problems = Vec::new();
        let mut check = Check {
            root: self.root,
            problems: &mut problems,
        };
        check.value(schema, value, path);
        problems.is_empty()
    }

    fn members(&mut self, rule: &Value, schema: &Value, value: &Value, path: &str) {
        let others = schema.get("additionalProperties");
        let may_have_others = others.is_some_and(|rule| *rule != Value::Bool(false));
        for (name, value) in value.as_object().into_iter().flatten() {
            match rule.get(name) {
                Some(schema) => self.value(schema, value, &format!("{path}.{name}")),
                None if may_have_others => {}
                // Consumers ignore what they do not know, but we must not send it.
                None => self
                    .problems
                    .push(format!("{path}.{name} is not in the schema")),
            }
        }
    }

    /// The few patterns of our schema: `^`, `$`, classes, counts in braces, `+` and literals.
    fn matches(&self, pattern: &Value, text: &str) -> bool {
        let pattern = pattern.as_str().expect("a pattern is a text");
        let pattern = pattern
            .strip_prefix('^')
            .and_then(|rest| rest.strip_suffix('$'))
            .expect("it is anchored");
        let mut rest = text.chars().peekable();
        let mut atoms = pattern.chars().peekable();

        while let Some(first) = atoms.next() {
            let class: String = match first {
                '[' => atoms.by_ref().take_while(|c| *c != ']').collect(),
                '\\' => atoms.next().into_iter().collect(),
                literal => literal.to_string(),
            };
            let (least, most) = match atoms.peek() {
                Some('+') => {
                    atoms.next();
                    (1, usize::MAX)
                }
                Some('{') => {
                    let count: String = atoms.by_ref().skip(1).take_while(|c| *c != '}').collect();
                    let (least, most) = count.split_once(',').unwrap_or((&count, &count));
                    (
                        least.parse().expect("a count"),
                        most.parse().expect("a count"),
                    )
                }
                _ => (1, 1),
            };
            let mut found = 0;
            while found < most && rest.next_if(|c| in_class(&class, *c)).is_some() {
                found += 1;
            }
            if found < least {
                return false;
            }
        }
        rest.next().is_none()
    }
}

fn in_class(class: &str, character: char) -> bool {
    let class: Vec<char> = class.chars().collect();
    let ranges = class.windows(3).filter(|window| window[1] == '-');
    let is_literal = class.contains(&character)
        && (character != '-' || class.last() == Some(&'-') || class == ['-']);
    is_literal
        || ranges
            .into_iter()
            .any(|window| (window[0]..=window[2]).contains(&character))
}

fn is(kind: &Value, value: &Value) -> bool {
    match kind.as_str().expect("a type is a word") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other} is no type of JSON Schema"),
    }
}

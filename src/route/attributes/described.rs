//! The attributes as people read of them: what each says, and when it is absent.
//!
//! Promises: the tests' subscribers hold every message against these tables, and the table in `docs/consumers.md` is made of them.

use serde_json::{Value, json};

use boxbridge_event::{DeviceState, PersonType};

/// One attribute of a message.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    pub name: &'static str,
    /// Of which field it is made.
    pub from: &'static str,
    /// When a message has none; empty: it always has one.
    pub absent: &'static str,
    form: Form,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Const(&'static str),
    Pattern(&'static str),
    Time,
    PersonType,
    Pictures,
    DeviceStatus,
}

const SITE: &str = "^[a-z0-9-]{1,32}$";
/// The id is percent-encoded.
const SOURCE: &str = "^/boxbridge/[a-z0-9-]{1,32}/[!-~]+$";

const SPECVERSION: Attribute = always("specversion", "CloudEvents", Form::Const("1.0"));
const DATACONTENTTYPE: Attribute = always(
    "datacontenttype",
    "the payload is JSON",
    Form::Const("application/json"),
);

/// Of an event, in the order in which they stand.
pub const OF_EVENT: &[Attribute] = &[
    SPECVERSION,
    always(
        "id",
        "`{id}.{revision}`",
        Form::Pattern("^[0-9a-f-]{36}\\.[0-9a-f]{8}$"),
    ),
    always("type", "`schema`", Form::Const("boxbridge.match.v1")),
    always(
        "source",
        "`/boxbridge/{origin.site}/{device.id}`, percent-encoded",
        Form::Pattern(SOURCE),
    ),
    always("subject", "`person_type`", Form::PersonType),
    always("time", "`occurred_at`", Form::Time),
    DATACONTENTTYPE,
    maybe(
        "dataschema",
        "`boxbridge schema event`",
        "with `format = \"box\"`",
        Form::Const("urn:boxbridge:match:v1"),
    ),
    always("persontype", "`person_type`", Form::PersonType),
    always("site", "`origin.site`", Form::Pattern(SITE)),
    always(
        "pictures",
        "`stored`: all can be fetched; `pending`: not yet; `incomplete`: one of them will not come; `none`",
        Form::Pictures,
    ),
    always("recordedtime", "`received_at`", Form::Time),
    maybe(
        "actbefore",
        "`act_before`",
        "where that is null: do not act",
        Form::Time,
    ),
    maybe(
        "replay",
        "`replay`",
        "where that is null",
        Form::Pattern("^[!-~]+$"),
    ),
    always(
        "sequence",
        "`sequence.number`, 20 digits",
        Form::Pattern("^[0-9]{20}$"),
    ),
];

/// Of what is told of a device.
pub const OF_DEVICE: &[Attribute] = &[
    SPECVERSION,
    always(
        "id",
        "source, `since` in milliseconds, status",
        Form::Pattern("^[!-~]+$"),
    ),
    always("type", "`schema`", Form::Const("boxbridge.device.v1")),
    always(
        "source",
        "`/boxbridge/{site}/{device}`, percent-encoded",
        Form::Pattern(SOURCE),
    ),
    always("subject", "`status`, or `forgotten`", Form::DeviceStatus),
    always("time", "`since`", Form::Time),
    DATACONTENTTYPE,
    always(
        "dataschema",
        "`boxbridge schema device`",
        Form::Const("urn:boxbridge:device:v1"),
    ),
    always("site", "`site`", Form::Pattern(SITE)),
];

/// Of the second word on an event's pictures.
pub const OF_PICTURES: &[Attribute] = &[
    SPECVERSION,
    always(
        "id",
        "`{id}.{revision}.pictures`",
        Form::Pattern("^[0-9a-f-]{36}\\.[0-9a-f]{8}\\.pictures$"),
    ),
    always("type", "`schema`", Form::Const("boxbridge.pictures.v1")),
    always(
        "source",
        "`/boxbridge/{origin.site}/{device.id}` of the event, percent-encoded",
        Form::Pattern(SOURCE),
    ),
    always("subject", "`person_type` of the event", Form::PersonType),
    always("time", "`occurred_at` of the event", Form::Time),
    DATACONTENTTYPE,
    always(
        "dataschema",
        "`boxbridge schema pictures`",
        Form::Const("urn:boxbridge:pictures:v1"),
    ),
    always("persontype", "`person_type` of the event", Form::PersonType),
    always("site", "`origin.site` of the event", Form::Pattern(SITE)),
    always(
        "sequence",
        "`sequence.number` of the event, 20 digits",
        Form::Pattern("^[0-9]{20}$"),
    ),
];

const fn always(name: &'static str, from: &'static str, form: Form) -> Attribute {
    maybe(name, from, "", form)
}

const fn maybe(
    name: &'static str,
    from: &'static str,
    absent: &'static str,
    form: Form,
) -> Attribute {
    Attribute {
        name,
        from,
        absent,
        form,
    }
}

impl Attribute {
    /// What it always says.
    pub fn constant(&self) -> Option<&'static str> {
        match self.form {
            Form::Const(value) => Some(value),
            _ => None,
        }
    }

    /// What its value may be, as JSON Schema.
    pub fn schema(&self) -> Value {
        let words = |words: Vec<&str>| json!({"type": "string", "enum": words});
        match self.form {
            Form::Const(value) => json!({"type": "string", "const": value}),
            Form::Pattern(pattern) => json!({"type": "string", "pattern": pattern}),
            Form::Time => json!({"type": "string", "format": "date-time"}),
            Form::PersonType => words(PersonType::ALL.iter().map(|it| it.as_str()).collect()),
            Form::Pictures => words(vec!["stored", "pending", "incomplete", "none"]),
            Form::DeviceStatus => {
                let states = DeviceState::ALL.iter().map(|it| it.as_str());
                words(states.chain(["forgotten"]).collect())
            }
        }
    }
}

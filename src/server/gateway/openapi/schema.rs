//! Schemas of the contract's messages, from descriptors and comments.

use std::collections::BTreeMap;

use prost_reflect::{EnumDescriptor, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use crate::server::gateway::annotations::{Binding, Taken};

/// Within these nothing unknown is accepted.
const STRICT: [&str; 6] = ["Policy", "Rule", "Conditions", "EnvCondition", "TimeRange", "DayOfWeek"];

/// `google.api.FieldBehavior`.
const REQUIRED: i32 = 2;
const OUTPUT_ONLY: i32 = 3;

/// The schemas that are referred to.
#[derive(Debug, Default)]
pub(super) struct Schemas(BTreeMap<String, Value>);

impl Schemas {
    /// Adds one that is no message.
    pub(super) fn add(&mut self, name: &str, schema: Value) {
        self.0.insert(name.to_owned(), schema);
    }

    pub(super) fn into_schemas(self) -> BTreeMap<String, Value> {
        self.0
    }

    /// A reference to a message's schema.
    pub(super) fn of(&mut self, message: &MessageDescriptor) -> Value {
        let well_known = match message.full_name() {
            "google.protobuf.Timestamp" => Some(json!({"type": "string", "format": "date-time"})),
            "google.protobuf.Duration" => {
                Some(json!({"type": "string", "pattern": "^-?[0-9]+(\\.[0-9]+)?s$"}))
            }
            "google.protobuf.FieldMask" => Some(json!({"type": "string"})),
            "google.protobuf.Struct" => Some(json!({"type": "object", "additionalProperties": true})),
            "google.protobuf.Any" => Some(
                json!({"type": "object", "required": ["@type"], "properties": {"@type": {"type": "string"}}, "additionalProperties": true}),
            ),
            _ => None,
        };
        if let Some(schema) = well_known {
            return schema;
        }
        let name = name(message);
        if !self.0.contains_key(&name) {
            // Noted before its fields are looked at, so that a message may hold itself.
            self.0.insert(name.clone(), Value::Null);
            let schema = self.object(message, &[]);
            self.0.insert(name.clone(), schema);
        }
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    /// A message's schema without the fields that stand elsewhere; a reference where none does.
    pub(super) fn without(
        &mut self,
        message: &MessageDescriptor,
        elsewhere: &[Vec<FieldDescriptor>],
    ) -> Value {
        if elsewhere.is_empty() { self.of(message) } else { self.object(message, elsewhere) }
    }

    fn object(&mut self, message: &MessageDescriptor, elsewhere: &[Vec<FieldDescriptor>]) -> Value {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for field in message.fields() {
            if elsewhere.iter().any(|steps| steps.as_slice() == [field.clone()]) {
                continue;
            }
            let mut schema = self.field(&field);
            let behavior = behavior(&field);
            if let Some(members) = schema.as_object_mut() {
                members.insert("description".into(), comment(&message.parent_file(), field.path()).into());
                if behavior.contains(&OUTPUT_ONLY) {
                    members.insert("readOnly".into(), true.into());
                }
            }
            if behavior.contains(&REQUIRED) {
                required.push(field.name().to_owned());
            }
            properties.insert(field.name().to_owned(), schema);
        }
        let mut schema = json!({
            "type": "object",
            "description": comment(&message.parent_file(), message.path()),
            "properties": properties,
        });
        if let Some(members) = schema.as_object_mut() {
            if !required.is_empty() {
                members.insert("required".into(), required.into());
            }
            if STRICT.contains(&message.name()) {
                members.insert("additionalProperties".into(), false.into());
            }
        }
        schema
    }

    /// The schema of a field's value.
    pub(super) fn field(&mut self, field: &FieldDescriptor) -> Value {
        let kind = field.kind();
        if let (true, Kind::Message(entry)) = (field.is_map(), &kind) {
            let values = self.single(&entry.map_entry_value_field().kind());
            return json!({"type": "object", "additionalProperties": values});
        }
        let single = self.single(&kind);
        if field.is_list() { json!({"type": "array", "items": single}) } else { single }
    }

    fn single(&mut self, kind: &Kind) -> Value {
        match kind {
            Kind::Message(message) => self.of(message),
            Kind::Enum(values) => self.choice(values),
            Kind::String => json!({"type": "string"}),
            Kind::Bool => json!({"type": "boolean"}),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => json!({"type": "integer", "format": "int32"}),
            Kind::Uint32 | Kind::Fixed32 => json!({"type": "integer", "format": "int32", "minimum": 0}),
            // As text: JavaScript's numbers are too small for these.
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                json!({"type": "string", "format": "int64", "pattern": "^-?[0-9]+$"})
            }
            Kind::Uint64 | Kind::Fixed64 => {
                json!({"type": "string", "format": "uint64", "pattern": "^[0-9]+$"})
            }
            Kind::Double | Kind::Float => json!({"type": "number"}),
            Kind::Bytes => json!({"type": "string"}),
        }
    }

    fn choice(&mut self, values: &EnumDescriptor) -> Value {
        let name = values.name().to_owned();
        let file = values.parent_file();
        let names: Vec<_> = values.values().map(|value| value.name().to_owned()).collect();
        let mut said = comment(&file, values.path());
        for value in values.values() {
            said.push_str(&format!("\n\n`{}`: {}", value.name(), comment(&file, value.path())));
        }
        self.0.insert(name.clone(), json!({"type": "string", "enum": names, "description": said}));
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    /// The parameters of a query: every field that stands neither in the path nor in the body, by its way.
    pub(super) fn query(&mut self, binding: &Binding, parameters: &mut Vec<Value>) {
        let mut way = Vec::new();
        self.query_of(&binding.rpc.input, binding, &mut way, parameters);
    }

    fn query_of(
        &mut self,
        message: &MessageDescriptor,
        binding: &Binding,
        way: &mut Vec<FieldDescriptor>,
        parameters: &mut Vec<Value>,
    ) {
        for field in message.fields() {
            way.push(field.clone());
            let is_body = way.len() == 1 && binding.body == Taken::Field(field.clone());
            // The other members of a choice that the path has made contradict it.
            let chosen =
                field.containing_oneof().filter(|group| !group.is_synthetic()).is_some_and(|group| {
                    group
                        .fields()
                        .any(|other| binding.places.iter().any(|steps| steps.last() == Some(&other)))
                });
            let kind = field.kind();
            if !(is_body || chosen || field.is_map() || binding.places.contains(way)) {
                match &kind {
                    Kind::Message(inner) if !inner.full_name().starts_with("google.") => {
                        if !field.is_list() {
                            self.query_of(inner, binding, way, parameters);
                        }
                    }
                    Kind::Message(inner) if inner.name() == "Struct" => {}
                    Kind::Message(_)
                    | Kind::Enum(_)
                    | Kind::String
                    | Kind::Bool
                    | Kind::Bytes
                    | Kind::Double
                    | Kind::Float
                    | Kind::Int32
                    | Kind::Int64
                    | Kind::Uint32
                    | Kind::Uint64
                    | Kind::Sint32
                    | Kind::Sint64
                    | Kind::Fixed32
                    | Kind::Fixed64
                    | Kind::Sfixed32
                    | Kind::Sfixed64 => {
                        let name = way.iter().map(FieldDescriptor::name).collect::<Vec<_>>().join(".");
                        let required = behavior(&field).contains(&REQUIRED);
                        let said = comment(&message.parent_file(), field.path());
                        let schema = self.field(&field);
                        parameters.push(json!({"name": name, "in": "query", "required": required,
                            "schema": schema, "description": said}));
                    }
                }
            }
            way.pop();
        }
    }
}

/// The message's name within its package.
fn name(message: &MessageDescriptor) -> String {
    let full = message.full_name();
    let inside = full.strip_prefix(message.package_name()).unwrap_or(full);
    let inside = inside.trim_start_matches('.').replace('.', "");
    if message.package_name() == "google.rpc" { format!("Rpc{inside}") } else { inside }
}

/// What `google.api.field_behavior` says.
fn behavior(field: &FieldDescriptor) -> Vec<i32> {
    let Some(extension) = field.parent_pool().get_extension_by_name("google.api.field_behavior") else {
        return Vec::new();
    };
    let options = field.options();
    let said = options.get_extension(&extension);
    said.as_list()
        .map_or_else(Vec::new, |list| list.iter().filter_map(|value| value.as_enum_number()).collect())
}

/// The comment at a place of the contract, its lines joined to paragraphs.
pub(super) fn comment(file: &FileDescriptor, path: &[i32]) -> String {
    let proto = file.file_descriptor_proto();
    let places = proto.source_code_info.as_ref().map_or(&[][..], |info| info.location.as_slice());
    let said = places.iter().find(|place| place.path == path).map_or("", |place| place.leading_comments());
    let paragraphs = said.split("\n \n").flat_map(|part| part.split("\n\n"));
    let joined = paragraphs.map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
    joined.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// The first sentence.
pub(super) fn summary(said: &str) -> &str {
    let end = said.find(". ").or_else(|| said.find(".\n")).unwrap_or(said.len());
    said.get(..end).unwrap_or(said).trim_end_matches('.')
}

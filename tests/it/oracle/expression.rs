//! Expressions: a small tree that is printed as CEL and evaluated strictly, read from the design. Nothing
//! here parses.

use std::collections::BTreeMap;

use agentguard::policy::{Request, Subject, Value};

use super::coverage::Form;
use super::time;

#[derive(Clone, Debug)]
pub enum Expression {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    List(Vec<Expression>),
    /// `action`, `resource`, `session_id`, `on_behalf_of`, `arguments`, `context`, `x`.
    Name(&'static str),
    /// `agent.name` and the like, but `labels`.
    Agent(&'static str),
    Label(&'static str),
    Field(Box<Expression>, &'static str),
    Index(Box<Expression>, Box<Expression>),
    Has(Box<Expression>, &'static str),
    HasLabel(&'static str),
    Not(Box<Expression>),
    Negative(Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Choice(Box<Expression>, Box<Expression>, Box<Expression>),
    /// `==`, `!=`, `<`, `<=`, `>`, `>=`.
    Compare(&'static str, Box<Expression>, Box<Expression>),
    In(Box<Expression>, Box<Expression>),
    /// `+`, `-`, `*`, `/`, `%`.
    Compute(&'static str, Box<Expression>, Box<Expression>),
    Size(Box<Expression>),
    /// `startsWith`, `endsWith`, `contains`.
    Search(&'static str, Box<Expression>, Box<Expression>),
    Matches(Box<Expression>, &'static str),
    /// `lowerAscii`, `upperAscii`.
    Case(&'static str, Box<Expression>),
    ToInt(Box<Expression>),
    ToDouble(Box<Expression>),
    /// `all`, `exists`, `exists_one`, `filter`, `map` over a list, with `x` as the element.
    Macro(&'static str, Box<Expression>, Box<Expression>),
    Now,
    Moment(&'static str, i64),
    /// `getHours` and the like, of `now`, in a zone.
    Clock(&'static str, Option<&'static str>),
    ToText(Box<Expression>),
}

use Expression as E;

type Meaning = fn(&str) -> bool;

/// The regular expressions that are used, each with what it means.
pub const REGEXES: [(&str, Meaning); 7] = [
    ("^a", |text| text.starts_with('a')),
    ("b$", |text| text.ends_with('b')),
    ("a.c", |text| {
        let chars: Vec<char> = text.chars().collect();
        chars.windows(3).any(|w| w[0] == 'a' && w[1] != '\n' && w[2] == 'c')
    }),
    ("[0-9]+", |text| text.contains(|c: char| c.is_ascii_digit())),
    ("^$", str::is_empty),
    ("a|z", |text| text.contains(['a', 'z'])),
    ("^[a-z]+$", |text| !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase())),
];

impl Expression {
    /// As CEL.
    pub fn print(&self) -> String {
        match self {
            E::Null => "null".into(),
            E::Bool(value) => value.to_string(),
            E::Int(value) => value.to_string(),
            E::Double(value) => format!("{value:?}"),
            E::Text(value) => format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'")),
            E::List(values) => {
                format!("[{}]", values.iter().map(Self::print).collect::<Vec<_>>().join(", "))
            }
            E::Name(name) => (*name).into(),
            E::Agent(name) => format!("agent.{name}"),
            E::Label(name) => format!("agent.labels.{name}"),
            E::Field(of, name) => format!("{}.{name}", of.print()),
            E::Index(of, at) => format!("{}[{}]", of.print(), at.print()),
            E::Has(of, name) => format!("has({}.{name})", of.print()),
            E::HasLabel(name) => format!("has(agent.labels.{name})"),
            E::Not(of) => format!("!({})", of.print()),
            E::Negative(of) => format!("-({})", of.print()),
            E::And(left, right) => format!("({} && {})", left.print(), right.print()),
            E::Or(left, right) => format!("({} || {})", left.print(), right.print()),
            E::Choice(if_, then, else_) => {
                format!("({} ? {} : {})", if_.print(), then.print(), else_.print())
            }
            E::Compare(op, left, right) | E::Compute(op, left, right) => {
                format!("({} {op} {})", left.print(), right.print())
            }
            E::In(of, list) => format!("({} in {})", of.print(), list.print()),
            E::Size(of) => format!("size({})", of.print()),
            E::Search(op, of, what) => format!("({}).{op}({})", of.print(), what.print()),
            E::Matches(of, regex) => format!("({}).matches('{regex}')", of.print()),
            E::Case(op, of) => format!("({}).{op}()", of.print()),
            E::ToInt(of) => format!("int({})", of.print()),
            E::ToDouble(of) => format!("double({})", of.print()),
            E::Macro(op, list, body) => format!("({}).{op}(x, {})", list.print(), body.print()),
            E::Now => "now".into(),
            E::Moment(text, _) => format!("timestamp('{text}')"),
            E::Clock(op, None) => format!("now.{op}()"),
            E::Clock(op, Some(zone)) => format!("now.{op}('{zone}')"),
            E::ToText(of) => format!("string({})", of.print()),
        }
    }
}

/// A value while an expression runs.
#[derive(Clone, Debug)]
pub enum V {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    List(Vec<V>),
    Map(BTreeMap<String, V>),
    Moment(i64),
}

impl From<&Value> for V {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => V::Null,
            Value::Bool(value) => V::Bool(*value),
            Value::Number(value) => V::Double(*value),
            Value::String(value) => V::Text(value.clone()),
            Value::List(values) => V::List(values.iter().map(V::from).collect()),
            Value::Object(members) => {
                V::Map(members.iter().map(|(key, value)| (key.clone(), V::from(value))).collect())
            }
        }
    }
}

/// Numbers are one kind.
fn kind(value: &V) -> u8 {
    match value {
        V::Null => 0,
        V::Bool(_) => 1,
        V::Int(_) | V::Double(_) => 2,
        V::Text(_) => 3,
        V::List(_) => 4,
        V::Map(_) => 5,
        V::Moment(_) => 6,
    }
}

fn number(value: &V) -> Option<f64> {
    match value {
        V::Int(value) => Some(*value as f64),
        V::Double(value) => Some(*value),
        _ => None,
    }
}

pub struct Scene<'a> {
    pub subject: &'a Subject,
    pub request: &'a Request,
    pub now: i64,
    pub element: Option<V>,
}

type Outcome = Result<V, Form>;

/// Whether the expression is true; the error says which form of error it is.
pub fn run(expression: &Expression, scene: &mut Scene<'_>) -> Result<bool, Form> {
    truth(evaluate(expression, scene)).map_err(|form| match expression {
        // Not a missing operand: the whole has a value that is no truth.
        E::Field(..) | E::Index(..) if form == Form::ErrorNotBoolean => Form::ErrorResultNotBoolean,
        _ => form,
    })
}

fn truth(outcome: Outcome) -> Result<bool, Form> {
    match outcome? {
        V::Bool(value) => Ok(value),
        _ => Err(Form::ErrorNotBoolean),
    }
}

fn text(outcome: Outcome) -> Result<String, Form> {
    match outcome? {
        V::Text(value) => Ok(value),
        _ => Err(Form::ErrorFunctionKind),
    }
}

fn and(left: Result<bool, Form>, right: Result<bool, Form>) -> Result<bool, Form> {
    match (left, right) {
        (Ok(false), _) | (_, Ok(false)) => Ok(false),
        (Err(form), _) | (_, Err(form)) => Err(form),
        (Ok(true), Ok(true)) => Ok(true),
    }
}

fn or(left: Result<bool, Form>, right: Result<bool, Form>) -> Result<bool, Form> {
    and(left.map(|value| !value), right.map(|value| !value)).map(|value| !value)
}

fn evaluate(expression: &Expression, scene: &mut Scene<'_>) -> Outcome {
    let claim = |value: &Option<String>, form| value.clone().map(V::Text).ok_or(form);
    let map = |object: &agentguard::policy::Object| V::from(&Value::Object(object.clone()));
    Ok(match expression {
        E::Null => V::Null,
        E::Bool(value) => V::Bool(*value),
        E::Int(value) => V::Int(*value),
        E::Double(value) => V::Double(*value),
        E::Text(value) => V::Text(value.clone()),
        E::List(values) => {
            V::List(values.iter().map(|value| evaluate(value, scene)).collect::<Result<_, _>>()?)
        }
        E::Name("action") => V::Text(scene.request.action.as_str().to_owned()),
        E::Name("resource") => claim(&scene.request.resource, Form::ErrorUnknownResource)?,
        E::Name("session_id") => claim(&scene.request.session_id, Form::ErrorMissing)?,
        E::Name("on_behalf_of") => claim(&scene.request.on_behalf_of, Form::ErrorMissing)?,
        E::Name("arguments") => map(&scene.request.arguments),
        E::Name("context") => map(&scene.request.context),
        E::Name(_) => scene.element.clone().unwrap(),
        E::Agent("id") => V::Text(scene.subject.id.as_str().to_owned()),
        E::Agent("name") => V::Text(scene.subject.name.clone()),
        E::Agent("team") => V::Text(scene.subject.team.clone()),
        E::Agent(_) => V::Text(scene.subject.environment.as_str().to_owned()),
        E::Label(name) => V::Text(scene.subject.labels.get(*name).cloned().ok_or(Form::ErrorMissing)?),
        E::HasLabel(name) => V::Bool(scene.subject.labels.contains_key(*name)),
        E::Field(of, name) => match evaluate(of, scene)? {
            V::Map(members) => members.get(*name).cloned().ok_or(Form::ErrorMissing)?,
            _ => return Err(Form::ErrorFieldOfNoObject),
        },
        E::Has(of, name) => match evaluate(of, scene)? {
            V::Map(members) => V::Bool(members.contains_key(*name)),
            _ => return Err(Form::ErrorFieldOfNoObject),
        },
        E::Index(of, at) => match (evaluate(of, scene)?, evaluate(at, scene)?) {
            (V::Map(members), V::Text(key)) => members.get(&key).cloned().ok_or(Form::ErrorMissing)?,
            (V::List(values), at) => {
                let at = number(&at).ok_or(Form::ErrorIndex)?;
                let at = (at >= 0.0 && at.fract() == 0.0).then_some(at as usize).ok_or(Form::ErrorIndex)?;
                values.get(at).cloned().ok_or(Form::ErrorIndex)?
            }
            _ => return Err(Form::ErrorIndex),
        },
        E::Not(of) => V::Bool(!truth(evaluate(of, scene))?),
        E::Negative(of) => match evaluate(of, scene)? {
            V::Int(value) => V::Int(-value),
            V::Double(value) => V::Double(-value),
            _ => return Err(Form::ErrorComputeKind),
        },
        E::And(left, right) => V::Bool(and(truth(evaluate(left, scene)), truth(evaluate(right, scene)))?),
        E::Or(left, right) => V::Bool(or(truth(evaluate(left, scene)), truth(evaluate(right, scene)))?),
        E::Choice(if_, then, else_) => match truth(evaluate(if_, scene))? {
            true => evaluate(then, scene)?,
            false => evaluate(else_, scene)?,
        },
        E::Compare(op, left, right) => {
            V::Bool(compare(op, &evaluate(left, scene)?, &evaluate(right, scene)?)?)
        }
        E::In(of, list) => V::Bool(is_in(&evaluate(of, scene)?, &evaluate(list, scene)?)?),
        E::Compute(op, left, right) => compute(op, evaluate(left, scene)?, evaluate(right, scene)?)?,
        E::Size(of) => V::Int(match evaluate(of, scene)? {
            V::Text(text) => text.chars().count(),
            V::List(values) => values.len(),
            V::Map(members) => members.len(),
            _ => return Err(Form::ErrorFunctionKind),
        } as i64),
        E::Search(op, of, what) => {
            let (of, what) = (text(evaluate(of, scene))?, text(evaluate(what, scene))?);
            V::Bool(match *op {
                "startsWith" => of.starts_with(&what),
                "endsWith" => of.ends_with(&what),
                _ => of.contains(&what),
            })
        }
        E::Matches(of, regex) => {
            let meaning = REGEXES.iter().find(|(text, _)| text == regex).unwrap().1;
            V::Bool(meaning(&text(evaluate(of, scene))?))
        }
        E::Case(op, of) => {
            let of = text(evaluate(of, scene))?;
            V::Text(if *op == "lowerAscii" { of.to_ascii_lowercase() } else { of.to_ascii_uppercase() })
        }
        E::ToInt(of) => V::Int(match evaluate(of, scene)? {
            V::Int(value) => value,
            V::Double(value) => value.trunc() as i64,
            V::Text(text) => text.parse().map_err(|_| Form::ErrorConversion)?,
            _ => return Err(Form::ErrorFunctionKind),
        }),
        E::ToDouble(of) => match evaluate(of, scene)? {
            V::Text(text) => V::Double(text.parse().map_err(|_| Form::ErrorConversion)?),
            of => V::Double(number(&of).ok_or(Form::ErrorFunctionKind)?),
        },
        E::Macro(op, list, body) => walk(op, evaluate(list, scene)?, body, scene)?,
        E::Now => V::Moment(scene.now),
        E::Moment(_, micros) => V::Moment(*micros),
        E::Clock(op, zone) => V::Int(time::part(scene.now, op, *zone)),
        E::ToText(of) => V::Text(match evaluate(of, scene)? {
            V::Text(text) => text,
            V::Bool(value) => value.to_string(),
            // A whole number is shown without a fraction.
            V::Int(value) => value.to_string(),
            V::Double(value) => value.to_string(),
            _ => return Err(Form::ErrorFunctionKind),
        }),
    })
}

fn walk(op: &str, over: V, body: &Expression, scene: &mut Scene<'_>) -> Outcome {
    let elements = match over {
        V::List(elements) => elements,
        V::Map(members) => members.into_keys().map(V::Text).collect(),
        _ => return Err(Form::ErrorMacroKind),
    };
    let outer = scene.element.take();
    let mut outcomes = Vec::new();
    for element in &elements {
        scene.element = Some(element.clone());
        outcomes.push(evaluate(body, scene));
    }
    scene.element = outer;
    if op == "map" {
        return Ok(V::List(outcomes.into_iter().collect::<Result<_, _>>()?));
    }
    let truths: Vec<Result<bool, Form>> = outcomes.into_iter().map(truth).collect();
    Ok(match op {
        "all" => V::Bool(truths.into_iter().fold(Ok(true), and)?),
        "exists" => V::Bool(truths.into_iter().fold(Ok(false), or)?),
        _ => {
            let truths: Vec<bool> = truths.into_iter().collect::<Result<_, _>>()?;
            let kept = elements.into_iter().zip(truths).filter(|(_, is_kept)| *is_kept);
            let kept: Vec<V> = kept.map(|(element, _)| element).collect();
            if op == "filter" { V::List(kept) } else { V::Bool(kept.len() == 1) }
        }
    })
}

/// Equality; values of different kinds have none, but `null` differs from everything else.
fn equal(left: &V, right: &V) -> Result<bool, Form> {
    Ok(match (left, right) {
        (V::Null, V::Null) => true,
        (V::Null, _) | (_, V::Null) => false,
        (V::Bool(left), V::Bool(right)) => left == right,
        (V::Text(left), V::Text(right)) => left == right,
        (V::Moment(left), V::Moment(right)) => left == right,
        (V::List(left), V::List(right)) => {
            let same = left.len() == right.len();
            let pairs = left.iter().zip(right).map(|(left, right)| equal(left, right));
            if same { all_equal(pairs)? } else { false }
        }
        (V::Map(left), V::Map(right)) => {
            let same = left.len() == right.len() && left.keys().all(|key| right.contains_key(key));
            let pairs = left.iter().filter_map(|(key, left)| Some(equal(left, right.get(key)?)));
            if same { all_equal(pairs)? } else { false }
        }
        (left, right) => match (number(left), number(right)) {
            (Some(left), Some(right)) => left == right,
            _ => return Err(Form::ErrorEqualityKinds),
        },
    })
}

/// A pair of different kinds is an error whatever the other pairs are.
fn all_equal(pairs: impl Iterator<Item = Result<bool, Form>>) -> Result<bool, Form> {
    let pairs: Vec<bool> = pairs.collect::<Result<_, _>>()?;
    Ok(pairs.into_iter().all(|is_equal| is_equal))
}

fn compare(op: &str, left: &V, right: &V) -> Result<bool, Form> {
    match op {
        "==" => return equal(left, right),
        "!=" => return equal(left, right).map(|is_equal| !is_equal),
        _ => {}
    }
    let order = match (left, right) {
        (V::Bool(left), V::Bool(right)) => left.cmp(right),
        (V::Text(left), V::Text(right)) => left.cmp(right),
        (V::Moment(left), V::Moment(right)) => left.cmp(right),
        (left, right) => match (number(left), number(right)) {
            (Some(left), Some(right)) => left.partial_cmp(&right).unwrap(),
            _ => return Err(Form::ErrorOrderingKinds),
        },
    };
    Ok(match op {
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    })
}

fn is_in(of: &V, list: &V) -> Result<bool, Form> {
    match list {
        V::List(values) => {
            let mut other_kind = None;
            for value in values {
                if kind(of) != kind(value) {
                    other_kind = Some(Form::ErrorInKinds);
                    continue;
                }
                match equal(of, value) {
                    Ok(true) => return Ok(true),
                    Ok(false) => {}
                    Err(_) => other_kind = Some(Form::ErrorInKinds),
                }
            }
            other_kind.map_or(Ok(false), Err)
        }
        V::Map(members) => match of {
            V::Text(key) => Ok(members.contains_key(key)),
            _ => Err(Form::ErrorInKinds),
        },
        _ => Err(Form::ErrorInNoList),
    }
}

fn compute(op: &str, left: V, right: V) -> Outcome {
    Ok(match (op, left, right) {
        ("+", V::Text(left), V::Text(right)) => V::Text(left + &right),
        ("+", V::List(mut left), V::List(right)) => {
            left.extend(right);
            V::List(left)
        }
        ("/" | "%", V::Int(_), V::Int(0)) => return Err(Form::ErrorDivisionByZero),
        (op, V::Int(left), V::Int(right)) => V::Int(match op {
            "+" => left + right,
            "-" => left - right,
            "*" => left * right,
            "/" => left / right,
            _ => left % right,
        }),
        (op, left, right) => {
            let left = number(&left).ok_or(Form::ErrorComputeKind)?;
            let right = number(&right).ok_or(Form::ErrorComputeKind)?;
            V::Double(match op {
                "+" => left + right,
                "-" => left - right,
                "*" => left * right,
                "/" if right == 0.0 => return Err(Form::ErrorDivisionByZero),
                "/" => left / right,
                _ => return Err(Form::ErrorComputeKind),
            })
        }
    })
}

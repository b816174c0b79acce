//! Values while an expression runs, and what can be done with two of them.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::Failure;
use super::node::{Number, Operator};
use crate::clock::Timestamp;
use crate::policy::meter::Meter;
use crate::policy::value::{Object, Value};

/// Bytes of text that one step pays for when they are compared or searched.
const TEXT_BYTES_PER_STEP: usize = 16;
/// Steps that making a text costs, besides those for its bytes: memory is taken and given back.
pub(super) const MADE_TEXT_STEPS: u32 = 8;

/// Steps that finding a member costs, or beginning to compare two objects, besides those for keys.
const MEMBER_STEPS: u32 = 4;
/// An empty text that lies in memory. The pointer of an empty `String` points nowhere, and comparing no bytes
/// there costs some processors a hundred times as much as it should: a masked load that must not fault.
const EMPTY: &str = "empty".split_at(0).0;

/// A value while an expression runs.
#[derive(Clone, Debug)]
pub(super) enum Val<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(&'a str),
    MadeText(Rc<str>),
    List(&'a [Value]),
    MadeList(Rc<[Val<'a>]>),
    Object(&'a Object),
    Labels(&'a BTreeMap<String, String>),
    Time(Timestamp),
}

impl<'a> From<&'a Value> for Val<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(value) => Self::Number(Number::Double(*value)),
            Value::String(text) => Self::Text(text),
            Value::List(values) => Self::List(values),
            Value::Object(members) => Self::Object(members),
        }
    }
}

impl<'a> Val<'a> {
    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text("") => Some(EMPTY),
            Self::Text(text) => Some(text),
            Self::MadeText(text) => Some(text),
            Self::Null
            | Self::Bool(_)
            | Self::Number(_)
            | Self::List(_)
            | Self::MadeList(_)
            | Self::Object(_)
            | Self::Labels(_)
            | Self::Time(_) => None,
        }
    }

    /// Whether it is neither list nor object.
    pub(super) const fn is_scalar(&self) -> bool {
        match self {
            Self::Null
            | Self::Bool(_)
            | Self::Number(_)
            | Self::Text(_)
            | Self::MadeText(_)
            | Self::Time(_) => true,
            Self::List(_) | Self::MadeList(_) | Self::Object(_) | Self::Labels(_) => false,
        }
    }

    /// The number of elements, if it is a list.
    pub(super) fn list_len(&self) -> Option<usize> {
        match self {
            Self::List(values) => Some(values.len()),
            Self::MadeList(values) => Some(values.len()),
            Self::Null
            | Self::Bool(_)
            | Self::Number(_)
            | Self::Text(_)
            | Self::MadeText(_)
            | Self::Object(_)
            | Self::Labels(_)
            | Self::Time(_) => None,
        }
    }

    /// The element at `index`, if it is a list that has one.
    pub(super) fn element(&self, index: usize) -> Option<Val<'a>> {
        match self {
            Self::List(values) => values.get(index).map(Val::from),
            Self::MadeList(values) => values.get(index).cloned(),
            Self::Null
            | Self::Bool(_)
            | Self::Number(_)
            | Self::Text(_)
            | Self::MadeText(_)
            | Self::Object(_)
            | Self::Labels(_)
            | Self::Time(_) => None,
        }
    }

    /// The number of members, if it is an object.
    pub(super) fn member_count(&self) -> Option<usize> {
        match self {
            Self::Object(members) => Some(members.len()),
            Self::Labels(labels) => Some(labels.len()),
            Self::Null
            | Self::Bool(_)
            | Self::Number(_)
            | Self::Text(_)
            | Self::MadeText(_)
            | Self::List(_)
            | Self::MadeList(_)
            | Self::Time(_) => None,
        }
    }

    /// The names of the members, if it is an object.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'a str> {
        let (members, labels) = match *self {
            Self::Object(members) => (Some(members), None),
            Self::Labels(labels) => (None, Some(labels)),
            Self::Null
            | Self::Bool(_)
            | Self::Number(_)
            | Self::Text(_)
            | Self::MadeText(_)
            | Self::List(_)
            | Self::MadeList(_)
            | Self::Time(_) => (None, None),
        };
        let members = members.into_iter().flat_map(|members| members.keys());
        members.chain(labels.into_iter().flat_map(|labels| labels.keys())).map(String::as_str)
    }

    /// The member called `name`; an error if it has none or is no object.
    pub(super) fn member(&self, name: &str, meter: &mut Meter) -> Result<Option<Val<'a>>, Failure> {
        // A look-up compares `name` with several keys at each level of a tree, and all may begin alike.
        let count = self.member_count().unwrap_or(0);
        let levels = usize::BITS - count.leading_zeros();
        let per_level = u32::try_from(name.len() / 32).unwrap_or(u32::MAX);
        meter.spend(per_level.saturating_add(1).saturating_mul(levels).saturating_add(MEMBER_STEPS))?;
        match self {
            Self::Object(members) => Ok(members.get(name).map(Val::from)),
            Self::Labels(labels) => Ok(labels.get(name).map(|text| Val::Text(text))),
            Self::Null
            | Self::Bool(_)
            | Self::Number(_)
            | Self::Text(_)
            | Self::MadeText(_)
            | Self::List(_)
            | Self::MadeList(_)
            | Self::Time(_) => Err(Failure::Error("a field is selected of a value that is no object")),
        }
    }
}

/// `==`: over different kinds an error, so that `"150"` cannot dodge `150`; `null` equals `null` alone.
pub(super) fn equal(left: &Val<'_>, right: &Val<'_>, meter: &mut Meter) -> Result<bool, Failure> {
    meter.spend(1)?;
    if let (Some(left), Some(right)) = (left.text(), right.text()) {
        meter.spend_bytes(left.len().min(right.len()), TEXT_BYTES_PER_STEP)?;
        return Ok(left == right);
    }
    match (left, right) {
        (Val::Null, Val::Null) => return Ok(true),
        (Val::Null, _) | (_, Val::Null) => return Ok(false),
        (Val::Bool(left), Val::Bool(right)) => return Ok(left == right),
        (Val::Number(left), Val::Number(right)) => return Ok(compare_numbers(*left, *right).is_eq()),
        (Val::Time(left), Val::Time(right)) => return Ok(left == right),
        (Val::Labels(left), Val::Labels(right)) => {
            meter.spend_bytes(left.iter().map(|(key, text)| key.len() + text.len() + 16).sum(), 16)?;
            return Ok(left == right);
        }
        _ => {}
    }
    if let (Some(count), Some(other)) = (left.list_len(), right.list_len()) {
        return if count == other { equal_lists(left, right, count, meter) } else { Ok(false) };
    }
    match (left, right) {
        (Val::Object(left), Val::Object(right)) => equal_objects(left, right, meter),
        (Val::Object(members), Val::Labels(labels)) | (Val::Labels(labels), Val::Object(members)) => {
            equal_labels(labels, members, meter)
        }
        _ => Err(Failure::Error("values of different kinds are compared")),
    }
}

fn equal_lists(left: &Val<'_>, right: &Val<'_>, count: usize, meter: &mut Meter) -> Result<bool, Failure> {
    let mut is_equal = true;
    for index in 0..count {
        if let (Some(left), Some(right)) = (left.element(index), right.element(index)) {
            is_equal &= equal(&left, &right, meter)?;
        }
    }
    Ok(is_equal)
}

fn equal_objects(left: &Object, right: &Object, meter: &mut Meter) -> Result<bool, Failure> {
    meter.spend(MEMBER_STEPS)?;
    for (one, other) in left.keys().zip(right.keys()) {
        meter.spend_bytes(one.len().min(other.len()), TEXT_BYTES_PER_STEP)?;
    }
    if !left.keys().eq(right.keys()) {
        return Ok(false);
    }
    let mut is_equal = true;
    for (left, right) in left.values().zip(right.values()) {
        is_equal &= equal(&Val::from(left), &Val::from(right), meter)?;
    }
    Ok(is_equal)
}

fn equal_labels(
    labels: &BTreeMap<String, String>,
    members: &Object,
    meter: &mut Meter,
) -> Result<bool, Failure> {
    for key in labels.keys() {
        meter.spend_bytes(key.len(), TEXT_BYTES_PER_STEP)?;
    }
    if !labels.keys().eq(members.keys()) {
        return Ok(false);
    }
    let mut is_equal = true;
    for (left, right) in labels.values().zip(members.values()) {
        is_equal &= equal(&Val::Text(left), &Val::from(right), meter)?;
    }
    Ok(is_equal)
}

/// `<` and its kin: numbers, texts, booleans and points in time, each among themselves.
pub(super) fn compare(left: &Val<'_>, right: &Val<'_>, meter: &mut Meter) -> Result<Ordering, Failure> {
    meter.spend(1)?;
    if let (Some(left), Some(right)) = (left.text(), right.text()) {
        meter.spend_bytes(left.len().min(right.len()), TEXT_BYTES_PER_STEP)?;
        return Ok(left.cmp(right));
    }
    match (left, right) {
        (Val::Number(left), Val::Number(right)) => Ok(compare_numbers(*left, *right)),
        (Val::Bool(left), Val::Bool(right)) => Ok(left.cmp(right)),
        (Val::Time(left), Val::Time(right)) => Ok(left.cmp(right)),
        _ => Err(Failure::Error("values are ordered that have no order among them")),
    }
}

/// `in`: an error if no element is equal and one is of another kind.
pub(super) fn contains(item: &Val<'_>, of: &Val<'_>, meter: &mut Meter) -> Result<bool, Failure> {
    if let Some(count) = of.list_len() {
        let mut error = None;
        for index in 0..count {
            let Some(element) = of.element(index) else { break };
            // `null` is a kind of its own here.
            if matches!(item, Val::Null) != matches!(element, Val::Null) {
                meter.spend(1)?;
                error = Some(Failure::Error("`in` compares values of different kinds"));
                continue;
            }
            match equal(item, &element, meter) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(Failure::OverBudget) => return Err(Failure::OverBudget),
                Err(failure) => error = Some(failure),
            }
        }
        return error.map_or(Ok(false), Err);
    }
    match (of, item.text()) {
        (Val::Object(_) | Val::Labels(_), Some(key)) => Ok(of.member(key, meter)?.is_some()),
        (Val::Object(_) | Val::Labels(_), None) => {
            Err(Failure::Error("`in` wants a text as a key of an object"))
        }
        _ => Err(Failure::Error("`in` wants a list or an object on its right")),
    }
}

/// Exact, also where a double cannot hold the integer. Doubles are finite here.
#[allow(clippy::cast_possible_truncation, reason = "the double is within the integers' range")]
pub(super) fn compare_numbers(left: Number, right: Number) -> Ordering {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    match (left, right) {
        (Number::Int(left), Number::Int(right)) => left.cmp(&right),
        (Number::Double(left), Number::Double(right)) => {
            left.partial_cmp(&right).unwrap_or_else(|| left.total_cmp(&right))
        }
        (Number::Double(_), Number::Int(_)) => compare_numbers(right, left).reverse(),
        (Number::Int(_), Number::Double(right)) if right >= LIMIT => Ordering::Less,
        (Number::Int(_), Number::Double(right)) if right < -LIMIT => Ordering::Greater,
        (Number::Int(left), Number::Double(right)) => {
            left.cmp(&(right.trunc() as i64)).then_with(|| 0.0f64.total_cmp(&(right.fract() + 0.0)))
        }
    }
}

/// Arithmetic on numbers, and `+` on texts.
pub(super) fn compute<'a>(
    operator: Operator,
    left: &Val<'a>,
    right: &Val<'a>,
    meter: &mut Meter,
) -> Result<Val<'a>, Failure> {
    if let (Operator::Add, Some(left), Some(right)) = (operator, left.text(), right.text()) {
        meter.spend(MADE_TEXT_STEPS)?;
        meter.spend_bytes(left.len() + right.len(), 4)?;
        return Ok(Val::MadeText(format!("{left}{right}").into()));
    }
    match (left, right) {
        (Val::Number(left), Val::Number(right)) => compute_numbers(operator, *left, *right).map(Val::Number),
        _ => Err(Failure::Error("arithmetic on values that are no numbers")),
    }
}

#[allow(clippy::cast_precision_loss, reason = "an integer that meets a double becomes one, as in CEL")]
fn compute_numbers(operator: Operator, left: Number, right: Number) -> Result<Number, Failure> {
    let whole = match (left, right) {
        (Number::Int(left), Number::Int(right)) => Some((left, right)),
        // What an agent sends is always a double; a remainder is wanted of whole numbers.
        _ if operator == Operator::Remainder => match (whole(left), whole(right)) {
            (Some(left), Some(right)) => Some((left, right)),
            _ => return Err(Failure::Error("`%` of numbers that are not whole")),
        },
        _ => None,
    };
    if let Some((left, right)) = whole {
        if right == 0 && matches!(operator, Operator::Divide | Operator::Remainder) {
            return Err(Failure::Error("division by zero"));
        }
        let result = match operator {
            Operator::Add => left.checked_add(right),
            Operator::Subtract => left.checked_sub(right),
            Operator::Multiply => left.checked_mul(right),
            Operator::Divide => left.checked_div(right),
            Operator::Remainder => left.checked_rem(right),
        };
        return result.map(Number::Int).ok_or(Failure::Error("an integer overflows"));
    }
    let double = |number| match number {
        Number::Int(value) => value as f64,
        Number::Double(value) => value,
    };
    let (left, right) = (double(left), double(right));
    let result = match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        Operator::Remainder => left % right,
    };
    if result.is_finite() {
        Ok(Number::Double(result))
    } else {
        Err(Failure::Error("a number is not finite"))
    }
}

/// The number as an integer, if it is one that a double holds exactly.
#[allow(clippy::cast_possible_truncation, reason = "the double is whole and within 2^53")]
pub(super) fn whole(number: Number) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number {
        Number::Int(value) => Some(value),
        Number::Double(value) => (value.fract() == 0.0 && value.abs() <= EXACT).then_some(value as i64),
    }
}

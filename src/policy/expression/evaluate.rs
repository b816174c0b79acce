//! Runs an expression, step by counted step.

use std::rc::Rc;

use super::Failure;
use super::node::{Comparison, Comprehension, Each, Function, Node, Number, Part, Variable};
use super::operate::{MADE_TEXT_STEPS, Val, compare, compute, contains, equal, whole};
use crate::clock::Timestamp;
use crate::policy::meter::Meter;
use crate::policy::request::Request;
use crate::policy::subject::Subject;

/// Steps that a part of a date costs.
const CALENDAR_STEPS: u32 = 40;
/// Steps that making a list costs, besides those of its elements.
const LIST_STEPS: u32 = 8;
/// Steps that reading a text as a time costs.
const TIME_TEXT_STEPS: u32 = 40;
/// Steps that reading a text as a whole number costs.
const INT_TEXT_STEPS: u32 = 6;
/// Steps that reading a text as a number costs if it may have too many digits to be read in one go: where it lies
/// just between two doubles, hundreds of digits are calculated with.
const LONG_DOUBLE_STEPS: u32 = 1_200;
/// Steps that reading a text of few digits as a number costs.
const SHORT_DOUBLE_STEPS: u32 = 10;
/// Bytes of a text that has few digits: 19 are read in one go.
const SHORT_DOUBLE_BYTES: usize = 19;
/// Steps that writing down a double costs, which may take more than 300 digits.
const DOUBLE_TO_TEXT_STEPS: u32 = 200;

pub(super) fn run(
    node: &Node,
    subject: &Subject,
    request: &Request,
    now: Timestamp,
    meter: &mut Meter,
) -> Result<bool, Failure> {
    Run { subject, request, now, meter, item: None }.boolean(node)
}

struct Run<'a, 'm> {
    subject: &'a Subject,
    request: &'a Request,
    now: Timestamp,
    meter: &'m mut Meter,
    /// The element that the comprehension is at.
    item: Option<Val<'a>>,
}

type Evaluated<'a> = Result<Val<'a>, Failure>;

impl<'a> Run<'a, '_> {
    fn boolean(&mut self, node: &'a Node) -> Result<bool, Failure> {
        let Val::Bool(value) = self.value(node)? else {
            return Err(Failure::Error("a value is no boolean where one is wanted"));
        };
        Ok(value)
    }

    fn value(&mut self, node: &'a Node) -> Evaluated<'a> {
        self.meter.spend(1)?;
        Ok(match node {
            Node::Null => Val::Null,
            Node::Bool(value) => Val::Bool(*value),
            Node::Number(value) => Val::Number(*value),
            Node::Text(text) => Val::Text(text),
            Node::Variable(variable) => self.variable(*variable)?,
            Node::Item => self.item.clone().ok_or(Failure::Error("there is no element"))?,
            Node::Select(of, field) => {
                let of = self.value(of)?;
                of.member(field, self.meter)?.ok_or(Failure::Error("a field is missing"))?
            }
            Node::Has(of, field) => {
                let of = self.value(of)?;
                Val::Bool(of.member(field, self.meter)?.is_some())
            }
            Node::Index(pair) => {
                let (of, index) = self.pair(pair)?;
                self.index(&of, &index)?
            }
            Node::Not(of) => Val::Bool(!self.boolean(of)?),
            Node::Negate(of) => {
                let Val::Number(number) = self.value(of)? else {
                    return Err(Failure::Error("`-` of a value that is no number"));
                };
                Val::Number(match number {
                    Number::Double(value) => Number::Double(-value),
                    Number::Int(value) => {
                        Number::Int(value.checked_neg().ok_or(Failure::Error("an integer overflows"))?)
                    }
                })
            }
            Node::And(pair) => Val::Bool(self.unless(pair, false)?),
            Node::Or(pair) => Val::Bool(self.unless(pair, true)?),
            Node::Conditional(parts) => {
                let [condition, yes, no] = &**parts;
                let branch = if self.boolean(condition)? { yes } else { no };
                self.value(branch)?
            }
            Node::Compare(comparison, pair) => {
                let (left, right) = self.pair(pair)?;
                Val::Bool(match comparison {
                    Comparison::Equal => equal(&left, &right, self.meter)?,
                    Comparison::NotEqual => !equal(&left, &right, self.meter)?,
                    Comparison::Less => compare(&left, &right, self.meter)?.is_lt(),
                    Comparison::LessOrEqual => compare(&left, &right, self.meter)?.is_le(),
                    Comparison::Greater => compare(&left, &right, self.meter)?.is_gt(),
                    Comparison::GreaterOrEqual => compare(&left, &right, self.meter)?.is_ge(),
                })
            }
            Node::Arithmetic(operator, pair) => {
                let (left, right) = self.pair(pair)?;
                compute(*operator, &left, &right, self.meter)?
            }
            Node::In(pair) => {
                let (item, of) = self.pair(pair)?;
                Val::Bool(contains(&item, &of, self.meter)?)
            }
            Node::List(nodes) => {
                self.meter.spend(LIST_STEPS)?;
                let values: Result<Rc<[Val<'a>]>, Failure> =
                    nodes.iter().map(|node| self.value(node)).collect();
                Val::MadeList(values?)
            }
            Node::Call(function, operands) => self.call(*function, operands)?,
            Node::Matches(text, matcher) => {
                let text = self.value(text)?;
                let text = text.text().ok_or(Failure::Error("`matches` of a value that is no text"))?;
                Val::Bool(matcher.is_match(text, self.meter)?)
            }
            Node::Calendar(part, of, zone) => {
                let Val::Time(at) = self.value(of)? else {
                    return Err(Failure::Error("a part of a date of a value that is no timestamp"));
                };
                self.meter.spend(CALENDAR_STEPS)?;
                Val::Number(Number::Int(calendar(*part, zone.local_micros(at))?))
            }
            Node::Comprehension(comprehension) => self.comprehension(comprehension)?,
        })
    }

    fn pair(&mut self, pair: &'a [Node; 2]) -> Result<(Val<'a>, Val<'a>), Failure> {
        let [left, right] = pair;
        Ok((self.value(left)?, self.value(right)?))
    }

    fn variable(&mut self, variable: Variable) -> Evaluated<'a> {
        let (subject, request) = (self.subject, self.request);
        let claimed =
            |text: &'a Option<String>, missing| text.as_deref().map(Val::Text).ok_or(Failure::Error(missing));
        match variable {
            Variable::AgentId => Ok(Val::Text(subject.id.as_str())),
            Variable::AgentName => Ok(Val::Text(&subject.name)),
            Variable::AgentTeam => Ok(Val::Text(&subject.team)),
            Variable::AgentEnvironment => Ok(Val::Text(subject.environment.as_str())),
            Variable::AgentLabels => Ok(Val::Labels(&subject.labels)),
            Variable::Action => Ok(Val::Text(request.action.as_str())),
            Variable::Resource => claimed(&request.resource, "the request names no resource"),
            Variable::Arguments => Ok(Val::Object(&request.arguments)),
            Variable::Context => Ok(Val::Object(&request.context)),
            Variable::SessionId => claimed(&request.session_id, "the request has no session_id"),
            Variable::OnBehalfOf => claimed(&request.on_behalf_of, "the request has no on_behalf_of"),
            Variable::Now => Ok(Val::Time(self.now)),
        }
    }

    fn index(&mut self, of: &Val<'a>, index: &Val<'a>) -> Evaluated<'a> {
        if let Some(key) = index.text() {
            return of.member(key, self.meter)?.ok_or(Failure::Error("a field is missing"));
        }
        let Val::Number(number) = index else {
            return Err(Failure::Error("an index is neither number nor text"));
        };
        if of.list_len().is_none() {
            return Err(Failure::Error("an element is taken of a value that is no list"));
        }
        whole(*number)
            .and_then(|index| usize::try_from(index).ok())
            .and_then(|index| of.element(index))
            .ok_or(Failure::Error("a list has no such element"))
    }

    /// `&&` and `||`: either side being `decisive` decides, whatever the other does.
    fn unless(&mut self, pair: &'a [Node; 2], decisive: bool) -> Result<bool, Failure> {
        let [left, right] = pair;
        let left = self.boolean(left);
        if left == Ok(decisive) || left == Err(Failure::OverBudget) {
            return left;
        }
        let right = self.boolean(right);
        if right == Ok(decisive) || right == Err(Failure::OverBudget) {
            return right;
        }
        left.and(right)
    }

    fn call(&mut self, function: Function, operands: &'a [Node]) -> Evaluated<'a> {
        let mut values = operands.iter();
        let mut next = || values.next().ok_or(Failure::Error("an argument is missing"));
        let first = self.value(next()?)?;
        match function {
            Function::StartsWith | Function::EndsWith | Function::Contains => {
                let second = self.value(next()?)?;
                let (Some(text), Some(part)) = (first.text(), second.text()) else {
                    return Err(Failure::Error("a function of texts is called on a value that is none"));
                };
                let bytes = if function == Function::Contains { text.len() + part.len() } else { part.len() };
                self.meter.spend_bytes(bytes, 4)?;
                let holds = if function == Function::StartsWith {
                    text.starts_with(part)
                } else if function == Function::EndsWith {
                    text.ends_with(part)
                } else {
                    text.contains(part)
                };
                Ok(Val::Bool(holds))
            }
            Function::LowerAscii | Function::UpperAscii => {
                let text = first
                    .text()
                    .ok_or(Failure::Error("a function of texts is called on a value that is none"))?;
                self.meter.spend(MADE_TEXT_STEPS)?;
                self.meter.spend_bytes(text.len(), 2)?;
                let is_lower = function == Function::LowerAscii;
                let made = if is_lower { text.to_ascii_lowercase() } else { text.to_ascii_uppercase() };
                Ok(Val::MadeText(made.into()))
            }
            Function::Size => self.size(&first),
            Function::String => self.string(first),
            Function::Int => {
                self.meter.spend(if first.text().is_some() { INT_TEXT_STEPS } else { 0 })?;
                int(&first)
            }
            Function::Double => {
                self.meter.spend(match first.text() {
                    None => 0,
                    Some(text) if text.len() <= SHORT_DOUBLE_BYTES => SHORT_DOUBLE_STEPS,
                    Some(_) => LONG_DOUBLE_STEPS,
                })?;
                double(&first)
            }
            Function::Timestamp => {
                if let Val::Time(_) = first {
                    return Ok(first);
                }
                self.meter.spend(TIME_TEXT_STEPS)?;
                let at = first.text().filter(|text| text.len() <= 64).and_then(Timestamp::parse);
                at.map(Val::Time).ok_or(Failure::Error("`timestamp` of a value that is no RFC 3339 time"))
            }
        }
    }

    fn size(&mut self, of: &Val<'a>) -> Evaluated<'a> {
        let count = if let Some(text) = of.text() {
            self.meter.spend_bytes(text.len(), 16)?;
            text.chars().count()
        } else if let Some(count) = of.list_len().or_else(|| of.member_count()) {
            count
        } else {
            return Err(Failure::Error("`size` of a value that has none"));
        };
        Ok(Val::Number(Number::Int(i64::try_from(count).unwrap_or(i64::MAX))))
    }

    fn string(&mut self, of: Val<'a>) -> Evaluated<'a> {
        self.meter.spend(CALENDAR_STEPS)?;
        let text = match of {
            Val::Text(_) | Val::MadeText(_) => return Ok(of),
            Val::Bool(value) => value.to_string(),
            Val::Number(Number::Int(value)) => value.to_string(),
            Val::Number(Number::Double(value)) => {
                self.meter.spend(DOUBLE_TO_TEXT_STEPS)?;
                value.to_string()
            }
            Val::Time(at) => at.to_string(),
            Val::Null | Val::List(_) | Val::MadeList(_) | Val::Object(_) | Val::Labels(_) => {
                return Err(Failure::Error("`string` of a value that is no scalar"));
            }
        };
        Ok(Val::MadeText(text.into()))
    }

    fn comprehension(&mut self, comprehension: &'a Comprehension) -> Evaluated<'a> {
        let mut range = self.value(&comprehension.range)?;
        if let Some(count) = range.member_count() {
            self.meter.spend_bytes(count, 1)?;
            range = Val::MadeList(range.keys().map(Val::Text).collect());
        }
        if range.list_len().is_none() {
            return Err(Failure::Error("a comprehension over a value that is neither list nor object"));
        }
        let result = self.each(&comprehension.each, &range);
        self.item = None;
        result
    }

    fn each(&mut self, each: &'a Each, range: &Val<'a>) -> Evaluated<'a> {
        let count = range.list_len().unwrap_or(0);
        let mut made = Vec::new();
        let (mut found, mut error) = (0usize, None);
        for index in 0..count {
            self.meter.spend(2)?;
            self.item = range.element(index);
            match each {
                Each::All(test) | Each::Exists(test) => {
                    let decisive = matches!(each, Each::Exists(_));
                    match self.boolean(test) {
                        Ok(value) if value == decisive => return Ok(Val::Bool(decisive)),
                        Ok(_) => {}
                        Err(Failure::OverBudget) => return Err(Failure::OverBudget),
                        Err(failure) => error = error.or(Some(failure)),
                    }
                }
                Each::ExistsOne(test) => found += usize::from(self.boolean(test)?),
                Each::Filter(test) => {
                    if self.boolean(test)? {
                        self.meter.spend(1)?;
                        made.extend(range.element(index));
                    }
                }
                Each::Map(test, body) => {
                    if test.as_ref().map_or(Ok(true), |test| self.boolean(test))? {
                        let value = self.value(body)?;
                        if !value.is_scalar() {
                            return Err(Failure::Error("a `map` makes a value that is no scalar"));
                        }
                        self.meter.spend(1)?;
                        made.push(value);
                    }
                }
            }
        }
        match (each, error) {
            (_, Some(failure)) => Err(failure),
            (Each::All(_), None) => Ok(Val::Bool(true)),
            (Each::Exists(_), None) => Ok(Val::Bool(false)),
            (Each::ExistsOne(_), None) => Ok(Val::Bool(found == 1)),
            (Each::Filter(_) | Each::Map(..), None) => Ok(Val::MadeList(made.into())),
        }
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the number is checked to be within the integers' range")]
fn int<'a>(of: &Val<'a>) -> Evaluated<'a> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let value = if let Val::Number(number) = of {
        match *number {
            Number::Int(value) => Some(value),
            Number::Double(value) => (-LIMIT..LIMIT).contains(&value).then_some(value as i64),
        }
    } else {
        of.text().filter(|text| text.len() <= 32).and_then(|text| text.parse().ok())
    };
    value.map(|value| Val::Number(Number::Int(value))).ok_or(Failure::Error("`int` of a value that is none"))
}

#[allow(clippy::cast_precision_loss, reason = "an integer that is made a double is rounded, as in CEL")]
fn double<'a>(of: &Val<'a>) -> Evaluated<'a> {
    let value = if let Val::Number(number) = of {
        Some(match *number {
            Number::Int(value) => value as f64,
            Number::Double(value) => value,
        })
    } else {
        of.text().filter(|text| text.len() <= 64).and_then(|text| text.parse().ok())
    };
    value
        .filter(|value| value.is_finite())
        .map(|value| Val::Number(Number::Double(value)))
        .ok_or(Failure::Error("`double` of a value that is none"))
}

fn calendar(part: Part, local_micros: i64) -> Result<i64, Failure> {
    let instant = jiff::Timestamp::from_microsecond(local_micros)
        .map_err(|_| Failure::Error("a time is outside the calendar"))?;
    let local = jiff::tz::TimeZone::UTC.to_datetime(instant);
    Ok(match part {
        Part::FullYear => i64::from(local.year()),
        Part::Month => i64::from(local.month()) - 1,
        Part::Date => i64::from(local.day()),
        Part::DayOfMonth => i64::from(local.day()) - 1,
        Part::DayOfWeek => i64::from(local.date().weekday().to_sunday_zero_offset()),
        Part::DayOfYear => i64::from(local.date().day_of_year()) - 1,
        Part::Hours => i64::from(local.hour()),
        Part::Minutes => i64::from(local.minute()),
        Part::Seconds => i64::from(local.second()),
        Part::Milliseconds => i64::from(local.millisecond()),
    })
}

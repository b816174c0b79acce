//! The form an expression is run in.

use super::matcher::Matcher;
use crate::policy::condition::Zone;

/// A part of an expression.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Number(Number),
    Text(Box<str>),
    Variable(Variable),
    /// The variable of the comprehension around it.
    Item,
    Select(Box<Node>, Box<str>),
    Has(Box<Node>, Box<str>),
    Index(Box<[Node; 2]>),
    Not(Box<Node>),
    Negate(Box<Node>),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    Conditional(Box<[Node; 3]>),
    Compare(Comparison, Box<[Node; 2]>),
    Arithmetic(Operator, Box<[Node; 2]>),
    In(Box<[Node; 2]>),
    List(Box<[Node]>),
    Call(Function, Box<[Node]>),
    Matches(Box<Node>, Box<Matcher>),
    Calendar(Part, Box<Node>, Zone),
    Comprehension(Box<Comprehension>),
}

/// A number: a literal or a count is whole, what an agent sends is a double.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Int(i64),
    Double(f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    AgentId,
    AgentName,
    AgentTeam,
    AgentEnvironment,
    AgentLabels,
    Action,
    Resource,
    Arguments,
    Context,
    SessionId,
    OnBehalfOf,
    Now,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    StartsWith,
    EndsWith,
    Contains,
    LowerAscii,
    UpperAscii,
    String,
    Int,
    Double,
    Timestamp,
}

/// A part of a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    FullYear,
    Month,
    Date,
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

/// Something done with each element of a list, or each key of an object.
#[derive(Clone, Debug)]
pub(super) struct Comprehension {
    pub(super) range: Node,
    pub(super) each: Each,
}

#[derive(Clone, Debug)]
pub(super) enum Each {
    All(Node),
    Exists(Node),
    ExistsOne(Node),
    Filter(Node),
    /// A filter, if any, and what each element becomes.
    Map(Option<Node>, Node),
}

/// Kinds of value, as far as they can be known without a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Scalar,
    Composite,
}

impl Node {
    /// The kind of the node's value; `None` where only a request can say.
    pub(super) fn kind(&self) -> Option<Kind> {
        match self {
            Self::Bool(_)
            | Self::Has(..)
            | Self::Not(_)
            | Self::And(_)
            | Self::Or(_)
            | Self::Compare(..)
            | Self::In(_)
            | Self::Matches(..) => Some(Kind::Bool),
            Self::Null
            | Self::Number(_)
            | Self::Text(_)
            | Self::Negate(_)
            | Self::Arithmetic(..)
            | Self::Calendar(..) => Some(Kind::Scalar),
            Self::Variable(variable) => Some(match variable {
                Variable::AgentLabels | Variable::Arguments | Variable::Context => Kind::Composite,
                Variable::AgentId
                | Variable::AgentName
                | Variable::AgentTeam
                | Variable::AgentEnvironment
                | Variable::Action
                | Variable::Resource
                | Variable::SessionId
                | Variable::OnBehalfOf
                | Variable::Now => Kind::Scalar,
            }),
            Self::List(_) => Some(Kind::Composite),
            // A label is a text; what an agent sends may be anything.
            Self::Select(of, _) => {
                matches!(**of, Self::Variable(Variable::AgentLabels)).then_some(Kind::Scalar)
            }
            Self::Index(of_and_index) => {
                let [of, _] = &**of_and_index;
                matches!(of, Self::Variable(Variable::AgentLabels)).then_some(Kind::Scalar)
            }
            Self::Item => None,
            Self::Conditional(parts) => {
                let [_, one, other] = &**parts;
                match (one.kind(), other.kind()) {
                    (Some(Kind::Bool), Some(Kind::Bool)) => Some(Kind::Bool),
                    (Some(Kind::Composite), _) | (_, Some(Kind::Composite)) => Some(Kind::Composite),
                    (Some(Kind::Scalar), _) | (_, Some(Kind::Scalar)) => Some(Kind::Scalar),
                    (Some(Kind::Bool) | None, None) | (None, Some(Kind::Bool)) => None,
                }
            }
            Self::Call(function, _) => Some(match function {
                Function::StartsWith | Function::EndsWith | Function::Contains => Kind::Bool,
                Function::Size
                | Function::LowerAscii
                | Function::UpperAscii
                | Function::String
                | Function::Int
                | Function::Double
                | Function::Timestamp => Kind::Scalar,
            }),
            Self::Comprehension(comprehension) => Some(match comprehension.each {
                Each::All(_) | Each::Exists(_) | Each::ExistsOne(_) => Kind::Bool,
                Each::Filter(_) | Each::Map(..) => Kind::Composite,
            }),
        }
    }
}

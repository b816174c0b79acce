//! From the `cel` crate's tree to ours; everything that is not on the documented list is refused here.

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators};

use super::matcher::Matcher;
use super::node::{Comparison, Comprehension, Each, Function, Kind, Node, Number, Operator, Part, Variable};
use super::{MAX_DEPTH, MAX_EXPRESSION_BYTES};
use crate::policy::condition::Zone;

/// How deep parentheses, brackets and calls may be nested in the source.
const MAX_PARSER_DEPTH: u16 = 32;
/// `?` in the source: the parser recurses into each conditional without counting it.
const MAX_QUESTION_MARKS: usize = 64;

const VARIABLES: &str =
    "`agent`, `action`, `resource`, `arguments`, `context`, `session_id`, `on_behalf_of`, `now`";
const FUNCTIONS: &str = "`size`, `startsWith`, `endsWith`, `contains`, `matches`, `lowerAscii`, `upperAscii`, \
     `string`, `int`, `double`, `timestamp`, `has`, `all`, `exists`, `exists_one`, `filter`, `map` and the \
     getters of timestamps, such as `getHours`";

type Lowered = Result<Node, String>;

/// Parses and lowers `source`.
pub(super) fn compile(source: &str) -> Lowered {
    if source.trim().is_empty() {
        return Err("is empty".into());
    }
    if source.len() > MAX_EXPRESSION_BYTES {
        return Err(format!("is {} bytes long; at most {MAX_EXPRESSION_BYTES} are accepted", source.len()));
    }
    if source.bytes().filter(|&byte| byte == b'?').count() > MAX_QUESTION_MARKS {
        return Err(format!("has more than {MAX_QUESTION_MARKS} `?`"));
    }
    let parser = cel::parser::PrattParser::new()
        .max_recursion_depth(MAX_PARSER_DEPTH)
        .error_reporting_limit(5)
        .error_recovery_limit(5);
    let tree = parser.parse(source).map_err(|errors| {
        let first = errors.errors.first().map(|error| {
            let text: String = error.msg.chars().take(200).collect();
            format!("is no CEL: {text} (line {}, column {})", error.pos.0.max(1), error.pos.1.max(0) + 1)
        });
        first.unwrap_or_else(|| "is no CEL".into())
    })?;
    let node = Lowering { item: None }.node(&tree, 0)?;
    match node.kind() {
        None | Some(Kind::Bool) => Ok(node),
        Some(Kind::Scalar | Kind::Composite) => Err("is not boolean".into()),
    }
}

struct Lowering {
    /// The variable of the comprehension we are in.
    item: Option<String>,
}

impl Lowering {
    fn node(&mut self, tree: &IdedExpr, depth: usize) -> Lowered {
        if depth > MAX_DEPTH {
            return Err(format!("is nested deeper than {MAX_DEPTH}"));
        }
        match &tree.expr {
            Expr::Literal(literal) => constant(literal),
            Expr::Ident(name) => self.variable(name),
            Expr::Select(select) => self.select(select, depth),
            Expr::Call(call) => self.call(call, depth),
            Expr::List(list) => self.nodes(&list.elements, depth).map(|nodes| Node::List(nodes.into())),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension, depth),
            Expr::Map(_) => Err("has a map literal, which is not supported".into()),
            Expr::Struct(_) => Err("has a message literal, which is not supported".into()),
            Expr::Unspecified => Err("is no CEL".into()),
        }
    }

    fn boxed(&mut self, tree: &IdedExpr, depth: usize) -> Result<Box<Node>, String> {
        self.node(tree, depth + 1).map(Box::new)
    }

    fn nodes(&mut self, trees: &[IdedExpr], depth: usize) -> Result<Vec<Node>, String> {
        trees.iter().map(|tree| self.node(tree, depth + 1)).collect()
    }

    fn pair(&mut self, trees: [&IdedExpr; 2], depth: usize) -> Result<Box<[Node; 2]>, String> {
        let [left, right] = trees;
        Ok(Box::new([self.node(left, depth + 1)?, self.node(right, depth + 1)?]))
    }

    fn variable(&self, name: &str) -> Lowered {
        if self.item.as_deref() == Some(name) {
            return Ok(Node::Item);
        }
        match global(name) {
            Some(Global::Is(variable)) => Ok(Node::Variable(variable)),
            Some(Global::Agent) => Err("`agent` has no value of its own; name a field of it".into()),
            None => Err(format!("`{}` is unknown; known are {VARIABLES}", shown(name))),
        }
    }

    fn select(&mut self, select: &SelectExpr, depth: usize) -> Lowered {
        let is_agent = matches!(&select.operand.expr, Expr::Ident(name) if name == "agent");
        if is_agent && self.item.as_deref() != Some("agent") {
            let variable = match select.field.as_str() {
                "id" => Variable::AgentId,
                "name" => Variable::AgentName,
                "team" => Variable::AgentTeam,
                "environment" => Variable::AgentEnvironment,
                "labels" => Variable::AgentLabels,
                other => {
                    return Err(format!(
                        "`agent.{}` is unknown; known are `id`, `name`, `team`, `environment`, `labels`",
                        shown(other)
                    ));
                }
            };
            return Ok(if select.test { Node::Bool(true) } else { Node::Variable(variable) });
        }
        let of = self.boxed(&select.operand, depth)?;
        let field = select.field.as_str().into();
        Ok(if select.test { Node::Has(of, field) } else { Node::Select(of, field) })
    }

    fn call(&mut self, call: &CallExpr, depth: usize) -> Lowered {
        let mut operands: Vec<&IdedExpr> = call.target.as_deref().into_iter().collect();
        let has_target = !operands.is_empty();
        operands.extend(&call.args);
        let name = call.func_name.as_str();
        if !has_target && let Some(node) = self.operator(name, &operands, depth)? {
            return Ok(node);
        }
        if let Some(part) = part(name)
            && let [of, zone @ ..] = operands.as_slice()
            && has_target
        {
            let zone = match zone {
                [] => Zone::UTC,
                [zone] => Zone::named(
                    literal_text(zone).ok_or_else(|| format!("`{name}` wants a time zone as a literal"))?,
                )?,
                _ => return Err(format!("`{name}` takes one time zone at most")),
            };
            return Ok(Node::Calendar(part, self.boxed(of, depth)?, zone));
        }
        if name == "matches" {
            let [text, pattern] = operands.as_slice() else {
                return Err("`matches` takes a text and a regular expression".into());
            };
            let pattern = literal_text(pattern)
                .ok_or("`matches` wants its regular expression as a literal, so that it is compiled once")?;
            return Ok(Node::Matches(self.boxed(text, depth)?, Box::new(Matcher::compile(pattern)?)));
        }
        let (function, arity, style) = function(name)
            .ok_or_else(|| format!("`{}` is no known function; known are {FUNCTIONS}", shown(name)))?;
        let fits = match style {
            Style::Method => has_target,
            Style::Global => !has_target,
            Style::Either => true,
        };
        if !fits || operands.len() != arity {
            let form = match (style, arity) {
                (Style::Method, 1) => format!("x.{name}()"),
                (Style::Method, _) => format!("x.{name}(y)"),
                (Style::Global | Style::Either, _) => format!("{name}(x)"),
            };
            return Err(format!("`{name}` is written `{form}`"));
        }
        let operands: Result<Vec<Node>, String> =
            operands.into_iter().map(|operand| self.node(operand, depth + 1)).collect();
        Ok(Node::Call(function, operands?.into()))
    }

    fn operator(&mut self, name: &str, operands: &[&IdedExpr], depth: usize) -> Result<Option<Node>, String> {
        let node = match *operands {
            [of] => match name {
                operators::LOGICAL_NOT => Node::Not(self.boxed(of, depth)?),
                operators::NEGATE => Node::Negate(self.boxed(of, depth)?),
                _ => return Ok(None),
            },
            [condition, yes, no] if name == operators::CONDITIONAL => Node::Conditional(Box::new([
                self.node(condition, depth + 1)?,
                self.node(yes, depth + 1)?,
                self.node(no, depth + 1)?,
            ])),
            [left, right] => {
                let both = [left, right];
                let compare = |comparison| move |pair| Node::Compare(comparison, pair);
                let compute = |operator| move |pair| Node::Arithmetic(operator, pair);
                match name {
                    operators::LOGICAL_AND => Node::And(self.pair(both, depth)?),
                    operators::LOGICAL_OR => Node::Or(self.pair(both, depth)?),
                    operators::IN => Node::In(self.pair(both, depth)?),
                    operators::INDEX => Node::Index(self.pair(both, depth)?),
                    operators::EQUALS => self.pair(both, depth).map(compare(Comparison::Equal))?,
                    operators::NOT_EQUALS => self.pair(both, depth).map(compare(Comparison::NotEqual))?,
                    operators::LESS => self.pair(both, depth).map(compare(Comparison::Less))?,
                    operators::LESS_EQUALS => self.pair(both, depth).map(compare(Comparison::LessOrEqual))?,
                    operators::GREATER => self.pair(both, depth).map(compare(Comparison::Greater))?,
                    operators::GREATER_EQUALS => {
                        self.pair(both, depth).map(compare(Comparison::GreaterOrEqual))?
                    }
                    operators::ADD => self.pair(both, depth).map(compute(Operator::Add))?,
                    operators::SUBSTRACT => self.pair(both, depth).map(compute(Operator::Subtract))?,
                    operators::MULTIPLY => self.pair(both, depth).map(compute(Operator::Multiply))?,
                    operators::DIVIDE => self.pair(both, depth).map(compute(Operator::Divide))?,
                    operators::MODULO => self.pair(both, depth).map(compute(Operator::Remainder))?,
                    _ => return Ok(None),
                }
            }
            _ => return Ok(None),
        };
        Ok(Some(node))
    }

    /// The parser has written out the macros; the shapes it writes are told apart by what they begin with.
    fn comprehension(&mut self, written: &ComprehensionExpr, depth: usize) -> Lowered {
        if self.item.is_some() {
            return Err("has a comprehension within another, which is not supported".into());
        }
        if global(&written.iter_var).is_some() {
            return Err(format!("`{}` cannot be the name of an element", written.iter_var));
        }
        let range = self.node(&written.iter_range, depth + 1)?;
        self.item = Some(written.iter_var.clone());
        let each = self.each(written, depth + 1);
        self.item = None;
        Ok(Node::Comprehension(Box::new(Comprehension { range, each: each? })))
    }

    fn each(&mut self, written: &ComprehensionExpr, depth: usize) -> Result<Each, String> {
        const UNKNOWN: &str = "has a comprehension of an unknown form";
        let Expr::Call(step) = &written.loop_step.expr else { return Err(UNKNOWN.into()) };
        match (&written.accu_init.expr, step.func_name.as_str(), step.args.as_slice()) {
            (Expr::Literal(LiteralValue::Boolean(_)), operators::LOGICAL_AND, [_, test]) => {
                self.test(test, depth).map(Each::All)
            }
            (Expr::Literal(LiteralValue::Boolean(_)), operators::LOGICAL_OR, [_, test]) => {
                self.test(test, depth).map(Each::Exists)
            }
            (Expr::Literal(LiteralValue::Int(_)), operators::CONDITIONAL, [test, ..]) => {
                self.test(test, depth).map(Each::ExistsOne)
            }
            (Expr::List(_), operators::ADD, [_, made]) => Ok(Each::Map(None, self.body(made, depth)?)),
            (Expr::List(_), operators::CONDITIONAL, [test, added, _]) => {
                let test = self.test(test, depth)?;
                let Expr::Call(added) = &added.expr else { return Err(UNKNOWN.into()) };
                let [_, made] = added.args.as_slice() else { return Err(UNKNOWN.into()) };
                let is_item = matches!(&made.expr, Expr::List(list)
                    if matches!(list.elements.as_slice(),
                        [IdedExpr { expr: Expr::Ident(name), .. }] if *name == written.iter_var));
                if is_item {
                    return Ok(Each::Filter(test));
                }
                Ok(Each::Map(Some(test), self.body(made, depth)?))
            }
            _ => Err(UNKNOWN.into()),
        }
    }

    fn test(&mut self, test: &IdedExpr, depth: usize) -> Lowered {
        let node = self.node(test, depth)?;
        match node.kind() {
            None | Some(Kind::Bool) => Ok(node),
            Some(Kind::Scalar | Kind::Composite) => {
                Err("has a comprehension whose test is not boolean".into())
            }
        }
    }

    /// What a `map` makes of an element: the only element of the list that the parser wrote.
    fn body(&mut self, made: &IdedExpr, depth: usize) -> Lowered {
        const MESSAGE: &str = "has a `map` whose body is no scalar, which is not supported";
        let Expr::List(list) = &made.expr else { return Err(MESSAGE.into()) };
        let [body] = list.elements.as_slice() else { return Err(MESSAGE.into()) };
        let node = self.node(body, depth)?;
        if node.kind() == Some(Kind::Composite) { Err(MESSAGE.into()) } else { Ok(node) }
    }
}

enum Global {
    Agent,
    Is(Variable),
}

fn global(name: &str) -> Option<Global> {
    let variable = match name {
        "agent" => return Some(Global::Agent),
        "action" => Variable::Action,
        "resource" => Variable::Resource,
        "arguments" => Variable::Arguments,
        "context" => Variable::Context,
        "session_id" => Variable::SessionId,
        "on_behalf_of" => Variable::OnBehalfOf,
        "now" => Variable::Now,
        _ => return None,
    };
    Some(Global::Is(variable))
}

#[derive(Clone, Copy)]
enum Style {
    Method,
    Global,
    Either,
}

fn function(name: &str) -> Option<(Function, usize, Style)> {
    Some(match name {
        "size" => (Function::Size, 1, Style::Either),
        "startsWith" => (Function::StartsWith, 2, Style::Method),
        "endsWith" => (Function::EndsWith, 2, Style::Method),
        "contains" => (Function::Contains, 2, Style::Method),
        "lowerAscii" => (Function::LowerAscii, 1, Style::Method),
        "upperAscii" => (Function::UpperAscii, 1, Style::Method),
        "string" => (Function::String, 1, Style::Global),
        "int" => (Function::Int, 1, Style::Global),
        "double" => (Function::Double, 1, Style::Global),
        "timestamp" => (Function::Timestamp, 1, Style::Global),
        _ => return None,
    })
}

fn part(name: &str) -> Option<Part> {
    Some(match name {
        "getFullYear" => Part::FullYear,
        "getMonth" => Part::Month,
        "getDate" => Part::Date,
        "getDayOfMonth" => Part::DayOfMonth,
        "getDayOfWeek" => Part::DayOfWeek,
        "getDayOfYear" => Part::DayOfYear,
        "getHours" => Part::Hours,
        "getMinutes" => Part::Minutes,
        "getSeconds" => Part::Seconds,
        "getMilliseconds" => Part::Milliseconds,
        _ => return None,
    })
}

fn constant(literal: &LiteralValue) -> Lowered {
    match literal {
        LiteralValue::Null => Ok(Node::Null),
        LiteralValue::Boolean(value) => Ok(Node::Bool(*value.inner())),
        LiteralValue::Int(value) => Ok(Node::Number(Number::Int(*value.inner()))),
        LiteralValue::UInt(value) => i64::try_from(*value.inner())
            .map(|value| Node::Number(Number::Int(value)))
            .map_err(|_| "has an integer above 9223372036854775807".into()),
        LiteralValue::Double(value) if value.inner().is_finite() => {
            Ok(Node::Number(Number::Double(*value.inner())))
        }
        LiteralValue::Double(_) => Err("has a number that is not finite".into()),
        LiteralValue::String(value) => Ok(Node::Text(value.inner().into())),
        LiteralValue::Bytes(_) => Err("has a literal of bytes, which is not supported".into()),
    }
}

fn literal_text(tree: &IdedExpr) -> Option<&str> {
    match &tree.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        Expr::Literal(_)
        | Expr::Unspecified
        | Expr::Call(_)
        | Expr::Comprehension(_)
        | Expr::Ident(_)
        | Expr::List(_)
        | Expr::Map(_)
        | Expr::Select(_)
        | Expr::Struct(_) => None,
    }
}

fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

//! The HTTP forms of the contract's calls, read from their `google.api.http` annotations.

use std::sync::Arc;

use http::{Method, Uri};
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor,
};

use super::super::route::Route;
use super::template::Template;

/// The package of the contract.
const PACKAGE: &str = "agentguard.v1";

/// A call of the contract.
#[derive(Clone, Debug)]
pub(in crate::server) struct Rpc {
    /// The service's name, without its package.
    pub(in crate::server) service: String,
    /// Its own name.
    pub(in crate::server) name: String,
    /// Its path on gRPC.
    pub(in crate::server) path: Uri,
    /// The service behind.
    pub(in crate::server) route: Route,
    pub(in crate::server) input: MessageDescriptor,
    pub(in crate::server) output: MessageDescriptor,
    /// Whether its answer is a stream.
    pub(in crate::server) answers_stream: bool,
}

/// One HTTP form of a call.
#[derive(Clone, Debug)]
pub(in crate::server) struct Binding {
    pub(in crate::server) rpc: Arc<Rpc>,
    pub(in crate::server) method: Method,
    pub(in crate::server) template: Template,
    /// The fields that the template's places are for, each by its steps from the request.
    pub(in crate::server) places: Vec<Vec<FieldDescriptor>>,
    pub(in crate::server) body: Taken,
}

/// What a request's body is.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::server) enum Taken {
    /// Not looked at.
    Nothing,
    /// The whole request.
    Whole,
    /// One field of it.
    Field(FieldDescriptor),
}

/// An annotation that cannot be served; a fault of this build.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the annotation of `{rpc}` cannot be served: {fault}")]
pub(in crate::server) struct Unusable {
    rpc: String,
    fault: String,
}

/// Every HTTP form there is, in the order of the contract.
pub(in crate::server) fn bindings(contract: &DescriptorPool) -> Result<Vec<Binding>, Unusable> {
    let mut found = Vec::new();
    for rpc in rpcs(contract) {
        let (rpc, method) = rpc?;
        let Some(rule) = annotation(contract, &method) else { continue };
        let rpc = Arc::new(rpc);
        let more = rule.get_field_by_name("additional_bindings").map(|more| more.into_owned());
        let more = more.as_ref().and_then(|more| more.as_list()).unwrap_or_default();
        let rules = std::iter::once(&rule).chain(more.iter().filter_map(|rule| rule.as_message()));
        for rule in rules {
            let unusable = |fault: &str| Unusable { rpc: rpc.name.clone(), fault: fault.to_owned() };
            found.push(binding(&rpc, rule).map_err(unusable)?);
        }
    }
    Ok(found)
}

/// Every call of the contract.
pub(in crate::server) fn rpcs(
    contract: &DescriptorPool,
) -> impl Iterator<Item = Result<(Rpc, MethodDescriptor), Unusable>> {
    let services: Vec<_> = contract.services().filter(|service| service.package_name() == PACKAGE).collect();
    services.into_iter().flat_map(|service| {
        let methods: Vec<_> = service.methods().collect();
        methods.into_iter().map(move |method| {
            let (name, full_name) = (method.name().to_owned(), service.full_name());
            let unusable = |fault: &str| Unusable { rpc: name.clone(), fault: fault.to_owned() };
            let route = Route::of_service(full_name).ok_or_else(|| unusable("nothing serves it"))?;
            let path = format!("/{full_name}/{name}").parse().map_err(|_| unusable("its name is no path"))?;
            let rpc = Rpc {
                service: service.name().to_owned(),
                path,
                route,
                input: method.input(),
                output: method.output(),
                answers_stream: method.is_server_streaming(),
                name: name.clone(),
            };
            Ok((rpc, method))
        })
    })
}

fn annotation(contract: &DescriptorPool, method: &MethodDescriptor) -> Option<DynamicMessage> {
    let http = contract.get_extension_by_name("google.api.http")?;
    let options = method.options();
    if !options.has_extension(&http) {
        return None;
    }
    options.get_extension(&http).as_message().cloned()
}

fn binding(rpc: &Arc<Rpc>, rule: &DynamicMessage) -> Result<Binding, &'static str> {
    let text = |name: &str| {
        rule.get_field_by_name(name).and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
    };
    let verbs = [
        ("get", Method::GET),
        ("put", Method::PUT),
        ("post", Method::POST),
        ("delete", Method::DELETE),
        ("patch", Method::PATCH),
    ];
    let found =
        verbs.into_iter().map(|(name, method)| (text(name), method)).find(|(path, _)| !path.is_empty());
    let Some((path, method)) = found else { return Err("it has no method of HTTP") };
    let template = Template::parse(&path).ok_or("its path has a form that is not served")?;
    let places = template
        .fields()
        .map(|field| steps(&rpc.input, field).ok_or("its path names no field of the request"))
        .collect::<Result<Vec<_>, _>>()?;
    let body = match text("body").as_str() {
        "" => Taken::Nothing,
        "*" => Taken::Whole,
        name => {
            let field = rpc.input.get_field_by_name(name).ok_or("its body is no field of the request")?;
            if field.kind().as_message().is_none() || field.is_list() || field.is_map() {
                return Err("its body is no message");
            }
            Taken::Field(field)
        }
    };
    if !text("response_body").is_empty() {
        return Err("a part of an answer is not served");
    }
    Ok(Binding { rpc: Arc::clone(rpc), method, template, places, body })
}

/// The fields on the way to `path`, such as `scope.team`; `None` if there is no such field, or a list on the way.
pub(in crate::server) fn steps(message: &MessageDescriptor, path: &str) -> Option<Vec<FieldDescriptor>> {
    let mut steps = Vec::new();
    let mut message = Some(message.clone());
    for name in path.split('.') {
        let here = message.take()?;
        let field = here.get_field_by_name(name).or_else(|| here.get_field_by_json_name(name))?;
        if let (Kind::Message(inner), false) = (field.kind(), field.is_list() || field.is_map()) {
            message = Some(inner);
        }
        steps.push(field);
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::json::contract;

    #[test]
    fn every_call_has_an_http_form_but_the_stream_of_checks() {
        let contract = contract().unwrap();
        let bindings = bindings(&contract).unwrap();
        for rpc in rpcs(&contract) {
            let (rpc, _) = rpc.unwrap();
            let forms = bindings.iter().filter(|binding| binding.rpc.name == rpc.name).count();
            assert_eq!(forms == 0, rpc.name == "EnforceStream", "{}", rpc.name);
        }
    }

    #[test]
    fn every_form_is_under_v1_and_bodies_come_only_where_methods_take_them() {
        for binding in bindings(&contract().unwrap()).unwrap() {
            let path = binding.template.text();
            assert!(path.starts_with("/v1/"), "{path}");
            let takes = binding.body != Taken::Nothing;
            let may = [Method::POST, Method::PUT, Method::PATCH].contains(&binding.method);
            assert_eq!(takes, may, "{} {path}", binding.method);
        }
    }

    /// An error that ends a stream is its last line; no answer may look like one.
    #[test]
    fn no_streamed_answer_has_a_field_named_error() {
        for rpc in rpcs(&contract().unwrap()) {
            let (rpc, _) = rpc.unwrap();
            let looks = rpc.output.get_field_by_name("error").is_some();
            assert!(!rpc.answers_stream || !looks || rpc.name == "EnforceStream", "{}", rpc.name);
        }
    }

    #[test]
    fn fields_are_found_by_their_path() {
        let contract = contract().unwrap();
        let message = |name: &str| contract.get_message_by_name(&format!("{PACKAGE}.{name}")).unwrap();
        let names = |name: &str, path: &str| {
            steps(&message(name), path)
                .map(|steps| steps.iter().map(|field| field.name().to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(names("GetPolicyRequest", "scope.agentId").unwrap(), ["scope", "agent_id"]);
        assert_eq!(names("BatchEnforceRequest", "checks.action"), None);
        assert_eq!(names("GetPolicyRequest", "scope.x"), None);
        assert_eq!(names("GetPolicyRequest", "version.x"), None);
    }
}

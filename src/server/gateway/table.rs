//! Every path of the HTTP face, and what answers there.

use std::sync::Arc;

use http::Method;
use prost_reflect::DescriptorPool;

use super::super::route::{NoRoute, Page, Route};
use super::annotations::{self, Binding, Unusable};
use super::python;
use super::template::{Template, Values};
use crate::service::Error;

/// Letters of an unknown path that are shown.
const SHOWN: usize = 64;

/// The paths.
#[derive(Debug)]
pub(in crate::server) struct Table {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    method: Method,
    template: Template,
    target: Target,
}

/// What answers at a path.
#[derive(Clone, Debug)]
pub(in crate::server) enum Target {
    /// A call of the contract, in its JSON form.
    Rpc(Arc<Binding>),
    /// A page as callers of the Python AgentGuard know it.
    Python(python::Page),
    /// A page of its own.
    Page(Page),
}

impl Target {
    /// The route behind it.
    pub(in crate::server) fn route(&self) -> Route {
        match self {
            Self::Rpc(binding) => binding.rpc.route,
            Self::Python(page) => Route::Python(*page),
            Self::Page(page) => Route::Http(*page),
        }
    }
}

impl Table {
    /// The paths that the contract's annotations name, and those that have no call of their own.
    pub(in crate::server) fn new(contract: &DescriptorPool) -> Result<Self, Unusable> {
        let mut entries = Vec::new();
        let own = |entries: &mut Vec<Entry>, method: &Method, path: &str, target: Target| {
            if let Some(template) = Template::parse(path) {
                entries.push(Entry { method: method.clone(), template, target });
            }
        };
        for page in Page::ALL {
            own(&mut entries, &Method::GET, page.path(), Target::Page(page));
        }
        for page in python::Page::ALL {
            let (method, path) = page.place();
            own(&mut entries, &method, path, Target::Python(page));
        }
        for binding in annotations::bindings(contract)? {
            let (method, template) = (binding.method.clone(), binding.template.clone());
            entries.push(Entry { method, template, target: Target::Rpc(Arc::new(binding)) });
        }
        Ok(Self { entries })
    }

    /// What answers `method` at `path`, of that which `is_open` here, with the values in the path. HEAD is answered as
    /// GET.
    pub(in crate::server) fn find(
        &self,
        method: &Method,
        path: &str,
        is_open: impl Fn(Route) -> bool,
    ) -> Result<(&Target, Values), NoRoute> {
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        let mut allow: Vec<&str> = Vec::new();
        for entry in self.entries.iter().filter(|entry| is_open(entry.target.route())) {
            let Some(values) = entry.template.values(path) else { continue };
            if entry.method == wanted {
                let garbled = Error::Malformed("its path is no percent-encoded UTF-8");
                return Ok((&entry.target, values.map_err(|_| garbled)?));
            }
            allow.push(entry.method.as_str());
            if entry.method == Method::GET {
                allow.push("HEAD");
            }
        }
        if allow.is_empty() {
            return Err(Error::NotFound { what: "path", id: path.chars().take(SHOWN).collect() }.into());
        }
        Err(NoRoute { error: Error::MethodNotAllowed, allow: Some(allow.join(", ")) })
    }

    /// The paths, with names in place of the values in them.
    pub(in crate::server) fn templates(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.template.text())
    }

    /// The HTTP forms of the contract's calls.
    pub(in crate::server) fn bindings(&self) -> impl Iterator<Item = &Binding> {
        self.entries.iter().filter_map(|entry| match &entry.target {
            Target::Rpc(binding) => Some(binding.as_ref()),
            Target::Python(_) | Target::Page(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::json::contract;

    #[test]
    fn every_path_leads_to_one_place() {
        let table = Table::new(&contract().unwrap()).unwrap();
        assert_eq!(
            table.entries.len(),
            Page::ALL.len() + python::Page::ALL.len() + table.bindings().count(),
            "a path of ours is no template"
        );
        for (index, entry) in table.entries.iter().enumerate() {
            let path: String = entry
                .template
                .text()
                .split_inclusive(['{', '}'])
                .map(|part| part.replace(['{', '}'], "x"))
                .collect();
            let hit = |other: &&Entry| other.method == entry.method && other.template.values(&path).is_some();
            let hits: Vec<_> = table.entries.iter().filter(hit).map(|other| other.template.text()).collect();
            assert_eq!(hits, [entry.template.text()], "{index} {path}");
        }
    }

    #[test]
    fn a_method_that_a_path_does_not_take_is_told_those_that_it_does() {
        let table = Table::new(&contract().unwrap()).unwrap();
        let find = |method: Method, path: &str| table.find(&method, path, |_| true);
        let none = find(Method::PUT, "/v1/agents/agt_x").unwrap_err();
        assert_eq!(none.allow.as_deref(), Some("GET, HEAD, PATCH, DELETE"));
        assert!(find(Method::GET, "/v1/nothing").unwrap_err().allow.is_none());
        assert!(find(Method::HEAD, "/v1/agents").is_ok());
        let (_, values) = find(Method::GET, "/v1/policies/team/a%2Fb").unwrap();
        assert_eq!(values, ["a/b"]);
        let garbled = find(Method::GET, "/v1/agents/%ff").unwrap_err();
        assert!(matches!(garbled.error, Error::Malformed(_)));
        // What is not open is not there.
        assert!(
            table
                .find(&Method::GET, "/v1/agents", |route| route != Route::Admin)
                .unwrap_err()
                .allow
                .is_none()
        );
    }
}

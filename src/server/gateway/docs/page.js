"use strict";
const byId = (id) => document.getElementById(id);
const made = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};

// What a schema refers to, at its end.
const resolved = (description, schema) => {
  let here = schema || {};
  for (let hops = 0; here.$ref && hops < 9; hops += 1) {
    here = here.$ref.split("/").slice(1).reduce((inner, name) => inner[name], description);
  }
  return here;
};

// Something to begin with: what is required, with a place for each value.
const example = (description, schema, depth = 0) => {
  const found = resolved(description, schema);
  if (found.enum) return found.enum[found.enum.length > 1 && /_UNSPECIFIED$/.test(found.enum[0]) ? 1 : 0];
  switch (Array.isArray(found.type) ? found.type[0] : found.type) {
    case "object": {
      const members = {};
      if (depth > 4) return members;
      for (const name of found.required || []) {
        members[name] = example(description, (found.properties || {})[name], depth + 1);
      }
      return members;
    }
    case "array": return depth > 3 ? [] : [example(description, found.items, depth + 1)];
    case "boolean": return false;
    case "integer": case "number": return 0;
    default: return found.format === "date-time" ? new Date().toISOString() : "";
  }
};

// The key that an operation wants: an admin's if it takes one and there is one.
const key = (operation) => {
  const wants = new Set((operation.security || []).flatMap((choice) => Object.keys(choice)));
  const [admin, agent] = [byId("admin-key").value.trim(), byId("agent-key").value.trim()];
  if (wants.has("adminKey") && (admin || !wants.has("agentKey"))) return admin ? { "x-admin-key": admin } : {};
  return wants.has("agentKey") && agent ? { "x-agent-key": agent } : {};
};

const send = async (call, inputs, body, output) => {
  let path = call.path;
  const query = new URLSearchParams();
  for (const { parameter, input } of inputs) {
    if (parameter.in === "path") path = path.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (input.value !== "") query.append(parameter.name, input.value);
  }
  const headers = key(call.operation);
  if (body) headers["content-type"] = "application/json";
  const address = query.size ? `${path}?${query}` : path;
  output.textContent = "…";
  const stop = new AbortController();
  let text = "";
  try {
    const answer = await fetch(address, {
      method: call.method.toUpperCase(), headers, body: body ? body.value : undefined, signal: stop.signal, credentials: "same-origin",
    });
    const lines = [`${answer.status} ${answer.statusText}`];
    for (const [name, value] of answer.headers) lines.push(`${name}: ${value}`);
    const head = `${lines.join("\n")}\n\n`;
    // A stream may have no end; what comes within two seconds is shown.
    const timer = setTimeout(() => stop.abort(), /ndjson/.test(answer.headers.get("content-type") || "") ? 2000 : 60000);
    const reader = answer.body ? answer.body.pipeThrough(new TextDecoderStream()).getReader() : null;
    try {
      for (let part = reader && await reader.read(); part && !part.done; part = await reader.read()) {
        text += part.value;
        output.textContent = head + text;
      }
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    }
    clearTimeout(timer);
    try { text = JSON.stringify(JSON.parse(text), null, 2); } catch { /* shown as it is */ }
    output.textContent = head + text;
  } catch (error) {
    output.textContent = `The call failed: ${error.message}`;
  }
};

const opened = (description, call, details) => {
  const { operation } = call;
  const id = operation.operationId;
  const output = made("pre", { id: `${id}-answer`, "aria-live": "polite", "aria-label": "Answer", tabindex: "0" });
  const form = made("form", { id: `${id}-form` });
  const inputs = (operation.parameters || []).map((parameter) => {
    const name = `${id}-${parameter.name}`;
    const input = made("input", { id: name, spellcheck: "false" });
    if (parameter.required) input.required = true;
    const mark = parameter.required ? `${parameter.name} (required, ${parameter.in})` : `${parameter.name} (${parameter.in})`;
    form.append(made("label", { for: name }, mark, made("small", {}, parameter.description || ""), input));
    return { parameter, input };
  });
  let body = null;
  const content = operation.requestBody && operation.requestBody.content["application/json"];
  if (content) {
    body = made("textarea", { id: `${id}-body`, spellcheck: "false" });
    body.value = JSON.stringify(example(description, content.schema), null, 2);
    form.append(made("label", { for: `${id}-body` }, "Body (JSON)", body));
  }
  form.append(made("button", { type: "submit", id: `${id}-send` }, "Send"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(call, inputs, body, output);
  });
  for (const part of (operation.description || "").split("\n\n")) if (part) details.append(made("p", {}, part));
  details.append(form, output);
};

const show = (description) => {
  const calls = byId("calls");
  const groups = new Map((description.tags || []).map((tag) => [tag.name, { tag, list: [] }]));
  for (const [path, methods] of Object.entries(description.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const group = groups.get((operation.tags || [])[0]);
      if (group) group.list.push({ path, method, operation });
    }
  }
  for (const { tag, list } of groups.values()) {
    calls.append(made("h2", {}, tag.name), made("p", {}, tag.description || ""));
    for (const call of list) {
      const details = made("details", { id: call.operation.operationId });
      details.append(made("summary", {},
        made("span", { class: "method" }, call.method.toUpperCase()), " ",
        made("code", {}, call.path), ` — ${call.operation.summary || ""}`));
      details.addEventListener("toggle", () => opened(description, call, details), { once: true });
      calls.append(details);
    }
  }
  byId("about").prepend(`${description.info.summary || ""} Version ${description.info.version}. `);
  calls.removeAttribute("aria-busy");
};

byId("keys").addEventListener("submit", (event) => event.preventDefault());
fetch("/openapi.json")
  .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(answer.statusText))))
  .then(show)
  .catch((error) => { byId("problem").textContent = `The description could not be loaded: ${error.message}`; });

// Shows /openapi.json as a page. Everything is put in as text nodes, so nothing in the document can become markup.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// Follows $ref, but not twice into the same schema: the document may be recursive.
function resolve(document_, schema, seen = []) {
  if (Array.isArray(schema)) return schema.map((item) => resolve(document_, item, seen));
  if (schema === null || typeof schema !== "object") return schema;
  if (typeof schema.$ref === "string") {
    if (seen.includes(schema.$ref)) return { $ref: schema.$ref };
    const parts = schema.$ref.replace(/^#\//, "").split("/");
    const target = parts.reduce((at, part) => (at ? at[part.replace(/~1/g, "/").replace(/~0/g, "~")] : undefined), document_);
    return resolve(document_, target, [...seen, schema.$ref]);
  }
  return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, resolve(document_, value, seen)]));
}

function operations(document_) {
  return Object.entries(document_.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({ path, method, ...item[method] })));
}

function schemaBlock(document_, title, content) {
  const schema = content && content["application/json"] && content["application/json"].schema;
  if (!schema) return null;
  const block = element("details", {}, element("summary", {}, title));
  // Filled when opened: the schemas of routes and services are long.
  block.addEventListener("toggle", () => {
    if (block.open && block.children.length === 1) {
      block.append(element("pre", {}, JSON.stringify(resolve(document_, schema), null, 2)));
    }
  });
  return block;
}

function parameterTable(document_, parameters) {
  if (!parameters || parameters.length === 0) return null;
  const rows = parameters.map((parameter) => resolve(document_, parameter)).map((parameter) => element("tr", {},
    element("td", {}, element("code", {}, parameter.name)),
    element("td", {}, parameter.in + (parameter.required ? ", required" : "")),
    element("td", {}, parameter.description || "")));
  return element("table", {}, ...rows);
}

function article(document_, operation) {
  const answers = Object.entries(operation.responses || {}).map(([status, response]) => {
    const answer = resolve(document_, { description: response.description, $ref: undefined });
    return schemaBlock(document_, `${status} ${answer.description || ""}`, response.content)
      || element("div", {}, `${status} ${answer.description || ""}`);
  });
  return element("article", { id: operation.method + operation.path },
    element("h3", {}, element("span", { class: `method ${operation.method}` }, operation.method.toUpperCase()), operation.path),
    element("p", {}, [operation.summary, operation.description].filter(Boolean).join("\n")),
    parameterTable(document_, operation.parameters),
    operation.requestBody ? schemaBlock(document_, "Body", operation.requestBody.content) : null,
    ...answers);
}

function show(document_, words) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const text = (operation) => [operation.method, operation.path, operation.summary, operation.description].join(" ").toLowerCase();
  const found = operations(document_).filter((operation) => wanted.every((word) => text(operation).includes(word)));
  const groups = new Map();
  for (const operation of found) {
    const tag = (operation.tags && operation.tags[0]) || "other";
    groups.set(tag, [...(groups.get(tag) || []), operation]);
  }
  const contents = [...groups].map(([tag, members]) => element("section", {}, element("h2", {}, tag), ...members.map((operation) =>
    element("a", { href: `#${operation.method}${operation.path}` },
      element("span", { class: `method ${operation.method}` }, operation.method.toUpperCase()), operation.path))));
  document.getElementById("contents").replaceChildren(...contents);
  const articles = [...groups.values()].flat().map((operation) => article(document_, operation));
  document.getElementById("endpoints").replaceChildren(...(articles.length ? articles : [element("p", {}, "Nothing found.")]));
}

async function start() {
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error(`/openapi.json answered ${answer.status}`);
  const document_ = await answer.json();
  document.getElementById("about").textContent = document_.info.description || "";
  const search = document.getElementById("search");
  search.addEventListener("input", () => show(document_, search.value));
  show(document_, "");
}

start().catch((error) => { document.getElementById("endpoints").textContent = String(error); });
